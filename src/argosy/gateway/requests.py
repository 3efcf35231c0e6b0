"""What a request asks for: the few fields the gateway needs, read once; the rest stays as it came."""

import re
from collections.abc import Mapping
from enum import Enum
from typing import Annotated, Any, Literal, NoReturn, TypeVar

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from argosy.core import Invalid
from argosy.gateway.moderations import ModerationFields, check_input
from argosy.gateway.schemas import Schema
from argosy.gateway.tools import Choice, Tool, members, offered
from argosy.gateway.vectors import EmbeddingFields, RerankFields, check

T = TypeVar("T")


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
        if not self.stream:
            body.pop("stream", None)
            body.pop("stream_options", None)  # refused where nothing is streamed
        return msgspec.json.encode(body)


_OBJECT = msgspec.json.Decoder(dict[str, Any])
ANSWER_TOKENS_GUESS = 256
"""Tokens that an answer is taken to have until it is there, if the client set no bound."""
PARTS_LIMIT = 128
"""Runs of the engine that one request may ask for, as in OpenAI's API."""

_Count = Annotated[int, Meta(ge=1, le=2**31 - 1)]
_Seed = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Form(msgspec.Struct):
    type: str
    json_schema: dict[str, Raw] | None = None


class _CalledFunction(msgspec.Struct):
    name: str
    arguments: str


class _ToolCall(msgspec.Struct):
    function: _CalledFunction
    id: str | None = None


class _Message(msgspec.Struct):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[Raw] | None = None
    name: str | None = None
    tool_calls: list[_ToolCall] | None = None
    tool_call_id: str | None = None


class _Fields(msgspec.Struct, kw_only=True):
    model: Annotated[str, Meta(min_length=1)]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    n: Annotated[int, Meta(ge=1, le=PARTS_LIMIT)] | None = None
    seed: _Seed | None = None
    max_tokens: _Count | None = None
    max_completion_tokens: _Count | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    stop: str | list[str] | None = None
    user: str | None = None
    logit_bias: dict[str, float] | list[Raw] | None = None
    metadata: dict[str, Raw] | None = None
    store: bool | None = None
    service_tier: str | None = None
    # Placement on the engine is the platform's: a client that could choose it would reach other tenants' adapters.
    lora: Raw | UnsetType = UNSET
    id_slot: Raw | UnsetType = UNSET
    n_cmpl: Raw | UnsetType = UNSET


class _Chat(_Fields):
    messages: Annotated[list[_Message], Meta(min_length=1)]
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    tools: list[Tool] | None = None
    tool_choice: Literal["none", "auto", "required"] | Choice | None = None
    parallel_tool_calls: bool | None = None
    response_format: _Form | None = None
    reasoning_effort: str | None = None
    modalities: list[str] | None = None


class _Text(_Fields):
    prompt: str | Annotated[list[Raw], Meta(min_length=1)]
    logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    echo: bool | None = None
    best_of: int | None = None
    suffix: str | None = None


class _Messages(msgspec.Struct):
    messages: Raw


_MESSAGES = msgspec.json.Decoder(_Messages)
_DECODERS: dict[Kind, msgspec.json.Decoder[Any]] = {
    Kind.CHAT: msgspec.json.Decoder(_Chat),
    Kind.TEXT: msgspec.json.Decoder(_Text),
    Kind.EMBEDDING: msgspec.json.Decoder(EmbeddingFields),
    Kind.RERANK: msgspec.json.Decoder(RerankFields),
    Kind.MODERATION: msgspec.json.Decoder(ModerationFields),
}
_PLATFORM_ONLY = ("lora", "id_slot", "n_cmpl")


def parse(kind: Kind, body: bytes) -> Request:
    """Read a request body. Raises Invalid, with ``param`` naming the member at fault where one is."""
    fields = decode(_DECODERS[kind], body)
    _refuse_unsupported(fields)
    if isinstance(fields, EmbeddingFields | RerankFields | ModerationFields):
        check_input(fields) if isinstance(fields, ModerationFields) else check(fields)
        return Request(kind, fields.model, body)
    return _request(kind, body, fields)


def decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """Decode a request body of any wire. Raises Invalid, with ``param`` naming the member at fault where one is."""
    try:
        if not body.isascii():
            body.decode()  # what is skipped over is not looked at by the decoder, but engines fail on it
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        refuse_member(str(error))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"The request body is not valid JSON: {error}.", code="invalid_json") from None


