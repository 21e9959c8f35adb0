"""The rented machine of the play: when it is there, what it costs, and the model that runs on it.

What decides about it is real (the keep-alive policy over the ledger's own minutes), and so are its
rows; the machine and the model are not: it is there `START_S` after it was asked for, and says what
the simulated models say.
"""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from deployments.ledger import Ledger
from deployments.local.keeper import Keeper
from deployments.local_proxy import impatient
from deployments.local_seat import LocalSeat
from deployments.provider import Provider
from deployments.proxy import TierProxy
from deployments.retrying import Retrying
from deployments.simulated.counting import output_tokens
from deployments.simulated.mind import speak
from tercet.budget import Granted
from tercet.call import Prompt
from tercet.catalog import LOCAL, ProviderName
from tercet.config import Config, Settings
from tercet.content import Controls
from tercet.leases import Decided, LeaseOpened, LeaseSeen, SpanState
from tercet.readiness import LocalReport, Readiness, Start
from tercet.rental_file import load_rental
from tercet.renting import Offer
from tercet.rules import Limits
from tercet.task import turn

START_S: Final = 300.0
IDLE_S: Final = 600.0
HISTORY_MIN: Final = 60
OFFER: Final = Offer(
    provider="fake",
    offer_id="play",
    gpu="RTX 3090",
    hourly_nano_usd=250_000_000,
    stopped_hourly_nano_usd=2_000_000,
    interruptible=True,
    trusted=True,
)


class _Turns:
    """The keeper's part of the ledger, in which a wish is booked when it changes.

    The play skips nights; the keeper goes through each minute of them, and would wait for a row.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.arrivals, self.starts, self.leases = ledger.arrivals, ledger.starts, ledger.leases
        self._note = ledger.note_decision
        self._wishes: dict[str, bool] = {}

    async def note_decision(self, row: Decided) -> None:
        if self._wishes.get(row.policy) != row.wants_on:
            self._wishes[row.policy] = row.wants_on
            await self._note(row)


class Machine:
    """One machine that is stopped when it does not pay, and started again."""

    def __init__(self, ledger: Ledger, clock: Callable[[], float], config: Path) -> None:
        """Begin without one; `config` is a folder with a rental.yaml that rents."""
        rules = load_rental(config)
        assert rules is not None  # noqa: S101  written by the play
        self._ledger = ledger
        self._clock = clock
        self._keeper = Keeper(_Turns(ledger), rules, clock, HISTORY_MIN)
        self._lease: str | None = None
        self._on_since: float | None = None
        self._woken_until = 0.0
        self._starts: tuple[Start, ...] = ()

    async def look(self) -> None:
        """Do what the keep-alive policy wants now, and book what the machine has cost."""
        await self._keeper.look()
        now = self._clock()
        served = await self._ledger.last_served(now - IDLE_S)
        is_new = self._on_since is not None and now < self._on_since + START_S + IDLE_S
        is_woken = now < self._woken_until
        is_wanted = bool(self._keeper.wish) or is_woken or is_new or served is not None
        if is_wanted and self._on_since is None:
            await self._start(now)
        elif not is_wanted and self._on_since is not None:
            self._on_since = None
            await self._see("stopped", OFFER.stopped_hourly_nano_usd, "it does not pay")
        elif self._lease is not None:
            state: SpanState = "stopped" if self._on_since is None else "running"
            await self._see(state, _rate(state), "")

    @property
    def is_on(self) -> bool:
        """Whether it is paid for as one that runs."""
        return self._on_since is not None

    async def report(self) -> LocalReport:
        """Return how ready the model is."""
        return LocalReport(readiness=self._readiness(), starts=self._starts)

    async def wake(self) -> LocalReport:
        """Have it started, also where it does not pay."""
        self._woken_until = self._clock() + START_S + IDLE_S
        return await self.report()

    async def chat(
        self, request: Mapping[str, Any], _headers: Mapping[str, str]
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Answer as vLLM does."""
        if self._readiness().kind != "ready":
            error = {"code": 503, "message": "no replica runs", "type": "unavailable"}
            yield {"error": error}
            return
        prompt = _prompt(request)
        speech = speak(str(request["model"]), prompt)
        yield {"id": "local", "choices": [{"delta": {"content": speech.text}}]}
        finish = "length" if speech.ended == "length" else "stop"
        usage = {
            "prompt_tokens": sum(output_tokens(said.text) for said in prompt.messages),
            "completion_tokens": speech.said_tokens,
        }
        yield {"choices": [{"delta": {}, "finish_reason": finish}], "usage": usage}

    async def _start(self, now: float) -> None:
        if self._lease is None:
            rented = await self._ledger.leases(open_only=True)
            self._lease = rented[0].lease_id if rented else None
        if self._lease is None:
            lease = LeaseOpened(lease_id="tercet-play", offer=OFFER, reserve_s=900.0, at=now)
            if not isinstance(await self._ledger.open_lease(lease), Granted):
                return
            self._lease = lease.lease_id
        self._on_since = now
        await self._see("running", OFFER.hourly_nano_usd, "it pays", begins_boot=True)
        start = Start(at=now, phases={"boot": START_S}, total_s=START_S, node="play")
        self._starts = (start, *self._starts[:20])
        await self._ledger.note_start(start)

    async def _see(
        self, state: SpanState, hourly: int, reason: str, *, begins_boot: bool = False
    ) -> None:
        assert self._lease is not None  # noqa: S101  it was opened
        await self._ledger.see_lease(
            LeaseSeen(
                lease_id=self._lease,
                instance_id="play-1",
                state=state,
                hourly_nano_usd=hourly,
                reason=reason,
                begins_boot=begins_boot,
                at=self._clock(),
            )
        )

    def _readiness(self) -> Readiness:
        since, now = self._on_since, self._clock()
        if since is None:
            waking = now if now < self._woken_until else None
            return Readiness(kind="asleep", since=waking, why="the machine is stopped")
        if now < since + START_S:
            return Readiness(kind="warming", since=since, why="the model loads")
        return Readiness(kind="ready", why="it runs")


class SimulatedLocal(TierProxy):
    """The local model's proxy in front of the play's machine."""

    def __init__(self, config: Config, machine: Machine, clock: Callable[[], float]) -> None:
        """Open the ledger."""
        self._machine = machine
        super().__init__(LOCAL, impatient(config), clock)

    def _clients(
        self, names: set[ProviderName], limits: Limits, chosen: Settings
    ) -> Mapping[ProviderName, Provider]:
        return {"local": LocalSeat(self._machine.chat)}

    def _persistence(self, config: Config, *, simulated: bool) -> Retrying:
        return super()._persistence(config, simulated=True)


def _rate(state: str) -> int:
    return OFFER.hourly_nano_usd if state == "running" else OFFER.stopped_hourly_nano_usd


def _prompt(request: Mapping[str, Any]) -> Prompt:
    said: Sequence[Mapping[str, Any]] = request["messages"]
    return Prompt(
        system="\n".join(_text(one) for one in said if one["role"] == "system"),
        messages=tuple(turn(one["role"], _text(one)) for one in said if one["role"] != "system"),
        max_output_tokens=int(request["max_tokens"]),
        controls=Controls(),
    )


def _text(said: Mapping[str, Any]) -> str:
    content = said["content"]
    return content if isinstance(content, str) else "\n".join(part["text"] for part in content)
