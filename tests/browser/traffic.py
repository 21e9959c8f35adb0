"""A month of traffic written into a ledger as the gateway would: `python -m browser.traffic FILE`.

Everything follows from a seed and from the time it is to end at.
"""

import asyncio
import json
import math
import random
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

from browser.evidence import evidence, machine, open_hours

from deployments.ledger import Ledger
from tercet.budget import Ask
from tercet.keys import Key
from tercet.ledger import RequestClosed, RequestOpened, Reservation, Settlement
from tercet.migration import Assignment
from tercet.route import Route, Seat
from tercet.task import Profile
from tercet.usage import Usage

DAY_S = 86_400.0
DAYS = 30
AT_ONCE = 64
LOCAL = "deepseek-coder-33b-instruct"

# Kind: share of the requests, tier until it moves to the local model, dollars a request.
KINDS = {
    "architecture": (0.04, "tier1", 0.21),
    "security": (0.015, "tier1", 0.17),
    "implementation": (0.10, "tier2", 0.062),
    "bug_fix": (0.11, "tier2", 0.048),
    "code_review": (0.06, "tier2", 0.055),
    "routine_code": (0.22, "tier3", 0.0165),
    "lookup": (0.18, "tier3", 0.0098),
    "question": (0.13, "tier3", 0.0042),
    "explanation": (0.08, "tier3", 0.0058),
    "summary": (0.065, "tier3", 0.0049),
}
MOVED = {"lookup": 8, "routine_code": 13}
"""From which day on a part of a kind is the local model's."""
SEATS = {
    "tier1": (
        ("memory", "google", "gemini-4-argon", 0.3),
        ("brain", "anthropic", "claude-opus-5-5", 0.7),
    ),
    "tier2": (
        ("junior", "google", "gemini-4-argon", 0.25),
        ("lead", "anthropic", "claude-sonnet-5-5", 0.75),
    ),
    "tier3": (
        ("member", "anthropic", "claude-haiku-5-5", 0.6),
        ("member", "google", "gemini-3.8-flash", 0.4),
    ),
    "local": (("single", "local", LOCAL, 0.0),),
}
COMPOSITIONS = {
    "tier1": "memory_brain",
    "tier2": "lead_junior",
    "tier3": "consensus",
    "local": "single",
}
REASONS = {
    "tier1": "the text asks for design, so the most capable answers",
    "tier2": "code is to be written or mended: the lead works, the junior prepares notes",
    "tier3": "nothing hard is asked: two cheap models must agree",
    "local": "this kind has moved to the local model, which is ready",
}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request of the month."""

    id: str
    at: float
    day: int
    kind: str
    tier: str
    key: str
    side: str | None
    rounds: int
    scale: float
    """Its cost over what the kind costs on average."""


class Turn(NamedTuple):
    """One attempt of it."""

    role: str
    provider: str
    model: str
    part: float
    """Of the request's cost."""
    number: int
    """Of its round."""
    fails: bool
    began: float
    took: float