def _request(kind: Kind, body: bytes, fields: _Chat | _Text) -> Request:
    options = fields.stream_options
    n = fields.n or 1
    prompts = _several_prompts(fields) if isinstance(fields, _Text) else None
    if prompts and len(prompts) * n > PARTS_LIMIT:
        raise Invalid(f"Prompts times n must not be over {PARTS_LIMIT}.", code="invalid_value", param="prompt")
    return Request(
        kind=kind,
        model=fields.model,
        body=body,
        stream=bool(fields.stream),
        include_usage=bool(options and options.include_usage),
        n=n,
        prompts=prompts,
        seed=fields.seed,
        text_logprobs=isinstance(fields, _Text) and fields.logprobs is not None,
        call=_call(fields, body) if isinstance(fields, _Chat) else None,
        max_tokens=fields.max_completion_tokens or fields.max_tokens,
    )


def _call(fields: _Chat, body: bytes) -> bytes | None:
    offer = offered(fields.tools or (), fields.tool_choice)
    try:
        if offer is None:
            return None
        return members(offer, bytes(_MESSAGES.decode(body).messages), _answer_schema(fields.response_format))
    except RecursionError:  # what could just be read is a little deeper when it is written
        raise too_deep() from None


def _answer_schema(form: _Form | None) -> Schema | None:
    """What an answer in words is held to; None for nothing."""
    if form is None or form.type not in ("json_object", "json_schema"):
        return None
    if form.type == "json_object":
        return {"type": "object"}
    given = (form.json_schema or {}).get("schema")
    if given is None:
        param = "response_format.json_schema.schema"
        raise Invalid(f"Missing required parameter: '{param}'.", code="missing_required_parameter", param=param)
    try:
        schema: Schema = msgspec.json.decode(given, type=Schema)
    except msgspec.ValidationError as error:
        refuse_member(str(error), "response_format.json_schema.schema")
    return schema


def too_deep() -> Invalid:
    """The body holds lists or objects within each other, more of them than can be worked on."""
    return Invalid("The request body is nested too deeply.", code="invalid_json")


def _several_prompts(fields: _Text) -> tuple[bytes, ...] | None:
    """The prompts of a list, unless the list is one prompt written as token numbers."""
    if isinstance(fields.prompt, str):
        return None
    prompts = tuple(bytes(raw) for raw in fields.prompt)
    return None if all(prompt.isdigit() for prompt in prompts) else prompts


def _refuse_unsupported(fields: object) -> None:
    if isinstance(fields, _Chat) and fields.lora is fields.id_slot is fields.n_cmpl is UNSET:
        return  # nearly all of them
    for name in _PLATFORM_ONLY:
        if getattr(fields, name, UNSET) is not UNSET:
            raise Invalid(
                f"'{name}' is set by the platform. Name the model that you want in 'model'.",
                code="unsupported_parameter",
                param=name,
            )
    if isinstance(fields, _Text):
        for name, given in (("echo", fields.echo), ("suffix", fields.suffix), ("best_of", _best_of(fields))):
            if given:
                raise Invalid(
                    f"'{name}' is not supported here. Leave it out.", code="unsupported_parameter", param=name
                )


def _best_of(fields: _Text) -> bool:
    return fields.best_of is not None and fields.best_of != (fields.n or 1)


_PATH = re.compile(r" - at `\$\.?(.*)`$")
_MISSING = re.compile(r"^Object missing required field `(.+?)`")


def refuse_member(text: str, under: str = "") -> NoReturn:
    """Turn msgspec's words into OpenAI's: which member is wrong, below ``under``, and how. Raises Invalid."""
    where = _PATH.search(text)
    place = ".".join(filter(None, (under, where.group(1) if where else ""))).replace(".[", "[")
    reason = _PATH.sub("", text)
    if missing := _MISSING.match(reason):
        name = f"{place}.{missing.group(1)}" if place else missing.group(1)
        raise Invalid(f"Missing required parameter: '{name}'.", code="missing_required_parameter", param=name)
    if not place:
        raise Invalid(f"The request body is not what this path takes: {reason}.", code="invalid_request_body")
    raise Invalid(f"Invalid value for '{place}': {reason}.", code="invalid_value", param=place)


def encode_members(named: Mapping[str, Any]) -> bytes:
    """JSON members without the braces, for `Request.upstream_body`."""
    return msgspec.json.encode(named)[1:-1]
