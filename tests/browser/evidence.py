"""The month's rented machine, and what the kinds' moves to the local model stood on."""

import json
import math
import random

from deployments.ledger import Ledger
from tercet.learning import Label
from tercet.leases import Decided, LeaseEnded, LeaseOpened, LeaseSeen
from tercet.migration import JudgeAudit, Look, Sample, Transition
from tercet.readiness import Start
from tercet.renting import Offer

DAY_S = 86_400.0
HOUR_S = 3_600.0
PER_HOUR = 190_000_000
ASLEEP_PER_HOUR = 8_000_000
RENTED_FROM = 6
"""The day of the month from which on there is a machine."""
JUDGES = ("gemini-3.8-flash", "claude-haiku-5-5")

Compared = tuple[str, str, str, float]
"""Task, kind, side and time."""

# Kind: the moves, as days before the end, state and share.
MOVES = {
    "lookup": (
        (25, "shadow", 0.0),
        (20, "canary", 0.1),
        (17, "canary", 0.25),
        (14, "canary", 0.5),
        (10, "promoted", 1.0),
    ),
    "routine_code": ((25, "shadow", 0.0), (12, "canary", 0.1), (6, "canary", 0.25)),
}
WHYS = {
    "shadow": "200 answers of the baseline are measured",
    "canary": "quality is within the margin, and the saving is above zero",
    "promoted": "quality, saving and time hold at a share of one half",
}


async def machine(ledger: Ledger, until: float, days: int) -> None:
    """Rent a machine in two leases, awake in working hours."""
    first = math.floor(until / DAY_S) - days + RENTED_FROM
    ends = until - 6 * DAY_S
    await _lease(ledger, "tct-1", (first * DAY_S + 7 * HOUR_S, ends), until)
    await _lease(ledger, "tct-2", (ends + 600, until), until)


async def _lease(ledger: Ledger, lease_id: str, between: tuple[float, float], until: float) -> None:
    since, end = between
    offer = Offer(
        provider="vast",
        offer_id=f"offer-{lease_id}",
        gpu="RTX 3090",
        hourly_nano_usd=PER_HOUR,
        stopped_hourly_nano_usd=ASLEEP_PER_HOUR,
        interruptible=True,
        trusted=True,
        region="SE",
    )
    await ledger.open_lease(LeaseOpened(lease_id=lease_id, offer=offer, reserve_s=1_800, at=since))
    dice = random.Random(lease_id)
    for at, state, rate, why in _course(since, end):
        await ledger.see_lease(
            LeaseSeen(
                lease_id=lease_id,
                instance_id=f"i-{lease_id}",
                state=state,
                hourly_nano_usd=rate,
                reason=why,
                begins_boot=state == "loading",
                at=at,
            )
        )
        if state == "running":
            phases = {"boot": 41.0, "load": round(dice.uniform(70, 120), 1), "warm": 9.5}
            total = sum(phases.values()) + 4
            await ledger.note_start(
                Start(at=at - total, phases=phases, total_s=total, node="vps_1")
            )
        if state != "loading":
            await _decided(ledger, at, why, wants_on=state == "running")
    if end < until:
        await ledger.end_lease(
            LeaseEnded(lease_id=lease_id, end="destroyed", reason="a cheaper offer", at=end)
        )
    else:
        await ledger.accrue_lease(lease_id, until, 600)


def open_hours(day: int) -> tuple[float, float] | None:
    """Return when the machine runs on a day since 1970, if it does."""
    if (day + 3) % 7 >= 5:  # day 0 was a Thursday
        return None
    dice = random.Random(day)
    on, off = dice.uniform(7.6, 8.6), dice.uniform(18.2, 20.1)
    return day * DAY_S + on * HOUR_S, day * DAY_S + off * HOUR_S


def _course(since: float, end: float):
    """Yield the states a machine goes through: time, state, rate and reason."""
    for day in range(math.floor(since / DAY_S), math.floor(end / DAY_S) + 1):
        hours = open_hours(day)
        if hours is None or hours[1] < since + HOUR_S:
            continue
        on = max(hours[0], since + 60)
        stages = (
            (on - 180, "loading", ASLEEP_PER_HOUR, "wanted: 41 requests an hour"),
            (on, "running", PER_HOUR, "41 requests an hour pay for it"),
            (hours[1], "stopped", ASLEEP_PER_HOUR, "9 requests an hour do not pay for it"),
        )
        yield from (stage for stage in stages if since < stage[0] < end)


async def _decided(ledger: Ledger, at: float, why: str, *, wants_on: bool) -> None:
    for policy, moment in (("leader", at), ("break_even", at + 240)):
        await ledger.note_decision(
            Decided(
                at=moment,
                policy=policy,
                wants_on=wants_on,
                is_in_force=policy == "leader",
                why=why,
                numbers={"requests_an_hour": 41.0 if wants_on else 9.0, "break_even": 23.4},
            )
        )


