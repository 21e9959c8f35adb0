"""Idempotency-Key over HTTP: who is told what, and how often a model is asked."""

import asyncio
import json
from contextlib import closing

import pytest
from fakes.gateway import NOW, OPUS, Books, Says, failing, gateway, run
from fakes.running import events_of

from deployments.ledger import Ledger
from tercet.route import Refused

RESETS_AT = 1_796_083_200.0  # 2026-12-01 00:00 UTC


def said(stream: str) -> str:
    """Return the text of a stream."""
    chunks = [event for event in events_of(stream.splitlines()) if isinstance(event, dict)]
    return "".join(c["choices"][0]["delta"].get("content", "") for c in chunks if c["choices"])


def test_of_fifty_requests_at_once_one_is_answered_and_the_others_are_told_to_come_back() -> None:
    call = Says(gate=asyncio.Event())

    async def scenario(site):
        sent = {asyncio.create_task(site.ask(idempotency="k")) for _ in range(50)}
        early: set[asyncio.Task] = set()
        while len(early) < 49:
            done, sent = await asyncio.wait(sent, return_when=asyncio.FIRST_COMPLETED)
            early |= done
        call.gate.set()
        (last,) = sent
        return [task.result() for task in early], await last

    early, last = run(scenario, call)

    assert len(call.calls) == 1
    assert last.status_code == 200
    assert {reply.status_code for reply in early} == {409}
    assert {reply.headers["retry-after"] for reply in early} == {"2"}
    assert early[0].json()["error"]["code"] == "idempotency_key_in_use"
    assert "x-should-retry" not in early[0].headers


def test_a_request_sent_again_is_told_the_same_to_the_byte() -> None:
    async def scenario(site):
        return await site.ask(idempotency="k"), await site.ask(idempotency="k")

    first, again = run(scenario, call := Says())

    assert len(call.calls) == 1
    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    ours = {name: value for name, value in first.headers.items() if name.startswith("x-tercet")}
    assert ours["x-tercet-cost-usd"] == "0.000001000"
    assert ours.items() <= dict(again.headers).items()


def test_a_stream_sent_again_is_one_stream_of_the_same_text() -> None:
    options = {"stream": True, "stream_options": {"include_usage": True}}

    async def scenario(site):
        return [await site.ask(idempotency="k", **options) for _ in range(2)]

    first, again = run(scenario, call := Says())

    assert len(call.calls) == 1
    assert again.headers["content-type"] == first.headers["content-type"]
    assert again.headers["idempotent-replayed"] == "true"
    assert (said(again.text), said(first.text)) == ("It is 391.", "It is 391.")
    before, after = first.text.split("\n\n"), again.text.split("\n\n")
    assert len(before) == 8  # opening, three words, ending, usage, terminal marker
    assert len(after) == 6
    assert (after[0], after[2:]) == (before[0], before[4:])


def test_another_body_under_the_same_key_is_refused() -> None:
    async def scenario(site):
        await site.ask("one", idempotency="k")
        return await site.ask("two", idempotency="k")

    reply = run(scenario, call := Says())

    assert reply.status_code == 422
    assert reply.json()["error"]["code"] == "idempotency_key_reused"
    assert len(call.calls) == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "caf\xe9", "a\tb"])
def test_a_key_that_is_not_one_is_refused_before_anything_is_claimed(key) -> None:
    async def scenario(site):
        headers = {"x-api-key": "key-of-default", "idempotency-key": key.encode("latin-1")}
        body = {"model": OPUS, "messages": [{"role": "user", "content": "Hi"}]}
        reply = await site.http.post("/v1/chat/completions", json=body, headers=headers)
        return reply, site.books.claims

    reply, claims = run(scenario)

    assert (reply.status_code, claims) == (400, {})
    assert reply.json()["error"] == {
        "message": "Idempotency-Key: must be given once, as 1 to 255 printable ASCII characters",
        "type": "invalid_request_error",
        "param": None,
        "code": "invalid_idempotency_key",
    }


def test_nothing_is_claimed_for_a_request_that_is_not_valid() -> None:
    async def scenario(site):
        reply = await site.ask(idempotency="k", model="no-such-model")
        return reply.status_code, site.books.claims

    assert run(scenario) == (404, {})


def test_a_claim_outlives_its_deadline_by_thirty_seconds_and_no_more() -> None:
    async def scenario(site):
        reply = await site.ask(idempotency="k")
        claim, document = site.books.claims["default", "k"]
        assert claim.task_id == reply.headers["x-tercet-request-id"]
        assert json.loads(document)["body"] == reply.text
        return claim.at, claim.lease_until

    assert run(scenario) == (NOW, NOW + 600 + 30)


def test_two_api_keys_do_not_share_idempotency_keys() -> None:
    async def scenario(site):
        mine = await site.ask(idempotency="k")
        theirs = await site.ask(idempotency="k", key="team")
        return mine, theirs

    mine, theirs = run(scenario, call := Says())

    assert [one.key_id for one in call.calls] == ["default", "team"]
    assert "idempotent-replayed" not in theirs.headers
    assert mine.json()["id"] != theirs.json()["id"]


