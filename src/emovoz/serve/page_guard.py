"""What of Gradio is reachable: the few routes that the page needs, and nothing that leads away from this machine."""

import re
from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ROUTES = re.compile(
    r"/|/(config|theme\.css|manifest\.json|favicon\.ico)|/(assets|static|examples)/.+"
    r"|/gradio_api/(upload|upload_progress|queue/join|queue/data|cancel|reset|startup-events|heartbeat/\w+)"
)
FILES = "/gradio_api/file="
UPLOAD = "/gradio_api/upload"
POLICY = "; ".join(
    [
        "default-src 'self'",
        # Gradio makes functions of the page's texts
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "connect-src 'self' data: blob:",
        "font-src 'self' data:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]
)
"""By which the browser itself refuses every address but this service's."""
# told to link previews of other sites, with addresses of Gradio's own
_PREVIEWS = re.compile(rb'<meta\s+(?:property|name)="(?:og|twitter):[^>]*>\s*')


class PageGuard:
    """Lets through what the page needs, and tells the browser to ask nobody else.

    Gradio has more than a page needs: it fetches addresses for others, edits code, keeps a history.

    Args:
        app: Gradio's.
        uploads: the only folder whose files may be fetched.
        most: recordings that may lie there.
    """

    def __init__(self, app: ASGIApp, uploads: Path, most: int) -> None:
        self.app, self.uploads, self.most = app, uploads, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if not (ROUTES.fullmatch(path) or path.startswith(f"{FILES}{self.uploads}/")):
            await PlainTextResponse("not here", 404)(scope, receive, send)
            return
        if path == UPLOAD and sum(1 for _ in self.uploads.glob("*/*")) >= self.most:
            await PlainTextResponse("too many are asking at once; try again", 429)(scope, receive, send)
            return
        await self.app(scope, receive, _Index(send) if path == "/" else _guarded(send))


def _guarded(send: Send) -> Send:
    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["Content-Security-Policy"] = POLICY
            headers["Referrer-Policy"] = "no-referrer"
            headers["X-Content-Type-Options"] = "nosniff"
        await send(message)

    return guarded


class _Index:
    """Sends the page itself, without what it tells link previews."""

    def __init__(self, send: Send) -> None:
        self.send = _guarded(send)
        self.start: Message = {}
        self.body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.start = message
            return
        self.body += message.get("body", b"")
        if message.get("more_body"):
            return
        body = _PREVIEWS.sub(b"", self.body)
        MutableHeaders(scope=self.start)["Content-Length"] = str(len(body))
        await self.send(self.start)
        await self.send({"type": "http.response.body", "body": body})
