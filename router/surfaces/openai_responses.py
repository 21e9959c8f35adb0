"""OpenAI Responses: `POST /v1/responses`, and the answers it stores."""

from router.surfaces.openai_chat_reply import error_body
from router.surfaces.openai_responses_reply import deleted_body, kept_body
from router.surfaces.openai_responses_request import continues, read, task_of
from router.surfaces.surface import Surface

__all__ = ["SURFACE", "deleted_body", "kept_body", "task_of"]

SURFACE = Surface(read=read, error_body=error_body, continues=continues)
