"""A running gateway, asked over HTTP: the only file here that knows its paths."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx2
from pydantic import BaseModel, ValidationError

from tercet.task import Message

TIMEOUT_S = 620.0
"""Longer than the gateway's own deadline."""
_LOOKS = 40
_LOOK_EVERY_S = 0.1
_EXCERPT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a gateway is asked."""

    model: str
    system: str | None = None
    messages: Sequence[Message]
    max_output_tokens: int | None = None
    fields: Mapping[str, object] | None = None
    """More of the body, in OpenAI's words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """An answer, and what it took."""

    text: str
    models: frozenset[str]
    """Everyone who spoke."""
    degraded: tuple[str, ...]
    """Voices that were missing."""
    nano_usd: int | None
    """By its receipt; `None`: there was none in time."""
    seconds: float
    is_simulated: bool
    """By the project's own upstreams: it says nothing of the models."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsaid:
    """Why there is no answer."""

    why: str
    nano_usd: int = 0
    """What it cost all the same."""


class _Message(BaseModel):
    content: str | None


class _Choice(BaseModel):
    message: _Message


class _Extras(BaseModel):
    request_id: str
    models: list[str]
    degraded: list[str]
    simulated: bool


class _Reply(BaseModel):
    choices: list[_Choice]
    tercet: _Extras


class _Receipt(BaseModel):
    outcome: str
    cost_nano_usd: int


class Gateway:
    """One gateway."""

    def __init__(
        self,
        http: httpx2.AsyncClient,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        """Take a client with the gateway's address and a key."""
        self._http = http
        self._clock = clock
        self._sleep = sleep

    async def ask(self, question: Question) -> Said | Unsaid:
        """Ask once; a refusal is a value."""
        begun = self._clock()
        try:
            response = await self._http.post("/v1/chat/completions", json=_body(question))
        except httpx2.HTTPError as error:
            return Unsaid(why=f"the gateway does not answer: {type(error).__name__}")
        seconds = self._clock() - begun
        if response.status_code != 200:
            return await self._refused(response)
        try:
            reply = _Reply.model_validate_json(response.content)
        except ValidationError:
            return Unsaid(why=f"no answer of a gateway: {response.text[:_EXCERPT]!r}")
        receipt = await self._receipt(reply.tercet.request_id)
        return Said(
            text=reply.choices[0].message.content or "" if reply.choices else "",
            models=frozenset(reply.tercet.models),
            degraded=tuple(reply.tercet.degraded),
            nano_usd=None if receipt is None else receipt.cost_nano_usd,
            seconds=seconds,
            is_simulated=reply.tercet.simulated,
        )

    async def _refused(self, response: httpx2.Response) -> Unsaid:
        receipt = None
        if (task_id := response.headers.get("x-tercet-request-id")) is not None:
            receipt = await self._receipt(task_id)
        cost = 0 if receipt is None else receipt.cost_nano_usd
        return Unsaid(why=f"{response.status_code}: {_message(response)}", nano_usd=cost)

    async def _receipt(self, task_id: str) -> _Receipt | None:
        """Return a receipt once its task has ended; its attempts are settled by then."""
        for _ in range(_LOOKS):
            try:
                response = await self._http.get(f"/v1/requests/{task_id}")
                receipt = _Receipt.model_validate_json(response.content)
            except (httpx2.HTTPError, ValidationError):
                return None
            if receipt.outcome != "under_way":
                return receipt
            await self._sleep(_LOOK_EVERY_S)
        return None


def _body(question: Question) -> dict[str, object]:
    said = [(one.speaker, one.text) for one in question.messages]
    if question.system is not None:
        said.insert(0, ("system", question.system))
    body: dict[str, object] = {
        "model": question.model,
        "messages": [{"role": speaker, "content": text} for speaker, text in said],
        **(question.fields or {}),
    }
    if question.max_output_tokens is not None:
        body["max_completion_tokens"] = question.max_output_tokens
    return body


def _message(response: httpx2.Response) -> str:
    try:
        return str(response.json()["error"]["message"])[:_EXCERPT]
    except (ValueError, KeyError, TypeError):
        return response.text[:_EXCERPT]
