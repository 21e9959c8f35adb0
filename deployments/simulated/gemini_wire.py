"""The Gemini API, from the server's side: only the `gemini_*` files here spell it."""

from collections.abc import Mapping

from deployments.simulated.gemini_errors import CONTEXT, error_script
from deployments.simulated.gemini_read import key_of, read
from deployments.simulated.gemini_rules import MODELS
from deployments.simulated.gemini_shapes import MOST_OUTPUT
from deployments.simulated.gemini_write import body, frames
from deployments.simulated.script import Json, Wire


def _models() -> Json:
    """Return the body of GET /{version}/models."""
    listed = [
        {
            "name": f"models/{name}",
            "version": name,
            "displayName": shown,
            "inputTokenLimit": CONTEXT,
            "outputTokenLimit": MOST_OUTPUT,
            "supportedGenerationMethods": ["generateContent", "countTokens"],
        }
        for name, shown in MODELS.items()
    ]
    return {"models": listed}


def _counted(tokens: int) -> Json:
    details = [{"modality": "TEXT", "tokenCount": tokens}]
    return {"totalTokens": tokens, "promptTokensDetails": details}


def _no_headers(_request_id: str) -> Mapping[str, str]:
    return {}


GEMINI = Wire(
    provider="google",
    read=read,
    count=read,
    counted=_counted,
    error=error_script,
    frames=frames,
    body=body,
    headers=_no_headers,
    key=key_of,
    models=_models,
)
