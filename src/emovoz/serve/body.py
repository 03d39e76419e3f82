"""A request's body, counted and timed as it comes in."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from emovoz.serve.refusal import RequestError
from emovoz.serve.settings import ServeSettings

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

_DRAIN_SECONDS = 2.0


class Body:
    """The body of one request.

    Args:
        receive: gives its pieces.
        headers: of the request.
        settings: how large it may be, and how long it may take.
    """

    def __init__(self, receive: Receive, headers: Mapping[str, str], settings: ServeSettings) -> None:
        self._receive, self._headers, self._settings = receive, headers, settings
        self._deadline = asyncio.get_running_loop().time() + settings.upload_timeout
        self._bytes, self.complete, self.stalled = 0, False, False

    def check(self) -> None:
        """Refuse by what the headers say of it.

        Raises:
            RequestError: too large, or compressed.
        """
        if self._headers.get("content-encoding", "identity").lower() != "identity":
            raise RequestError(
                415, "a compressed body is not taken; audio is sent as it is, for instance as flac or opus"
            )
        if int(self._headers.get("content-length", 0)) > self._settings.max_bytes:
            raise self._too_large()

    async def receive(self) -> Message:
        """The next piece.

        Raises:
            RequestError: it is too large, or too slow.
        """
        if self.complete:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            self.stalled = True
            sentence = f"the request did not arrive within {self._settings.upload_timeout:g} s"
            raise RequestError(408, sentence) from None
        self._bytes += len(message.get("body", b""))
        self.complete = not message.get("more_body", False)
        if self._bytes > self._settings.max_bytes:
            raise self._too_large()
        return message

    async def drain(self) -> None:
        """Let a client send on for a moment, as many do not look for an answer before they have sent it all."""
        if self.complete or self.stalled or "expect" in self._headers:
            return
        most = self._bytes + self._settings.max_bytes
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                while not self.complete and self._bytes < most:
                    message = await self._receive()
                    self._bytes += len(message.get("body", b""))
                    self.complete = not message.get("more_body", False)
        except TimeoutError:
            pass

    def _too_large(self) -> RequestError:
        return RequestError(413, f"too large: a request may have {self._settings.max_mb:g} MB")
