"""Asking a provider's API over HTTP: paced, with time-outs, and with a value for every end."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

import httpx2
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from tercet.renting import RentFailure, RentFailureKind

TIMEOUT_S = 30.0
LONGEST_WAIT_S = 30.0
"""What a caller is kept waiting for its turn; for longer it is told `rate_limited` instead."""
_FIRST_BACK_OFF_S = 1.0
_MARGIN = 1.05
"""Requests arrive less evenly than they are sent."""
_WINDOW = re.compile(r'"\w+";r=(\d+);t=(\d+)')
_EXCERPT = 300
_TOO_MANY = 429

Sleep = Callable[[float], Awaitable[None]]
Shape = TypeVar("Shape", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked."""

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    endpoint: str
    """What a minimum interval is kept for."""
    body: object = None
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    tries: int = 4
    """How often it is sent at most while the answer is 429; nothing else is sent twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back, read to its end."""

    status: int
    json: object
    """`None`: nothing, or no JSON."""
    text: str
    """Its beginning, for messages; it names no key."""


class Asking:
    """One provider's API, as one key sees it."""

    def __init__(  # noqa: PLR0913  the last two are the effects
        self,
        *,
        who: str,
        url: str,
        key: str,
        intervals: Mapping[str, float],
        timeout_s: float = TIMEOUT_S,
        clock: Callable[[], float] = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """Take the minimum seconds between two requests to each endpoint; others have none."""
        self.who = who
        self._key = key
        self._intervals = intervals
        self._clock = clock
        self._sleep = sleep
        self._http = httpx2.AsyncClient(
            base_url=url,
            headers={"Authorization": f"Bearer {key}"},
            timeout=httpx2.Timeout(timeout_s, connect=min(timeout_s, 10)),
        )
        self._free_at: dict[str, float] = {}
        self._held_until = 0.0
        """No request at all before that: a window's quota is used up."""

    async def ask(self, request: Request) -> Answer | RentFailure:
        """Send it in its turn, again while the answer is 429 and `tries` and patience last."""
        back_off_s = max(_FIRST_BACK_OFF_S, self._intervals.get(request.endpoint, 0.0))
        for tries_left in reversed(range(request.tries)):
            turn_s = self._turn(request.endpoint)
            if turn_s > LONGEST_WAIT_S:
                return self._too_many(turn_s)
            if turn_s > 0:
                await self._sleep(turn_s)
            response = await self._send(request)
            if isinstance(response, RentFailure):
                return response
            if response.status_code != _TOO_MANY:
                return self._answer(response)
            wait_s = _retry_after(response) or back_off_s
            if tries_left == 0 or wait_s > LONGEST_WAIT_S:
                return self._too_many(wait_s)
            await self._sleep(wait_s)
            back_off_s *= 2
        raise AssertionError(f"{request.endpoint} was to be tried {request.tries} times")

    def failure(self, kind: RentFailureKind, message: str) -> RentFailure:
        """Return a failure; the key is in no message, even where the provider repeats it."""
        return RentFailure(kind=kind, message=f"{self.who}: {message.replace(self._key, '[key]')}")

    def read(self, shape: type[Shape], answer: Answer) -> Shape | RentFailure:
        """Read an answer, or say what is wrong with it."""
        try:
            return shape.model_validate(answer.json)
        except ValidationError as error:
            where = ", ".join(
                f"{'.'.join(map(str, one['loc'])) or 'the answer'}: {one['msg']}"
                for one in error.errors(include_url=False, include_input=False)[:3]
            )
            said = f"answered {answer.status} in words not known here ({where}): {answer.text!r}"
            return self.failure("unreachable", said)

    async def close(self) -> None:
        """Close connections."""
        await self._http.aclose()

    def _turn(self, endpoint: str) -> float:
        """Book the next free moment of an endpoint, and return how far off it is."""
        now = self._clock()
        at = max(now, self._held_until, self._free_at.get(endpoint, now))
        if at - now <= LONGEST_WAIT_S:
            self._free_at[endpoint] = at + self._intervals.get(endpoint, 0.0) * _MARGIN
        return at - now

    async def _send(self, request: Request) -> httpx2.Response | RentFailure:
        try:
            response = await self._http.request(
                request.method, request.path, params=request.query, json=request.body
            )
        except (httpx2.HTTPError, httpx2.StreamError) as error:
            said = f"{request.method} {request.path}: {type(error).__name__} {error}".rstrip()
            return self.failure("unreachable", f"{said}; it may have been done or not")
        self._held_until = max(self._held_until, self._clock() + _used_up_s(response))
        return response

    def _answer(self, response: httpx2.Response) -> Answer:
        try:
            said: object = from_json(response.content)
        except ValueError:
            said = None
        text = response.text[:_EXCERPT].replace(self._key, "[key]")
        return Answer(status=response.status_code, json=said, text=text)

    def _too_many(self, wait_s: float) -> RentFailure:
        message = f"{self.who}: too many requests; ask again in {wait_s:.0f} s"
        return RentFailure(kind="rate_limited", message=message, retry_after_s=wait_s)


def _retry_after(response: httpx2.Response) -> float | None:
    """Return `Retry-After`, which RunPod sends in seconds and Vast.ai does not send."""
    said = response.headers.get("Retry-After", "")
    return float(said) if said.isdecimal() else None


def _used_up_s(response: httpx2.Response) -> float:
    """Return for how long nothing may be asked, by `RateLimit: "minute";r=0;t=12, ...`."""
    windows = _WINDOW.findall(response.headers.get("RateLimit", ""))
    return max((float(t) for remaining, t in windows if int(remaining) == 0), default=0.0)
