"""The HTTP server around the application: uvicorn on uvloop and httptools."""

import asyncio
import gc
import socket
from collections.abc import Sequence
from typing import cast

import uvicorn

from argosy.api.application import Application
from argosy.api.door import DoorLimits, door

_GRACE_S = 3


def make_server(app: Application, limits: DoorLimits | None = None) -> uvicorn.Server:
    """A server that leaves logging and signals' consequences to whoever runs it; `serve` is the usual way."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=cast("type[asyncio.Protocol]", door(limits or DoorLimits())),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=_GRACE_S,
            backlog=2048,
        )
    )


async def serve(app: Application, sockets: Sequence[socket.socket], limits: DoorLimits | None = None) -> None:
    """Answer on the given listening sockets until SIGINT or SIGTERM; requests in flight get 3 seconds to end.

    Run it in ``uvloop.run``. Everything that is in memory by now is taken out of the garbage collector's sight.
    """
    await app.gateway.start()
    gc.collect()
    gc.freeze()
    try:
        await make_server(app, limits).serve(sockets=list(sockets))
    finally:
        await app.gateway.stop()
