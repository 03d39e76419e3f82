"""The HTTP API."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from emovoz.corpus import Clip
from emovoz.errors import InputError
from emovoz.inference import Recognizer
from emovoz.serve import openapi
from emovoz.serve.guard import Guard, refused
from emovoz.serve.model_card import card_of
from emovoz.serve.reference import reference_page
from emovoz.serve.refusal import RequestError
from emovoz.serve.requests import Asked, asked
from emovoz.serve.schemas import Health, Model
from emovoz.serve.service import Service
from emovoz.serve.settings import ServeSettings
from emovoz.transcription import Transcriber


def make_app(
    recognizer: Recognizer, settings: ServeSettings | None = None, transcriber: Transcriber | None = None
) -> FastAPI:
    """The API of a recogniser; `emovoz.serve.page.mount` adds the web page.

    Args:
        recognizer: what judges.
        settings: limits; the usual ones by default.
        transcriber: what recognises words, where a request asks for that; see `emovoz.transcription`.

    Returns:
        an application whose `state.service` is the `Service`.
    """
    service = Service(recognizer, settings or ServeSettings(), transcriber)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.start()
        yield
        await asyncio.to_thread(service.close)

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, redirect_slashes=False, **openapi.ABOUT)
    app.state.service = service
    _add_judgements(app, service)
    _add_facts(app, service)
    app.add_exception_handler(RequestError, _refused)
    app.add_exception_handler(HTTPException, _not_found)
    app.add_middleware(Guard, service=service)
    return app


def _add_judgements(app: FastAPI, service: Service) -> None:
    @app.post("/v1/predict", **openapi.PREDICT)
    async def predict(request: Request) -> Response:
        (answer,) = await _answered(request, service, most=1)
        return JSONResponse(answer, 422 if "error" in answer else 200)

    @app.post("/v1/predict/batch", **openapi.BATCH)
    async def predict_batch(request: Request) -> Response:
        return JSONResponse({"predictions": await _answered(request, service, most=service.settings.max_clips)})


def _add_facts(app: FastAPI, service: Service) -> None:
    card = card_of(service)

    @app.get("/v1/model", **openapi.MODEL)
    async def model() -> Model:
        return card

    @app.get("/healthz", **openapi.HEALTH)
    async def health(response: Response) -> Health:
        response.status_code = 200 if service.queue.alive else 503
        return Health(status="ok" if service.queue.alive else "ending", waiting=service.queue.waiting)

    @app.get("/metrics", **openapi.METRICS)
    async def metrics() -> PlainTextResponse:
        return PlainTextResponse(service.metrics.text(), media_type="text/plain; version=0.0.4")

    @app.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> HTMLResponse:
        return HTMLResponse(reference_page(app.openapi(), card, str(request.base_url)))


async def _answered(request: Request, service: Service, *, most: int) -> list[dict[str, Any]]:
    with service.place():
        async with asked(request, service.settings, most=most) as wanted:
            work = asyncio.create_task(_judged(service, wanted))
            gone = asyncio.create_task(_gone(request))
            await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
            gone.cancel()
            if not work.done():
                work.cancel()
                await asyncio.wait((work,))
                raise ClientDisconnect
            return [answer.to_dict() for answer in work.result()]


async def _judged(service: Service, wanted: Asked) -> list[Any]:
    how = _timeline_of(service, wanted) if wanted.timeline else None
    try:
        return await service.answers(wanted.uploads, how=how, transcribe=wanted.transcribe and how is None)
    except InputError as error:
        raise RequestError(422, str(error)) from error


def _timeline_of(service: Service, wanted: Asked) -> Callable[[Clip], Any]:
    if any(upload.text is not None for upload in wanted.uploads):
        raise RequestError(400, "a timeline takes no text: its words are recognised, with transcribe")
    return service.timelines(transcribe=wanted.transcribe)


async def _gone(request: Request) -> None:
    """Wait until the client is."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _refused(request: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, RequestError)
    return refused(refusal, request.url.path)


async def _not_found(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": str(error.detail)}, error.status_code, error.headers)
