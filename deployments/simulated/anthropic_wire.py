"""Anthropic's Messages API, from the server's side: only the `anthropic_*` files here spell it."""

from collections.abc import Mapping

from deployments.simulated.anthropic_errors import error_script
from deployments.simulated.anthropic_read import count, key_of, read
from deployments.simulated.anthropic_rules import MODELS
from deployments.simulated.anthropic_write import body, frames
from deployments.simulated.script import Json, Wire


def _counted(tokens: int) -> Json:
    return {"input_tokens": tokens}


def _headers(request_id: str) -> Mapping[str, str]:
    return {"request-id": request_id}


def _models() -> Json:
    listed = [
        {"type": "model", "id": name, "display_name": shown, "created_at": "2026-10-01T00:00:00Z"}
        for name, shown in MODELS.items()
    ]
    ids = list(MODELS)
    return {"data": listed, "has_more": False, "first_id": ids[0], "last_id": ids[-1]}


ANTHROPIC = Wire(
    provider="anthropic",
    read=read,
    count=count,
    counted=_counted,
    error=error_script,
    frames=frames,
    body=body,
    headers=_headers,
    key=key_of,
    models=_models,
)
