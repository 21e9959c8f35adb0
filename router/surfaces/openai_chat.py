"""OpenAI chat completions."""

from router.surfaces.openai_chat_reply import error_body, model_body, models_body
from router.surfaces.openai_chat_request import read
from router.surfaces.surface import Surface

__all__ = ["SURFACE", "model_body", "models_body"]

SURFACE = Surface(read=read, error_body=error_body)
