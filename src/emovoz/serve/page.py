"""The web page: Gradio, mounted at / beside the API. All it shows and needs comes from this machine."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any

from fastapi import FastAPI, HTTPException
from fastapi.responses import FileResponse

from emovoz.corpus import Clip, demo_corpus
from emovoz.serve.page_guard import PageGuard
from emovoz.serve.service import Service

EXAMPLES = ("voice07_joy_1.ogg", "voice07_sadness_3.ogg", "voice08_anger_2.ogg")
"""Of the demo corpus, of voices that its own model has not learned from."""


def mount(app: FastAPI, service: Service) -> None:
    """Mount the page at /; routes that the app already has stay as they are.

    Args:
        app: the service's.
        service: what judges, through the same queue and limits as the API.
    """
    uploads = service.scratch.folder / "page"
    uploads.mkdir()
    # read when Gradio is imported and when its parts are made
    os.environ |= {"GRADIO_TEMP_DIR": str(uploads), "GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_RUN_HISTORY": "False"}
    from gradio import mount_gradio_app

    from emovoz.serve.page_blocks import blocks_of
    from emovoz.serve.page_look import style, theme

    examples = {clip.id: clip for clip in demo_corpus() if clip.id in EXAMPLES}
    shell = FastAPI(openapi_url=None)
    shell.add_middleware(PageGuard, uploads=uploads, most=service.settings.max_waiting)
    shell.get("/examples/{name}", response_model=None)(_example_of(examples))
    ours = files("emovoz.serve")
    mount_gradio_app(
        shell,
        blocks_of(service, list(examples.values())),
        "/",
        footer_links=[],
        max_file_size=service.settings.max_bytes,
        favicon_path=str(ours.joinpath("favicon.svg")),
        ssr_mode=False,
        theme=theme(),
        css=style(),
        head=f"<script>{ours.joinpath('page.js').read_text(encoding='utf-8')}</script>",
    )
    app.mount("/", shell)
    before = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[Any]:
        # that of what is mounted is not run by itself
        async with before(app) as state, shell.router.lifespan_context(shell):
            yield state

    app.router.lifespan_context = lifespan


def _example_of(examples: dict[str, Clip]) -> Any:
    def example(name: str) -> FileResponse:
        if name not in examples:
            raise HTTPException(404)
        return FileResponse(str(examples[name].audio))

    return example
