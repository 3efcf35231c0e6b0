"""What tests of capture ask with."""

import json

import httpx
import pytest
from tests.gateway.harness import QUESTION

from argosy.gateway.capture import CaptureSpec
from argosy.gateway.capture.store import put_spec

BODY = {"model": "tiny", "messages": QUESTION}


@pytest.fixture
async def http(api):
    async with httpx.AsyncClient(base_url=api.url, timeout=20) as client:
        client.headers["authorization"] = f"Bearer {api.secret}"
        yield client


@pytest.fixture
def capture(api):
    """Switch capture on for the first project."""

    def switch(**members):
        with api.database.write() as tx:
            put_spec(tx, api.project_id, CaptureSpec(**members))
        api.gateway.refresh()

    return switch


@pytest.fixture
def kept(api, http):
    """All captured requests with their content, oldest first, once what is under way is written."""

    async def read():
        import asyncio

        assert await asyncio.to_thread(api.gateway.capture.settle, 120)
        rows = (await http.get("/v1/captures?limit=100")).json()["data"]
        return [(await http.get(f"/v1/captures/{row['id']}")).json() for row in reversed(rows)]

    return read


@pytest.fixture
def ask(http):
    """One chat completion; gives its response."""

    async def send(path="/v1/chat/completions", body=None, headers=None, **members):
        return await http.post(path, content=json.dumps({**(body or BODY), **members}), headers=headers)

    return send