def test_a_failure_that_cost_nothing_may_be_tried_again() -> None:
    call = failing("overloaded")

    async def scenario(site):
        first = await site.ask(idempotency="k")
        call.failure = None
        return first.status_code, (await site.ask(idempotency="k")).status_code

    assert run(scenario, call) == (502, 200)


def test_a_failure_that_cost_money_is_told_again() -> None:
    call = failing("truncated", cost_nano_usd=5)

    async def scenario(site):
        return [await site.ask(idempotency="k", stream=stream) for stream in (False, False)]

    first, again = run(scenario, call)

    assert len(call.calls) == 1
    assert (first.status_code, again.status_code) == (502, 502)
    assert again.content == first.content
    assert again.headers["x-should-retry"] == "false"


def test_a_caller_who_is_invited_to_retry_may_do_so_under_the_same_key() -> None:
    call = failing("over_budget", cost_nano_usd=5, retry_after_s=2.0)

    async def scenario(site):
        await site.ask(idempotency="k")
        return site.books.claims

    assert run(scenario, call) == {}


def test_a_caller_who_leaves_finds_the_answer_when_they_come_back() -> None:
    call = Says(gate=asyncio.Event())

    async def scenario(site):
        asking = asyncio.create_task(site.ask(idempotency="k"))
        await call.asked.wait()
        asking.cancel()
        await asyncio.wait([asking])
        call.gate.set()
        await site.idle()
        return await site.ask(idempotency="k"), site.books.closed

    reply, closed = run(scenario, call)

    assert len(call.calls) == 1
    assert reply.json()["choices"][0]["message"]["content"] == "It is 391."
    assert [row.outcome for row in closed] == ["answered"]


def test_without_a_key_a_caller_who_leaves_ends_the_asking() -> None:
    call = Says(gate=asyncio.Event())

    async def scenario(site):
        asking = asyncio.create_task(site.ask())
        await call.asked.wait()
        asking.cancel()
        await asyncio.wait([asking])
        await site.idle()
        return [row.outcome for row in site.books.closed]

    assert run(scenario, call) == ["abandoned"]


def test_a_caller_who_leaves_while_the_claim_is_made_does_not_leave_it_behind() -> None:
    async def scenario(site):
        asking = asyncio.create_task(site.ask(idempotency="k"))
        await site.books.claiming.wait()
        asking.cancel()
        await asyncio.wait([asking])
        await site.idle()
        return await site.ask(idempotency="k")

    reply = run(scenario, call := Says())

    assert reply.headers["idempotent-replayed"] == "true"
    assert len(call.calls) == 1


def test_a_bug_releases_the_claim() -> None:
    async def broken(_call):
        raise LookupError("a bug")
        yield

    async def scenario(site):
        with pytest.raises(LookupError):
            await site.ask(idempotency="k")
        return site.books.claims

    assert run(scenario, broken) == {}


def test_a_refusal_of_the_policy_releases_the_claim() -> None:
    def closed(*_):
        return Refused(reason="the month's budget is spent", resets_at=RESETS_AT)

    async def scenario(site):
        reply = await site.ask(idempotency="k")
        return reply.status_code, site.books.claims

    assert run(scenario, policy=closed) == (429, {})


def test_nothing_is_asked_while_the_ledger_cannot_claim() -> None:
    async def scenario(site):
        return await site.ask(idempotency="k")

    reply = run(scenario, call := Says(), books=Books(down=True))

    assert (reply.status_code, call.calls) == (503, [])
    assert reply.json()["error"]["code"] == "ledger_unavailable"
    assert reply.headers["retry-after"] == "5"
    assert "x-should-retry" not in reply.headers


def test_an_answer_that_cannot_be_kept_is_told_nevertheless() -> None:
    call = Says(gate=asyncio.Event())

    async def scenario(site):
        asking = asyncio.create_task(site.ask(idempotency="k"))
        await call.asked.wait()
        site.books.down = True
        call.gate.set()
        return await asking

    assert run(scenario, call).status_code == 200


def test_two_replicas_on_one_ledger_answer_once_between_them(tmp_path) -> None:
    call = Says(gate=asyncio.Event())

    async def scenario(books, others):
        async with gateway(call, books) as here, gateway(call, others) as there:
            sent = {asyncio.create_task(s.ask(idempotency="k")) for s in (here, there) * 25}
            early: set[asyncio.Task] = set()
            while len(early) < 49:
                done, sent = await asyncio.wait(sent, return_when=asyncio.FIRST_COMPLETED)
                early |= done
            call.gate.set()
            (asking,) = sent
            last = await asking
            again = [await site.ask(idempotency="k") for site in (here, there)]
            return [task.result().status_code for task in early], last, again

    path = tmp_path / "ledger.sqlite3"
    with closing(Ledger(path)) as books, closing(Ledger(path)) as others:
        early, last, again = asyncio.run(scenario(books, others))

    assert len(call.calls) == 1
    assert (last.status_code, set(early)) == (200, {409})
    assert [reply.content for reply in again] == [last.content] * 2
