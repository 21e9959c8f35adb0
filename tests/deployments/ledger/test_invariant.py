"""Whatever happens in whatever order, the balances are the sums of the attempts."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from fakes.rows import AT, balances_kept, balances_summed, reservation, sent, settlement
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from deployments.ledger import Ledger, url_of
from tercet.budget import Ask

CAP = 5_000
MONEY = st.integers(0, 1_500)
STATES = st.sampled_from(["settled", "void", "estimated"])


class Books(RuleBasedStateMachine):
    """Two processes over one file, one of which may be taken for dead."""

    attempts = Bundle("attempts")

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self._url = url_of(Path(self._folder.name) / "ledger.sqlite3")
        self._ledgers = [Ledger(self._url, {"month": CAP}, clock=lambda: AT) for _ in range(2)]
        self._runner = asyncio.Runner()
        self._count = 0
        self._now = AT

    @rule(
        target=attempts,
        which=st.integers(0, 1),
        fixed=MONEY,
        tier=st.sampled_from(["tier1", "tier2"]),
        tokens=st.integers(0, 600),
    )
    def reserve(self, which: int, fixed: int, tier: str, tokens: int) -> str:
        self._count += 1
        name = f"att_{self._count}"
        wanted = Ask(fixed_nano_usd=fixed, token_nano_usd=1, output_tokens=tokens)
        row = reservation(name, ask=wanted, tier=tier, at=self._now, deadline_at=self._now + 60)
        self._do(self._ledgers[which].reserve(row))
        return name

    @rule(name=attempts, which=st.integers(0, 1), bound=MONEY)
    def mark_sent(self, name: str, which: int, bound: int) -> None:
        self._ledgers[which].mark_sent(sent(name, bound_nano_usd=bound))

    @rule(name=attempts, which=st.integers(0, 1), cost=MONEY, state=STATES)
    def settle(self, name: str, which: int, cost: int, state: str) -> None:
        self._do(self._ledgers[which].settle(settlement(name, settled_nano_usd=cost, state=state)))

    @rule(names=st.lists(attempts, max_size=5), cost=MONEY)
    def settle_many_at_once(self, names: list[str], cost: int) -> None:
        async def main() -> None:
            async with asyncio.TaskGroup() as group:
                for n, name in enumerate(names):
                    row = settlement(name, settled_nano_usd=cost + n)
                    group.create_task(self._ledgers[n % 2].settle(row))

        self._do(main())

    @rule(seconds=st.sampled_from([1.0, 25.0, 100.0, 20 * 86_400.0, -3_600.0]))
    def time_passes(self, seconds: float) -> None:
        self._now += seconds

    @rule(which=st.integers(0, 1))
    def sweep(self, which: int) -> None:
        self._do(self._ledgers[which].sweep(self._now))

    @invariant()
    def balances_are_sums(self) -> None:
        for ledger in self._ledgers:  # what was only noted is written before this
            self._do(ledger.beat(self._now))
        assert balances_kept(self._url) == balances_summed(self._url)

    def teardown(self) -> None:
        for ledger in self._ledgers:
            ledger.close()
        self._runner.close()
        self._folder.cleanup()

    def _do(self, what: Any) -> Any:
        return self._runner.run(what)


Books.TestCase.settings = settings(
    max_examples=15,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
TestBooks = Books.TestCase
