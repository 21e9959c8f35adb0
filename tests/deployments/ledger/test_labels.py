import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
from fakes.learned import label
from fakes.rows import AT, opened, reservation, settlement

from deployments.ledger import Ledger, LedgerError
from deployments.ledger.inspection import inspected
from tercet.learning import LabelCount


def test_labels_are_read_as_they_were_written_the_oldest_first(ledger: Ledger) -> None:
    late = label("req_2", at=AT + 10)
    bare = label(
        arm="haiku", sketch=None, cost_nano_usd=None, propensity=0.25, policy_version="v1",
        is_declared=True, kinds={}, at=AT + 5,
    )  # fmt: skip

    async def main() -> None:
        await ledger.note_labels([late, bare, label()])
        assert await ledger.labels(AT) == [label(), bare, late]
        assert await ledger.labels(AT + 6) == [late]

    asyncio.run(main())


def test_of_one_task_arm_and_source_the_last_label_counts(ledger: Ledger) -> None:
    other = label(source="judge", quality=0.5)

    async def main() -> None:
        await ledger.note_labels([label(quality=0.0), other])
        await ledger.note_labels([label(quality=1.0)])
        assert await ledger.labels(0) == [other, label(quality=1.0)]

    asyncio.run(main())


def test_old_labels_are_forgotten_and_counted(ledger: Ledger) -> None:
    async def main() -> None:
        await ledger.note_labels([label("a", at=AT - 1), label("b", at=AT)])
        assert await ledger.forget_labels(AT) == 1
        assert await ledger.labels(0) == [label("b", at=AT)]

    asyncio.run(main())


def test_noting_no_labels_does_nothing(ledger: Ledger) -> None:
    async def main() -> None:
        await ledger.note_labels([])
        assert await ledger.labels(0) == []

    asyncio.run(main())


@pytest.mark.parametrize("wrong", [{"quality": 1.5}, {"propensity": 0.0}, {"source": "rumour"}])
def test_a_label_out_of_range_is_refused_and_others_beside_it_are_not(
    ledger: Ledger, wrong: dict[str, object]
) -> None:
    async def main() -> None:
        noted = asyncio.create_task(ledger.note_labels([label("good")]))
        with pytest.raises(LedgerError):
            await ledger.note_labels([replace(label("bad"), **wrong)])
        await noted
        assert await ledger.labels(0) == [label("good")]

    asyncio.run(main())


def test_an_operator_sees_how_many_labels_of_which_sort_there_are(ledger: Ledger, url: str) -> None:
    rows = [
        label("a", quality=1.0),
        label("b", quality=0.5, at=AT + 9),
        label("a", "haiku", quality=0.0),
        label("c", at=AT - 100),
    ]
    asyncio.run(ledger.note_labels(rows))
    with inspected(url) as books:
        assert books.label_counts(AT) == [
            LabelCount(
                kind="summary", arm="flash", source="shadow", count=2, quality=0.75,
                latest_at=AT + 9,
            ),
            LabelCount(
                kind="summary", arm="haiku", source="shadow", count=1, quality=0.0, latest_at=AT
            ),
        ]  # fmt: skip
        assert len(books.labels(0)) == 4


def test_tasks_are_read_with_what_their_attempts_cost(
    ledger: Ledger, url: str, opening: Callable[..., Ledger]
) -> None:
    async def main() -> None:
        ledger.open_request(replace(opened("paid"), at=AT))
        ledger.open_request(replace(opened("unsent"), at=AT + 1))
        for attempt in ("a", "b"):
            await ledger.reserve(reservation(attempt, task_id="paid"))
            await ledger.settle(settlement(attempt, settled_nano_usd=40))

    asyncio.run(main())
    with inspected(url) as books:
        found = list(books.tasks(round(AT * 1e9)))
        assert [(row.task_id, row.nano_usd, row.profile) for row in found] == [
            ("paid", 80, "{}"),
            ("unsent", None, "{}"),
        ]
        assert [row.task_id for row in books.tasks(round((AT + 1) * 1e9))] == ["unsent"]
