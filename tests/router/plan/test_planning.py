import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

import pytest

from router.plan.document import as_json
from router.plan.economics import DAYS
from router.plan.offers import Quote, load_offers
from router.plan.planning import WHILE_IT_PAYS, Asked, Bought, Means, Plan, plan
from router.plan.pricing import PriceChange
from router.plan.text import as_text
from router.plan.workload import WORKING_HOURS, Calls, TierLoad, Workload
from tercet.errors import ConfigError
from tercet.local_file import load_local
from tercet.local_model import LocalModel
from tercet.usage import Usage

MILLI = 1_000_000
USD = 1000 * MILLI
LOCAL = load_local()
SIZE = Usage(fresh_input=2000, output=400)
OFFERS = load_offers()


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """Prices of a call, whatever its size."""

    by_model: Mapping[str, int]

    def call(self, model: str, usage: Usage) -> int | None:
        return self.by_model.get(model)

    def request(self, calls) -> int | None:
        costs = [self.call(one.model, one.usage) for one in calls]
        return None if None in costs else sum(costs)


COSTS = Listed(by_model={"big": 20 * MILLI, "small": 3 * MILLI, "tiny": 400_000})


def load(name: str, per_day: float, *models: str) -> TierLoad:
    calls = tuple(Calls(model=model, per_request=1, usage=SIZE) for model in models)
    return TierLoad(name=name, requests_per_day=per_day, calls=calls)


def workload(per_day: float = 240, **changes) -> Workload:
    return replace(
        Workload(
            source="a test",
            tiers=(load("tier1", 100, "big"), load("tier3", per_day, "small")),
            displaced="tier3",
            local_share=1.0,
            local_usage=SIZE,
            hours=WORKING_HOURS,
        ),
        **changes,
    )


def planned(
    work: Workload | None = None,
    costs: Listed = COSTS,
    model: LocalModel = LOCAL.profiles["gpu"],
    **changes,
) -> Plan:
    asked = Asked(
        workload=work or workload(),
        quotes=OFFERS,
        offer_id=None,
        start_s=0,
        least_run_s=600,
        tokens_per_s=None,
        bought=Bought(price_nano_usd=1500 * USD, watts=350, kwh_nano_usd=300 * MILLI),
    )
    means = Means(
        model=model,
        cards=LOCAL.cards,
        models=("big", "small", "tiny"),
        caps={"month": 100 * USD, "gpu": 60 * USD},
    )
    return plan(replace(asked, **changes), means, costs)


def row(made: Plan, name: str):
    [found] = [one for one in made.patterns if one.name == name]
    return found


def test_the_cheapest_machine_that_the_model_fits_is_taken() -> None:
    made = planned()

    assert made.chosen.quote.offer.offer_id == "vast-3090-bid"
    assert [option.fits for option in made.options] == [True] * 6
    assert planned(offer_id="runpod-a40").chosen.memory_gib == pytest.approx(44.99)


def test_a_card_that_nobody_has_described_is_unknown_and_not_taken() -> None:
    strange = replace(OFFERS[0].offer, gpu="RTX 9090", offer_id="x", hourly_nano_usd=1)
    quotes = (Quote(offer=strange, source="", read_on=date(2026, 11, 28)), *OFFERS)
    made = planned(quotes=quotes)

    assert (made.options[0].fits, made.options[0].memory_gib) == (None, None)
    assert made.chosen.quote.offer.offer_id == "vast-3090-bid"
    with pytest.raises(ConfigError, match=r"RTX 9090 of x .*--tokens-per-second"):
        planned(quotes=quotes, offer_id="x")
    assert planned(quotes=quotes, offer_id="x", tokens_per_s=20).speed.tokens_per_s == 20
    with pytest.raises(ConfigError, match="fits no card that is offered"):
        planned(quotes=quotes[:1])


def test_the_cards_speed_is_the_doctors_low_end_of_four_requests_at_once() -> None:
    made = planned()

    # docs/doctor.md: 4 at 4k expected 112-138 tok/s; an answer is 400 tokens.
    assert made.speed.tokens_per_s == pytest.approx(112, abs=0.5)
    assert made.capacity_per_hour == pytest.approx(1009, abs=1)
    assert made.plan_capacity_per_hour == (135, 198)


def test_a_model_that_takes_one_request_at_a_time_is_as_fast_as_one() -> None:
    alone = replace(LOCAL.profiles["gpu"], max_num_seqs=1)

    # docs/doctor.md: 35-43 tok/s.
    assert planned(model=alone).speed.tokens_per_s == pytest.approx(35, abs=0.5)


def test_a_request_that_the_model_cannot_hold_is_not_answered() -> None:
    long = workload(local_usage=Usage(fresh_input=16_000, output=400))
    made = planned(long)

    assert made.capacity_per_hour == 0
    assert {pattern.local_per_day for pattern in made.patterns} == {0}
    assert as_text(made, "2026-11", ()).count("no saving is enough: no request is answered\n") == 1


