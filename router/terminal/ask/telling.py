"""The gateway's stream, line by line, as values; and why there is no answer, in words."""

import json
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tercet.usage import NANO_USD_PER_USD

_COMMENT, _DATA, _DONE = ": ", "data: ", "[DONE]"


@dataclass(frozen=True, slots=True)
class Note:
    """What is being done while nothing is said."""

    text: str


@dataclass(frozen=True, slots=True)
class Said:
    """A piece of the answer."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """How the answer ended, and what it took."""

    request_id: str
    route: str
    models: tuple[str, ...]
    degraded: tuple[str, ...]
    cost_nano_usd: int
    simulated: bool
    finish: str


@dataclass(frozen=True, slots=True)
class Broken:
    """The stream ended with an error."""

    why: str


async def events(lines: AsyncIterable[str]) -> AsyncIterator[Note | Said | Receipt | Broken]:
    """Yield what the lines of a stream say; it was whole if the last one is a receipt."""
    async for line in lines:
        if line.startswith(_COMMENT):
            yield Note(line.removeprefix(_COMMENT))
        elif line.startswith(_DATA) and (data := line.removeprefix(_DATA)) != _DONE:
            for event in _of_chunk(json.loads(data)):
                yield event


def _of_chunk(chunk: Mapping[str, Any]) -> Iterator[Said | Receipt | Broken]:
    if "error" in chunk:
        yield Broken(why(chunk))
    for choice in chunk.get("choices", ()):
        if text := choice["delta"].get("content"):
            yield Said(text)
        if (finish := choice["finish_reason"]) is not None:
            yield _receipt(chunk["tercet"], finish)


def _receipt(told: Mapping[str, Any], finish: str) -> Receipt:
    return Receipt(
        request_id=told["request_id"],
        route=told["route"],
        models=tuple(told["models"]),
        degraded=tuple(told["degraded"]),
        cost_nano_usd=int(Decimal(told["cost_usd"]) * NANO_USD_PER_USD),
        simulated=told["simulated"],
        finish=finish,
    )


def why(body: Mapping[str, Any]) -> str:
    """Return what an error's envelope says, and when a spent budget begins anew."""
    error = body["error"]
    reset_at = error.get("reset_at")
    return str(error["message"]) + (f"; it begins anew at {reset_at}" if reset_at else "")


def refusal(status: int, content: bytes, retry_after: str | None, whose_key: str) -> str:
    """Return why the gateway refuses, and what to do.

    Args:
        status: HTTP status.
        content: the body.
        retry_after: the header, in seconds.
        whose_key: where the key is from.
    """
    try:
        body: Mapping[str, Any] = json.loads(content)
        said, resets = why(body), "reset_at" in body["error"]
    except (ValueError, KeyError, TypeError):
        return f"it answers {status}, and not as a gateway does; see that --url names one"
    if status == 401:
        return (
            f"it does not know the key of {whose_key}; set TERCET_API_KEY to the key that "
            "`make run` printed, or make one with `tercet keys create NAME`"
        )
    if retry_after is not None and not resets:
        return f"{said}; ask again in {retry_after} s"
    return said
