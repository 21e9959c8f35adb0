import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from fakes.kinds_given import API_NANO_USD, play
from fakes.rented import RUNNING, opened_lease, seen
from fakes.rows import AT, together

from deployments.ledger import Ledger
from deployments.ledger.inspection import inspected
from router.migrations.looking import Desk, find_out, look
from tercet.config import load
from tercet.environment import settings
from tercet.migration import Look, Migration, Transition

HOUR = 3_600.0
DAY = 24 * HOUR
HERE = load(chosen=settings({"TERCET_LOCAL": "gpu"}))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.sqlite3"
    with closing(Ledger(path, clock=lambda: AT)):
        pass
    return path


def desk(file: Path, now: float, **rules: object) -> Desk:
    migrations = replace(HERE.migrations, **({"kinds": ("lookup",)} | rules))
    return Desk(ledger=file, config=replace(HERE, migrations=migrations), now=now)


def looked(file: Path, now: float, **rules: object) -> Sequence[str]:
    with closing(Ledger(file, clock=lambda: AT)) as ledger:
        return asyncio.run(look(ledger, desk(file, now, **rules)))


def moves(file: Path) -> Sequence[Transition]:
    with inspected(file) as books:
        return books.transitions()


def noted(file: Path) -> Mapping[str, Look]:
    with inspected(file) as books:
        return {look.kind: look for look in books.looks()}


def places(file: Path) -> list[tuple[str, float]]:
    return [(row.to, row.share) for row in moves(file)]


def to_shadow(file: Path) -> None:
    play(file, "before", "baseline", 0.0, AT, count=200)
    assert len(looked(file, AT + 2 * HOUR)) == 1


def to_canary(file: Path) -> None:
    to_shadow(file)
    play(file, "shadow", "shadow", 0.0, AT + 3 * HOUR)
    assert len(looked(file, AT + 5 * HOUR)) == 1


def to_promoted(file: Path) -> None:
    to_canary(file)
    for step, share in enumerate((0.1, 0.25, 0.5)):
        play(file, f"canary{step}", "canary", share, AT + (6 + 3 * step) * HOUR)
        assert len(looked(file, AT + (8 + 3 * step) * HOUR)) == 1


def test_a_kind_goes_from_its_baseline_to_promoted_step_by_step(file: Path) -> None:
    assert looked(file, AT) == []
    to_promoted(file)
    assert places(file) == [
        ("shadow", 0.0), ("canary", 0.1), ("canary", 0.25), ("canary", 0.5), ("promoted", 1.0),
    ]  # fmt: skip
    assert [row.seq for row in moves(file)] == [1, 2, 3, 4, 5]
    assert {row.by for row in moves(file)} == {"gate"}
    last = moves(file)[-1]
    stood_on = json.loads(last.evidence)
    assert (last.come_from, last.at) == ("canary", AT + 14 * HOUR)
    assert stood_on["evidence"]["pairs"] == 600
    assert stood_on["evidence"]["fresh"] == 150
    assert stood_on["evidence"]["quality"]["value"] == pytest.approx(0.02)
    assert stood_on["evidence"]["treated_tasks"] == 116
    assert stood_on["by"] == {"check": 600}
    assert stood_on["machine_nano_usd"] == 0
    assert "quality +0.020 [" in last.why


def test_the_saving_is_what_a_promoted_month_would_displace(file: Path) -> None:
    to_promoted(file)
    known = find_out(desk(file, AT + 14 * HOUR))["lookup"]
    saving = known.evidence.saving
    assert saving is not None
    # 600 tasks in a day, the least that a month is told from; nine tenths of them are treated.
    assert known.tasks_a_month == 600 * 30
    assert saving.value == pytest.approx(600 * 30 * 0.9 * API_NANO_USD, rel=0.02)
    assert 0 < saving.low < saving.value < saving.high


def test_the_machines_bill_is_paid_from_it(file: Path) -> None:
    to_canary(file)
    with closing(Ledger(file, clock=lambda: AT)) as ledger:
        opened = opened_lease("a", at=AT + 5 * HOUR)
        running = seen("running", AT + 5 * HOUR, "a")
        later = seen("running", AT + 10 * HOUR, "a")
        for row in (ledger.open_lease(opened), ledger.see_lease(running), ledger.see_lease(later)):
            asyncio.run(row)
    play(file, "canary", "canary", 0.1, AT + 6 * HOUR, count=400)
    known = find_out(desk(file, AT + 10 * HOUR))["lookup"]
    # Five hours in a day, the least that a month is told from.
    assert known.machine_nano_usd == pytest.approx(5 * RUNNING * 30)
    assert known.evidence.saving is not None
    assert known.displaced is not None
    assert known.evidence.saving.value == pytest.approx(
        known.displaced.interval.value / 36 * 550 * 30 * 0.9 - known.machine_nano_usd
    )


def test_a_kind_that_has_come_to_be_worse_is_rolled_back_and_stays_so(file: Path) -> None:
    to_promoted(file)
    play(file, "good", "promoted", 1.0, AT + 15 * HOUR)
    assert looked(file, AT + 17 * HOUR) == []
    play(file, "bad", "promoted", 1.0, AT + 18 * HOUR, count=30, better=-0.5)
    (said,) = looked(file, AT + 19 * HOUR)
    assert said.startswith("lookup goes from promoted to rolled_back: alarm: odds of ")
    assert places(file)[-1] == ("rolled_back", 0.0)
    play(file, "again", "rolled_back", 0.0, AT + 20 * HOUR)
    assert looked(file, AT + 22 * HOUR) == []


