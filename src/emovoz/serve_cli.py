"""The verb `serve`."""

import os
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from socket import socket
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from emovoz.transcription import Transcriber

KEY = "EMOVOZ_API_KEY"


def serve(
    model: Annotated[str, typer.Argument(help="Model folder or hub id.")],
    host: Annotated[
        str, typer.Option(help="Address to listen at; by default only this machine can ask.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0: any that is free.", min=0, max=65535)] = 8000,
    max_seconds: Annotated[float, typer.Option(help="Of audio in a request.")] = 300.0,
    max_mb: Annotated[float, typer.Option(help="Megabytes of a request.")] = 50.0,
    max_waiting: Annotated[int, typer.Option(help="Clips that may wait; more are told to try again.")] = 64,
    timeout: Annotated[float, typer.Option(help="Seconds that a request may wait for its answer.")] = 120.0,
    asr: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Recogniser of words for requests that ask for it; whisper-base, where the extra asr is installed.",
        ),
    ] = None,
    language: Annotated[
        str | None,
        typer.Option(metavar="CODE", help="Spoken in all recordings, such as es; detected in each otherwise."),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Name under which it may be asked, such as that of a proxy; repeatable."),
    ] = None,
    page: Annotated[bool, typer.Option(help="The web page beside the API.")] = True,
) -> None:
    """HTTP API and web page (docs/serving.md); a key in the variable EMOVOZ_API_KEY is wanted of all who ask."""
    from emovoz.progress import say
    from emovoz.serve.address import bound, is_loopback

    settings = {
        "max_seconds": max_seconds,
        "max_mb": max_mb,
        "max_waiting": max_waiting,
        "timeout": timeout,
        "hosts": tuple(map(_host_name, (host, *(allow_host or ())))),
        "api_key": os.environ.get(KEY) or None,
    }
    with bound(host, port) as listening:
        if not is_loopback(host) and settings["api_key"] is None:
            say(f"anybody who reaches {host} can use this service: set {KEY}, or let a proxy ask who they are")
        _run(listening, model, settings, partial(_transcriber, asr, language), page)


def _host_name(name: str) -> str:
    """A name as it is compared, without the port."""
    from emovoz import InputError

    if "/" in name:
        raise InputError(f"--allow-host {name}: a name alone, such as emotions.example.org")
    return name.lower().partition(":")[0] if name.count(":") == 1 else name.lower()


def _run(
    listening: socket,
    model: str,
    settings: dict[str, Any],
    transcriber: "Callable[[], Transcriber | None]",
    page: bool,
) -> None:
    from emovoz.errors import InputError

    try:
        from emovoz.serve.app import make_app
        from emovoz.serve.page import mount
        from emovoz.serve.run import run
        from emovoz.serve.settings import ServeSettings
    except ModuleNotFoundError as error:
        raise InputError(f"emovoz serve needs {error.name}: pip install 'emovoz[serve]'") from error
    from emovoz import Recognizer

    limits = ServeSettings(**settings)
    app = make_app(Recognizer.from_pretrained(model), limits, transcriber())
    if page:
        mount(app, app.state.service)
    run(app, listening)


def _transcriber(name: str | None, language: str | None) -> "Transcriber | None":
    """The one asked for; where none is, the usual one if it is here."""
    from emovoz import InputError
    from emovoz.progress import say
    from emovoz.transcription import Transcriber

    if name is None and language is None and find_spec("faster_whisper") is None:
        return None
    try:
        return Transcriber.load(name or "whisper-base", language)
    except InputError as error:
        if name is not None or language is not None:
            raise
        say(f"no words will be recognised: {error}")
        return None
