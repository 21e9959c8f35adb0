"""Anthropic Messages, outward: models and counts of tokens as bytes."""

from collections.abc import Mapping

from router.surfaces.refusal import utc
from router.surfaces.writing import encode
from tercet.content import JsonObject, JsonValue


def count_body(tokens: int) -> bytes:
    """Return how many tokens a request would be."""
    return encode({"input_tokens": tokens})


def models_body(owners: Mapping[str, str], created: int) -> bytes:
    """Return the list of models, on one page; see `openai_chat_reply.models_body`."""
    models: list[JsonValue] = [_model(name, owner, created) for name, owner in owners.items()]
    names = [*owners]
    return encode(
        {
            "data": models,
            "has_more": False,
            "first_id": names[0] if names else None,
            "last_id": names[-1] if names else None,
        }
    )


def model_body(name: str, owner: str, created: int) -> bytes:
    """Return one model; `created` is in Unix seconds."""
    return encode(_model(name, owner, created))


def _model(name: str, owner: str, created: int) -> JsonObject:
    return {
        "type": "model",
        "id": name,
        "display_name": f"{name} ({owner})",
        "created_at": utc(created),
        "capabilities": None,
        "max_input_tokens": None,
        "max_tokens": None,
        "lifecycle": "active",
    }
