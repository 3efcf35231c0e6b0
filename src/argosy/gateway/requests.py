"""What a request asks for: the few fields the gateway needs; the rest stays as it came."""

from collections.abc import Mapping
from enum import Enum
from typing import Any

import msgspec

from argosy.core import Invalid


class Kind(Enum):
    """The ways to ask a model. The value is the ``kind`` of the usage event."""

    CHAT = "chat.completion"
    TEXT = "completion"
    EMBEDDING = "embedding"
    RERANK = "rerank"
    MODERATION = "moderation"

    path: str
    """The path of this kind, the same at our door and at the engine's."""
    completes: bool
    """Whether the answer is text that the model writes; else it is numbers or judgements about text."""


Kind.CHAT.path, Kind.CHAT.completes = "/v1/chat/completions", True
Kind.TEXT.path, Kind.TEXT.completes = "/v1/completions", True
Kind.EMBEDDING.path, Kind.EMBEDDING.completes = "/v1/embeddings", False
Kind.RERANK.path, Kind.RERANK.completes = "/v1/rerank", False
Kind.MODERATION.path, Kind.MODERATION.completes = "/v1/moderations", False


class Request(msgspec.Struct, frozen=True, gc=False):
    """A request that is well-formed as far as the gateway looks. One *part* is one run of the engine.

    A part's index in the answer is ``prompt * n + copy``, as OpenAI numbers them.
    """

    kind: Kind
    model: str
    body: bytes
    stream: bool = False
    include_usage: bool = False
    n: int = 1
    prompts: tuple[bytes, ...] | None = None
    """The JSON of each prompt where a text completion has several, else None."""
    seed: int | None = None
    text_logprobs: bool = False
    """A text completion that wants log probabilities: engines give them in the chat shape."""
    call: bytes | None = None
    """JSON members that put the client's tools before the engine, if there are any. The engine then does not stream."""
    max_tokens: int | None = None
    """Tokens that one part may write at most, if the client said."""
    batch: bool = False
    """Whether it waits behind all requests of people."""
    wire: str | None = None
    """The ``kind`` of the usage event where the request came over another wire than its own."""
    cache: str = ""
    """One of `argosy.gateway.cache.MODES`; empty if the project's own is meant."""
    capture: bool = False
    """Whether it is kept with its answer, for feedback."""
    tags: str = ""
    """The caller's ``metadata`` as JSON, see `argosy.gateway.tags`; empty without."""
    told_as_chat: bool = False
    """A text completion whose events go out as those of a chat: the rest of a chat's answer."""

    @property
    def parts(self) -> int:
        """How many runs of the engine this takes."""
        return self.n * (len(self.prompts) if self.prompts else 1)

    @property
    def prompt_estimate(self) -> int:
        """Tokens of the prompt as a guess from its size, for when no engine ever said. At least 1."""
        return max(1, len(self.body) // 4)

    @property
    def token_estimate(self) -> int:
        """Tokens of prompt and answer together, as a guess before the work: what a limit on tokens sets aside."""
        written = (self.max_tokens or ANSWER_TOKENS_GUESS) * self.parts if self.kind.completes else 0
        return self.prompt_estimate + written

    def named(self, model: str) -> "Request":
        """The same request of another model."""
        return msgspec.structs.replace(self, model=model)

    def for_native_tools(self) -> "Request":
        """The same for a target that takes tools itself, answered whole as from one that does not."""
        return msgspec.structs.replace(self, call=None, stream=False, include_usage=False)

    def upstream_body(self, placement: bytes, part: int) -> bytes:
        """The body for the engine: the client's own bytes, with more members added at the end of the object.

        ``placement`` is JSON members without braces (``"lora":[...]``). A member that the client sent too is thereby
        there twice, and every engine takes the last one, so what the gateway says stands.
        """
        added = [placement] if placement else []
        if self.call:
            added.append(b'"stream":false,' + self.call)
        elif self.stream:
            added.append(b'"stream_options":{"include_usage":true},"return_progress":true')
        if self.parts > 1:
            added.append(b'"n":1')
            if self.seed is not None:
                added.append(b'"seed":%d' % (self.seed + part % self.n))
        if self.prompts:
            added.append(b'"prompt":' + self.prompts[part // self.n])
        return self.body[: self.body.rindex(b"}")] + b"," + b",".join(added) + b"}" if added else self.body

    def provider_body(self, model: str, part: int) -> bytes:
        """The body for a provider, which calls the model by its own name. No member is in it twice: not every provider
        reads the last.
        """
        try:
            body = _OBJECT.decode(self.upstream_body(b"", part))
        except (
            msgspec.DecodeError
        ) as error:  # in a member that nobody has looked at yet, such as a number of 400 digits
            raise Invalid(f"The request body is not valid JSON: {error}.", code="invalid_json") from None
        body["model"] = model
        body.pop("return_progress", None)
        if self.tags and not body.get("store"):
            body.pop("metadata", None)  # it was said to this platform; OpenAI refuses it with what is not to be stored
        if not self.stream:
            body.pop("stream", None)
            body.pop("stream_options", None)  # refused where nothing is streamed
        return msgspec.json.encode(body)


_OBJECT = msgspec.json.Decoder(dict[str, Any])
ANSWER_TOKENS_GUESS = 256
"""Tokens that an answer is taken to have until it is there, if the client set no bound."""
PARTS_LIMIT = 128
"""Runs of the engine that one request may ask for, as in OpenAI's API."""


def encode_members(named: Mapping[str, Any]) -> bytes:
    """JSON members without the braces, for `Request.upstream_body`."""
    return msgspec.json.encode(named)[1:-1]
