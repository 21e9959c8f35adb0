from datetime import date
from pathlib import Path

import pytest

from router.plan.offers import as_yaml, load_offers, quoted
from tercet.errors import ConfigError
from tercet.local_file import load_local
from tercet.renting import Offer

ROW = """
- id: one
  provider: vast
  card: RTX 3090
  hourly_usd: {price}
  stopped_hourly_usd: "0.01"
  interruptible: true
  source: a test
  read_on: 2026-11-23
"""


def stored(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "offers.yaml"
    path.write_text(text)
    return path


def test_the_plans_table_is_stored() -> None:
    offers = {quote.offer.offer_id: quote.offer for quote in load_offers()}

    # The plan: 250, 360, 220 and 360 USD a month, rounded.
    assert {name: offer.hourly_nano_usd * 720 // 10**9 for name, offer in offers.items()} == {
        "vast-3090-bid": 180, "vast-3090": 252, "vast-4090-bid": 252, "vast-4090": 360,
        "runpod-3090": 216, "runpod-a40": 360,
    }  # fmt: skip
    assert {offer.gpu for offer in offers.values()} <= load_local().cards.keys()


def test_nothing_of_runpod_can_be_bid_for() -> None:
    runpod = [quote.offer for quote in load_offers() if quote.offer.provider == "runpod"]

    assert {offer.interruptible for offer in runpod} == {False}


def test_80_gb_are_paid_while_the_machine_is_stopped() -> None:
    stopped = {one.offer.provider: one.offer.stopped_hourly_nano_usd for one in load_offers()}

    assert {name: round(hourly * 720 / 1e9, 2) for name, hourly in stopped.items()} == {
        "vast": 8.00, "runpod": 5.60,
    }  # fmt: skip


def test_live_offers_are_written_as_a_file_that_is_read_back(tmp_path: Path) -> None:
    offer = Offer(
        provider="vast",
        offer_id="1234567",
        gpu="RTX 3090",
        hourly_nano_usd=213_456_789,
        stopped_hourly_nano_usd=3,
        interruptible=True,
        trusted=True,
    )
    quotes = quoted([offer], "Vast.ai, asked", date(2026, 11, 28))

    assert load_offers(stored(tmp_path, as_yaml(quotes))) == quotes


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "rows: List should have at least 1 item"),
        (ROW.format(price="0.25"), "rows.0.hourly_usd: .*in quotes"),
        (ROW.format(price='"-1"'), "rows.0.hourly_usd: .*greater than or equal to 0"),
        (ROW.format(price='"0.25"') * 2, "id: one stands there twice"),
        (ROW.replace("vast", "lambda").format(price='"0.25"'), "rows.0.provider: .*'vast'"),
        ("{", "offers.yaml: "),
    ],
)
def test_a_bad_file_is_refused_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_offers(stored(tmp_path, text))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml"):
        load_offers(tmp_path / "none.yaml")
