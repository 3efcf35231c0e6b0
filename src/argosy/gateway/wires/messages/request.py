"""A request to /v1/messages: what is understood of it, and the chat completion that it becomes."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from argosy.core import Invalid
from argosy.gateway.wires import fields
from argosy.gateway.wires.messages.turns import Block, Turn, messages, text

_Text = Annotated[str, Meta(min_length=1)]


class _Tool(msgspec.Struct):
    name: _Text
    input_schema: dict[str, Any]
    type: str | None = None
    description: str | None = None
    strict: bool | None = None
    cache_control: dict[str, Any] | None = None
    """A hint, like all others of the name: engines keep what prompts have in common without being told."""


class _Choice(msgspec.Struct):
    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class _Format(msgspec.Struct):
    type: Literal["json_schema"]
    schema: dict[str, Any]


class _OutputConfig(msgspec.Struct):
    format: dict[str, Any] | None = None


class _Metadata(msgspec.Struct):
    user_id: str | None = None


class _Fields(msgspec.Struct, kw_only=True):
    model: _Text
    max_tokens: Annotated[int, Meta(ge=1)]
    messages: Annotated[list[Turn], Meta(min_length=1)]
    system: str | list[Block] | None = None
    stream: bool | None = None
    stop_sequences: list[_Text] | None = None
    temperature: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=0)] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: _Choice | None = None
    output_config: dict[str, Any] | None = None
    metadata: _Metadata | None = None
    cache_control: dict[str, Any] | None = None


class _CountedFields(_Fields, kw_only=True):
    max_tokens: Annotated[int, Meta(ge=1)] | None = None  # type: ignore[assignment]


_FIELDS = msgspec.json.Decoder(_Fields)
_COUNTED = msgspec.json.Decoder(_CountedFields)
_NEUTRAL: fields.Neutral = {
    "service_tier": ("auto", "standard_only"),
    "speed": ("standard",),
    "thinking": ({"type": "disabled"}, {"type": "adaptive"}),
}
_NEUTRAL_IN_TOOL: fields.Neutral = {
    "allowed_callers": (["direct"],),
    "defer_loading": (False,),
    "eager_input_streaming": (True, False),
}


@dataclass(frozen=True)
class Asked:
    """A request that was understood."""

    model: str
    chat: bytes
    """The body of the chat completion that it becomes."""


def read(body: bytes) -> Asked:
    """Read a request body. Raises Invalid, with ``param`` naming the member at fault where one is."""
    return _asked(fields.read(body, _FIELDS, _NEUTRAL))


def read_counted(body: bytes) -> Asked:
    """The same for a request whose prompt is only counted: it need not say how long the answer may be."""
    return _asked(fields.read(body, _COUNTED, _NEUTRAL))


def _asked(said: _Fields) -> Asked:
    heard = messages(said.messages)
    if said.system:
        heard.insert(0, {"role": "system", "content": text(said.system, "system")})
    chat = {
        "model": said.model,
        "messages": heard,
        "max_tokens": said.max_tokens,
        "stream": said.stream,
        "stream_options": {"include_usage": True} if said.stream else None,
        "stop": said.stop_sequences or None,
        "temperature": said.temperature,
        "top_p": said.top_p,
        "top_k": said.top_k,
        "user": said.metadata and said.metadata.user_id,
        "metadata": {"user_id": said.metadata.user_id} if said.metadata and said.metadata.user_id else None,
        **_chat_tools(said),
        "response_format": _chat_format(said),
    }
    return Asked(said.model, fields.given(chat))


def _chat_tools(said: _Fields) -> dict[str, Any]:
    choice = said.tool_choice
    if not said.tools:
        if choice and choice.type in ("any", "tool"):
            raise Invalid("'tool_choice' needs 'tools'.", code="invalid_value", param="tool_choice")
        return {}
    tools = [_function(tool, f"tools.{number}") for number, tool in enumerate(said.tools)]
    if choice is None:
        return {"tools": tools}
    parallel = False if choice.disable_parallel_tool_use else None
    return {"tools": tools, "tool_choice": _chat_choice(choice), "parallel_tool_calls": parallel}


def _chat_choice(choice: _Choice) -> Any:
    if choice.type != "tool":
        return {"auto": "auto", "any": "required", "none": "none"}[choice.type]
    if not choice.name:
        raise _missing("tool_choice.name")
    return {"type": "function", "function": {"name": choice.name}}


def _function(given: dict[str, Any], place: str) -> dict[str, Any]:
    if (kind := given.get("type")) not in (None, "custom"):
        raise fields.unsupported(f"{place}.type", f"is '{kind}', which is not supported here; only your own tools are.")
    tool = fields.read_part(given, _Tool, place, _NEUTRAL_IN_TOOL)
    function: dict[str, Any] = {"name": tool.name, "parameters": tool.input_schema}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _chat_format(said: _Fields) -> dict[str, Any] | None:
    given = fields.read_part(said.output_config or {}, _OutputConfig, "output_config").format
    if given is None:
        return None
    form = fields.read_part(given, _Format, "output_config.format")
    return fields.json_schema(form.schema, "answer", True, None)


def _missing(param: str) -> Invalid:
    return Invalid(f"Missing required parameter: '{param}'.", code="missing_required_parameter", param=param)
