"""What stands before every route: access, limits of the body, safe headers, and counting."""

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse

from emovoz.serve.access import check_access
from emovoz.serve.body import Body, Message, Receive
from emovoz.serve.metrics import PAGE
from emovoz.serve.refusal import RequestError
from emovoz.serve.service import Service

Scope = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

GIVEN_UP = 499
"""What is counted where a client leaves before its answer; there is no such status in HTTP."""
OURS = ("/v1/", "/docs", "/openapi.json", "/healthz", "/metrics")
"""Where paths begin that are not the page's."""
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_NOTHING = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


class Guard:
    """An ASGI application behind a service's limits.

    Args:
        app: what answers what is let through.
        service: whose limits, and whose counts.
    """

    def __init__(self, app: App, service: Service) -> None:
        self._app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), GIVEN_UP
        headers = Headers(scope=scope)
        body = Body(receive, headers, self._service.settings)

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                await body.drain()
                status = message["status"]
                _make_safe(MutableHeaders(scope=message), scope["path"], close=not body.complete)
            await send(message)

        try:
            check_access(scope["method"], scope["path"], headers, self._service.settings)
            body.check()
            await self._app(scope, body.receive, answer)
        except RequestError as refusal:
            await refused(refusal, scope["path"])(scope, receive, answer)
        except ClientDisconnect:
            pass
        finally:
            self._service.metrics.answered(_route(scope), status, time.perf_counter() - started)


def refused(refusal: RequestError, path: str) -> JSONResponse:
    """What a refused request is told."""
    headers = refusal.headers
    if refusal.status == 401:
        # a browser asks its user for the key of the page
        headers["WWW-Authenticate"] = "Bearer" if path.startswith("/v1/") else 'Basic realm="emovoz"'
    return JSONResponse({"error": refusal.sentence}, refusal.status, headers)


def _make_safe(headers: MutableHeaders, path: str, *, close: bool) -> None:
    for name, value in _HEADERS.items():
        headers.setdefault(name, value)
    if path.startswith(OURS):
        headers.setdefault("Content-Security-Policy", _NOTHING)
        headers.setdefault("Cache-Control", "no-store")
    if close:
        headers["Connection"] = "close"


def _route(scope: Scope) -> str:
    """The route that answered, none of the paths that people make up."""
    if not scope["path"].startswith(OURS):
        return PAGE
    return getattr(scope.get("route"), "path", "none")
