import asyncio
from collections.abc import Callable

import pytest
from fakes.rows import AT, claim, query, together

from deployments.ledger import Ledger
from tercet.ledger import Claim, Claimed, InProgress, Kept, Mismatch

Opening = Callable[..., Ledger]


def said(ledger: Ledger, *claims: Claim) -> list[object]:
    async def main() -> list[object]:
        return [await ledger.claim(each) for each in claims]

    return asyncio.run(main())


def test_of_50_claims_at_once_one_is_the_callers_and_the_others_are_in_progress(
    opening: Opening,
) -> None:
    ledgers = [opening(), opening()]

    async def main() -> list[object]:
        claims = (claim(task_id=f"req_{n}") for n in range(50))
        return await together(*(ledgers[n % 2].claim(row) for n, row in enumerate(claims)))

    answers = asyncio.run(main())
    assert answers.count(Claimed()) == 1
    assert answers.count(InProgress()) == 49


def test_what_was_answered_is_told_again_and_another_request_is_refused(ledger: Ledger) -> None:
    async def main() -> list[object]:
        await ledger.claim(claim())
        other = await ledger.claim(claim(fingerprint="f2"))
        await ledger.keep(claim(), '{"status": 200}')
        await ledger.release(claim())  # too late: what is kept stays
        again = await ledger.claim(claim(task_id="req_2"))
        return [other, again, await ledger.claim(claim(fingerprint="f2"))]

    kept = Kept(task_id="req_1", document='{"status": 200}')
    assert asyncio.run(main()) == [Mismatch(), kept, Mismatch()]


def test_a_claim_that_is_given_up_may_be_taken_again(ledger: Ledger) -> None:
    async def main() -> list[object]:
        await ledger.claim(claim())
        await ledger.release(claim())
        return [await ledger.claim(claim(fingerprint="f2"))]

    assert asyncio.run(main()) == [Claimed()]


def test_a_claim_that_was_taken_over_is_not_its_first_owners_to_end(ledger: Ledger) -> None:
    async def main() -> list[object]:
        late = claim(task_id="req_2", at=AT + 700, lease_until=AT + 1_400)
        await ledger.claim(claim())
        await ledger.claim(late)
        await ledger.release(claim())
        await ledger.keep(claim(), '"of the first"')
        still = await ledger.claim(claim(task_id="req_3", at=AT + 701))
        await ledger.keep(late, '"of the second"')
        return [still, await ledger.claim(claim(task_id="req_3", at=AT + 701))]

    assert asyncio.run(main()) == [
        InProgress(),
        Kept(task_id="req_2", document='"of the second"'),
    ]


@pytest.mark.parametrize(
    ("second", "answer"),
    [
        (claim(at=AT + 629), InProgress()),
        (claim(at=AT + 630), Claimed()),
        (claim(at=AT + 630, fingerprint="f2"), Mismatch()),
        (claim(at=AT + 86_400, fingerprint="f2"), Claimed()),
        (claim(key_id="another"), Claimed()),
        (claim(idempotency_key="twice"), Claimed()),
    ],
    ids=["within the lease", "after it", "another request after it", "a day later", "key", "name"],
)
def test_a_claim_stands_for_its_lease_and_its_request_for_a_day(
    ledger: Ledger, second: Claim, answer: object
) -> None:
    assert said(ledger, claim(), second) == [Claimed(), answer]


def test_what_is_kept_is_told_for_a_day_and_then_forgotten(ledger: Ledger, url: str) -> None:
    async def main() -> list[object]:
        await ledger.claim(claim())
        await ledger.keep(claim(), "{}")
        told = await ledger.claim(claim(at=AT + 86_399))
        await ledger.sweep(AT + 86_399)
        standing = len(query(url, "SELECT * FROM claims"))
        await ledger.sweep(AT + 86_400)
        return [told, standing, query(url, "SELECT * FROM claims")]

    assert asyncio.run(main()) == [Kept(task_id="req_1", document="{}"), 1, []]
