"""The whole system on Postgres, with a month that is soon spent."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from fakes.postgres import Postgres
from fakes.postgres import postgres as postgres
from fakes.running import running, wait_until

from deployments.ledger import Ledger, simulated_totals
from router.books.reconcile import billed_totals
from tercet.budget import MONTH

pytestmark = [pytest.mark.serve, pytest.mark.timeout(600)]

CAP_NANO_USD = 20_000_000
BODY = {
    "model": "claude-opus-5-5",
    "max_tokens": 300,
    "messages": [{"role": "user", "content": "Say hello. sim:words=200"}],
}


def ask(system) -> tuple[int, dict[str, object]]:
    with system.http() as http:
        reply = http.post("/v1/chat/completions", json=BODY)
        return reply.status_code, reply.json()


def spent(url: str) -> int:
    ledger = Ledger(url)
    try:
        return asyncio.run(ledger.spending(0.0)).balances[MONTH].spent
    finally:
        ledger.close()


def test_callers_at_once_spend_no_more_than_the_month_may_cost(
    postgres: Postgres, tmp_path
) -> None:
    url = postgres.new_database()
    steered = {"TERCET_LEDGER": url, "TERCET_STATE": str(tmp_path), "TERCET_MONTH_CAP_USD": "0.02"}
    with running(tmp_path, **steered) as system:
        with ThreadPoolExecutor(16) as callers:
            answers = list(callers.map(lambda _: ask(system), range(48)))
        assert {status for status, _ in answers} == {200, 429}, answers
        assert wait_until(lambda: ask(system)[0] == 429)
        _, refusal = ask(system)
        assert refusal["error"]["code"] == "insufficient_quota"
        assert refusal["error"]["reset_at"].endswith("-01T00:00:00Z")
        with system.http() as http:
            assert http.get("/v1/budget").headers["x-tercet-budget"].startswith("step=")
        assert simulated_totals(url) == billed_totals(system.bill)
    assert 0 < spent(url) <= CAP_NANO_USD
