"""What a key may ask at a time: requests a minute, and requests under way."""

import math
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from router.surfaces.refusal import Refusal
from tercet.keys import Key

MINUTE_S = 60.0
_CONCURRENT_RETRY_S = 1


class Window:
    """When things happened within the last `span_s` seconds."""

    def __init__(self, span_s: float) -> None:
        self._span_s = span_s
        self._times: deque[float] = deque()

    def wait_s(self, limit: int, now: float) -> float:
        """Return how long until one more is within the limit; 0: it is."""
        while self._times and now - self._times[0] >= self._span_s:
            self._times.popleft()
        if len(self._times) < limit:
            return 0.0
        return self._times[-limit] + self._span_s - now

    def note(self, now: float) -> None:
        """Count one."""
        self._times.append(now)


@dataclass(slots=True)
class _Use:
    window: Window = field(default_factory=lambda: Window(MINUTE_S))
    under_way: int = 0


class Turnstile:
    """Counts the requests of each key in this replica, which grants its share of the limits."""

    def __init__(
        self, replicas: Callable[[], int] = lambda: 1, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Share limits with as many replicas, rounded up; `clock` is in seconds."""
        self._replicas = replicas
        self._clock = clock
        self._uses: defaultdict[str, _Use] = defaultdict(_Use)

    def enter(self, key: Key) -> Refusal | None:
        """Count a request in, to be followed by `leave`; or say why not, and count nothing."""
        use, now = self._uses[key.id], self._clock()
        if key.concurrent is not None and use.under_way >= self._share(key.concurrent):
            return _too_many(key, key.concurrent, "at a time", _CONCURRENT_RETRY_S)
        if key.requests_per_minute is not None:
            wait_s = use.window.wait_s(self._share(key.requests_per_minute), now)
            if wait_s > 0:
                return _too_many(key, key.requests_per_minute, "a minute", math.ceil(wait_s))
            use.window.note(now)
        use.under_way += 1
        return None

    def leave(self, key: Key) -> None:
        """Count a request out."""
        self._uses[key.id].under_way -= 1

    def _share(self, limit: int) -> int:
        return -(-limit // self._replicas())


def _too_many(key: Key, limit: int, per: str, retry_after_s: int) -> Refusal:
    requests = "request" if limit == 1 else "requests"
    return Refusal(
        status=429,
        type="rate_limit_error",
        code="rate_limit_exceeded",
        message=f"the key {key.id} may make {limit} {requests} {per}; retry in {retry_after_s} s",
        retry_after_s=retry_after_s,
    )
