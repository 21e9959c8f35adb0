import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from fakes.rows import AT, query, reservation, settlement, together

from deployments.ledger import Ledger, LedgerError, url_of
from deployments.ledger.inspection import inspected
from tercet.budget import Denied, Granted
from tercet.keys import Key

Opening = Callable[..., Ledger]

BATCH = Key(id="batch", handle="batch234", sha256="0a" * 32, created_at=AT)
LIMITED = Key(
    id="team-a",
    handle="teama234",
    sha256="0b" * 32,
    month_cap_nano_usd=250,
    requests_per_minute=60,
    concurrent=4,
    tiers=frozenset({"tier3", "local"}),
    models=frozenset({"claude-haiku-5-5"}),
    created_at=AT + 1,
)


def create(ledger: Ledger, *keys: Key) -> list[bool]:
    async def main() -> list[bool]:
        return [await ledger.create_key(key) for key in keys]

    return asyncio.run(main())


def test_keys_are_read_as_they_were_made_by_every_process(opening: Opening, url: str) -> None:
    one, other = opening(), opening()

    assert create(one, LIMITED, BATCH) == [True, True]

    assert sorted(asyncio.run(other.keys()), key=lambda key: key.id) == [BATCH, LIMITED]
    assert asyncio.run(other.key("teama234")) == LIMITED
    assert asyncio.run(other.key("nobody22")) is None
    with inspected(url) as books:
        assert books.every_key() == [BATCH, LIMITED]


def test_a_name_is_given_once_also_by_two_at_the_same_time(opening: Opening) -> None:
    ledgers = [opening(), opening()]

    async def main() -> list[bool]:
        same = [replace(BATCH, handle=f"batch22{letter}") for letter in "abcdefgh"]
        return await together(*(ledgers[n % 2].create_key(key) for n, key in enumerate(same)))

    assert sorted(asyncio.run(main())) == [False] * 7 + [True]


def test_a_public_part_is_given_once(ledger: Ledger) -> None:
    create(ledger, BATCH)
    with pytest.raises(LedgerError):
        create(ledger, replace(LIMITED, handle="batch234"))


def test_a_revoked_key_is_gone_and_its_name_stays_taken(ledger: Ledger, url: str) -> None:
    create(ledger, BATCH, LIMITED)

    async def main() -> list[bool]:
        return [
            await ledger.revoke_key("batch", AT + 5),
            await ledger.revoke_key("batch", AT + 9),
            await ledger.revoke_key("nobody", AT + 9),
            await ledger.rotate_key("batch", "0c" * 32, AT + 9),
            await ledger.create_key(replace(BATCH, handle="other234")),
        ]

    assert asyncio.run(main()) == [True, False, False, False, False]
    assert asyncio.run(ledger.keys()) == [LIMITED]
    assert asyncio.run(ledger.key("batch234")) is None
    with inspected(url) as books:
        assert books.every_key() == [replace(BATCH, revoked_at=AT + 5), LIMITED]


def test_a_rotated_key_keeps_its_limits_and_for_a_while_its_last_secret(ledger: Ledger) -> None:
    create(ledger, LIMITED)

    async def main() -> list[Key | None]:
        await ledger.rotate_key("team-a", "0c" * 32, AT + 60)
        once = await ledger.key("teama234")
        await ledger.rotate_key("team-a", "0d" * 32, AT + 90)
        return [once, await ledger.key("teama234")]

    once = replace(LIMITED, sha256="0c" * 32, old_sha256="0b" * 32, old_until=AT + 60)
    twice = replace(LIMITED, sha256="0d" * 32, old_sha256="0c" * 32, old_until=AT + 90)
    assert asyncio.run(main()) == [once, twice]


def test_a_new_keys_cap_holds_from_its_first_request_in_a_process_that_has_not_heard_of_it(
    opening: Opening,
) -> None:
    gateway, operator = opening({"month": 10_000}), opening()
    create(operator, LIMITED, BATCH)
    names = [("team-a", n) for n in range(4)] + [("batch", n) for n in range(4)]

    async def main() -> list[object]:
        asked = (reservation(f"{key}-{n}", key_id=key) for key, n in names)
        return await together(*(gateway.reserve(row) for row in asked))

    whole = Granted(nano_usd=100, output_tokens=1_000)
    denied = Denied(scope="key:team-a", left_nano_usd=50, is_spent=False)
    assert asyncio.run(main()) == [whole, whole, denied, denied, whole, whole, whole, whole]


def test_a_keys_cap_holds_for_all_processes_together_and_beside_the_others(
    opening: Opening,
) -> None:
    ledgers = [opening({"month": 10_000, "key:default": 100}) for _ in range(2)]
    create(ledgers[0], LIMITED)

    async def main() -> list[object]:
        keys = ["team-a"] * 20 + ["default"] * 20
        rows = [reservation(f"att_{n}", key_id=key) for n, key in enumerate(keys)]
        said = await together(*(ledgers[n % 2].reserve(row) for n, row in enumerate(rows)))
        for n, answer in enumerate(said):
            if isinstance(answer, Granted):
                await ledgers[0].settle(settlement(f"att_{n}", settled_nano_usd=100))
        return [*said, await ledgers[1].reserve(reservation("late", key_id="team-a"))]

    said = asyncio.run(main())
    assert [sum(isinstance(each, Granted) for each in part) for part in (said[:20], said[20:])] == [
        2,
        1,
    ]
    assert said[-1] == Denied(scope="key:team-a", left_nano_usd=50, is_spent=True)


def test_a_key_with_a_cap_of_nothing_spends_nothing(ledger: Ledger) -> None:
    create(ledger, replace(LIMITED, month_cap_nano_usd=0))
    said = asyncio.run(ledger.reserve(reservation("a", key_id="team-a")))
    assert said == Denied(scope="key:team-a", left_nano_usd=0, is_spent=True)


def test_a_cap_is_found_by_its_index(in_file: Ledger, file: Path) -> None:
    create(in_file, LIMITED)
    asked = "EXPLAIN QUERY PLAN SELECT month_cap_nano_usd FROM keys WHERE name = 'a'"
    (plan,) = query(url_of(file), asked)
    assert "USING INDEX" in plan["detail"]


def test_a_ledger_that_is_built_anew_keeps_the_keys_that_can_be_read(file: Path) -> None:
    with closing(Ledger(file, clock=lambda: AT)) as ledger:
        create(ledger, BATCH, LIMITED)
        asyncio.run(ledger.reserve(reservation("a")))
        asyncio.run(ledger.settle(settlement("a")))
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE balances SET spent_nano_usd = 0")
        connection.commit()

    with closing(Ledger(file, clock=lambda: AT)) as ledger:
        assert len(list(file.parent.glob("*.damaged-*"))) >= 1
        assert asyncio.run(ledger.key("teama234")) == LIMITED
        assert asyncio.run(ledger.key("batch234")) == BATCH
