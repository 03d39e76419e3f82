"""What a request asks for: clips to judge, from a form or a bare body, and how."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from emovoz.serve.refusal import RequestError
from emovoz.serve.service import Upload
from emovoz.serve.settings import ServeSettings

OPTIONS = ("timeline", "transcribe")
_FIELDS = ("audio", "text", *OPTIONS)
_ON, _OFF = ("true", "1", "yes", "on"), ("false", "0", "no", "off", "")
_MEMORY_BYTES = 1_000_000
"""Of a body; what is beyond lies in a file without a name, gone with the request."""


@dataclass(frozen=True)
class Asked:
    """The clips of a request, and whether each is to be cut into utterances, or its words recognised."""

    uploads: Sequence[Upload]
    timeline: bool
    transcribe: bool


@asynccontextmanager
async def asked(request: Request, settings: ServeSettings, *, most: int = 1) -> AsyncIterator[Asked]:
    """Receive a request; its files are open meanwhile.

    Args:
        request: whose body has not been read.
        settings: the limits.
        most: clips that it may have.

    Raises:
        RequestError: what cannot be understood, or is too much.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    # what curl calls a form by itself is the file that it was given
    if kind == "multipart/form-data":
        # four bytes a character, at most
        limits = {"max_files": most + 1, "max_fields": most + 9, "max_part_size": 4 * settings.max_characters + 100}
        async with _form(request, limits) as form:
            yield _asked_in(form, request, settings, most)
    else:
        with SpooledTemporaryFile(_MEMORY_BYTES) as file:
            async for chunk in request.stream():
                file.write(chunk)
            if not file.tell():
                raise RequestError(400, "no audio: send it in the form field audio, or as the body")
            file.seek(0)
            texts = [_checked(text, settings) for text in request.query_params.getlist("text")[:1]]
            upload = Upload("audio", cast(BinaryIO, file), texts[0] if texts else None)
            yield Asked([upload], *(_switch(request.query_params.get(name, ""), name) for name in OPTIONS))


@asynccontextmanager
async def _form(request: Request, limits: dict[str, int]) -> AsyncIterator[FormData]:
    try:
        form = await request.form(**limits)
    except HTTPException as error:
        raise RequestError(400, f"the form cannot be read: {error.detail}") from error
    except UnicodeError as error:
        raise RequestError(400, "the form cannot be read: its text is not in the charset that it names") from error
    try:
        yield form
    finally:
        await form.close()


def _asked_in(form: FormData, request: Request, settings: ServeSettings, most: int) -> Asked:
    strange = sorted({name for name in form if name not in _FIELDS})
    if strange:
        raise RequestError(400, f"no such field: {strange[0][:100]!r}; there are {', '.join(_FIELDS)}")
    files, texts = form.getlist("audio"), [_checked(text, settings) for text in form.getlist("text")]
    if any(not isinstance(file, UploadFile) for file in files):
        raise RequestError(400, "the field audio is to be a file: in a form, it needs a filename")
    if max(len(files), len(texts)) > most:
        raise RequestError(413, f"too many clips: at most {most} in this request")
    if files and texts and len(texts) != len(files):
        raise RequestError(400, f"{len(texts)} text(s) for {len(files)} clip(s): give none, or one for each")
    if not files and not any(texts):
        raise RequestError(400, "no audio: send it in the form field audio, or as the body")
    given = {name: form.get(name, request.query_params.get(name, "")) for name in OPTIONS}
    return Asked(_uploads(files, texts), *(_switch(value, name) for name, value in given.items()))


def _uploads(files: Sequence[UploadFile | str], texts: Sequence[str | None]) -> list[Upload]:
    if not files:
        return [Upload("text", None, text or "") for text in texts]
    words = texts or [None] * len(files)
    return [
        Upload((file.filename or "audio")[:255], file.file, text)
        for file, text in zip(files, words, strict=True)
        if isinstance(file, UploadFile)
    ]


def _checked(text: UploadFile | str, settings: ServeSettings) -> str | None:
    """A text as it is used; an empty one says nothing."""
    if not isinstance(text, str):
        raise RequestError(400, "the field text is to be a text, not a file")
    if len(text) > settings.max_characters:
        raise RequestError(413, f"the text is too long: {len(text)} characters, at most {settings.max_characters}")
    # halves of characters, which some charsets can name, are no text
    return text.encode("utf-8", "replace").decode().strip() or None


def _switch(value: UploadFile | str, name: str) -> bool:
    if isinstance(value, str) and value.lower() in (*_ON, *_OFF):
        return value.lower() in _ON
    raise RequestError(400, f"{name}: {str(value)[:40]!r} is neither true nor false")
