"""The failures the simulated upstreams can be told to show, by a prompt or for the process."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from deployments.simulated.markers import Marker, is_aimed_at, last_count, markers

SCENARIOS: Mapping[str, str] = {
    "ok": "answer normally, whatever was asked before",
    "rate": "429 with retry-after; =N seconds, =date, or any word for a broken header (default 1)",
    "rate-once": "429 with retry-after for the first POST of a conversation, then a normal answer",
    "spend-limit": "429 without retry-after: the monthly spending limit is reached",
    "payment": "the account cannot pay: 402, Gemini 403",
    "overloaded": "529, Gemini 503 UNAVAILABLE",
    "e500": "500 internal error",
    "e502": "502 with an HTML page from a balancer",
    "e503": "503 service unavailable",
    "e504": "504 deadline exceeded",
    "bad-key": "the key is refused: 401, Gemini 400 API_KEY_INVALID",
    "too-long": "400: the prompt exceeds the context window",
    "leaky": "500 whose long message quotes the caller's key and an internal address",
    "redirect": "307 to another origin, which counts what reaches it (GET /sim/elsewhere)",
    "reset": "TCP reset after the POST was read, before any byte of the answer",
    "hang": "no byte at all until the caller leaves",
    "pings": "an open stream with signs of life and no content; =N ms apart (default 1000)",
    "drip": "one piece every N ms (default 1000)",
    "early-error": "HTTP 200 whose first event is an error",
    "mid-error": "an error event after N pieces (default 2)",
    "bad-json": "a broken JSON line after N pieces (default 2)",
    "eof": "a clean end without the terminal event after N pieces (default 2)",
    "cut": "the TCP connection is cut after N pieces (default 2)",
    "stall": "silence after N pieces (default 2) until the caller leaves",
    "refusal": "stop_reason refusal; Gemini blocks the prompt",
    "safety": "Gemini finishReason SAFETY without content; Claude refuses",
    "recitation": "Gemini finishReason RECITATION without content; Claude refuses",
    "malformed-call": "Gemini finishReason MALFORMED_FUNCTION_CALL; Claude as bad-args",
    "bad-args": "a tool call whose arguments are not valid JSON",
    "empty": "a normal end without any content",
    "no-candidates": "Gemini answers without candidates; Claude as empty",
    "max-tokens": "the answer is cut at half its length, as by the token limit",
    "window-full": "stop_reason model_context_window_exceeded; Gemini MAX_TOKENS",
    "pause": "stop_reason pause_turn; Gemini CONTINUATION; normal when continued",
    "usage-zero": "all token counts are 0",
    "usage-absent": "no token counts",
    "usage-decreasing": "output counts fall from twice the truth to the truth",
    "usage-negative": "counts are below 0",
    "usage-huge": "counts are a thousand million times too large",
}

# Answered with an error before anything is generated, so nothing is billed.
REFUSED = frozenset(
    {
        "rate",
        "rate-once",
        "spend-limit",
        "payment",
        "overloaded",
        "e500",
        "e502",
        "e503",
        "e504",
        "bad-key",
        "too-long",
        "leaky",
        "redirect",
    }
)
# Tools are used with broken arguments.
MISCALLED = frozenset({"malformed-call", "bad-args"})
# The answer breaks after some pieces of it.
BROKEN = frozenset({"mid-error", "bad-json", "eof", "cut", "stall"})
# The POST ends without an answer, one way or another.
UNANSWERED = frozenset({"reset", "hang", "pings", "early-error"}) | BROKEN

_PIECES_BEFORE_BREAK = 2
_INTERVAL_MS = 1_000
_LONGEST_WAIT_MS = 600_000
_HUGE = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What is to happen to one POST."""

    name: str
    value: str | None = None

    @property
    def pieces_before_break(self) -> int:
        """How much of the answer a `BROKEN` scenario lets through."""
        return self._number(_PIECES_BEFORE_BREAK)

    @property
    def interval_s(self) -> float:
        """Seconds between signs of life (`pings`) or pieces (`drip`)."""
        return self._number(_INTERVAL_MS) / 1000

    @property
    def failure(self) -> str:
        """The outcome in the billing log when this scenario ends the answer."""
        return f"failed:{self.name}"

    def reported(self, count: int, *, left: int = 0) -> int:
        """Return what is reported for a true `count` to which `left` will still be added."""
        match self.name:
            case "usage-zero":
                return 0
            case "usage-negative":
                return -count
            case "usage-huge":
                return count * _HUGE
            case "usage-decreasing":
                return count + 2 * left
            case _:
                return count

    def _number(self, default: int) -> int:
        if self.value is None or not self.value.isdecimal():
            return default
        return min(int(self.value), _LONGEST_WAIT_MS)


OK = Scenario(name="ok")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A scenario for the whole process."""

    name: str
    value: str | None = None
    target: str | None = None
    times: int | None = None
    """How many more POSTs it is for; `None` until it is withdrawn."""


class Stage:
    """Chooses the scenario of each POST: the prompt's markers first, then the process's orders."""

    def __init__(self) -> None:
        self._orders: dict[str | None, Order] = {}
        self._refused_once: set[tuple[str, str]] = set()

    @property
    def orders(self) -> tuple[Order, ...]:
        """What is in force, one order for each target."""
        return tuple(self._orders.values())

    def order(self, order: Order) -> None:
        """Put an order in force, in place of an earlier one for the same target."""
        self._orders.pop(order.target, None)
        self._orders[order.target] = order

    def clear(self) -> None:
        """Withdraw all orders."""
        self._orders.clear()

    def pick(self, model: str, said: str) -> Scenario:
        """Return the scenario of a POST to `model` in which the user said `said`."""
        told = [marker for marker in markers(said, model) if marker.name in SCENARIOS]
        scenario = _of(told[-1]) if told else self._ordered(model)
        if scenario.name != "rate-once":
            return scenario
        if (model, said) in self._refused_once:
            return OK
        self._refused_once.add((model, said))
        return scenario

    def _ordered(self, model: str) -> Scenario:
        # The latest order wins, as the last marker does.
        for order in reversed(self._orders.values()):
            if not is_aimed_at(order.target, model):
                continue
            if order.times is not None:
                self._count_down(replace(order, times=order.times - 1))
            return Scenario(name=order.name, value=order.value)
        return OK

    def _count_down(self, order: Order) -> None:
        if order.times:
            self._orders[order.target] = order
        else:
            del self._orders[order.target]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How slowly an answer is given."""

    first_s: float
    """Seconds before the first byte."""
    between_s: float
    """Seconds between pieces of a stream."""
    words: int = 1
    """In a piece of a stream."""


def pace_of(said: str, model: str, scenario: Scenario) -> Pace:
    """Return the pace that `sim:ttft=MS`, `sim:delay=MS`, `sim:piece=N` and a scenario ask for."""
    found = markers(said, model)
    between_s = _seconds(found, "delay")
    return Pace(
        first_s=_seconds(found, "ttft"),
        between_s=scenario.interval_s if scenario.name == "drip" else between_s,
        words=max(last_count(found, "piece") or 1, 1),
    )


def _seconds(found: tuple[Marker, ...], name: str) -> float:
    return min(last_count(found, name) or 0, _LONGEST_WAIT_MS) / 1000


def _of(marker: Marker) -> Scenario:
    return Scenario(name=marker.name, value=marker.value)
