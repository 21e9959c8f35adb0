"""A ledger of three months, written through its own methods: a baseline, a migration, a promotion.

Costs are round, so that every figure of a report can be worked out by hand.
"""

import asyncio
import json
from collections.abc import Coroutine, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from fakes.rented import offer
from fakes.rows import ask

from deployments.ledger import Ledger
from tercet.learning import Label, PolicyMove, PolicyVersion
from tercet.leases import LeaseEnded, LeaseOpened, LeaseSeen
from tercet.ledger import RequestClosed, RequestOpened, Reservation, Settlement
from tercet.migration import JudgeAudit, Sample, Transition
from tercet.usage import Usage

DAY = 86_400.0
SEPTEMBER = 1_788_220_800.0  # 2026-09-01
OCTOBER = SEPTEMBER + 30 * DAY
NOVEMBER = OCTOBER + 31 * DAY
MILLI_USD = 1_000_000
"""What a task costs at the API, in nano-USD."""
LOCAL_MODEL = "DeepSeek-Coder-V2"
HAIKU = "claude-haiku-5-5"


class Books:
    """A ledger that tests fill."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._writes: list[Any] = []
        self._number = 0

    def write(self) -> None:
        """Write what was noted, in as few transactions as the ledger makes of it."""

        async def every(ledger: Ledger) -> None:
            for writes in self._writes:
                async with asyncio.TaskGroup() as group:
                    for write in writes:
                        group.create_task(write(ledger))

        with closing(Ledger(self.file)) as ledger:
            asyncio.run(every(ledger))
        self._writes = []

    def then(self, writes: Iterable[Any]) -> None:
        """Note writes that may be made at once, after all before."""
        self._writes.append(list(writes))

    def task(self, at: float, kind: str = "lookup", **changes: Any) -> str:
        """Note one task with its one attempt."""
        self._number += 1
        task = _Task(f"req_{self._number:05}", at, kind, changes)
        self.then([task.write])
        return task.id

    def tasks(self, count: int, since: float, kind: str = "lookup", **changes: Any) -> None:
        """Note tasks spread evenly over 28 days, each a conversation of its own."""
        step = 28 * DAY / count
        made = [
            _Task(f"req_{self._number + at:05}", since + step * at, kind, changes)
            for at in range(1, count + 1)
        ]
        self._number += count
        self.then(task.write for task in made)

    def lease(self, since: float, hours: float, hourly_nano_usd: int, lease_id: str = "a") -> None:
        """Note a machine that runs from its beginning to its end."""
        card = offer(hourly_nano_usd=hourly_nano_usd, stopped_hourly_nano_usd=0)
        seen = LeaseSeen(
            lease_id=lease_id, instance_id="i", state="running",
            hourly_nano_usd=hourly_nano_usd, at=since,
        )  # fmt: skip
        opened = LeaseOpened(lease_id=lease_id, offer=card, reserve_s=0.0, at=since)
        ended = LeaseEnded(
            lease_id=lease_id, end="destroyed", reason="a test", at=since + 3600 * hours
        )
        self.then([lambda ledger: ledger.open_lease(opened)])
        self.then([lambda ledger: ledger.see_lease(seen)])
        self.then([lambda ledger: ledger.end_lease(ended)])

    def move(self, kind: str, seq: int, come_from: Any, to: Any, at: float, **changes: Any) -> None:
        """Note a transition."""
        fields: dict[str, Any] = {
            "share": 0.0, "why": "a test", "by": "gate", "evidence": "{}",
        } | changes  # fmt: skip
        row = Transition(kind=kind, seq=seq, come_from=come_from, to=to, at=at, **fields)
        self.then([lambda ledger: ledger.move_migration(row)])

    def samples(self, count: int, since: float, kind: str = "lookup", **changes: Any) -> None:
        """Note compared tasks, a conversation each, spread over 28 days."""
        fields: dict[str, Any] = {
            "tested_arm": f"local({LOCAL_MODEL})", "purpose": "migration", "kind": kind,
            "side": "waiting", "probability": 0.4, "base_arm": HAIKU, "state": "judged",
            "by": "agreement", "base_quality": 1.0, "tested_quality": 1.0,
        } | changes  # fmt: skip
        step = 28 * DAY / count
        name = f"{kind}-{since:.0f}-{fields['state']}-{fields.get('reason', '')}"
        rows = [
            Sample(
                task_id=f"{name}-{at}", conversation=f"{name}-{at}", at=since + step * at, **fields
            )
            for at in range(count)
        ]
        self.then(_note_sample(row) for row in rows)

    def label(self, **changes: Any) -> None:
        """Note a label."""
        fields: dict[str, Any] = {
            "task_id": f"golden-{len(self._writes)}", "group_id": f"golden-{len(self._writes)}",
            "kind": "lookup", "kinds": {}, "is_declared": True, "arm": HAIKU, "quality": 1.0,
            "source": "test", "cost_nano_usd": None, "size_tokens": 40, "sketch": None,
            "policy_version": None, "propensity": None, "at": SEPTEMBER,
        } | changes  # fmt: skip
        row = Label(**fields)
        self.then([lambda ledger: ledger.note_labels([row])])

    def audit(self, item: str, judged: float, truth: float, **changes: Any) -> None:
        """Note what a judge said of the gold set."""
        fields: dict[str, Any] = {
            "judge": "gemini-3.8-flash", "kind": "lookup", "is_consistent": True, "at": SEPTEMBER,
        } | changes  # fmt: skip
        row = JudgeAudit(item=item, judged=judged, truth=truth, **fields)
        self.then([lambda ledger: ledger.note_audit(row)])

    def version(self, name: str, at: float) -> None:
        """Note a version that came into force."""
        row = PolicyVersion(
            version=name, made_at=at, state="candidate", share=0.0, document=b"", summary="{}",
            why="fitted", changed_at=at,
        )  # fmt: skip
        move = PolicyMove(
            version=name, come_from="candidate", to="in_force", share=1.0, why="a margin moved",
            at=at,
        )  # fmt: skip
        self.then([lambda ledger: ledger.put_policy(row)])
        self.then([lambda ledger: ledger.move_policies([move])])


def assignment(
    side: str, propensity: float, kind: str = "lookup", **changes: Any
) -> dict[str, Any]:
    """Return an assignment as a row has it; its conversation is filled in by the task."""
    state = "canary" if propensity else "baseline"
    return {"kind": kind, "state": state, "side": side, "propensity": propensity} | changes


class _Task:
    """A task with one attempt."""

    def __init__(self, task_id: str, at: float, kind: str, changes: dict[str, Any]) -> None:
        self.id, self.at, self.kind = task_id, at, kind
        self.given: dict[str, Any] = {
            "tier": "tier3", "provider": "anthropic", "model": HAIKU, "route": None,
            "nano_usd": MILLI_USD, "assignment": None, "seconds": 2.0, "simulated": False,
            "size_tokens": 40, "role": "single", "outcome": "answered",
        } | changes  # fmt: skip

    async def write(self, ledger: Ledger) -> None:
        given = self.given
        ledger.open_request(self._opened())
        await ledger.reserve(
            Reservation(
                attempt_id=f"att_{self.id}", task_id=self.id, key_id="default", tier=given["tier"],
                provider=given["provider"], model=given["model"], role=given["role"], round=1,
                ask=ask(2 * MILLI_USD), price_source="a test", simulated=given["simulated"],
                deadline_at=self.at + 600, at=self.at,
            )
        )  # fmt: skip
        await ledger.settle(
            Settlement(
                attempt_id=f"att_{self.id}", state="settled", outcome="complete",
                usage=Usage(fresh_input=40, output=100), usage_source="provider",
                settled_nano_usd=given["nano_usd"], upstream_id="m", first_token_s=0.5,
                latency_s=1.0, at=self.at + 1,
            )
        )  # fmt: skip
        ledger.close_request(
            RequestClosed(
                task_id=self.id,
                outcome=given["outcome"],
                answer="{}",
                at=self.at + given["seconds"],
            )
        )

    def _opened(self) -> RequestOpened:
        given = self.given
        sides = given["assignment"]
        route = {
            "name": given["route"] or given["tier"],
            "composition": "single",
            "seats": [{"role": "single", "tier": given["tier"], "model": given["model"]}],
            "assignment": sides and {"conversation": self.id, **sides},
        }
        profile = {
            "kind": self.kind, "kinds": {self.kind: 1.0}, "size_tokens": given["size_tokens"],
            "conversation": self.id,
        }  # fmt: skip
        return RequestOpened(
            task_id=self.id, key_id="default", asked_model="auto", profile=json.dumps(profile),
            route=json.dumps(route), at=self.at,
        )  # fmt: skip


def _note_sample(row: Sample) -> Any:
    def write(ledger: Ledger) -> Coroutine[Any, Any, None]:
        return ledger.note_sample(row)

    return write


LOCAL = {"tier": "local", "provider": "local", "model": LOCAL_MODEL, "nano_usd": 0}


def month_1(books: Books) -> None:
    """100 lookups and 20 bug fixes at the API: 0.1 USD and 0.2 USD."""
    books.tasks(100, SEPTEMBER, assignment=assignment("waiting", 0.0))
    books.tasks(
        20, SEPTEMBER, "bug_fix", tier="tier2", model="claude-sonnet-5-5", nano_usd=10 * MILLI_USD,
        seconds=20.0,
    )  # fmt: skip


def month_2(books: Books) -> None:
    """60 lookups for the local model, 40 for the API; a machine of 10 h that costs 0.01 USD."""
    half = assignment("treated", 0.5)
    books.move(
        "lookup", 1, "baseline", "shadow", OCTOBER, why="200 answered tasks are the baseline"
    )
    books.move(
        "lookup", 2, "shadow", "canary", OCTOBER + 60, share=0.5,
        evidence='{"pairs": 120, "quality": {"value": 0.0, "low": -0.02, "high": 0.02}}',
    )  # fmt: skip
    books.tasks(60, OCTOBER + 120, assignment=half, **LOCAL)
    books.tasks(40, OCTOBER + 180, assignment=assignment("held_out", 0.5))
    books.samples(100, OCTOBER + 240)
    books.samples(5, OCTOBER + 240, state="left", reason="budget", by=None, base_quality=None,
                  tested_quality=None)  # fmt: skip
    books.lease(OCTOBER + DAY, 10.0, MILLI_USD)


def month_3(books: Books) -> None:
    """90 lookups for the local model and 10 for the API, no machine, a version in force."""
    books.move("lookup", 3, "canary", "promoted", NOVEMBER + 1, share=1.0)
    books.tasks(
        90, NOVEMBER + 120, assignment=assignment("treated", 0.9, state="promoted"), **LOCAL
    )
    books.tasks(10, NOVEMBER + 180, assignment=assignment("held_out", 0.9, state="promoted"))
    books.version("v1", NOVEMBER + DAY)
