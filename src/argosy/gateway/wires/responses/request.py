"""A request to /v1/responses: what is understood of it, and the chat completion that it becomes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from argosy.core import Invalid
from argosy.gateway.wires import fields
from argosy.gateway.wires.responses.items import Item, input_items, messages, with_ids
from argosy.gateway.wires.responses.stored import StoredResponse

_Text = Annotated[str, Meta(min_length=1)]


class _Format(msgspec.Struct, omit_defaults=True):
    type: Literal["text", "json_object", "json_schema"]
    name: _Text | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None
    description: str | None = None


class _TextConfig(msgspec.Struct):
    format: dict[str, Any] | None = None
    verbosity: Literal["medium"] | None = None


class _Tool(msgspec.Struct):
    type: str
    name: _Text
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class _Choice(msgspec.Struct):
    type: str
    name: str | None = None


class _Fields(msgspec.Struct, kw_only=True):
    model: _Text
    input: str | Annotated[list[Item], Meta(min_length=1)]
    instructions: str | None = None
    previous_response_id: str | None = None
    store: bool | None = None
    stream: bool | None = None
    max_output_tokens: Annotated[int, Meta(ge=1)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: Literal["none", "auto", "required"] | _Choice | None = None
    parallel_tool_calls: bool | None = None
    text: dict[str, Any] | None = None
    metadata: Annotated[dict[str, str], Meta(max_length=16)] | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None


_FIELDS = msgspec.json.Decoder(_Fields)
_NEUTRAL: fields.Neutral = {
    "background": (False,),
    "include": ([], ["reasoning.encrypted_content"]),
    "reasoning": ({}, {"effort": "none"}),
    "service_tier": ("auto", "default"),
    "stream_options": ({}, {"include_obfuscation": False}),
    "top_logprobs": (0,),
    "truncation": ("disabled",),
}
_NEUTRAL_IN_TOOL: fields.Neutral = {"allowed_callers": (["direct"],), "async": (False,), "defer_loading": (False,)}


@dataclass(frozen=True)
class Asked:
    """A request that was understood."""

    said: _Fields
    items: Sequence[Item]
    """Its input."""
    tools: Sequence[_Tool]
    format: _Format
    """What the text of the answer is held to."""

    @property
    def previous(self) -> str | None:
        """Id of the response that it goes on from."""
        return self.said.previous_response_id

    @property
    def stores(self) -> bool:
        """Whether the response is to be kept."""
        return self.said.store is not False

    def input_json(self) -> str:
        """Its input, to be stored, once `chat` has understood it. Raises Invalid if it is nested too deeply."""
        return fields.write(with_ids(self.items)).decode()

    def chat(self, earlier: Sequence[StoredResponse] = ()) -> bytes:
        """The body of the chat completion, after the ``earlier`` responses, oldest first. Raises Invalid."""
        said = self.said
        turns = [(old.id, item) for old in earlier for item in old.conversation()]
        own = [(f"input[{number}]", item) for number, item in enumerate(self.items)]
        heard = messages([*turns, *own])
        if said.instructions:
            heard.insert(0, {"role": "system", "content": said.instructions})
        body = {
            "model": said.model,
            "messages": heard,
            "stream": said.stream,
            "stream_options": {"include_usage": True} if said.stream else None,
            "max_tokens": said.max_output_tokens,
            "temperature": said.temperature,
            "top_p": said.top_p,
            "user": said.user,
            "metadata": said.metadata or None,
            **_chat_tools(self.tools, said),
            "response_format": _chat_format(self.format),
        }
        return fields.given(body)

    def head(self, response_id: str, created_at: int) -> dict[str, Any]:
        """The members of the response that the request settles."""
        said = self.said
        return {
            "id": response_id,
            "object": "response",
            "created_at": created_at,
            "background": False,
            "instructions": said.instructions,
            "max_output_tokens": said.max_output_tokens,
            "metadata": said.metadata or {},
            "model": said.model,
            "parallel_tool_calls": said.parallel_tool_calls is not False,
            "previous_response_id": said.previous_response_id,
            "prompt_cache_key": said.prompt_cache_key,
            "safety_identifier": said.safety_identifier,
            "temperature": 1.0 if said.temperature is None else said.temperature,
            "text": {"format": msgspec.to_builtins(self.format)},
            "tool_choice": msgspec.to_builtins(said.tool_choice or "auto"),
            "tools": msgspec.to_builtins(self.tools),
            "top_p": 1.0 if said.top_p is None else said.top_p,
            "truncation": "disabled",
            "user": said.user,
        }


def read(body: bytes) -> Asked:
    """Read a request body. Raises Invalid, with ``param`` naming the member at fault where one is."""
    said = fields.read(body, _FIELDS, _NEUTRAL)
    tools = [_tool(tool, f"tools[{number}]") for number, tool in enumerate(said.tools or ())]
    _check_choice(said.tool_choice, tools)
    form = _format(said.text)
    return Asked(said, input_items(said.input), tools, form)


def _tool(given: dict[str, Any], place: str) -> _Tool:
    if (kind := given.get("type", "function")) != "function":
        raise fields.unsupported(f"{place}.type", f"is '{kind}', which is not supported here; only 'function' is.")
    return fields.read_part(given, _Tool, place, _NEUTRAL_IN_TOOL)


def _format(text: dict[str, Any] | None) -> _Format:
    given = fields.read_part(text or {}, _TextConfig, "text").format
    if given is None:
        return _Format("text")
    form = fields.read_part(given, _Format, "text.format")
    for name in ("name", "schema") if form.type == "json_schema" else ():
        if getattr(form, name) is None:
            raise _missing(f"text.format.{name}")
    return form


def _check_choice(choice: str | _Choice | None, tools: Sequence[_Tool]) -> None:
    if choice not in (None, "none", "auto") and not tools:
        raise Invalid("'tool_choice' needs 'tools'.", code="invalid_value", param="tool_choice")
    if isinstance(choice, _Choice):
        if choice.type != "function":
            raise fields.unsupported("tool_choice.type", "must be 'function' here.")
        if not choice.name:
            raise _missing("tool_choice.name")


def _missing(param: str) -> Invalid:
    return Invalid(f"Missing required parameter: '{param}'.", code="missing_required_parameter", param=param)


def _chat_tools(offered: Sequence[_Tool], said: _Fields) -> dict[str, Any]:
    if not offered:
        return {}
    tools = [{"type": "function", "function": _function(tool)} for tool in offered]
    choice: Any = said.tool_choice
    if isinstance(choice, _Choice):
        choice = {"type": "function", "function": {"name": choice.name}}
    return {"tools": tools, "tool_choice": choice, "parallel_tool_calls": said.parallel_tool_calls}


def _function(tool: _Tool) -> dict[str, Any]:
    members = {name: getattr(tool, name) for name in ("name", "description", "parameters", "strict")}
    return {name: value for name, value in members.items() if value is not None}


def _chat_format(form: _Format) -> dict[str, Any] | None:
    if form.type == "text":
        return None
    if form.type == "json_object":
        return {"type": "json_object"}
    return fields.json_schema(form.schema or {}, form.name or "", form.strict, form.description)
