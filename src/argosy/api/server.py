"""The HTTP server around the application: uvicorn on uvloop, and our own reading of completions on it."""

import asyncio
import gc
import socket
import sys
from collections.abc import Sequence
from typing import cast

import uvicorn

from argosy.api.application import Application
from argosy.api.door import DoorLimits
from argosy.api.plain_door import plain_door

_GRACE_S = 3
_NEW_OBJECTS = 20_000
"""Between two collections of garbage: Python's own 700 are made by twenty requests, which leave no cycles behind."""
_SWITCH_S = 0.0005
"""How long the loop may keep the journal's thread waiting while it has much to do: first bytes wait for that thread."""


def make_server(app: Application, limits: DoorLimits | None = None) -> uvicorn.Server:
    """A server that leaves logging and signals' consequences to whoever runs it; `serve` is the usual way."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=cast("type[asyncio.Protocol]", plain_door(limits or DoorLimits())),
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
    gc.set_threshold(_NEW_OBJECTS, 20, 50)
    sys.setswitchinterval(_SWITCH_S)
    try:
        await make_server(app, limits).serve(sockets=list(sockets))
    finally:
        await app.gateway.stop()
        if app.request_log is not None:
            app.request_log.close()
