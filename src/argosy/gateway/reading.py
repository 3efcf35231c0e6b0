"""Request bodies, read once: the few fields the gateway needs, and in OpenAI's words what is wrong with one."""

import re
from typing import Annotated, Any, Literal, NoReturn, TypeVar

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from argosy.core import Invalid
from argosy.gateway.moderations import ModerationFields, check_input
from argosy.gateway.requests import PARTS_LIMIT, Kind, Request
from argosy.gateway.schemas import Schema
from argosy.gateway.tags import read_tags
from argosy.gateway.tools import Choice, Tool, members, offered
from argosy.gateway.vectors import EmbeddingFields, RerankFields, check

T = TypeVar("T")
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
        return Request(kind, fields.model, body, tags=read_tags(fields.metadata) if fields.metadata else "")
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
        tags=read_tags(fields.metadata) if fields.metadata else "",
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
