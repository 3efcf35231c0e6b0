"""The least a Python gateway can do: Starlette on uvicorn passes a body to one shared aiohttp session and back.

usage: floor.py ENGINE_URL
"""

import contextlib
import socket
import sys

import aiohttp
import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route


def build(engine_url: str) -> Starlette:
    """The application; ``engine_url`` has OpenAI's paths below it."""
    state = {}

    @contextlib.asynccontextmanager
    async def lifespan(_):
        state["session"] = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        yield
        await state["session"].close()

    async def chat(request):
        body = await request.body()
        upstream = await state["session"].post(f"{engine_url}/v1/chat/completions", data=body)
        kind = upstream.headers["content-type"]
        if "event-stream" in kind:
            return StreamingResponse(upstream.content.iter_any(), media_type=kind)
        return Response(await upstream.read(), media_type=kind)

    return Starlette(routes=[Route("/v1/chat/completions", chat, methods=["POST"])], lifespan=lifespan)


if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    config = uvicorn.Config(
        build(sys.argv[1]), loop="uvloop", http="httptools", ws="none", log_level="error", access_log=False
    )
    uvicorn.Server(config).run(sockets=[listener])
