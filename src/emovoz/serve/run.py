"""A service at work: its socket, its end."""

import asyncio
import socket
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from emovoz.progress import say
from emovoz.serve.service import Service

HEAD_SECONDS = 10.0
"""In which a new connection must have asked for something."""
STREAM_SECONDS = 0.5
"""For which open pages may take their last answers when a service ends."""


def run(app: FastAPI, listening: socket.socket) -> None:
    """Serve until the process is told to end; what was accepted by then is answered.

    Args:
        app: of `make_app`.
        listening: of `emovoz.serve.address.bound`.
    """
    config = uvicorn.Config(
        app, http=_Protocol, ws="none", log_level="warning", access_log=False, server_header=False, lifespan="on"
    )
    host, port = listening.getsockname()[:2]
    say(f"emovoz serves {app.state.service.recognizer.name} at http://{f'[{host}]' if ':' in host else host}:{port}")
    _Server(config, app.state.service).run(sockets=[listening])


class _Protocol(H11Protocol):
    """Connections that ask for nothing are closed; uvicorn itself waits for a first request for ever."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.loop.call_later(HEAD_SECONDS, self._close_silent)

    def _close_silent(self) -> None:
        if self.cycle is None:
            self.transport.close()


class _Server(uvicorn.Server):
    """An open page holds a stream as long as it is open; none of these keeps a service from ending."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        ending = asyncio.create_task(self._end_streams())
        await super().shutdown(sockets)
        ending.cancel()

    async def _end_streams(self) -> None:
        while not self._service.idle:
            await asyncio.sleep(0.05)
        await asyncio.sleep(STREAM_SECONDS)
        for connection in list(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.close()
