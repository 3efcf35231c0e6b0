"""Embeddings and rerankings: whole answers only, one run of the engine, prompts but no completion tokens."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from argosy.core import Invalid
from argosy.gateway.events import malformed, swaps
from argosy.gateway.metering import Usage

INPUTS_LIMIT = 2048
"""Texts that one request may bring, as in OpenAI's API."""

_Text = Annotated[str, Meta(min_length=1)]


class EmbeddingFields(msgspec.Struct, kw_only=True):
    """The members of an embeddings request that the gateway looks at."""

    model: _Text
    input: _Text | Annotated[list[Raw], Meta(min_length=1, max_length=INPUTS_LIMIT)]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = None
    user: str | None = None
    metadata: dict[str, Raw] | None = None
    stream: bool | None = None
    stream_options: dict[str, Raw] | None = None
    lora: Raw | UnsetType = UNSET


class RerankFields(msgspec.Struct, kw_only=True):
    """The members of a rerank request, in the shape that Jina and Cohere gave it."""

    model: _Text
    query: _Text
    documents: Annotated[list[_Text], Meta(min_length=1, max_length=INPUTS_LIMIT)]
    top_n: Annotated[int, Meta(ge=1)] | None = None
    metadata: dict[str, Raw] | None = None
    stream: bool | None = None
    stream_options: dict[str, Raw] | None = None
    lora: Raw | UnsetType = UNSET


class _PromptUsage(msgspec.Struct):
    prompt_tokens: Annotated[int, Meta(ge=0)]


class _Answer(msgspec.Struct):
    usage: _PromptUsage
    model: str = ""


_ANSWER = msgspec.json.Decoder(_Answer)
_ANY = msgspec.json.Decoder(dict[str, Raw])


def check(fields: EmbeddingFields | RerankFields) -> None:
    """Refuse what cannot be done. Raises Invalid."""
    refuse_streaming(fields.stream, fields.stream_options)
    if isinstance(fields, RerankFields):
        return
    if fields.dimensions is not None:
        raise Invalid(
            "'dimensions' is not supported: an embedding has the length that its model gives it. Leave it out.",
            code="unsupported_parameter",
            param="dimensions",
        )
    if isinstance(fields.input, list):
        kinds = {_kind(raw) for raw in fields.input}
        if "empty" in kinds:
            raise Invalid("'input' holds an empty text, which has no embedding.", code="invalid_value", param="input")
        if len(kinds) > 1 or "other" in kinds:
            raise Invalid(
                "'input' must be a text, a list of texts, a list of token numbers or a list of such lists.",
                code="invalid_value",
                param="input",
            )


def refuse_streaming(stream: bool | None, options: object) -> None:
    """Raises Invalid if the answer is to be streamed, which comes whole."""
    if stream or options is not None:
        raise Invalid(
            "There is nothing to stream here: the answer comes whole. Leave 'stream' and 'stream_options' out.",
            code="unsupported_parameter",
            param="stream" if stream else "stream_options",
        )


def _kind(raw: Raw) -> str:
    text = bytes(raw).strip()
    if text in (b'""', b"[]"):
        return "empty"
    return {b'"': "text", b"[": "tokens"}.get(text[:1], "token" if text.isdigit() else "other")


def whole(body: bytes, model: str) -> tuple[bytes, Usage]:
    """An engine's answer as the client may see it, and its usage. Raises UpstreamFailed if it is malformed."""
    try:
        answer = _ANSWER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise malformed() from None
    pairs = swaps(body, {"model": (answer.model, model)})
    if pairs is None:
        body = msgspec.json.encode({**_ANY.decode(body), "model": model})
    for old, new in pairs or ():
        body = body.replace(old, new, 1)
    return body, Usage(answer.usage.prompt_tokens, 0, 0)
