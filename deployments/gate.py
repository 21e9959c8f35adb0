"""Whether a model may be asked now: breaker, throttle and pushback. Pure but for what it remembers.

Times are Unix seconds and come as arguments. A client's own mistakes never count against a model.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from tercet.call import Completion, Failure, FailureKind, Outcome
from tercet.rules import UpstreamRules

SICK: frozenset[FailureKind] = frozenset(
    {"overloaded", "rate_limited", "unavailable", "timeout", "truncated", "unreachable"}
)
"""Failures that say something of the provider's health rather than of the request."""
SLACK = 10
"""Refusals of a window that throttle nothing: with so few requests the shares mean little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shut:
    """The model is not to be asked now."""

    kind: FailureKind
    why: str
    opens_in_s: float


@dataclass(slots=True)
class Purse:
    """A token bucket that second and third attempts are paid from.

    Calls earn a fraction each, so retries stay a fraction of calls; time earns a little, so that a
    quiet gateway has some (Finagle's budget with a floor, gRPC A6's bucket).
    """

    rules: UpstreamRules
    at: float
    tokens: float = field(init=False)

    def __post_init__(self) -> None:
        """Start full."""
        self.tokens = self.rules.purse_capacity

    def earn(self, now: float) -> None:
        """Credit one call."""
        self._age(now)
        self.tokens = min(self.rules.purse_capacity, self.tokens + self.rules.purse_per_call)

    def pay(self, now: float) -> bool:
        """Take one token, if there is one."""
        self._age(now)
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True

    def _age(self, now: float) -> None:
        earned = max(now - self.at, 0) * self.rules.purse_per_s
        self.tokens = min(self.rules.purse_capacity, self.tokens + earned)
        self.at = now


@dataclass(slots=True)
class Gate:
    """What one replica knows of one model's health."""

    model: str
    rules: UpstreamRules
    chance: Callable[[], float]
    """A random number in [0, 1)."""
    _streak: int = 0
    _probe_at: float = 0.0
    _probe_after_s: float = 0.0
    _pushed_until: float = 0.0
    _exhausted_until: float = 0.0
    _window: deque[tuple[float, bool]] = field(default_factory=deque[tuple[float, bool]])
    """When each attempt of the window ended, and whether it was accepted."""
    _ended: int = 0
    _accepted: int = 0

    @property
    def is_open(self) -> bool:
        """Whether the breaker is open: nothing but probes passes."""
        return self._streak >= self.rules.breaker_failures

    def ask(self, now: float) -> Shut | None:
        """Say whether an attempt may be sent now; if the breaker is open, it is the probe."""
        shut = self._shut(now)
        if shut is None and self.is_open:
            self._expect_probe(now)
        return shut

    def heard(self, outcome: Outcome, now: float) -> None:
        """Learn from an attempt's outcome."""
        if isinstance(outcome, Completion):
            self._recover(now)
            return
        if outcome.kind == "rate_limited" and outcome.retry_after_s is not None:
            self._pushed_until = max(self._pushed_until, now + outcome.retry_after_s)
        if outcome.kind in SICK:
            self._note(now, was_accepted=False)
            self._streak += 1
            if self._streak == self.rules.breaker_failures:
                self._expect_probe(now)
        elif outcome.attempt_id is not None and outcome.kind != "abandoned":
            self._recover(now)  # it answered, if only to refuse

    def exhaust(self, until: float) -> None:
        """Ask nothing until then: the provider's own spending limit is reached."""
        self._exhausted_until = until

    def _recover(self, now: float) -> None:
        if self.is_open:
            self._window.clear()
            self._ended = self._accepted = 0
        self._streak = 0
        self._probe_after_s = 0.0
        self._note(now, was_accepted=True)

    def _note(self, now: float, *, was_accepted: bool) -> None:
        """Count an attempt once it ended: one that runs, or was never sent, says nothing yet."""
        self._window.append((now, was_accepted))
        self._ended += 1
        self._accepted += was_accepted

    def _expect_probe(self, now: float) -> None:
        """Let the next probe wait twice as long as the last: it is somebody's call."""
        longer = max(2 * self._probe_after_s, self.rules.probe_every_s)
        self._probe_after_s = min(longer, self.rules.probe_at_least_every_s)
        self._probe_at = now + self._probe_after_s

    def _shut(self, now: float) -> Shut | None:
        if now < self._exhausted_until:
            why = "its provider's own spending limit is reached"
            return Shut(kind="exhausted", why=why, opens_in_s=self._exhausted_until - now)
        if now < self._pushed_until:
            why = "its provider asked to wait"
            return Shut(kind="rate_limited", why=why, opens_in_s=self._pushed_until - now)
        if self.is_open and now < self._probe_at:
            why = f"{self._streak} failures in a row"
            return Shut(kind="overloaded", why=why, opens_in_s=self._probe_at - now)
        if not self.is_open and self.chance() < self._excess(now):
            why = "it refuses more than it accepts"
            return Shut(kind="overloaded", why=why, opens_in_s=1.0)
        return None

    def _excess(self, now: float) -> float:
        """Return the share of requests to refuse here (Google SRE, Handling Overload)."""
        while self._window and self._window[0][0] < now - self.rules.throttle_window_s:
            _, was_accepted = self._window.popleft()
            self._accepted -= was_accepted
            self._ended -= 1
        excess = self._ended - self.rules.throttle_k * self._accepted - SLACK
        return max(0.0, excess / (self._ended + 1))


def refused(model: str, shut: Shut) -> Failure:
    """Return the failure of a call that was not sent."""
    message = f"not asked: {shut.why}; again in {shut.opens_in_s:.0f} s"
    return Failure(model=model, kind=shut.kind, message=message, retry_after_s=shut.opens_in_s)
