import asyncio
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from fakes.learned import label
from fakes.lessons_given import CONFIG, COSTS, FLASH, PAIR, SONNET, policy, shadowed
from fakes.rows import AT

from deployments.ledger import Ledger
from router.learning.document import from_bytes, to_bytes
from router.refit import steering
from router.refit.books import Desk
from tercet.errors import ConfigError
from tercet.learning import Lock, PolicyVersion


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite3"


@pytest.fixture
def ledger(file: Path) -> Iterator[Ledger]:
    with closing(Ledger(file, clock=lambda: AT)) as opened:
        yield opened


def desk(file: Path, now: float = AT, **rules: object) -> Desk:
    learning = replace(CONFIG.learning, **rules)
    return Desk(ledger=file, config=replace(CONFIG, learning=learning), folder=None, now=now)


def put(ledger: Ledger, name: str, quality: dict[str, float], state: str, **changes) -> None:
    row = PolicyVersion(
        version=name, made_at=AT - 90_000, state=state, share=0.0, summary="{}", why="a test",
        document=to_bytes(policy(name, quality, labels=400)), changed_at=AT - 90_000,
    )  # fmt: skip
    assert asyncio.run(ledger.put_policy(replace(row, **changes)))


def states(ledger: Ledger) -> dict[str, tuple[str, float]]:
    return {row.version: (row.state, row.share) for row in asyncio.run(ledger.policies())}


def night(ledger: Ledger, at: Desk) -> steering.Outcome:
    return asyncio.run(steering.night(ledger, at, lambda _: None))


def same_for(arms: tuple[str, ...], count: int = 250, **quality: float) -> list:
    return [
        label(f"t{n}", arm, kind="chat", is_declared=True, cost_nano_usd=COSTS[arm],
              quality=quality.get("flash", 0.8) if arm == FLASH else 0.8, at=AT - 500 + n)
        for n in range(count)
        for arm in arms
    ]  # fmt: skip


def test_a_night_fits_a_candidate_from_the_labels_and_judges_it(ledger: Ledger, file: Path) -> None:
    asyncio.run(ledger.note_labels(shadowed(120)))
    outcome = night(ledger, desk(file))
    assert outcome.version == "20261123T090000"
    assert outcome.said[-1].startswith("20261123T090000 ")
    row = asyncio.run(ledger.policy("20261123T090000"))
    assert row is not None
    assert row.document is not None
    assert from_bytes(row.document).made_from["labels"] == 360
    assert json.loads(row.summary)["made_from"]["paired_tasks"] == 120
    assert asyncio.run(ledger.locks(AT)) == []


def test_a_night_without_new_labels_fits_nothing(ledger: Ledger, file: Path) -> None:
    put(ledger, "v1", {FLASH: 0.8}, "retired", made_at=AT - 10)
    asyncio.run(ledger.note_labels([label(at=AT - 20)]))
    assert night(ledger, desk(file)).said == ("no new labels: nothing is fitted",)


def test_a_night_without_new_labels_judges_the_candidate_that_is_there(
    ledger: Ledger, file: Path
) -> None:
    put(ledger, "v1", {FLASH: 0.8}, "candidate", made_at=AT - 10)
    outcome = night(ledger, desk(file))
    assert (outcome.version, outcome.judged) == (None, "v1")
    assert outcome.said[-1].startswith("v1 stays candidate: no kind has enough labels yet")


def test_a_newer_candidate_retires_the_older_one(ledger: Ledger, file: Path) -> None:
    put(ledger, "v1", {FLASH: 0.8}, "candidate")
    asyncio.run(ledger.note_labels(shadowed(30)))
    night(ledger, desk(file))
    assert states(ledger)["v1"] == ("retired", 0.0)
    assert states(ledger)["20261123T090000"][0] == "candidate"


def test_while_another_process_is_at_it_a_night_does_nothing(ledger: Ledger, file: Path) -> None:
    asyncio.run(ledger.note_labels(shadowed(30)))
    held = Lock(name="refit", owner="another", until=AT + 1, why="nightly", at=AT)
    asyncio.run(ledger.take_lock(held))
    assert night(ledger, desk(file)).said == ("another process is at it",)
    assert night(ledger, desk(file, now=AT + 1)).version == "20261123T090001"


def test_with_the_plans_rule_a_night_does_nothing(ledger: Ledger, file: Path) -> None:
    asyncio.run(ledger.note_labels(shadowed(30)))
    said = night(ledger, desk(file, policy="plan")).said
    assert said == ("learning.yaml says `policy: plan`: nothing is fitted",)


