"""Good requests to spoil."""

import asyncio

from tests.api.raw import wire

CHAT, TEXT, EMBED, RERANK = "/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/rerank"
SECRET = "MARK-of-content-4711"
"""Must never be seen in a log."""
GOOD = {
    CHAT: {"model": "tiny", "messages": [{"role": "user", "content": SECRET}]},
    TEXT: {"model": "tiny", "prompt": SECRET},
    EMBED: {"model": "tiny", "input": SECRET},
    RERANK: {"model": "tiny", "query": SECRET, "documents": [SECRET]},
}


async def refused(api, data, status=400):
    """One answer to these bytes, which is a refusal and comes at once."""
    async with asyncio.timeout(20), wire(api.url) as line:
        await line.send(data)
        said = await line.said()
    assert said.status == status, said
    assert said.error["message"]
    return said.error
