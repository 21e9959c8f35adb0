import asyncio
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from fakes.rows import AT, reservation, settlement

from deployments.ledger import Ledger
from deployments.ledger.inspection import AttemptRow, inspected
from router.plan.history import observed
from router.plan.workload import WORKING_HOURS, Calls, Numbers, TierLoad, Workload, stated
from tercet.config import Config, load, settings
from tercet.usage import Usage

CONFIG: Config = load(chosen=settings({}))
USUAL: Workload = stated(Numbers(), CONFIG.catalog, CONFIG.rules)
HAIKU = {"provider": "anthropic", "model": "claude-haiku-5-5", "role": "member", "tier": "tier3"}
FLASH = {"provider": "google", "model": "gemini-3.8-flash", "role": "member", "tier": "tier3"}
LOCAL = {"provider": "local", "model": "deepseek", "role": "single", "tier": "local"}
DAY = 86_400


@pytest.fixture
def seen(tmp_path: Path):
    """Book attempts, each as its fields and its usage, and return what is observed at `AT`."""

    async def write(ledger: Ledger, attempts) -> None:
        for number, (fields, usage) in enumerate(attempts):
            name = f"att_{number}"
            await ledger.reserve(reservation(name, **fields))
            if usage == "void":
                await ledger.settle(settlement(name, state="void", usage=Usage()))
            elif usage is not None:
                at = fields.get("at", AT) + 2
                await ledger.settle(settlement(name, usage=usage, at=at))

    def ask(*attempts) -> Workload | None:
        path = tmp_path / "ledger.sqlite3"
        with closing(Ledger(path, clock=lambda: AT)) as ledger:
            asyncio.run(write(ledger, attempts))
        with inspected(path) as books:
            rows: Iterator[AttemptRow] = books.attempts()
            return observed(list(rows), AT, USUAL)

    return ask


def asked(who, task_id: str, days_ago: float, **changes):
    at = AT - days_ago * DAY
    return {**who, "task_id": task_id, "at": at, "deadline_at": at + 600, **changes}


def test_an_empty_ledger_says_nothing(seen) -> None:
    assert seen() is None


def test_what_is_older_than_30_days_is_not_counted(seen) -> None:
    assert seen((asked(HAIKU, "req_1", 31), Usage(fresh_input=10, output=5))) is None


def test_requests_and_calls_are_counted_by_tier(seen) -> None:
    found = seen(
        (asked(HAIKU, "req_1", 10), Usage(fresh_input=1000, cache_read=200, output=100)),
        (asked(FLASH, "req_1", 10), Usage(fresh_input=1100, output=300)),
        (asked(HAIKU, "req_1", 10, round=2), Usage(fresh_input=2000, output=300)),
        (asked(HAIKU, "req_2", 5), Usage(fresh_input=3000, output=200)),
        (asked(FLASH, "req_2", 5), Usage(fresh_input=2900, output=100)),
    )

    tier3 = found.tiers[2]
    assert tier3 == TierLoad(
        name="tier3",
        requests_per_day=0.2,
        calls=(
            Calls(
                model="claude-haiku-5-5",
                per_request=1.5,
                usage=Usage(fresh_input=2000, cache_read=67, output=200),
            ),
            Calls(
                model="gemini-3.8-flash",
                per_request=1.0,
                usage=Usage(fresh_input=2000, output=200),
            ),
        ),
    )
    assert [tier.requests_per_day for tier in found.tiers] == [0, 0, 0.2]
    # Of the first round alone: (1200 + 1100 + 3000 + 2900) / 4 in, 700 / 4 out.
    assert found.local_usage == Usage(fresh_input=2050, output=175)
    assert found.source == "the ledger's last 10.0 days, 5 attempts"


def test_what_went_local_would_have_been_tier_3s(seen) -> None:
    found = seen(
        (asked(LOCAL, "req_1", 4), Usage(fresh_input=500, output=50)),
        (asked(LOCAL, "req_2", 4), Usage(fresh_input=700, output=150)),
        (asked(LOCAL, "req_3", 4), Usage(fresh_input=600, output=100)),
        (asked(HAIKU, "req_4", 4), Usage(fresh_input=1000, output=100)),
    )

    tier3 = found.tiers[2]
    assert tier3.requests_per_day == 1
    assert [(call.model, call.per_request) for call in tier3.calls] == [("claude-haiku-5-5", 1)]
    assert found.local_share == 0.75
    assert found.local_per_day == 0.75
    assert found.local_usage == Usage(fresh_input=600, output=100)
    assert [tier.name for tier in found.tiers] == ["tier1", "tier2", "tier3"]


def test_the_hours_of_the_day_are_those_of_routine_requests(seen) -> None:
    found = seen(
        (asked(HAIKU, "req_1", 1), Usage(fresh_input=1, output=1)),
        (asked(LOCAL, "req_2", 2), Usage(fresh_input=1, output=1)),
        (asked(HAIKU, "req_3", 1.5), Usage(fresh_input=1, output=1)),
        (asked({}, "req_4", 1.25), Usage(fresh_input=1, output=1)),  # tier 1
    )

    # 09:00 UTC twice, 21:00 once.
    assert found.hours[9] == pytest.approx(2 / 3)
    assert found.hours[21] == pytest.approx(1 / 3)
    assert sum(found.hours) == pytest.approx(1)


def test_without_routine_requests_their_size_and_hours_are_taken_for_granted(seen) -> None:
    found = seen((asked({}, "req_1", 1), Usage(fresh_input=1, output=1)))

    assert found.hours == WORKING_HOURS
    assert found.local_usage == USUAL.local_usage
    assert found.tiers[2].calls == USUAL.tiers[2].calls
    assert "requests come evenly in 12 hours of the day" in found.assumed


def test_attempts_without_tokens_are_not_free(seen) -> None:
    found = seen(
        (asked(HAIKU, "req_1", 1), Usage(fresh_input=1000, output=100)),
        (asked(HAIKU, "req_2", 1), None),
    )

    assert found.tiers[2].requests_per_day == 2
    [haiku] = found.tiers[2].calls
    assert (haiku.per_request, haiku.usage) == (1, Usage(fresh_input=1000, output=100))
    assert "1 attempts without a count of tokens are taken to be like others" in found.assumed
    assert found.local_usage == Usage(fresh_input=1000, output=100)
    assert "2 of the attempts were simulated, and are priced as if real" in found.assumed


def test_a_model_whose_tokens_nobody_counted_is_taken_to_read_what_the_others_do(seen) -> None:
    found = seen(
        (asked(HAIKU, "req_1", 1), Usage(fresh_input=1000, output=100)),
        (asked(FLASH, "req_1", 1), None),
    )

    assert found.tiers[2].calls[1] == Calls(
        model="gemini-3.8-flash", per_request=1, usage=Usage(fresh_input=1000, output=100)
    )


def test_attempts_that_no_provider_began_are_none(seen) -> None:
    assert seen((asked(HAIKU, "req_1", 1), "void")) is None
