from dataclasses import replace

import pytest

from router.plan.workload import Calls, Numbers, Workload, displacing, stated
from tercet.config import Config, load, settings
from tercet.errors import ConfigError
from tercet.usage import Usage

CONFIG: Config = load(chosen=settings({}))


def workload(**changes) -> Workload:
    return stated(replace(Numbers(), **changes), CONFIG.catalog, CONFIG.rules)


def calls(found: Workload, tier: str) -> list[tuple[str, int, int]]:
    [load] = [one for one in found.tiers if one.name == tier]
    return [(call.model, call.usage.input, call.usage.output) for call in load.calls]


def test_a_request_becomes_the_calls_of_its_tiers_composition() -> None:
    found = workload()

    assert calls(found, "tier1") == [("claude-opus-5-5", 2000, 400)]
    assert calls(found, "tier2") == [
        ("claude-sonnet-5-5", 2400, 400),
        ("gemini-4-argon", 2000, 400),
    ]
    assert calls(found, "tier3") == [
        ("claude-haiku-5-5", 2000, 400),
        ("gemini-3.8-flash", 2000, 400),
    ]


def test_long_requests_are_read_by_the_memory_and_short_ones_by_nobody_else() -> None:
    assert calls(workload(input_tokens=20_000), "tier1") == [
        ("claude-opus-5-5", 1500, 400),
        ("gemini-4-argon", 20_000, 1500),
    ]
    assert calls(workload(input_tokens=900), "tier2") == [("claude-sonnet-5-5", 900, 400)]


def test_a_further_round_reads_what_every_member_said() -> None:
    assert calls(workload(rounds=3), "tier3") == [
        ("claude-haiku-5-5", 2000, 400), ("gemini-3.8-flash", 2000, 400),
        ("claude-haiku-5-5", 2800, 400), ("gemini-3.8-flash", 2800, 400),
        ("claude-haiku-5-5", 2800, 400), ("gemini-3.8-flash", 2800, 400),
    ]  # fmt: skip
    assert "the members of tier 3 are asked 3 times" in workload(rounds=3).assumed


def test_what_may_go_local_is_a_share_of_the_displaced_tier() -> None:
    found = workload(requests_per_day=1000, shares={"tier1": 0.1, "tier2": 0.3, "tier3": 0.6})

    assert found.local_per_day == pytest.approx(600)
    assert replace(found, local_share=0.25).local_per_day == pytest.approx(150)
    assert displacing(found, "tier2", CONFIG.catalog).local_per_day == pytest.approx(300)


def test_a_displaced_model_answers_tier_3_alone() -> None:
    found = displacing(workload(), "claude-sonnet-5-5", CONFIG.catalog)

    assert found.displaced == "tier3"
    assert found.tiers[2].calls == (
        Calls(
            model="claude-sonnet-5-5",
            per_request=1.0,
            usage=Usage(fresh_input=2000, output=400),
        ),
    )


def test_what_is_not_there_cannot_be_displaced() -> None:
    with pytest.raises(
        ConfigError, match=r"--displaces gpt-9: .*name one of tier1, tier2, tier3, "
    ):
        displacing(workload(), "gpt-9", CONFIG.catalog)
