"""The local model's machine: what it does now, what it did, and what that cost."""

import json
from collections.abc import Iterable, Sequence

from deployments.ledger.viewing import Found
from router.console.machine_views import (
    GpuNow,
    GpuState,
    GpuView,
    LeaseView,
    StartView,
)
from router.console.making.scene import Scene
from router.console.making.timeline import coarse, joined, pieces, totals
from tercet.budget import GPU, Balance
from tercet.leases import Decided, Lease

DAYS = (1, 7, 31)
"""What a timeline may be of; the middle one unless it is asked for."""
STARTS = 10
DECISIONS = 1_000
CHANGES = 20
SEEN = 500
"""Of a timeline a 500th can just be seen: what is shorter is drawn with what is beside it."""
RECENTLY_NS = 60 * 10**9
_WORDS: dict[GpuState, str] = {
    "off": "There is no local model.",
    "asleep": "Asleep: nothing runs; a request that would wake it is answered by the API.",
    "loading": "Loading: the API answers meanwhile.",
    "busy": "Busy: it answered a request within the last minute.",
    "idle": "Idle: it runs and answers nobody.",
    "failed": "It fails or is out of reach: the API answers.",
}
_OF_LEASE: dict[str, GpuState] = {
    "requested": "loading",
    "loading": "loading",
    "running": "idle",
    "stopped": "asleep",
    "failed": "failed",
}
_OF_READINESS: dict[str, GpuState] = {
    "ready": "idle",
    "warming": "loading",
    "asleep": "asleep",
    "away": "failed",
}
NO_MODEL = "No local model: TERCET_LOCAL=gpu or cpu turns one on (docs/local-model.md)."


def gpu(scene: Scene, days: int) -> GpuView:
    """Return the page with a timeline of so many days."""
    leases = scene.view.leases()
    since_ns = scene.now_ns - days * 24 * 3600 * 10**9
    window, spans = (since_ns, scene.now_ns), scene.view.spans(since_ns)
    starts, busy = scene.view.starts(STARTS), scene.books.tally.busy
    loading = [(one["at_ns"], one["at_ns"] + one["total_ns"]) for one in starts]
    seen_ns = (scene.now_ns - since_ns) // SEEN
    found = pieces(spans, loading, joined(busy, seen_ns // 10), window)
    now = gpu_now(scene, leases)
    return GpuView(
        now=now,
        since=since_ns / 1e9,
        until=scene.now,
        stretches=coarse(found, seen_ns),
        totals=totals(spans, loading, busy, window),
        leases=tuple(_lease(one) for one in leases),
        starts=tuple(_start(one) for one in starts),
        decisions=tuple(_changes(scene.view.decisions(DECISIONS)))[:CHANGES],
        empty_words=NO_MODEL if now.state == "off" and not leases else "",
    )


def days_of(asked: str) -> int:
    """Return how many days are asked for."""
    return int(asked) if asked.isdecimal() and int(asked) in DAYS else DAYS[1]


def gpu_now(scene: Scene, leases: Sequence[Lease]) -> GpuNow:
    """Return what it does now."""
    lease = next((one for one in leases if one.ended_at is None), None)
    state = _state(scene, lease)
    balance = scene.books.spending.balances.get(GPU, Balance())
    said = scene.local or {}
    since = said.get("since") if lease is None else lease.since
    return GpuNow(
        state=state,
        words=str(said.get("why") or "") or _WORDS[state],
        since=since if isinstance(since, float | int) else None,
        model=None if scene.config.local is None else scene.config.local.name,
        card=None if lease is None else lease.gpu,
        provider=None if lease is None else lease.provider,
        rate_nano_usd=None if lease is None else lease.rate_nano_usd,
        month_nano_usd=balance.spent,
        cap_nano_usd=scene.config.budget.caps.get(GPU),
    )


def _state(scene: Scene, lease: Lease | None) -> GpuState:
    if lease is None and scene.config.local is None:
        return "off"
    readiness = str((scene.local or {}).get("readiness", ""))
    state = _OF_READINESS.get(readiness, "asleep")
    if lease is not None and (lease.state != "running" or readiness not in _OF_READINESS):
        state = _OF_LEASE[lease.state]
    busy = scene.books.tally.busy
    is_busy = bool(busy) and busy[-1][1] >= scene.now_ns - RECENTLY_NS
    return "busy" if state == "idle" and is_busy else state


def _lease(one: Lease) -> LeaseView:
    return LeaseView(
        id=one.lease_id,
        provider=one.provider,
        card=one.gpu,
        state=one.state,
        since=one.since,
        opened_at=one.opened_at,
        ended_at=one.ended_at,
        end=one.end,
        boots=one.runs,
        rate_nano_usd=one.rate_nano_usd,
        spent_nano_usd=one.spent_nano_usd,
        held_nano_usd=one.held_nano_usd,
    )


def _start(row: Found) -> StartView:
    return StartView(
        at=row["at_ns"] / 1e9,
        node=row["node"],
        total_s=row["total_ns"] / 1e9,
        phases_s=json.loads(row["phases"]),
    )


def _changes(newest: Sequence[Found]) -> Iterable[Decided]:
    """Return the decisions by which a policy changed its mind, the newest first."""
    minds: dict[str, int] = {}
    found: list[Found] = []
    for row in reversed(newest):
        if minds.get(row["policy"]) != row["wants_on"]:
            found.append(row)
        minds[row["policy"]] = row["wants_on"]
    for row in reversed(found):
        yield Decided(
            at=row["at_ns"] / 1e9,
            policy=row["policy"],
            wants_on=bool(row["wants_on"]),
            is_in_force=bool(row["in_force"]),
            why=row["why"],
            numbers=json.loads(row["numbers"]),
        )