def month(seed: int, until: float) -> Iterator[Asked]:
    """Yield what is asked, the oldest first."""
    dice = random.Random(seed)
    times: list[float] = []
    first = math.floor(until / DAY_S) - DAYS + 1
    for day in range(first, first + DAYS):
        is_weekend = (day + 3) % 7 >= 5  # day 0 was a Thursday
        for _ in range(dice.randrange(34, 52) if is_weekend else dice.randrange(70, 100)):
            hour = min(max(dice.gauss(13.5, 3.6), 0.0), 23.99)
            times.append(day * DAY_S + hour * 3600)
        if not is_weekend:  # a batch in the morning and one in the afternoon
            times += [
                day * DAY_S + (start + dice.random()) * 3600
                for start in (10, 14.5)
                for _ in range(45)
            ]
    times += [until - dice.uniform(5, 870) for _ in range(24)]
    for number, at in enumerate(sorted(at for at in times if at < until - 4)):
        yield _asked(dice, f"req_{number:06x}{seed:04x}", at, int(at // DAY_S) - first)


def _asked(dice: random.Random, task_id: str, at: float, day: int) -> Asked:
    kind = dice.choices(list(KINDS), [share for share, _, _ in KINDS.values()])[0]
    hour = at % DAY_S / 3600
    if 10 <= hour < 11 or 14.5 <= hour < 15.5:
        kind = dice.choice([*MOVED, kind])
    side, tier = None, KINDS[kind][1]
    if kind in MOVED:
        side = "held_out" if dice.random() < 0.1 else "waiting"
        share = min(max(day - MOVED[kind], 0) * 0.12, 1.0)
        if side == "waiting" and dice.random() < share:
            side = "treated"
            awake = open_hours(int(at // DAY_S))
            tier = "local" if awake is not None and awake[0] < at < awake[1] - 300 else tier
    return Asked(
        id=task_id,
        at=at,
        day=day,
        kind=kind,
        tier=tier,
        key=dice.choices(["default", "night-batch", "ci"], [0.7, 0.2, 0.1])[0],
        side=side,
        rounds=dice.choices([1, 2, 3], [0.86, 0.1, 0.04])[0] if tier == "tier3" else 1,
        scale=dice.lognormvariate(-0.12, 0.5),
    )


async def fill(ledger: Ledger, until: float, seed: int = 7) -> int:
    """Write the month; return how many requests it has."""
    await _keys(ledger, until)
    asked = list(month(seed, until))
    await machine(ledger, until, DAYS)
    limit = asyncio.Semaphore(AT_ONCE)
    for day in range(DAYS):  # a ledger's months follow each other
        async with asyncio.TaskGroup() as together:
            for one in asked:
                if one.day == day:
                    together.create_task(_answered(ledger, one, limit))
    compared = [one for one in asked if one.side and one.day >= MOVED["lookup"] - 4]
    await evidence(ledger, until, [(one.id, one.kind, one.side, one.at) for one in compared])
    return len(asked)


async def _keys(ledger: Ledger, until: float) -> None:
    made = until - 40 * DAY_S
    batch = Key(
        id="night-batch",
        sha256="a" * 64,
        handle="aaaaaaa2",
        created_at=made,
        month_cap_nano_usd=40_000_000_000,
        requests_per_minute=60,
        concurrent=4,
    )
    ci = Key(
        id="ci",
        sha256="b" * 64,
        handle="aaaaaaa3",
        created_at=made + DAY_S,
        tiers=frozenset({"tier3", "local"}),
    )
    old = replace(ci, id="<b>intern</b>", sha256="c" * 64, handle="aaaaaaa4")
    for key in (batch, ci, old):
        await ledger.create_key(key)
    await ledger.revoke_key(old.id, until - 12 * DAY_S)


async def _answered(ledger: Ledger, asked: Asked, limit: asyncio.Semaphore) -> None:
    async with limit:
        dice = random.Random(asked.id)
        is_abandoned = dice.random() < 0.006
        took = dice.lognormvariate(
            {"tier1": 3.2, "tier2": 2.6, "local": 4.2}.get(asked.tier, 1.2), 0.4
        )
        ledger.open_request(_opened(asked))
        is_lost = False
        for number in range(1, asked.rounds + 1):
            for place, seat in enumerate(SEATS[asked.tier]):
                fails = dice.random() < 0.012
                is_lost |= fails
                began = asked.at + 0.02 + (number - 1) * took + place * took * 0.3
                await _attempt(ledger, asked, Turn(*seat, number, fails, began, took))
        answer = {
            "model": SEATS[asked.tier][-1][2],
            "finish": "stop",
            "settled_by": _settled_by(asked),
            "degraded": ["member:overloaded"] if is_lost else [],
            "changed_outcome": (dice.random() < 0.3) if asked.tier == "tier3" else None,
            "agreement": "text" if asked.tier == "tier3" and asked.rounds < 3 else None,
            "agreed_in_round": asked.rounds if asked.tier == "tier3" else None,
            "escalated": False,
        }
        ledger.close_request(
            RequestClosed(
                task_id=asked.id,
                outcome="abandoned" if is_abandoned else "answered",
                answer="{}" if is_abandoned else json.dumps(answer),
                at=asked.at + took * asked.rounds * 1.3,
            )
        )


def _settled_by(asked: Asked) -> str:
    if asked.tier != "tier3":
        return f"{SEATS[asked.tier][-1][2]} decides"
    if asked.rounds == 3:
        return "vote after round 3: 4 of 6"
    return f"agreement (text) in round {asked.rounds}"


def _opened(asked: Asked) -> RequestOpened:
    dice = random.Random(asked.id)
    profile = Profile(
        kind=asked.kind,
        requires_design=asked.tier == "tier1",
        is_critical=asked.kind == "security",
        requires_implementation=asked.tier == "tier2",
        is_routine=asked.kind in MOVED,
        size_tokens=dice.randrange(80, 6_000),
        confidence=round(dice.uniform(0.62, 0.99), 3),
        reasons=(f"it speaks of {asked.kind.replace('_', ' ')}",),
    )
    seats = SEATS[asked.tier]
    assignment = None
    if asked.side is not None:
        assignment = Assignment(
            kind=asked.kind, state="canary", side=asked.side, propensity=0.9, conversation=asked.id
        )
    route = Route(
        name=asked.tier,
        composition=COMPOSITIONS[asked.tier],
        seats=tuple(
            Seat(role=role, tier=asked.tier, model=model) for role, _, model, _ in reversed(seats)
        ),
        max_rounds=3 if asked.tier == "tier3" else 1,
        reason=REASONS[asked.tier],
        deadline_at=asked.at + 600,
        assignment=assignment,
    )
    return RequestOpened(
        task_id=asked.id,
        key_id=asked.key,
        asked_model="auto" if dice.random() < 0.9 else asked.tier,
        profile=json.dumps(asdict(profile) | {"conversation": asked.id}),
        route=json.dumps(asdict(route)),
        at=asked.at,
    )


async def _attempt(ledger: Ledger, asked: Asked, turn: Turn) -> None:
    role, provider, model, part, number, fails, began, took = turn
    cost = round(KINDS[asked.kind][2] * asked.scale * part * 1e9 / 1.2)
    attempt_id = f"att_{asked.id[4:]}{number}{role}{model[:6]}"
    bound = Ask(fixed_nano_usd=cost * 8, token_nano_usd=0, output_tokens=4_000)
    await ledger.reserve(
        Reservation(
            attempt_id=attempt_id,
            task_id=asked.id,
            key_id=asked.key,
            tier=asked.tier,
            provider=provider,
            model=model,
            role=role,
            round=number,
            ask=bound,
            price_source="genai-prices",
            simulated=True,
            deadline_at=began + 600,
            at=began,
        )
    )
    words = max(round(60 * asked.scale * (8 if role in ("brain", "lead") else 2)), 5)
    usage = Usage() if fails else Usage(fresh_input=words * 3, cache_read=words, output=words)
    await ledger.settle(
        Settlement(
            attempt_id=attempt_id,
            state="void" if fails else "settled",
            outcome="overloaded" if fails else "complete",
            usage=usage,
            usage_source="none" if fails else "provider",
            settled_nano_usd=0 if fails else cost,
            upstream_id=None,
            first_token_s=None if fails else took * 0.2,
            latency_s=0.4 if fails else took,
            at=began + took,
        )
    )


def main() -> int:
    """Fill a ledger and say what was done."""
    began = time.monotonic()
    with closing(Ledger(Path(sys.argv[1]))) as ledger:
        count = asyncio.run(fill(ledger, time.time()))
    print(f"{count} requests in {time.monotonic() - began:.1f} s")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
