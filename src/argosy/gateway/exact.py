"""Carrying an answer on by its very tokens: the prompt's, then those that were said, as the engine said them.

As text they need not be read as they were said. Two line breaks that were said one by one are one token where nothing
comes after them, and a model goes on from that in another way, although it is greedy. An event of a stream holds the
text of one token, so the engine is asked for the tokens of each event's text by itself; what it makes of them is
believed only where they spell what was delivered. An engine that cannot do this is asked by text, as before.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from argosy.core import ArgosyError
from argosy.gateway.connection import Silent
from argosy.gateway.events import malformed
from argosy.gateway.relay import Relay
from argosy.gateway.requests import Kind, Request
from argosy.gateway.trip import Trip

T = TypeVar("T")
_OBJECT = msgspec.json.Decoder(dict[str, Any])
_OF_CHAT = (
    "messages", "logprobs", "top_logprobs", "response_format", "tools", "tool_choice", "parallel_tool_calls",
    "chat_template_kwargs", "reasoning_effort", "reasoning_format", "add_generation_prompt", "continue_final_message",
    "echo", "suffix", "best_of",
)  # fmt: skip
"""Members that the prompt was made of already, or that mean something else beside a prompt."""
_TOP_LOGPROBS = 20
"""How many alternatives the engine tells in a chat where the client did not say."""


class _Token(msgspec.Struct):
    id: int
    piece: str | list[int]
    """Text, or bytes where they are none."""


class _Tokens(msgspec.Struct):
    tokens: list[_Token]


class _Prompt(msgspec.Struct):
    prompt: str


async def by_tokens(relay: Relay, trip: Trip, engine_url: str) -> Request:
    """What the engine there is asked for the rest of this trip's answer: by tokens, or as it was if it cannot be so.

    Raises NotReached, Lost and Silent.
    """
    asked, rest = trip.call.request, trip.request
    if rest.kind is not asked.kind:
        return rest  # it is asked by tokens already
    body, pieces = _OBJECT.decode(rest.body), _pieces(trip.delivered)
    try:
        if asked.kind is Kind.CHAT:
            if not _is_text(body["messages"]):
                return rest
            prompt = await _ask(relay, engine_url + "/apply-template", asked.body, _Prompt)
            text = prompt.prompt
        else:
            text = _OBJECT.decode(asked.body)["prompt"]
        # Each string of a list is read by itself.
        asks = {"content": [text, *pieces], "add_special": True, "parse_special": True, "with_pieces": True}
        found = await _ask(relay, engine_url + "/tokenize", msgspec.json.encode(asks), _Tokens)
    except Silent:
        raise
    except ArgosyError:  # it does not know these paths, or not this template
        return rest
    if not _ends_with(found.tokens, "".join(pieces).encode()):
        return rest
    if asked.kind is Kind.CHAT:
        logprobs = body.get("top_logprobs", _TOP_LOGPROBS) if body.get("logprobs") else None
        body = {name: value for name, value in body.items() if name not in _OF_CHAT}
        if logprobs is not None:
            body["logprobs"] = logprobs
    body["prompt"] = [token.id for token in found.tokens]
    encoded = msgspec.json.encode(body)
    return msgspec.structs.replace(rest, kind=Kind.TEXT, body=encoded, told_as_chat=asked.kind is Kind.CHAT)


async def _ask(relay: Relay, url: str, body: bytes, shape: type[T]) -> T:
    async with relay.post(url, body, {}) as response:
        answer = await response.read()
    try:
        return msgspec.json.decode(answer, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise malformed() from None


def _pieces(events: Sequence[bytes]) -> list[str]:
    """The text of each event that has some."""
    found = []
    for event in b"".join(events).split(b"\n\n"):
        if event.startswith(b"data: {"):
            for choice in _OBJECT.decode(event[6:]).get("choices") or ():
                found.append(choice.get("text") or (choice.get("delta") or {}).get("content") or "")
    return [piece for piece in found if piece]


def _is_text(messages: Sequence[dict[str, Any]]) -> bool:
    """Whether there is nothing to see or hear in them, which has no tokens in a template."""
    lists = [message["content"] for message in messages if isinstance(message.get("content"), list)]
    return all(isinstance(part, dict) and part.get("type") == "text" for parts in lists for part in parts)


def _ends_with(tokens: Sequence[_Token], said: bytes) -> bool:
    """Whether some last ones of the tokens spell exactly this."""
    left = len(said)
    spelt = []
    for token in reversed(tokens):
        if left <= 0:
            break
        piece = token.piece.encode() if isinstance(token.piece, str) else bytes(token.piece)
        spelt.append(piece)
        left -= len(piece)
    return left == 0 and b"".join(reversed(spelt)) == said
