"""What tests of kept answers ask with."""

import json
from types import SimpleNamespace

import httpx
import pytest
from tests.gateway.harness import QUESTION, running_api

from argosy.gateway import Deadlines


@pytest.fixture
async def api(tmp_path):
    deadlines = Deadlines(connect=0.5, silence=0.4, replica=0.5, poll=0.01)
    async with running_api(tmp_path, deadlines) as running, httpx.AsyncClient(base_url=running.url) as running.http:
        yield running


BODY = {"model": "tiny", "messages": QUESTION, "temperature": 0}


@pytest.fixture
def ask(api):
    """One request with ``x-argosy-cache: on``; what came, with the answer's text and usage."""

    async def send(mode="on", path="/v1/chat/completions", secret=None, body=None, content=None, **members):
        sent = content or json.dumps({**(body or BODY), **members})
        headers = {"authorization": f"Bearer {secret or api.secret}"} | ({"x-argosy-cache": mode} if mode else {})
        got = await api.http.post(path, content=sent, headers=headers)
        api.gateway.cache.settle()
        told = SimpleNamespace(status=got.status_code, raw=got.text, headers=got.headers)
        told.cache = got.headers.get("x-argosy-cache")
        told.events = [json.loads(line[6:]) for line in got.text.splitlines() if line.startswith("data: {")]
        told.json = None if told.events else got.json()
        return told

    return send


def text_of(told):
    """What an answer says, streamed or not, chat or text: by choice."""
    said = {}
    for answer in told.events or [told.json]:
        for choice in answer["choices"]:
            shown = choice.get("delta") or choice.get("message") or choice
            said[choice["index"]] = said.get(choice["index"], "") + (shown.get("content") or shown.get("text") or "")
    return said


def usage_of(told):
    return [answer["usage"] for answer in told.events or [told.json] if answer.get("usage")]
