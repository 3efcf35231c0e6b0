"""Every member of every request, of every type that it must not be: from a table."""

import json

import pytest
from tests.api.bad.requests import CHAT, EMBED, GOOD, RERANK, SECRET, TEXT
from tests.api.raw import post, wire

pytestmark = pytest.mark.asyncio(loop_scope="module")


VALUES = {
    "null": None, "true": True, "number": 7, "negative": -1, "fraction": 0.5, "huge": 10**30, "text": SECRET,
    "empty text": "", "list": [SECRET], "empty list": [], "lists": [[1]], "object": {"a": SECRET}, "empty object": {},
    "long text": "x" * 100_000,
}  # fmt: skip
FIELDS = {
    CHAT: [
        "model",
        "messages",
        "stream",
        "stream_options",
        "n",
        "seed",
        "max_tokens",
        "max_completion_tokens",
        "temperature",
        "top_p",
        "frequency_penalty",
        "presence_penalty",
        "stop",
        "logprobs",
        "top_logprobs",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "response_format",
        "logit_bias",
        "user",
        "metadata",
        "store",
        "service_tier",
        "reasoning_effort",
        "modalities",
    ],
    TEXT: [
        "model",
        "prompt",
        "stream",
        "stream_options",
        "n",
        "seed",
        "max_tokens",
        "temperature",
        "top_p",
        "stop",
        "logprobs",
        "logit_bias",
        "user",
    ],
    EMBED: ["model", "input", "encoding_format", "dimensions", "user", "stream", "stream_options"],
    RERANK: ["model", "query", "documents", "top_n", "stream", "stream_options"],
}
RIGHT = {
    "model": set(), "messages": set(), "stream": {"true"}, "stream_options": {"empty object", "object"},
    "n": {"number"},
    "seed": {"number", "negative"}, "max_tokens": {"number"}, "max_completion_tokens": {"number"},
    "temperature": {"fraction"}, "top_p": {"fraction"}, "frequency_penalty": {"fraction", "negative"},
    "presence_penalty": {"fraction", "negative"}, "stop": {"text", "empty text", "list", "empty list", "long text"},
    "tools": {"empty list"}, "tool_choice": set(), "parallel_tool_calls": {"true"}, "response_format": set(),
    "logit_bias": {"empty object", "empty list", "list", "lists"}, "metadata": {"empty object", "object"},
    "store": {"true"}, "modalities": {"list", "empty list"}, "encoding_format": set(), "dimensions": set(),
    "input": {"text", "list", "long text"}, "query": {"text", "long text"}, "documents": {"list"}, "top_n": {"number"},
    "prompt": {"text", "empty text", "list", "lists", "long text"},
    "logprobs": {"true"}, "top_logprobs": {"number"},
    **{name: {"text", "empty text", "long text"} for name in ("user", "service_tier", "reasoning_effort")},
}  # fmt: skip
"""What each member may be, besides null."""
NOT_NULL = {"model", "messages", "prompt", "input", "query", "documents"}


@pytest.mark.parametrize("path", FIELDS)
async def test_every_member_refuses_every_wrong_type(api, path):
    body = {name: value for name, value in GOOD[path].items()}
    asked = len(api.engine.bodies)
    async with wire(api.url) as line:
        for field in FIELDS[path]:
            for name, value in VALUES.items():
                right = RIGHT[field] if (path, field) != (TEXT, "logprobs") else {"number"}
                if path in (EMBED, RERANK) and field in ("stream", "stream_options"):
                    right = set()
                if name in right or (name == "null" and field not in NOT_NULL):
                    continue
                await line.send(post(path, api.secret, json.dumps({**body, field: value}).encode()))
                said = await line.said()
                assert (said.status in (400, 404), field, name) == (True, field, name)
                assert said.error["type"] == "invalid_request_error"
                assert said.status == 400 or field == "model"
    assert len(api.engine.bodies) == asked, "the engine was troubled"
