"""The first page's figures, worked out by hand."""

import asyncio
import json
from contextlib import closing
from pathlib import Path

import pytest
from fakes.console import CONFIG, DAY, NOW, SCRIPT, WITH_LOCAL, answered_locally, site, task, twin
from fakes.rows import reservation, settlement

from deployments.ledger import Ledger
from router.console.making.providers import health_of
from router.console.site import Site
from tercet.migration import Look
from tercet.usage import NANO_USD_PER_USD


def test_the_days_of_the_month_add_up_to_what_is_spent(console: Site) -> None:
    view = twin(console, "")
    days = view["days"]
    assert len(days) == 30
    assert sum(day["nano_usd"] for day in days) == view["month"]["spent_nano_usd"]
    today = days[22]
    assert today["day"] == "2026-11-23"
    assert today["by_tier_nano_usd"] == {"tier3": 80, "gpu": 670_000_000, "local": 0}
    assert today["sum_nano_usd"] == view["month"]["spent_nano_usd"]
    assert days[23]["sum_nano_usd"] is None
    assert days[18]["by_tier_nano_usd"] == {"tier3": 80}


def test_the_band_goes_from_today_to_the_forecast(console: Site) -> None:
    view = twin(console, "")
    month, days = view["month"], view["days"]
    assert days[21]["low_nano_usd"] is None
    assert days[22]["high_nano_usd"] > month["spent_nano_usd"]
    assert days[29]["low_nano_usd"] == month["forecast"]["low_nano_usd"]
    assert days[29]["high_nano_usd"] == month["forecast"]["high_nano_usd"]
    assert month["will_stay"] is True


def test_the_cost_is_told_by_tier_model_and_kind(console: Site) -> None:
    view = twin(console, "")
    assert [(one["name"], one["nano_usd"]) for one in view["by_tier"]] == [
        ("gpu", 670_000_000), ("tier3", 240), ("tier1", 80), ("tier2", 80), ("local", 0)
    ]  # fmt: skip
    kinds = {one["name"]: one["nano_usd"] for one in view["by_kind"]}
    assert kinds == {"lookup": 80, "bug_fix": 80, "architecture": 80, "question": 80, SCRIPT: 80}
    assert sum(one["share"] for one in view["by_model"]) == pytest.approx(1.0)
    assert view["month"]["requests"] == 5


def test_an_empty_ledger_has_no_figures_and_no_guesses(empty: Path) -> None:
    view = twin(site(empty), "")
    assert view["month"]["spent_nano_usd"] == 0
    assert view["month"]["forecast"] is None
    assert view["month"]["will_stay"] is None
    assert view["by_tier"] == []
    assert view["newest"] == []
    assert view["pays"]["verdict"] == "off"
    assert {one["health"] for one in view["providers"]} == {"quiet"}


def look(low: float | None, high: float | None, state: str = "promoted") -> Look:
    saving = {"value": 3e9, "low": low, "high": high}
    evidence = {"state": state, "saving": saving, "pairs": 70, "treated_p95_s": [1.0, 2.5]}
    evidence["quality"] = {"value": -0.01, "low": -0.04, "high": 0.02}
    document = {"why": "good enough", "evidence": evidence, "by": {"judge": 70}, "more_pairs": None}
    return Look(kind="lookup", is_suspected=True, document=json.dumps(document), at=NOW - 60)


def with_looks(file: Path, *looks: Look) -> Site:
    async def write() -> None:
        with closing(Ledger(file)) as ledger:
            for number in range(4):
                await task(ledger, f"req_{number}", "lookup", "tier3", at=NOW - 900 - number)
            await answered_locally(ledger, NOW - 600)
            for one in looks:
                await ledger.note_look(one)

    asyncio.run(write())
    return site(file, WITH_LOCAL)


@pytest.mark.parametrize(
    ("looks", "verdict"),
    [
        ([look(1e9, 5e9)], "pays"),
        ([look(-5e9, -1e9)], "does not pay"),
        ([look(-1e9, 5e9)], "not known yet"),
        ([look(None, None)], "not known yet"),
        ([look(1e9, 5e9, state="shadow")], "not known yet"),
        ([], "not known yet"),
    ],
)
def test_only_what_is_proved_decides_whether_it_pays(tmp_path: Path, looks, verdict: str) -> None:
    pays = twin(with_looks(tmp_path / "l.sqlite3", *looks), "")["pays"]
    assert pays["verdict"] == verdict
    # Four tasks at 80 nano-USD each, and one answer of the local model in place of one.
    assert (pays["answered"], pays["avoided_nano_usd"], pays["machine_nano_usd"]) == (1, 80, 0)


def test_the_board_has_what_the_last_look_knew(tmp_path: Path) -> None:
    view = twin(with_looks(tmp_path / "l.sqlite3", look(1e9, 5e9)), "/migrations")
    kind = next(one for one in view["kinds"] if one["kind"] == "lookup")
    assert kind["quality"] == {"value": -0.01, "low": -0.04, "high": 0.02}
    assert kind["saving"]["low_usd"] == "1.000000000"
    assert (kind["waits"], kind["pairs"], kind["is_suspected"]) == ("good enough", 70, True)
    assert kind["local_p95_s"] == [1.0, 2.5]
    assert kind["looked_at"] == NOW - 60
    assert view["empty_words"] == ""