def test_a_version_goes_its_way_night_by_night_and_no_new_one_is_fitted_meanwhile(
    ledger: Ledger, file: Path
) -> None:
    put(ledger, "v0", {SONNET: 0.8}, "in_force", share=1.0)
    put(ledger, "v1", {FLASH: 0.8}, "canary", share=0.05)
    asyncio.run(ledger.note_labels(same_for((FLASH, SONNET))))
    first = night(ledger, desk(file))
    assert states(ledger) == {"v0": ("in_force", 1.0), "v1": ("canary", 0.25)}
    assert first.said == (
        "v1 goes from canary to canary with 25% of the tasks: chat: quality +0.000 [-0.026, "
        "+0.026] on 250 tasks, margin 0.03: good enough; all kinds: quality +0.000 [-0.026, "
        "+0.026] on 250 tasks, margin 0.03: good enough; +0.000 quality and 0.003900 USD less a "
        "task",
    )
    night(ledger, desk(file, now=AT + 86_400))
    assert states(ledger)["v1"] == ("canary", 0.25)
    late = [replace(row, task_id=f"late-{row.task_id}", at=row.at + 90_000) for row in
            same_for((FLASH, SONNET), 30)]  # fmt: skip
    asyncio.run(ledger.note_labels(late))
    night(ledger, desk(file, now=AT + 180_000))
    assert states(ledger) == {"v0": ("retired", 0.0), "v1": ("in_force", 1.0)}


def test_a_canary_that_turns_out_worse_is_rolled_back_also_while_frozen(
    ledger: Ledger, file: Path
) -> None:
    put(ledger, "v0", {SONNET: 0.8}, "in_force", share=1.0)
    put(ledger, "v1", {FLASH: 0.8}, "canary", share=0.05)
    asyncio.run(ledger.note_labels(same_for((FLASH, SONNET), flash=0.7)))
    asyncio.run(steering.freeze(ledger, "audit", AT))
    night(ledger, desk(file))
    assert states(ledger) == {"v0": ("in_force", 1.0), "v1": ("rolled_back", 0.0)}


def test_frozen_nobody_is_promoted_and_nothing_fitted_until_it_is_over(
    ledger: Ledger, file: Path
) -> None:
    put(ledger, "v0", {SONNET: 0.8}, "in_force", share=1.0)
    put(ledger, "v1", {FLASH: 0.8}, "canary", share=0.05)
    asyncio.run(ledger.note_labels(same_for((FLASH, SONNET))))
    asyncio.run(steering.freeze(ledger, "audit", AT))
    night(ledger, desk(file))
    assert states(ledger)["v1"] == ("canary", 0.05)
    assert asyncio.run(steering.thaw(ledger))
    night(ledger, desk(file))
    assert states(ledger)["v1"] == ("canary", 0.25)


def test_old_labels_are_forgotten_at_night(ledger: Ledger, file: Path) -> None:
    asyncio.run(ledger.note_labels([label(at=AT - 181 * 86_400)]))
    assert night(ledger, desk(file)).said[0] == "1 old labels forgotten"


def test_an_operator_puts_a_version_in_force_or_on_a_share(ledger: Ledger) -> None:
    put(ledger, "v1", {FLASH: 0.8}, "candidate")
    put(ledger, "v2", {PAIR: 0.8}, "candidate")
    asyncio.run(steering.promote(ledger, "v1", None, "by hand", AT))
    asyncio.run(steering.promote(ledger, "v2", 0.1, "by hand", AT))
    assert states(ledger) == {"v1": ("in_force", 1.0), "v2": ("canary", 0.1)}
    with pytest.raises(ConfigError, match="there is no version 'v9'; there are v2, v1"):
        asyncio.run(steering.promote(ledger, "v9", None, "by hand", AT))


def test_a_rollback_ends_the_canary_then_the_version_in_force_then_the_one_before(
    ledger: Ledger,
) -> None:
    for name in ("v1", "v2", "v3"):
        put(ledger, name, {FLASH: 0.8}, "candidate")
    for at, name in enumerate(("v1", "v2")):
        asyncio.run(steering.promote(ledger, name, None, "by hand", AT + at))
    asyncio.run(steering.promote(ledger, "v3", 0.05, "by hand", AT))

    def back() -> str:
        return asyncio.run(steering.roll_back(ledger, "bad answers", AT + 9))

    assert back() == "v3 is rolled back"
    assert back() == "v2 is rolled back; v1 is in force"
    assert back() == "v1 is rolled back; the plan's rule is in force"
    assert {state for state, _ in states(ledger).values()} == {"rolled_back"}
    with pytest.raises(ConfigError, match="no version routes anything"):
        back()


def test_a_version_that_never_was_in_force_is_forgotten_after_the_window(
    ledger: Ledger, file: Path
) -> None:
    put(ledger, "v1", {FLASH: 0.8}, "retired", changed_at=AT - 31 * 86_400)
    put(ledger, "v2", {FLASH: 0.8}, "retired", changed_at=AT - 31 * 86_400, in_force_at=AT - 1e7)
    night(ledger, desk(file))
    assert states(ledger) == {"v2": ("retired", 0.0)}


def test_from_the_first_day_the_public_results_are_in_force_where_asked_for(ledger, file) -> None:
    outcome = night(ledger, desk(file, policy="learned"))

    (row,) = asyncio.run(ledger.policies())
    assert (row.state, row.version) == ("in_force", outcome.version)
    assert from_bytes(asyncio.run(ledger.policy(row.version)).document).quality_per_nano_usd == 2e-8
    assert "public results" in row.why


def test_public_results_that_were_rolled_back_do_not_come_back_by_themselves(ledger, file) -> None:
    night(ledger, desk(file, policy="learned"))
    asyncio.run(steering.roll_back(ledger, "a test", AT))

    night(ledger, desk(file, now=AT + 90_000, policy="learned"))

    assert [state for state, _ in states(ledger).values()] == ["rolled_back"]
