"""Anthropic Messages."""

from router.surfaces.anthropic_messages_lists import count_body, model_body, models_body
from router.surfaces.anthropic_messages_reply import error_body
from router.surfaces.anthropic_messages_request import count_request, read
from router.surfaces.surface import Surface

__all__ = ["SURFACE", "count_body", "count_request", "model_body", "models_body"]

SURFACE = Surface(read=read, error_body=error_body)