def test_a_look_leaves_all_that_is_known_of_each_kind_and_why_it_stays(file: Path) -> None:
    to_canary(file)
    looked(file, AT + 6 * HOUR, kinds=("lookup", "routine_code"))
    there = noted(file)
    assert {kind: look.at for kind, look in there.items()} == dict.fromkeys(
        ("lookup", "routine_code"), AT + 6 * HOUR
    )
    known = json.loads(there["lookup"].document)
    assert known["why"].startswith("0 of 100 pairs since it came here")
    assert known["evidence"]["state"] == "canary"
    assert known["evidence"]["pairs"] == 150
    assert (known["more_pairs"], known["by"], known["left"]) == (100, {"check": 150}, {})
    assert json.loads(there["routine_code"].document)["why"] == (
        "0 of 200 answered tasks of the baseline"
    )


def test_the_look_that_moves_a_kind_says_why_it_moved(file: Path) -> None:
    to_canary(file)
    document = json.loads(noted(file)["lookup"].document)
    assert document["why"] == moves(file)[-1].why
    assert document["evidence"]["state"] == "shadow"


def test_a_promoted_kind_is_suspected_before_the_alarm_and_is_not_when_it_passes(
    file: Path,
) -> None:
    to_promoted(file)
    assert not noted(file)["lookup"].is_suspected
    play(file, "worse", "promoted", 1.0, AT + 18 * HOUR, count=8, better=-0.5)
    assert looked(file, AT + 19 * HOUR) == []
    assert noted(file)["lookup"].is_suspected
    play(file, "good", "promoted", 1.0, AT + 20 * HOUR, count=50)
    looked(file, AT + 21 * HOUR)
    assert not noted(file)["lookup"].is_suspected


def test_what_is_worse_in_shadow_answers_nobody(file: Path) -> None:
    to_shadow(file)
    play(file, "shadow", "shadow", 0.0, AT + 3 * HOUR, better=-0.3)
    looked(file, AT + 5 * HOUR)
    assert places(file) == [("shadow", 0.0), ("rolled_back", 0.0)]


def test_what_is_resumed_is_judged_by_new_pairs_alone(file: Path) -> None:
    to_shadow(file)
    play(file, "bad", "shadow", 0.0, AT + 3 * HOUR, better=-0.3)
    looked(file, AT + 5 * HOUR)
    resumed = Transition(
        kind="lookup", seq=3, come_from="rolled_back", to="shadow", share=0.0,
        why="another model", by="operator", evidence="{}", at=AT + 6 * HOUR,
    )  # fmt: skip
    with closing(Ledger(file, clock=lambda: AT)) as ledger:
        assert asyncio.run(ledger.move_migration(resumed))
    assert looked(file, AT + 6 * HOUR) == []
    play(file, "good", "shadow", 0.0, AT + 7 * HOUR)
    looked(file, AT + 9 * HOUR)
    assert places(file)[-1] == ("canary", 0.1)
    assert json.loads(moves(file)[-1].evidence)["evidence"]["pairs"] == 150


def test_of_two_looks_at_once_one_moves_a_kind(file: Path) -> None:
    play(file, "before", "baseline", 0.0, AT, count=200)
    with closing(Ledger(file, clock=lambda: AT)) as one, closing(Ledger(file)) as other:
        at = desk(file, AT + 2 * HOUR)
        said = asyncio.run(together(look(one, at), look(other, at)))
    assert sorted(line for lines in said for line in lines) in (
        [
            "lookup goes from baseline to shadow: 200 answered tasks are the baseline",
            "lookup was moved by another process",
        ],
        # The other one looked after it was moved.
        ["lookup goes from baseline to shadow: 200 answered tasks are the baseline"],
    )
    assert places(file) == [("shadow", 0.0)]


def test_a_look_that_stands_on_what_is_past_moves_nothing(file: Path) -> None:
    to_canary(file)

    class Late(Ledger):
        """Its look is overtaken by an operator."""

        async def move_migration(self, row: Transition) -> bool:
            assert await super().move_migration(replace(row, to="rolled_back", by="operator"))
            return await super().move_migration(row)

    play(file, "canary", "canary", 0.1, AT + 6 * HOUR)
    with closing(Late(file, clock=lambda: AT)) as ledger:
        said = asyncio.run(look(ledger, desk(file, AT + 8 * HOUR)))
    assert said == ["lookup was moved by another process"]
    assert places(file)[-1] == ("rolled_back", 0.25)


@pytest.mark.parametrize("phase", ["baseline", "ungated"])
def test_in_another_phase_nothing_moves(file: Path, phase: str) -> None:
    play(file, "before", "baseline", 0.0, AT, count=200)
    assert looked(file, AT + 2 * HOUR, phase=phase) == ()


def test_a_kind_that_is_in_the_file_no_more_does_not_move(file: Path) -> None:
    to_shadow(file)
    play(file, "bad", "shadow", 0.0, AT + 3 * HOUR, better=-0.3)
    assert looked(file, AT + 5 * HOUR, kinds=("routine_code",)) == []
    there = find_out(desk(file, AT + 5 * HOUR, kinds=("routine_code",)))
    assert there["lookup"].run.migration == Migration(
        kind="lookup", state="shadow", share=0.0, since=AT + 2 * HOUR, seq=1
    )
    assert there["routine_code"].evidence.state == "baseline"
    assert json.loads(noted(file)["lookup"].document)["why"] == (
        "`kinds` of migrations.yaml does not name it: nothing moves it"
    )


def test_without_a_local_model_the_baseline_goes_on(file: Path) -> None:
    play(file, "before", "baseline", 0.0, AT, count=200)
    at = desk(file, AT + 2 * HOUR)
    away = replace(at, config=replace(at.config, local=None))
    with closing(Ledger(file, clock=lambda: AT)) as ledger:
        assert asyncio.run(look(ledger, away)) == []
    assert find_out(away)["lookup"].evidence.baseline_tasks == 200
