import asyncio
import json
from contextlib import closing
from pathlib import Path

import pytest

from deployments.ledger import Ledger
from router.reconcile import billed_totals, reconcile
from tercet.errors import ConfigError
from tercet.ledger import Reservation, Settlement
from tercet.usage import Usage


def book(path: Path, *attempts: tuple[str, int, int | None]) -> Path:
    """Write a ledger of simulated attempts: model, reserved and settled nano-USD."""

    async def main() -> None:
        with closing(Ledger(path)) as ledger:
            for number, (model, reserved, settled) in enumerate(attempts):
                await ledger.reserve(reservation(f"att_{number}", model, reserved))
                if settled is not None:
                    await ledger.settle(settlement(f"att_{number}", settled))

    asyncio.run(main())
    return path


def reservation(attempt_id: str, model: str, nano_usd: int) -> Reservation:
    return Reservation(
        attempt_id=attempt_id,
        task_id="req_1",
        key_id="default",
        tier="tier1",
        provider="anthropic",
        model=model,
        role="brain",
        round=1,
        reserved_nano_usd=nano_usd,
        price_source="a test",
        simulated=True,
        deadline_at=2.0,
        at=1.0,
    )


def settlement(attempt_id: str, nano_usd: int) -> Settlement:
    return Settlement(
        attempt_id=attempt_id,
        state="settled",
        outcome="complete",
        usage=Usage(),
        usage_source="provider",
        settled_nano_usd=nano_usd,
        upstream_id=None,
        first_token_s=None,
        latency_s=0.0,
        at=1.0,
    )


def bill(path: Path, *posts: tuple[str, int]) -> Path:
    lines = (json.dumps({"model": model, "cost_nano_usd": nano_usd}) for model, nano_usd in posts)
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def test_equal_sums_are_reported_model_by_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = book(
        tmp_path / "ledger.sqlite3",
        ("gemini-4-argon", 2_000_000, 1_000_000),
        ("claude-opus-5-5", 40_000_000, 24_000_000),
        ("claude-opus-5-5", 40_000_000, 6_000_000),
    )
    upstream = bill(
        tmp_path / "bill.jsonl",
        ("claude-opus-5-5", 6_000_000),
        ("gemini-4-argon", 1_000_000),
        ("claude-opus-5-5", 24_000_000),
    )
    assert reconcile(ledger, upstream) == 0
    assert capsys.readouterr().out == (
        "model                               ledger       billing log    difference\n"
        "claude-opus-5-5                 30,000,000        30,000,000             0\n"
        "gemini-4-argon                   1,000,000         1,000,000             0\n"
        "total                           31,000,000        31,000,000             0\n"
    )


def test_a_nano_dollar_more_or_less_is_a_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = book(tmp_path / "ledger.sqlite3", ("a", 10, 9), ("b", 10, 3))
    assert reconcile(ledger, bill(tmp_path / "bill.jsonl", ("a", 8), ("b", 4))) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in lines] == ["difference", "1", "-1", "0"]


def test_a_model_that_only_one_side_knows_is_a_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = book(tmp_path / "ledger.sqlite3", ("a", 10, 9))
    assert reconcile(ledger, bill(tmp_path / "bill.jsonl", ("a", 9), ("b", 1))) == 1
    assert capsys.readouterr().out.splitlines()[2].split() == ["b", "0", "1", "-1"]


def test_an_attempt_still_open_counts_at_its_reservation(tmp_path: Path) -> None:
    ledger = book(tmp_path / "ledger.sqlite3", ("a", 10, None))
    assert reconcile(ledger, bill(tmp_path / "bill.jsonl", ("a", 10))) == 0


def test_attempts_and_posts_that_cost_nothing_are_no_difference(tmp_path: Path) -> None:
    ledger = book(tmp_path / "ledger.sqlite3", ("a", 10, 0))
    assert reconcile(ledger, bill(tmp_path / "bill.jsonl", ("", 0), ("b", 0))) == 0


def test_a_bill_adds_up_by_model(tmp_path: Path) -> None:
    upstream = bill(tmp_path / "bill.jsonl", ("a", 1), ("b", 20), ("a", 300))
    assert billed_totals(upstream) == {"a": 301, "b": 20}


@pytest.mark.parametrize("missing", ["ledger.sqlite3", "bill.jsonl"])
def test_a_missing_file_is_named_with_the_remedy(tmp_path: Path, missing: str) -> None:
    book(tmp_path / "ledger.sqlite3")
    bill(tmp_path / "bill.jsonl")
    (tmp_path / missing).unlink()
    with pytest.raises(ConfigError, match=f"{missing} does not exist; `make run` and some requ"):
        reconcile(tmp_path / "ledger.sqlite3", tmp_path / "bill.jsonl")
    assert not (tmp_path / missing).exists()
