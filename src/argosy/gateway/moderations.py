"""Moderation: whether texts or pictures are harmful, as the model that was asked says. Nothing is ever said for it."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from argosy.core import Invalid
from argosy.gateway.events import malformed
from argosy.gateway.metering import Usage
from argosy.gateway.vectors import INPUTS_LIMIT, refuse_streaming

DEFAULT_MODEL = "omni-moderation-latest"
"""Which name is meant where a request names none, as in OpenAI's API."""


class ModerationFields(msgspec.Struct, kw_only=True):
    """The members of a moderation request that the gateway looks at."""

    input: str | Annotated[list[Raw], Meta(min_length=1, max_length=INPUTS_LIMIT)]
    model: Annotated[str, Meta(min_length=1)] = DEFAULT_MODEL
    user: str | None = None
    metadata: dict[str, Raw] | None = None
    stream: bool | None = None
    stream_options: dict[str, Raw] | None = None
    lora: Raw | UnsetType = UNSET


class _TextPart(msgspec.Struct, tag_field="type", tag="text"):
    text: str


class _Url(msgspec.Struct):
    url: Annotated[str, Meta(min_length=1)]


class _ImagePart(msgspec.Struct, tag_field="type", tag="image_url"):
    image_url: _Url


class _Result(msgspec.Struct):
    flagged: bool


class _PromptUsage(msgspec.Struct):
    prompt_tokens: Annotated[int, Meta(ge=0)]


class _Answer(msgspec.Struct):
    results: Annotated[list[_Result], Meta(min_length=1)]
    usage: _PromptUsage | None = None


class _Asked(msgspec.Struct):
    input: str | list[Raw]


_PART = msgspec.json.Decoder(_TextPart | _ImagePart)
_ANSWER = msgspec.json.Decoder(_Answer)
_ASKED = msgspec.json.Decoder(_Asked)
_MEMBERS = msgspec.json.Decoder(dict[str, Raw])


def check_input(fields: ModerationFields) -> None:
    """Refuse what cannot be moderated. Raises Invalid."""
    refuse_streaming(fields.stream, fields.stream_options)
    if isinstance(fields.input, str):
        return
    texts = [_is_text(raw) for raw in fields.input]
    if any(texts) and not all(texts):
        raise _bad_input("input", "a list of texts and a list of parts cannot be mixed")
    if not texts[0]:
        for place, raw in enumerate(fields.input):
            try:
                _PART.decode(raw)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise _bad_input(f"input[{place}]", str(error)) from None


def whole(body: bytes, asked: bytes, model: str, request_id: str) -> tuple[bytes, Usage | None]:
    """A model's answer as the client may see it, and its usage, which most do not tell.

    Raises UpstreamFailed unless it says of every input whether that is flagged.
    """
    try:
        answer = _ANSWER.decode(body)
        members = _MEMBERS.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise malformed() from None
    given = _ASKED.decode(asked).input
    several = not isinstance(given, str) and _is_text(given[0])  # parts are one input
    if len(answer.results) != (len(given) if several else 1):
        raise malformed()
    shown = {**members, "id": "modr-" + request_id.removeprefix("req_"), "model": model}
    usage = Usage(answer.usage.prompt_tokens, 0, 0) if answer.usage else None
    return msgspec.json.encode(shown), usage


def _is_text(raw: Raw) -> bool:
    return bytes(raw).lstrip()[:1] == b'"'


def _bad_input(param: str, why: str) -> Invalid:
    return Invalid(
        f"Invalid value for '{param}': {why}. Give a text, a list of texts, or a list of parts like "
        '{"type": "text", "text": "..."} and {"type": "image_url", "image_url": {"url": "..."}}.',
        code="invalid_value",
        param=param,
    )
