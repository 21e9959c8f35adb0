import asyncio
import json
from contextlib import closing
from pathlib import Path

import pytest

from deployments.ledger import Ledger
from router.receipts import receipt
from tercet.budget import Ask
from tercet.ledger import RequestClosed, RequestOpened, Reservation, Settlement
from tercet.usage import Usage, usd

AT = 1_795_424_400.0  # 2026-11-23 09:00 UTC
AT_NS = 1_795_424_400_000_000_000
TASK: dict[str, object] = {
    "task_id": "req_1",
    "asked_model": "auto",
    "opened_at_ns": AT_NS,
    "closed_at_ns": None,
    "outcome": None,
    "profile": '{"kind": "question"}',
    "route": '{"name": "tier1"}',
    "answer": None,
}
OPEN_ATTEMPT: dict[str, object] = {
    "attempt_id": "att_1",
    "tier": "tier1",
    "provider": "anthropic",
    "model": "claude-opus-5-5",
    "role": "brain",
    "round": 1,
    "state": "reserved",
    "flag": None,
    "outcome": None,
    "fresh_input": None,
    "cache_read": None,
    "cache_write_5m": None,
    "cache_write_1h": None,
    "output": None,
    "thinking": None,
    "usage_source": None,
    "price_source": "genai-prices",
    "reserved_nano_usd": 28_000_000,
    "settled_nano_usd": None,
    "first_token_ns": None,
    "latency_ns": None,
    "upstream_id": None,
    "simulated": 0,
}


def attempt(**changes: object) -> dict[str, object]:
    return OPEN_ATTEMPT | changes


async def write(ledger: Ledger) -> None:
    """Write a task of one attempt from its opening to its end."""
    ledger.open_request(
        RequestOpened(
            task_id="req_1",
            key_id="default",
            asked_model="auto",
            profile='{"kind": "question"}',
            route='{"name": "tier1"}',
            at=AT,
        )
    )
    await ledger.reserve(
        Reservation(
            attempt_id="att_1",
            task_id="req_1",
            key_id="default",
            tier="tier1",
            provider="anthropic",
            model="claude-opus-5-5",
            role="brain",
            round=1,
            ask=Ask(fixed_nano_usd=8_000_000, token_nano_usd=20_000, output_tokens=1_000),
            price_source="genai-prices",
            simulated=True,
            deadline_at=AT + 600,
            at=AT,
        )
    )
    await ledger.settle(
        Settlement(
            attempt_id="att_1",
            state="settled",
            outcome="complete",
            usage=Usage(fresh_input=1_000, output=1_000, thinking=400),
            usage_source="provider",
            settled_nano_usd=24_000_000,
            upstream_id="msg_1",
            first_token_s=0.5,
            latency_s=1.25,
            at=AT + 2,
        )
    )
    ledger.close_request(
        RequestClosed(task_id="req_1", outcome="answered", answer='{"finish": "stop"}', at=AT + 3)
    )


def test_a_task_reads_back_from_the_ledger_as_one_document(tmp_path: Path) -> None:
    async def main() -> dict[str, object]:
        with closing(Ledger(tmp_path / "ledger.sqlite3")) as ledger:
            await write(ledger)
            found = await ledger.task("req_1")
            assert found is not None
            return receipt(*found)

    document = asyncio.run(main())
    assert json.loads(json.dumps(document)) == {
        "id": "req_1",
        "object": "tercet.request",
        "model": "auto",
        "opened_at_ns": AT_NS,
        "closed_at_ns": AT_NS + 3_000_000_000,
        "outcome": "answered",
        "profile": {"kind": "question"},
        "route": {"name": "tier1"},
        "answer": {"finish": "stop"},
        "attempts": [
            {
                "attempt_id": "att_1",
                "tier": "tier1",
                "provider": "anthropic",
                "model": "claude-opus-5-5",
                "role": "brain",
                "round": 1,
                "state": "settled",
                "flag": None,
                "outcome": "complete",
                "usage": {
                    "fresh_input": 1_000,
                    "cache_read": 0,
                    "cache_write_5m": 0,
                    "cache_write_1h": 0,
                    "output": 1_000,
                    "thinking": 400,
                },
                "usage_source": "provider",
                "price_source": "genai-prices",
                "reserved_nano_usd": 28_000_000,
                "cost_nano_usd": 24_000_000,
                "first_token_ms": 500.0,
                "latency_ms": 1250.0,
                "upstream_id": "msg_1",
                "simulated": True,
            }
        ],
        "cost_nano_usd": 24_000_000,
        "cost_usd": "0.024000000",
        "simulated": True,
    }


def test_a_task_under_way_has_no_answer_and_costs_what_is_reserved() -> None:
    document = receipt(TASK, [attempt()])
    assert (document["outcome"], document["answer"]) == ("under_way", None)
    assert (document["cost_nano_usd"], document["cost_usd"]) == (28_000_000, "0.028000000")


def test_the_cost_of_a_task_is_the_sum_of_its_attempts() -> None:
    settled = attempt(attempt_id="att_2", state="settled", settled_nano_usd=5)
    void = attempt(attempt_id="att_3", state="void", settled_nano_usd=0)
    assert receipt(TASK, [attempt(), settled, void])["cost_nano_usd"] == 28_000_005


def test_attempts_stay_in_the_order_they_were_made() -> None:
    attempts = [attempt(attempt_id=name) for name in ("att_b", "att_a", "att_c")]
    document = json.loads(json.dumps(receipt(TASK, attempts)))
    assert [row["attempt_id"] for row in document["attempts"]] == ["att_b", "att_a", "att_c"]


def test_a_task_without_attempts_costs_nothing() -> None:
    document = receipt(TASK, [])
    assert (document["cost_nano_usd"], document["cost_usd"]) == (0, "0.000000000")
    assert (document["attempts"], document["simulated"]) == ([], False)


def test_one_simulated_attempt_makes_the_receipt_simulated() -> None:
    assert receipt(TASK, [attempt(), attempt(simulated=1)])["simulated"] is True


@pytest.mark.parametrize(
    ("nano_usd", "dollars"),
    [
        (0, "0.000000000"),
        (1, "0.000000001"),
        (24_000_000, "0.024000000"),
        (1_000_000_000, "1.000000000"),
        (9_223_372_036_854_775_807, "9223372036.854775807"),
    ],
)
def test_dollars_are_exact_to_the_nano_dollar(nano_usd: int, dollars: str) -> None:
    assert usd(nano_usd) == dollars
