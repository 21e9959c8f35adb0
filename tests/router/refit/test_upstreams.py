"""What simulated upstreams said teaches no real gateway, and the other way round."""

import asyncio
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from fakes.learned import label
from fakes.lessons_given import CONFIG, FLASH, HAIKU, policy
from fakes.reported import LOCAL, Books
from fakes.rows import AT

from deployments.ledger import Ledger
from router.learning.document import to_bytes
from router.refit import steering
from router.refit.books import Desk, read
from router.refit.making import Given
from tercet.learning import PolicyVersion

HOUR = 3_600.0


@pytest.fixture
def books(tmp_path: Path) -> Books:
    return Books(tmp_path / "ledger.sqlite3")


def desk(books: Books) -> Desk:
    config = replace(CONFIG, learning=replace(CONFIG.learning, window_s=30 * 24 * HOUR))
    return Desk(ledger=books.file, config=config, folder=None, now=AT)


def given(books: Books, *labels: tuple[str, float]) -> Given:
    """Return what is learned from, with labels of tasks at times before now."""
    rows = [label(task_id, HAIKU, at=AT - ago) for task_id, ago in labels]
    books.then([lambda ledger: ledger.note_labels(rows)])
    books.write()
    return read(desk(books))


def tasks(found: Given) -> set[str]:
    return {task.task_id for task in found.tasks}


def labels(found: Given) -> set[str]:
    return {row.task_id for row in found.labels}


@pytest.mark.parametrize("is_simulated", [True, False])
def test_those_who_answered_last_are_learned_from(books: Books, is_simulated: bool) -> None:
    old = books.task(AT - 9 * HOUR, simulated=not is_simulated)
    new = books.task(AT - HOUR, simulated=is_simulated)
    found = given(books, (old, 60), (new, 50))
    assert (tasks(found), labels(found), found.left_out) == ({new}, {new}, 1)


def test_a_short_run_with_simulated_ones_takes_nothing_from_the_real_ones(books: Books) -> None:
    first = books.task(AT - 900 * HOUR)
    real = books.task(AT - 9 * HOUR)
    books.task(AT - 8 * HOUR, simulated=True)
    again = books.task(AT - 7 * HOUR)
    found = given(books, (first, 800 * HOUR), (real, 8 * HOUR - 60), (again, 60))
    assert (tasks(found), labels(found), found.left_out) == ({real, again}, {real, again}, 0)


def test_a_golden_label_is_of_those_asked_just_before(books: Books) -> None:
    books.task(AT - 9 * HOUR)
    books.task(AT - 8 * HOUR, simulated=True)
    books.task(AT - HOUR)
    found = given(
        books, ("real", 9 * HOUR - 60), ("false", 8 * HOUR - 60), ("imported", 5 * HOUR),
        ("before", 20 * HOUR), ("now", HOUR - 60),
    )  # fmt: skip
    assert labels(found) == {"real", "imported", "before", "now"}


def test_the_local_model_is_never_simulated_and_turns_nothing(books: Books) -> None:
    false = books.task(AT - 9 * HOUR, simulated=True)
    local = books.task(AT - 8 * HOUR, **LOCAL)
    assert tasks(given(books)) == {false, local}


def test_a_version_learned_of_the_others_is_believed_no_more(books: Books) -> None:
    with closing(Ledger(books.file)) as ledger:
        row = PolicyVersion(
            version="v1", made_at=AT - 8 * HOUR, state="in_force", share=1.0, summary="{}",
            document=to_bytes(policy("v1", {FLASH: 0.8})), why="a test", changed_at=AT - 8 * HOUR,
        )  # fmt: skip
        asyncio.run(ledger.put_policy(row))
    books.task(AT - 9 * HOUR, simulated=True)
    found = given(books).in_force
    assert found is not None
    assert found.version == "v1"
    books.task(AT - 7 * HOUR)
    assert given(books).in_force is None


def test_who_fits_is_told_what_was_left_out(books: Books) -> None:
    old = books.task(AT - 9 * HOUR, simulated=True)
    new = books.task(AT - HOUR)
    given(books, (old, 60), (new, 50))
    said: list[str] = []
    with closing(Ledger(books.file)) as ledger:
        row = asyncio.run(steering.fit(ledger, desk(books), said.append))
    assert "labels left out, as simulated and real upstreams do not mix: 1" in said
    assert '"left_out": 1' in row.summary
