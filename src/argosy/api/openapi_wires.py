"""The OpenAPI description of the wires that are translated: OpenAI's Responses API and Anthropic's Messages API."""

from typing import Any

_NUMBER, _WHOLE, _TEXT, _FLAG = {"type": "number"}, {"type": "integer"}, {"type": "string"}, {"type": "boolean"}
_OBJECT: dict[str, Any] = {"type": "object"}
_LIST: dict[str, Any] = {"type": "array", "items": _OBJECT}
_MODEL = {**_TEXT, "minLength": 1, "description": "A name from GET /v1/models."}

RESPONSES: dict[str, Any] = {
    "model": _MODEL,
    "input": {
        "oneOf": [_TEXT, {**_LIST, "minItems": 1}],
        "description": "A text, or items: messages of text, function_call, function_call_output.",
    },
    "instructions": _TEXT,
    "previous_response_id": {**_TEXT, "description": "A stored response of this project, to go on from."},
    "store": {
        **_FLAG,
        "default": True,
        "description": "Kept for 30 days. The answer's own 'store' says whether it is.",
    },
    "stream": _FLAG,
    "max_output_tokens": {**_WHOLE, "minimum": 1},
    "temperature": {**_NUMBER, "minimum": 0, "maximum": 2},
    "top_p": {**_NUMBER, "minimum": 0, "maximum": 1},
    "tools": {**_LIST, "description": "Functions."},
    "tool_choice": {"oneOf": [{**_TEXT, "enum": ["none", "auto", "required"]}, _OBJECT]},
    "parallel_tool_calls": _FLAG,
    "text": {**_OBJECT, "description": "'format': text, json_object, or json_schema, which is enforced."},
    "metadata": {**_OBJECT, "maxProperties": 16, "additionalProperties": _TEXT},
}
MESSAGES: dict[str, Any] = {
    "model": _MODEL,
    "max_tokens": {**_WHOLE, "minimum": 1},
    "messages": {**_LIST, "minItems": 1, "description": "Turns of text, tool_use and tool_result blocks."},
    "system": {"oneOf": [_TEXT, _LIST]},
    "stream": _FLAG,
    "stop_sequences": {"type": "array", "items": _TEXT},
    "temperature": {**_NUMBER, "minimum": 0, "maximum": 1},
    "top_p": {**_NUMBER, "minimum": 0, "maximum": 1},
    "top_k": {**_WHOLE, "minimum": 0},
    "tools": {**_LIST, "description": "Tools of your own, each with an input_schema."},
    "tool_choice": _OBJECT,
    "output_config": {**_OBJECT, "description": "'format': json_schema, which is enforced."},
    "metadata": _OBJECT,
}
INPUT_TOKENS = {
    name: RESPONSES[name]
    for name in ("model", "input", "instructions", "previous_response_id", "tools", "tool_choice", "text")
}
COUNT_TOKENS = {
    name: MESSAGES[name] for name in ("model", "messages", "system", "tools", "tool_choice", "output_config")
}
MESSAGES_ERROR_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "error", "request_id"],
    "properties": {
        "type": {**_TEXT, "enum": ["error"]},
        "error": {
            "type": "object",
            "required": ["type", "message"],
            "properties": {"type": _TEXT, "message": _TEXT, "details": _OBJECT},
        },
        "request_id": _TEXT,
    },
}
MESSAGES_ERRORS = {
    "400": "The request cannot be carried out as written.",
    "401": "No API key in x-api-key or Authorization, or one that is unknown or revoked.",
    "403": "The key lacks the scope 'inference'.",
    "404": "No such model for this project; the message names near ones.",
    "413": "The body is too large.",
    "502": "The engine failed.",
    "504": "The engine was silent for too long.",
    "529": "No replica is ready, or usage cannot be recorded; see Retry-After.",
}