async def evidence(ledger: Ledger, until: float, compared: list[Compared]) -> None:
    """Write the kinds' moves, the pairs, the judges' audits and the labels."""
    for kind, moves in MOVES.items():
        come_from = "baseline"
        for seq, (days, to, share) in enumerate(moves, 1):
            figures = {"pairs": 90 * seq, "quality": [-0.021, 0.004, 0.029], "p95_local_s": 8.1}
            await ledger.move_migration(
                Transition(
                    kind=kind,
                    seq=seq,
                    come_from=come_from,
                    to=to,
                    share=share,
                    why=WHYS[to],
                    by="gate",
                    evidence=json.dumps(figures),
                    at=until - days * DAY_S,
                )
            )
            come_from = to
    for one in compared:
        dice = random.Random(one[0])
        if dice.random() < 0.6:
            await ledger.note_sample(_sample(dice, one))
    await _looks(ledger, until)
    await _audits(ledger, until)
    await _labels(ledger, until)


def _sample(dice: random.Random, one: Compared) -> Sample:
    task_id, kind, side, at = one
    common = {
        "task_id": task_id,
        "tested_arm": "local",
        "purpose": "migration",
        "kind": kind,
        "conversation": task_id,
        "side": side,
        "probability": 0.6,
        "at": at,
        "base_arm": "tier3(claude-haiku-5-5+gemini-3.8-flash)",
    }
    if dice.random() < 0.12:
        reason = dice.choice(["asleep", "asleep", "full", "unfit", "judge_failed"])
        return Sample(**common, state="left", reason=reason)
    base = dice.choice([0.5, 0.75, 1.0, 1.0])
    tested = min(max(base + dice.choice([0.0, 0.0, 0.0, 0.0, 0.25, -0.25]), 0.0), 1.0)
    by = dice.choice(["agreement", "agreement", "judge"])
    return Sample(
        **common,
        state="judged",
        by=by,
        judge="gemini-3.8-flash" if by == "judge" else None,
        base_quality=base,
        tested_quality=tested,
        is_consistent=dice.random() < 0.9 if by == "judge" else None,
        base_chars=900,
        tested_chars=840,
        base_nano_usd=2_800_000,
        tested_nano_usd=0,
        judge_nano_usd=410_000 if by == "judge" else 0,
        base_s=dice.uniform(1, 6),
        tested_s=dice.uniform(1, 7),
    )


async def _looks(ledger: Ledger, until: float) -> None:
    """Say what was last known of each kind, as `router.migrations.looking` does."""
    known = {
        "lookup": ("promoted", 1.0, 702, (-0.019, 0.006, 0.031), (0.45, 1.04, 1.62),
                   "it is promoted: it goes on while its evidence holds", None),
        "routine_code": ("canary", 0.25, 388, (-0.044, -0.008, 0.028), (-0.2, 2.8, 5.9),
                         "waits for 100 new pairs at this share, and has 61", 39),
    }  # fmt: skip
    for kind, (state, share, pairs, quality, saving, why, more) in known.items():
        low, value, high = (dollars * 1e9 for dollars in saving)
        figures = {
            "quality": dict(zip(("low", "value", "high"), quality, strict=True)),
            "saving": {"low": low, "value": value, "high": high},
            "treated_p95_s": [31.0, 36.5], "base_p95_s": [9.2, 11.8],
            "pairs": pairs, "fresh": 61,
        }  # fmt: skip
        document = {"why": why, "state": state, "share": share, "evidence": figures,
                    "more_pairs": more, "by": {"agreement": pairs - 120, "judge": 120},
                    "left": {"asleep": 21, "full": 9}}  # fmt: skip
        row = Look(kind=kind, is_suspected=False, document=json.dumps(document), at=until - 120)
        await ledger.note_look(row)


async def _audits(ledger: Ledger, until: float) -> None:
    dice = random.Random(3)
    for number in range(24):
        truth = dice.choice([-0.5, 0.0, 0.5])
        await ledger.note_audit(
            JudgeAudit(
                item=f"gold-{number}",
                judge=JUDGES[number % 2],
                kind="lookup",
                judged=min(max(truth + dice.uniform(-0.2, 0.2), -1.0), 1.0),
                truth=truth,
                is_consistent=dice.random() < 0.92,
                at=until - 3 * DAY_S,
            )
        )


async def _labels(ledger: Ledger, until: float) -> None:
    dice = random.Random(4)
    arms = ("tier3(claude-haiku-5-5+gemini-3.8-flash)", "local")
    rows = [
        Label(
            task_id=f"{source}-{number}",
            group_id=f"g{number}",
            kind=dice.choice(["lookup", "routine_code"]),
            kinds={},
            is_declared=True,
            arm=arms[number % 2],
            quality=float(dice.random() < 0.86),
            source=source,
            cost_nano_usd=2_000_000,
            size_tokens=200,
            sketch=None,
            policy_version=None,
            propensity=None,
            at=until - dice.uniform(0.1, 12) * DAY_S,
            seconds=dice.uniform(1, 6),
        )
        for source in ("test", "feedback")
        for number in range(40)
    ]
    await ledger.note_labels(rows)
