"""The web page: Gradio, mounted at / beside the API. All it shows and needs comes from this machine."""

import asyncio
import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.responses import FileResponse

from emovoz.corpus import Clip, demo_corpus
from emovoz.errors import ClipError
from emovoz.inference.prediction import Prediction
from emovoz.serve.page_guard import PageGuard
from emovoz.serve.page_result import loudness_of, problem_html, result_html, waiting_html

EXAMPLES = ("voice07_joy_1.ogg", "voice08_anger_2.ogg", "voice07_sadness_3.ogg")
"""Of the demo corpus, of voices on which its own model has not learned."""
STALE_SECONDS = 60
"""After which a recording that was sent and never asked about is removed."""
CAUTION = """<div class="caution">
<p><strong>An estimate, not a fact about a person.</strong> Such models learn from acted speech, in which emotions are
plainer than in life, and they err; probabilities are calibrated on speech like that which the model has learned from.
Do not judge people by them.</p>
<p>A recording is kept in your browser alone: this service forgets it with each answer, and asks no other machine.
<a href="docs">API</a></p></div>"""

Ask = Callable[[Path, str | None, bool], Awaitable[Prediction]]
"""What judges a recording: its file, its words where they are given, and whether to recognise them."""


def mount(app: FastAPI, ask: Ask, *, labels: tuple[str, ...], max_mb: float) -> None:
    """Mount the page at /; routes that the app already has stay as they are.

    Args:
        app: the service.
        ask: judges a recording, through the same queue and limits as the API.
        labels: that the model tells apart.
        max_mb: the largest recording, MB.
    """
    uploads = Path(tempfile.mkdtemp(prefix="emovoz-page-"))
    # read when Gradio is imported and when its parts are made
    os.environ |= {"GRADIO_TEMP_DIR": str(uploads), "GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_RUN_HISTORY": "False"}
    import gradio

    from emovoz.serve.page_look import style, theme

    shell = FastAPI(openapi_url=None)
    shell.add_middleware(PageGuard, uploads=str(uploads))
    examples = {clip.id: clip for clip in demo_corpus() if clip.id in EXAMPLES}

    @shell.get("/examples/{name}", response_model=None)
    def example(name: str) -> FileResponse:
        return FileResponse(str(examples[name].audio))

    gradio.mount_gradio_app(
        shell,
        _blocks(ask, list(examples.values()), labels),
        "/",
        footer_links=[],
        max_file_size=int(max_mb * 1_000_000),
        favicon_path=str(files("emovoz.serve").joinpath("favicon.svg")),
        ssr_mode=False,
        theme=theme(),
        css=style(),
        head=f"<script>{files('emovoz.serve').joinpath('page.js').read_text(encoding='utf-8')}</script>",
    )
    app.mount("/", shell)
    before = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[Any]:
        try:
            async with before(app) as state, shell.router.lifespan_context(shell):
                yield state
        finally:
            shutil.rmtree(uploads, ignore_errors=True)

    app.router.lifespan_context = lifespan


def _blocks(ask: Ask, examples: list[Clip], labels: tuple[str, ...]) -> Any:
    import gradio as gr

    async def judge(audio: str | None, words: str, transcribe: bool) -> tuple[str, None, Any]:
        if audio is None:
            return problem_html("There is no recording yet."), None, gr.update()
        return await _answer(ask, Path(audio), words.strip() or None, transcribe), None, gr.update(interactive=True)

    with gr.Blocks(title="emovoz", delete_cache=(STALE_SECONDS // 2, STALE_SECONDS)) as blocks:
        gr.HTML(
            '<header class="masthead"><h1>emo<span>voz</span></h1><p>Which emotion is in this voice?</p></header>',
            js_on_load=None,
        )
        with gr.Row(elem_id="sides"):
            with gr.Column(scale=4, min_width=300, elem_id="giving"):
                recorder = gr.Audio(
                    label="Record",
                    sources=["microphone"],
                    type="filepath",
                    editable=False,
                    buttons=[],
                    elem_id="record",
                )
                dropped = gr.Audio(
                    label="Or a file", sources=["upload"], type="filepath", editable=False, buttons=[], elem_id="drop"
                )
                gr.HTML('<p class="step">Or an example <small>(a synthetic voice)</small></p>', js_on_load=None)
                with gr.Row(elem_id="examples"):
                    chosen = [gr.Button(str(clip.label), size="sm", min_width=60) for clip in examples]
                words = gr.Textbox(
                    label="What is said", placeholder="optional: words help too", lines=2, elem_id="words"
                )
                transcribe = gr.Checkbox(label="Transcribe for me", elem_id="transcribe")
                again = gr.Button("Judge again", interactive=False, elem_id="again")
            with gr.Column(scale=6, min_width=300):
                result = gr.HTML(
                    waiting_html(labels),
                    elem_id="result",
                    js_on_load="emovoz.show(element); watch('value', () => emovoz.show(element));",
                )
        gr.HTML(CAUTION, js_on_load=None)
        quietly: Any = {"show_progress": "hidden", "concurrency_limit": None, "api_visibility": "private"}
        for source in (recorder, dropped):
            source.input(
                judge,
                [source, words, transcribe],
                [result, source, again],
                js="(...all) => emovoz.received(...all)",
                **quietly,
            )
        again.click(
            judge,
            [dropped, words, transcribe],
            [result, dropped, again],
            js="(...all) => emovoz.again(...all)",
            **quietly,
        )
        for button, clip in zip(chosen, examples, strict=True):
            call = ", ".join(json.dumps(one) for one in (f"examples/{clip.id}", clip.id, clip.transcription))
            button.click(
                judge,
                [dropped, words, transcribe],
                [result, dropped, again],
                js=f"() => emovoz.example({call})",
                **quietly,
            )
    return blocks


async def _answer(ask: Ask, path: Path, words: str | None, transcribe: bool) -> str:
    """The answer as HTML; the recording is gone afterwards."""
    try:
        prediction = await ask(path, words, transcribe)
        if prediction.error is not None:
            return problem_html(f"{path.name}: {prediction.error}")
        return result_html(prediction, path.name, await asyncio.to_thread(loudness_of, path))
    except ClipError as error:
        return problem_html(f"{path.name}: {error}")
    finally:
        shutil.rmtree(path.parent, ignore_errors=True)
