"""The OpenAPI document of the gateway's own routes; the formats are their vendors'."""

from collections.abc import Sequence

from tercet.content import JsonObject

_TEXT: JsonObject = {"type": "string", "minLength": 1}
_LIMIT: JsonObject = {"type": "integer", "minimum": 1, "maximum": 128_000}
_FREE: JsonObject = {"type": "object"}
_MESSAGE: JsonObject = {
    "type": "object",
    "required": ["role", "content"],
    "properties": {"role": {"enum": ["user", "assistant", "system"]}, "content": _TEXT},
}
_MESSAGES: JsonObject = {"type": "array", "minItems": 1, "maxItems": 2_000, "items": _MESSAGE}


def document(models: Sequence[str]) -> JsonObject:
    """Return the document; `models` are the names that callers may use."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tercet", "version": "1"},
        "security": [{"bearer": []}],
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "responses": {"Error": _content("Why not, in the surface's own envelope", _FREE)},
        },
        "paths": _read_paths() | _ask_paths(list(models)),
    }


def _read_paths() -> JsonObject:
    return {
        "/healthz": {"get": _operation("Whether the process runs") | {"security": []}},
        "/readyz": {"get": _operation("Whether every tier answers")},
        "/openapi.json": {"get": _operation("This document")},
        "/v1/models": {"get": _operation("The names that callers may use")},
        "/v1/models/{name}": {"get": _operation("One of them", "name")},
        "/v1/requests/{id}": {"get": _operation("The receipt of a request", "id")},
        "/v1/budget": {"get": _operation("The month's money")},
        "/v1/feedback": {"post": _operation("Say how good an answer was") | _feedback()},
        "/v1/local": {"get": _operation("The local model: whether it is ready")},
        "/v1/local/wake": {"post": _operation("Have it loaded")},
        "/v1/responses/{id}": {
            "get": _operation("An answer that was stored", "id"),
            "delete": _operation("Delete it", "id"),
        },
    }


def _ask_paths(models: list[str]) -> JsonObject:
    model: JsonObject = {"type": "string", "examples": [*models]}
    chat: JsonObject = {
        "model": model,
        "messages": _MESSAGES,
        "max_completion_tokens": _LIMIT,
        "stream": {"type": "boolean"},
    }
    responses: JsonObject = {
        "model": model,
        "input": _TEXT,
        "max_output_tokens": _LIMIT,
        "stream": {"type": "boolean"},
    }
    messages: JsonObject = {
        "model": model,
        "messages": _MESSAGES,
        "max_tokens": _LIMIT,
        "stream": {"type": "boolean"},
    }
    counted: JsonObject = {"model": model, "messages": _MESSAGES}
    return {
        "/v1/chat/completions": _asking("OpenAI chat completions", chat, ["model", "messages"]),
        "/v1/responses": _asking("OpenAI Responses", responses, ["model", "input"]),
        "/v1/messages": _asking(
            "Anthropic Messages", messages, ["model", "messages", "max_tokens"]
        ),
        "/v1/messages/count_tokens": _asking(
            "Anthropic token counting", counted, ["model", "messages"]
        ),
    }


def _feedback() -> JsonObject:
    opinions: JsonObject = {
        "score": {"type": "number", "minimum": 0, "maximum": 1},
        "rating": {"enum": ["up", "down"]},
        "preferred_to": _TEXT,
    }
    return _body(
        {
            "type": "object",
            "required": ["request_id"],
            "properties": {"request_id": _TEXT, **opinions},
            "additionalProperties": False,
            "oneOf": [{"required": [name]} for name in opinions],
        }
    )


def _body(schema: JsonObject) -> JsonObject:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _asking(summary: str, properties: JsonObject, required: list[str]) -> JsonObject:
    body: JsonObject = {"type": "object", "required": [*required], "properties": properties}
    return {"post": _operation(summary) | _body(body)}


def _operation(summary: str, parameter: str | None = None) -> JsonObject:
    operation: JsonObject = {
        "summary": summary,
        "responses": {
            "200": _content("Done", _FREE),
            "default": {"$ref": "#/components/responses/Error"},
        },
    }
    if parameter is not None:
        operation["parameters"] = [
            {"name": parameter, "in": "path", "required": True, "schema": {"type": "string"}}
        ]
    return operation


def _content(description: str, schema: JsonObject) -> JsonObject:
    return {"description": description, "content": {"application/json": {"schema": schema}}}
