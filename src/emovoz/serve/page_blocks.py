"""What is on the page, and what happens when something is asked."""

import asyncio
import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from emovoz.corpus import Clip, seconds_of
from emovoz.errors import ClipError, InputError
from emovoz.inference import Prediction
from emovoz.serve.page_reasons import no_reasons_html, reasons_html
from emovoz.serve.page_result import outline_of, problem_html, result_html, waiting_html
from emovoz.serve.refusal import RequestError
from emovoz.serve.service import Service, Upload

LONG_SECONDS = 10.0
"""From which a recording is judged utterance by utterance."""
STALE_SECONDS = 180
"""After which a recording that was sent and never asked about is removed."""
TITLE = '<header class="masthead"><h1>emo<span>voz</span></h1><p>Which emotion is in this voice?</p></header>'
CAUTION = """<div class="caution">
<p><strong>An estimate, not a fact about a person.</strong> Such models learn from acted speech, in which emotions are
plainer than in life, and they err; their probabilities hold for speech like that which they learned from.
Do not judge people by them.</p>
<p>A recording stays in your browser: this service forgets it with each answer, and asks no other machine.
<a href="docs">API</a></p></div>"""


def blocks_of(service: Service, examples: Sequence[Clip]) -> gr.Blocks:
    """The page.

    Args:
        service: what judges.
        examples: clips that can be tried.
    """
    with gr.Blocks(title="emovoz", delete_cache=(STALE_SECONDS // 3, STALE_SECONDS)) as blocks:
        gr.HTML(TITLE, js_on_load=None)
        with gr.Row(elem_id="sides"):
            with gr.Column(scale=4, min_width=300, elem_id="giving"):
                recorder, dropped = _sound("Record", "microphone"), _sound("Or a file", "upload")
                gr.HTML('<p class="step">Or an example <small>(a synthetic voice)</small></p>', js_on_load=None)
                with gr.Row(elem_id="examples"):
                    tried = [gr.Button(str(clip.label), size="sm", min_width=60) for clip in examples]
                words = gr.Textbox(
                    label="What is said", placeholder="optional: words help too", lines=2, elem_id="words"
                )
                transcribe = gr.Checkbox(label="Transcribe for me", elem_id="transcribe", **_transcription(service))
                again = gr.Button("Judge again", interactive=False, elem_id="again")
            with gr.Column(scale=6, min_width=300):
                result = gr.HTML(waiting_html(service.recognizer.labels), elem_id="result", js_on_load=None)
                why = gr.Button("Why?", interactive=False, elem_id="why")
        reasons = gr.HTML(elem_id="reasons", js_on_load=None)
        # what the recording is called, as the browser knows it
        name = gr.Textbox(visible=False)
        gr.HTML(CAUTION, js_on_load=None)

        def ask(event: Any, call: str, sound: gr.Audio, answer: Any, outputs: list[Any], after: str) -> None:
            done = event(
                partial(answer, service),
                [sound, name, words, transcribe],
                outputs,
                js=f"(...given) => emovoz.{call}",
                show_progress="hidden",
                # the service has a queue of its own
                concurrency_limit=None,
                api_visibility="private",
            )
            done.then(None, js=f"() => emovoz.{after}", api_visibility="private")

        def judge(event: Any, call: str, sound: gr.Audio = dropped) -> None:
            ask(event, call, sound, _judge, [sound, words, result, reasons, again, why], "show()")

        judge(recorder.input, "received(...given)", recorder)
        judge(dropped.input, "received(...given)")
        judge(again.click, "again('result', ...given)")
        for button, clip in zip(tried, examples, strict=True):
            about = ", ".join(map(json.dumps, (f"examples/{clip.id}", clip.id, clip.transcription)))
            judge(button.click, f"example({about})")
        ask(why.click, "again('reasons', ...given)", dropped, _explain, [dropped, reasons], "arrived('reasons')")
    return blocks


def _sound(label: str, source: Any) -> gr.Audio:
    return gr.Audio(
        label=label, sources=[source], type="filepath", editable=False, buttons=[], elem_id=f"from-{source}"
    )


def _transcription(service: Service) -> dict[str, Any]:
    """Whether words can be recognised, and else what is missing."""
    if service.transcriber is None:
        return {"interactive": False, "info": "not installed here: pip install 'emovoz[asr]'"}
    return {}


async def _judge(service: Service, audio: str | None, name: str, words: str, transcribe: bool) -> tuple[Any, ...]:
    """The recording given back to the browser alone, its words, the answer, no reasons yet, and what can be asked."""
    judged = False
    try:
        with _taken(audio) as path:
            how = None if words.strip() else await _timeline_of(service, path, transcribe)
            answer = await _asked(service, path, name, words, transcribe and how is None, how)
            if answer.error is not None:
                raise ClipError(answer.error)
            html = result_html(answer, name, await asyncio.to_thread(outline_of, path))
            judged = True
    except (ClipError, InputError, RequestError) as error:
        html = problem_html(_sentence(name, error))
    return None, words, html, "", gr.update(interactive=True), gr.update(interactive=judged)


async def _explain(service: Service, audio: str | None, name: str, words: str, transcribe: bool) -> tuple[None, str]:
    """The recording given back to the browser alone, and the reasons."""
    try:
        with _taken(audio) as path:
            # drawn in the thread that judges: pictures take a while, and are drawn one at a time
            html = await _asked(service, path, name, words, transcribe, partial(_reasons, service))
            if isinstance(html, Prediction):
                raise ClipError(str(html.error))
            return None, html
    except (ClipError, InputError, RequestError) as error:
        return None, no_reasons_html(_sentence(name, error))


def _reasons(service: Service, clip: Clip) -> str:
    return reasons_html(service.recognizer.explain(clip))


@contextmanager
def _taken(audio: str | None) -> Iterator[Path]:
    """A recording that was sent, gone afterwards.

    Gradio keeps two that are alike under one name, so it is given one of its own.

    Raises:
        ClipError: there is none.
    """
    if audio is None:
        raise ClipError("there is no recording yet")
    sent = Path(audio)
    path = sent.with_name(secrets.token_hex(8) + sent.suffix)
    try:
        sent.rename(path)
    except OSError as error:
        raise ClipError("is no longer here; send it again") from error
    try:
        yield path
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)
            path.parent.rmdir()


async def _timeline_of(service: Service, path: Path, transcribe: bool) -> Callable[[Clip], Any] | None:
    """How a long recording is judged; None for a short one."""
    if await asyncio.to_thread(seconds_of, path) <= LONG_SECONDS:
        return None
    return service.timelines(transcribe=transcribe)


async def _asked(
    service: Service, path: Path, name: str, words: str, transcribe: bool, how: Callable[[Clip], Any] | None
) -> Any:
    with service.place(), path.open("rb") as file:
        upload = Upload(name, file, words.strip() or None)
        (answer,) = await service.answers([upload], how=how, transcribe=transcribe)
    return answer


def _sentence(name: str, error: Exception) -> str:
    return str(error) if str(error).startswith(name) else f"{name}: {error}"
