"""What the playground's page is told: the gateway's stream and the ledger's rows as events."""

import json
from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

MOST_CHARS = 20_000
"""Of a question: the playground is for looking, not for work."""


class Question(BaseModel):
    """What the page posts."""

    model_config = ConfigDict(extra="forbid")

    question: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MOST_CHARS)
    ]
    model: Annotated[str, Field(min_length=1, max_length=200)] = "auto"
    strict: bool = False
    """Every voice and every round."""

    @property
    def body(self) -> Mapping[str, object]:
        """The same as a chat completion."""
        return {
            "model": self.model,
            "stream": True,
            "messages": [{"role": "user", "content": self.question}],
            "metadata": {"strict": "true"} if self.strict else {},
        }


class _Error(BaseModel):
    message: str = "the gateway answered with something that is no answer"


class _Delta(BaseModel):
    content: str | None = None
    reasoning_content: str | None = None


class _Choice(BaseModel):
    delta: _Delta = _Delta()


class _Chunk(BaseModel):
    """What is read of a chunk of a chat completion, or of an error in its place."""

    choices: list[_Choice] = []
    error: _Error | None = None


def read_question(raw: bytes) -> Question | str:
    """Return the question that was posted, or what is wrong with it."""
    try:
        return Question.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc'])) or 'the body'}: {first['msg']}"


def event(name: str, **data: object) -> bytes:
    """Return a server-sent event whose data is a JSON object."""
    # ASCII, because what splits a stream into lines may split at more than line feeds.
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()


def problem(text: str) -> bytes:
    """Return the event of what went wrong."""
    return event("problem", text=text)


def told(line: str) -> bytes:
    """Return what the page is told for a line of the gateway's stream; often nothing."""
    if line.startswith(": "):
        return event("note", text=line[2:])
    if not line.startswith("data: ") or line == "data: [DONE]":
        return b""
    chunk = _read(line[6:])
    if chunk.error is not None:
        return problem(chunk.error.message)
    delta = chunk.choices[0].delta if chunk.choices else _Delta()
    kinds = {"thought": delta.reasoning_content, "text": delta.content}
    return b"".join(event(kind, text=text) for kind, text in kinds.items() if text)


def refusal(status: int, body: bytes) -> bytes:
    """Return the event of a request that the gateway refused, in its own words."""
    error = _read(body).error or _Error()
    return problem(f"{status}: {error.message}")


def _read(text: str | bytes) -> _Chunk:
    try:
        return _Chunk.model_validate_json(text)
    except ValidationError:
        return _Chunk(error=_Error())
