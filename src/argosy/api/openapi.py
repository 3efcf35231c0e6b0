"""The OpenAPI description of the data plane, which is plain ASGI and so describes itself nowhere else."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from argosy.api.openapi_wires import (
    COUNT_TOKENS,
    INPUT_TOKENS,
    MESSAGES,
    MESSAGES_ERROR_SCHEMA,
    MESSAGES_ERRORS,
    RESPONSES,
)
from argosy.gateway.wires import COUNT_TOKENS_PATH, INPUT_TOKENS_PATH, MESSAGES_PATH, RESPONSES_PATH

_NUMBER, _WHOLE, _TEXT, _FLAG = {"type": "number"}, {"type": "integer"}, {"type": "string"}, {"type": "boolean"}
_COMMON: dict[str, Any] = {
    "model": {**_TEXT, "description": "A name from GET /v1/models."},
    "stream": _FLAG,
    "stream_options": {"type": "object", "properties": {"include_usage": _FLAG}},
    "n": {**_WHOLE, "minimum": 1, "maximum": 128},
    "seed": _WHOLE,
    "max_tokens": {**_WHOLE, "minimum": 1},
    "temperature": {**_NUMBER, "minimum": 0, "maximum": 2},
    "top_p": {**_NUMBER, "minimum": 0, "maximum": 1},
    "frequency_penalty": {**_NUMBER, "minimum": -2, "maximum": 2},
    "presence_penalty": {**_NUMBER, "minimum": -2, "maximum": 2},
    "stop": {"oneOf": [_TEXT, {"type": "array", "items": _TEXT}]},
}
_ROLES = ["system", "developer", "user", "assistant", "tool", "function"]
_MESSAGE = {
    "type": "object",
    "required": ["role"],
    "properties": {
        "role": {**_TEXT, "enum": _ROLES},
        "content": {"oneOf": [_TEXT, {"type": "array", "items": {"type": "object"}}, {"type": "null"}]},
    },
}
_CHAT = {
    **_COMMON,
    "messages": {"type": "array", "minItems": 1, "items": _MESSAGE},
    "max_completion_tokens": {**_WHOLE, "minimum": 1},
    "logprobs": _FLAG,
    "top_logprobs": {**_WHOLE, "minimum": 0, "maximum": 20},
    "response_format": {"type": "object", "description": "text, json_object, or json_schema, which is enforced."},
    "tools": {"type": "array", "items": {"type": "object"}},
}
_TEXT_COMPLETION = {
    **_COMMON,
    "prompt": {"oneOf": [_TEXT, {"type": "array", "minItems": 1}]},
    "logprobs": {**_WHOLE, "minimum": 0, "maximum": 20},
}
_EMBEDDINGS = {
    "model": _COMMON["model"],
    "input": {"oneOf": [_TEXT, {"type": "array", "minItems": 1, "maxItems": 2048}]},
    "encoding_format": {**_TEXT, "enum": ["float", "base64"]},
}
_RERANK = {
    "model": _COMMON["model"],
    "query": {**_TEXT, "minLength": 1},
    "documents": {"type": "array", "minItems": 1, "maxItems": 2048, "items": {**_TEXT, "minLength": 1}},
    "top_n": {**_WHOLE, "minimum": 1},
}
_MODERATIONS = {
    "model": {**_TEXT, "description": "A model for moderation; left out: omni-moderation-latest."},
    "input": {"oneOf": [_TEXT, {"type": "array", "minItems": 1, "maxItems": 2048}]},
}
_ERRORS = {
    "400": "The request cannot be carried out as written.",
    "401": "No API key, or one that is unknown or revoked.",
    "403": "The key lacks the scope 'inference'.",
    "404": "No such model for this project; the message names near ones.",
    "408": "The request did not come in time.",
    "413": "The body is too large.",
    "402": "What was paid ahead does not cover this request.",
    "429": "A limit or a budget is reached, or too many wait already; see Retry-After, and x-ratelimit-* for limits.",
    "431": "The headers are too many or too long.",
    "502": "The engine failed.",
    "503": "No replica is ready, or usage cannot be recorded; see Retry-After.",
}
_CACHE = {
    "name": "x-argosy-cache",
    "in": "header",
    "description": "Whether the answer may be a kept one, and may be kept; 'force': also if it is drawn at random.",
    "schema": {**_TEXT, "enum": ["off", "on", "force"]},
}
_CAPTURE = {
    "name": "x-argosy-capture",
    "in": "header",
    "description": "'off': this request is not kept, whatever its project has set at /v1/capture.",
    "schema": {**_TEXT, "enum": ["off", "on"]},
}
_PRIORITY = {
    "name": "x-argosy-priority",
    "in": "header",
    "required": False,
    "schema": {**_TEXT, "enum": ["interactive", "batch"]},
    "description": "A batch waits behind all interactive requests.",
}
ERROR_SCHEMA = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": _TEXT,
                "type": _TEXT,
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
                "details": {},
            },
        }
    },
}


def describe_completions(app: FastAPI) -> None:
    """Make /openapi.json complete: the completions beside FastAPI's own routes, and the keys."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(title=app.title, version=app.version, routes=app.routes)
            components = schema.setdefault("components", {})
            components.setdefault("schemas", {})["Error"] = ERROR_SCHEMA
            components["schemas"]["MessagesError"] = MESSAGES_ERROR_SCHEMA
            components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
            schema["security"] = [{"key": []}]
            schema["paths"] |= {
                "/v1/chat/completions": _operation("Chat completion", _CHAT, ["model", "messages"]),
                "/v1/completions": _operation("Text completion", _TEXT_COMPLETION, ["model", "prompt"]),
                "/v1/embeddings": _operation("Embeddings", _EMBEDDINGS, ["model", "input"]),
                "/v1/rerank": _operation("Reranking", _RERANK, ["model", "query", "documents"]),
                "/v1/moderations": _operation("Moderation", _MODERATIONS, ["input"]),
                RESPONSES_PATH: _operation("Response", RESPONSES, ["model", "input"]),
                INPUT_TOKENS_PATH: _operation("Count of input tokens", INPUT_TOKENS, ["model", "input"]),
                MESSAGES_PATH: _messages_operation("Message", MESSAGES, ["model", "max_tokens", "messages"]),
                COUNT_TOKENS_PATH: _messages_operation("Count of tokens", COUNT_TOKENS, ["model", "messages"]),
            }
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _operation(name: str, properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    body = {"type": "object", "required": required, "properties": properties}
    answer: dict[str, Any] = {"application/json": {"schema": {"type": "object"}}}
    if "stream" in properties:
        answer["text/event-stream"] = {"schema": _TEXT}
    operation = {
        "tags": ["Completions"],
        "summary": name,
        "operationId": f"create_{name.lower().replace(' ', '_')}",
        "parameters": [_CACHE, _CAPTURE, _PRIORITY],
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {
            "200": {"description": "The answer, or a stream of events.", "content": answer},
            **{status: {"description": text, "content": error} for status, text in _ERRORS.items()},
        },
    }
    return {"post": operation}


def _messages_operation(name: str, properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    """Anthropic's wire has errors of its own shape."""
    described = _operation(name, properties, required)
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/MessagesError"}}}
    responses = described["post"]["responses"]
    errors = {status: {"description": text, "content": content} for status, text in MESSAGES_ERRORS.items()}
    described["post"]["responses"] = {"200": responses["200"], **errors}
    return described