def test_the_board_without_looks_says_what_to_do(empty: Path) -> None:
    assert "TERCET_LOCAL" in twin(site(empty), "/migrations")["empty_words"]
    assert "migration list" in twin(site(empty, WITH_LOCAL), "/migrations")["empty_words"]


def test_the_machine_is_what_the_lease_and_the_gateway_say(filled: Path) -> None:
    said = {"readiness": "ready", "why": "a replica answers"}
    now = twin(site(filled, WITH_LOCAL, local=lambda: said), "/gpu")["now"]
    assert (now["state"], now["card"], now["rate_usd"]) == ("idle", "RTX 3090", "0.360000000")
    said = {"readiness": "warming", "why": "it loads"}
    assert twin(site(filled, local=lambda: said), "/gpu")["now"]["state"] == "loading"
    clock = lambda: NOW - 990 + 30  # noqa: E731
    assert twin(site(filled, clock=clock), "/gpu")["now"]["state"] == "busy"


def test_the_gpus_page_tells_starts_decisions_and_totals(console: Site) -> None:
    view = twin(console, "/gpu", "&days=1")
    assert view["until"] - view["since"] == DAY
    states = {one["state"]: one["nano_usd"] for one in view["totals"]}
    # 10 min at 0.06 USD/h; 100 s of loading, 10 s of answering, the rest of 110 min idle.
    assert states == {
        "loading": 20_000_000, "busy": 1_000_000, "idle": 649_000_000, "asleep": 0
    }  # fmt: skip
    assert [one["wants_on"] for one in view["decisions"]] == [True, False]
    assert view["starts"][0]["phases_s"] == {"load": 90.0}


def test_without_a_local_model_the_gpus_page_says_how_to_have_one(empty: Path) -> None:
    view = twin(site(empty), "/gpu")
    assert view["now"]["state"] == "off"
    assert "TERCET_LOCAL" in view["empty_words"]


def test_a_provider_is_judged_by_what_failed_of_late(tmp_path: Path) -> None:
    file = tmp_path / "l.sqlite3"

    async def write() -> None:
        with closing(Ledger(file)) as ledger:
            for number in range(10):
                await ledger.reserve(reservation(f"a{number}", at=NOW - 200))
                outcome = "overloaded" if number >= 4 else "complete"
                row = settlement(f"a{number}", outcome=outcome, at=NOW - 200 + number)
                await ledger.settle(row)
            await ledger.note_exhausted("google", NOW + 60, "no money", NOW - 5)

    asyncio.run(write())
    view = twin(site(file), "/providers")
    opus = next(one for one in view["models"] if one["model"] == "claude-opus-5-5")
    assert opus["health"] == "down"
    assert opus["quarter"]["outcomes"] == {"overloaded": 6, "complete": 4}
    assert opus["quarter"]["p95_s"] == pytest.approx(1.25, rel=0.03)
    assert opus["streak"] == 6
    assert opus["is_breaker_open"] == (CONFIG.rules.upstreams.breaker_failures <= 6)
    assert view["exhausted"][0]["why"] == "no money"
    google = [one["health"] for one in view["models"] if one["provider"] == "google"]
    assert set(google) == {"down"}


def test_health_needs_a_tenth_of_failures() -> None:
    assert [health_of(10, failed, is_exhausted=False) for failed in (0, 1, 4, 5)] == [
        "healthy", "degraded", "degraded", "down"
    ]  # fmt: skip
    assert health_of(0, 0, is_exhausted=False) == "quiet"
    assert health_of(9, 0, is_exhausted=True) == "down"


def test_keys_are_told_with_what_they_spent_and_may_spend(console: Site) -> None:
    keys = {one["name"]: one for one in twin(console, "/keys")["keys"]}
    assert keys["default"]["spent_nano_usd"] == 400
    assert keys["team"]["cap_nano_usd"] == 20 * NANO_USD_PER_USD
    assert keys["team"]["spent_share"] == 0.0
    assert not {"sha256", "old_sha256", "handle"} & keys["team"].keys()


def test_quality_counts_what_was_compared_and_what_was_left(console: Site) -> None:
    console.reader._slow_at = 0.0
    console.reader.step()
    view = twin(console, "/quality")
    (kind,) = view["compared"]
    assert (kind["judged"], kind["left"], kind["difference"]) == (2, 1, 0.25)
    assert (kind["better"], kind["same"], kind["worse"], kind["nano_usd"]) == (2, 0, 0, 14)
    assert view["left"] == {"asleep": 1}
    assert view["judges"][0]["bias"] == 0.25
    assert [(one["arm"], one["quality"]) for one in view["golden"]] == [("tier3", 1.0)]
    assert [one["source"] for one in view["feedback"]] == ["feedback"]