def test_tiers_cost_their_requests() -> None:
    made = planned()

    # 100 a day at 0.020 and 240 at 0.003, 30 times.
    assert [tier.month_nano_usd for tier in made.tiers] == [60 * USD, 21.6 * USD]
    assert made.api_nano_usd == 81.6 * USD
    assert made.month_1.total_nano_usd == 81.6 * USD


def test_month_2_is_what_is_left_of_the_api_and_the_machine() -> None:
    light = row(planned(), "light")

    # The busiest 2 of 12 hours alike: 40 requests a day, 3.60 USD; 60 hours and a disk of 660.
    assert light.local_per_day == pytest.approx(40)
    assert light.api_nano_usd == 78 * USD
    assert light.running_nano_usd == 15 * USD
    assert light.stopped_nano_usd == pytest.approx(7.333 * USD, rel=1e-4)
    assert light.total_nano_usd == light.api_nano_usd + light.gpu_nano_usd
    assert light.saved_nano_usd == pytest.approx(-18.733 * USD, rel=1e-4)


def test_no_pattern_answers_more_than_the_cards_speed() -> None:
    made = planned(workload(100_000), tokens_per_s=10)

    # 90 an hour; there are requests in 12 hours only.
    assert [round(one.local_per_day) for one in made.patterns[:4]] == [180, 540, 1080, 1080]
    assert row(made, "heavy").api_nano_usd == made.api_nano_usd - 1080 * DAYS * 3 * MILLI


def test_what_goes_over_the_target_or_a_cap_is_named() -> None:
    made = planned()

    assert made.month_1.over == ()
    assert row(made, "light").over == ("cap month",)
    assert row(made, "always on").over == ("target", "cap month", "cap gpu")


def test_hours_that_pay_are_a_row_of_their_own() -> None:
    assert WHILE_IT_PAYS not in {one.name for one in planned().patterns}
    best = row(planned(workload(6_000)), WHILE_IT_PAYS)

    # 500 an hour save 1.50; 12 hours cost 3 a day, and 12 hours of disk 0.1333.
    assert best.hours_a_day == 12
    assert best.saved_nano_usd == pytest.approx((18 - 3 - 0.13333) * 30 * USD, rel=1e-4)


def test_break_evens_stop_at_the_cards_speed() -> None:
    made = planned(tokens_per_s=20)  # 180 an hour
    found = {one.name: one for one in made.displaced}

    assert found["tiny"].break_even_per_hour == 625
    assert (found["tiny"].within_reach, found["tiny"].burst) == (False, None)
    assert found["small"].break_even_per_hour == pytest.approx(83.3, abs=0.1)
    assert found["small"].within_reach
    assert found["tier1"].break_even_per_hour == 12.5
    assert list(found) == ["big", "small", "tiny", "tier1", "tier3"]


def test_a_bought_card_is_compared_at_every_pattern() -> None:
    made = planned()

    # 180 - 75.60 of power a month; light: 22.33 - 6.30.
    assert row(made, "always on").buy_months == pytest.approx(1500 / 104.4)
    assert row(made, "light").buy_months == pytest.approx(1500 / 16.0333, rel=1e-4)
    assert row(made, "always on").buy_prices_nano_usd == (1670.4 * USD, 2088 * USD)


def test_an_unknown_price_stays_unknown() -> None:
    made = planned(costs=Listed(by_model={"big": 20 * MILLI}))
    lines = [line.split() for line in as_text(made, "2026-11", ()).splitlines()]

    assert (made.tiers[1].month_nano_usd, made.api_nano_usd) == (None, None)
    assert (made.demand, made.best, made.needed) == (None, None, None)
    assert row(made, "light").total_nano_usd is None
    assert row(made, "light").running_nano_usd == 15 * USD
    assert ["tier3", "small", "240", "?", "?", "30-50"] in lines
    assert ["light", "?", "?", "22.33", "?", "?", "165", "-"] in lines
    assert ["tiny", "?", "?", "?", "?"] in lines
    assert ["7", "what", "a", "request", "of", "tier3", "costs", "is"] in [
        line[:8] for line in lines
    ]


def test_the_document_is_json_that_says_all_of_it() -> None:
    change = PriceChange(
        model="m", first_day=date(2026, 12, 1),
        input_before=2, output_before=10, input_after=4, output_after=20,
    )  # fmt: skip
    made = planned(workload(6_000))
    document = as_json(made, "2026-11", (change,))
    again = json.loads(json.dumps(document, allow_nan=False))

    assert again == document
    assert again["month"] == "2026-11"
    assert again["needed"]["start_s"] == "any"
    assert again["patterns"][0]["running_nano_usd"] == 15 * USD
    assert again["chosen"]["quote"]["read_on"] == "2026-11-23"
    assert again["price_changes"][0]["first_day"] == "2026-12-01"
    assert again["api_nano_usd"] == made.api_nano_usd
