"""Receipts of compositions: quality for money and time, against seats and repeats."""

import asyncio
import json
from contextlib import closing
from dataclasses import replace
from math import inf

import pytest
from fakes.golden import ARGON, CONFIG, FLASH, HAIKU, LEAD, LED, PAIR, SONNET, SPECS
from fakes.learned import label
from fakes.rows import AT

from deployments.ledger import Ledger
from router.cli import main
from router.golden.proposing import proposals
from router.golden.receipts import (
    Pair,
    Receipt,
    Terms,
    pairs_of_labels,
    pairs_of_samples,
    receipts,
)
from router.golden.reporting import as_text
from tercet.config import PROJECT, load
from tercet.migration import Sample

USD = 1_000_000_000
TERMS = {"summary": Terms(margin=0.03, quality_per_nano_usd=0.0)}


def pairs(
    rival: str, count: int, quality: float, cents: float, composition: str = PAIR, **changes
) -> list[Pair]:
    """Return pairs that all differ alike: in quality, and in hundredths of a dollar."""
    fields = {
        "ground": "tests", "kind": "summary", "composition": composition, "rival": rival,
        "quality": quality, "nano_usd": round(cents * USD / 100), "seconds": 1.5,
        "rival_nano_usd": USD // 100,
    }  # fmt: skip
    return [Pair(**(fields | {"group": f"g{n}", "at": AT + n} | changes)) for n in range(count)]


def receipt(*found: list[Pair], terms=TERMS) -> Receipt:
    (one,) = receipts([pair for some in found for pair in some], SPECS, terms)
    return one


def test_what_is_better_than_every_seat_and_than_repeats_pays() -> None:
    one = receipt(
        pairs(HAIKU, 400, 0.2, 2), pairs(FLASH, 400, 0.25, 3), pairs(f"{HAIKU}*3", 400, 0.1, 0.1)
    )
    assert (one.composition, one.kind, one.verdict, one.not_asked) == (PAIR, "summary", "pays", ())
    best, other, repeats = one.against
    assert (best.rival, other.rival, repeats.rival) == (HAIKU, FLASH, f"{HAIKU}*3")
    assert (best.extra_nano_usd, best.extra_seconds) == (20_000_000, 1.5)
    # A fifth of quality for two cents.
    assert best.quality_per_usd == pytest.approx(10.0)
    assert best.quality.groups == 400
    assert best.quality.low > 0


def test_what_cannot_be_better_than_a_cheaper_seat_by_the_margin_does_not_pay() -> None:
    one = receipt(pairs(HAIKU, 3_000, 0.0, 2), pairs(FLASH, 3_000, 0.4, 3))
    assert one.verdict == "does not pay"
    assert one.better is not None
    assert one.better.rival == HAIKU
    assert one.better.quality.high < 0.03
    assert one.better.quality_per_usd == 0.0


def test_repeats_of_one_model_for_the_same_money_may_show_that_it_does_not_pay() -> None:
    one = receipt(
        pairs(HAIKU, 400, 0.2, 2),
        pairs(FLASH, 400, 0.2, 2),
        pairs(f"{HAIKU}*3", 3_000, -0.1, 0.1),
        pairs(f"{HAIKU}*2", 400, 0.2, 1),
    )
    assert [against.rival for against in one.against] == [HAIKU, FLASH, f"{HAIKU}*3"]
    assert (one.verdict, one.better.rival) == ("does not pay", f"{HAIKU}*3")


def test_without_repeats_it_is_not_known_and_what_to_ask_is_said() -> None:
    one = receipt(pairs(HAIKU, 400, 0.2, 2), pairs(FLASH, 400, 0.2, 2))
    # It costs three cents where a seat costs one.
    assert (one.verdict, one.not_asked) == ("not yet known", (f"{HAIKU}*3",))


def test_in_traffic_nobody_repeats_so_the_seats_decide() -> None:
    found = [pairs(arm, 400, 0.2, 2, ground="traffic") for arm in (HAIKU, FLASH)]
    assert receipt(*found).verdict == "pays"
    one = receipt(found[0])
    assert (one.verdict, one.not_asked) == ("not yet known", (FLASH,))


def test_few_pairs_tell_nothing_and_how_many_more_would_is_said() -> None:
    one = receipt(pairs(HAIKU, 5, 0.2, 2))
    (against,) = one.against
    assert (against.quality.low, against.quality.high) == (-inf, inf)
    assert against.verdict == "not yet known"
    # (3.0 * sqrt((5 * 0.04 + 2) / 7) / 0.03) ** 2 pairs in all, about.
    assert 2_500 < against.more_pairs < 3_500


def test_a_dollar_has_to_buy_what_routing_asks_of_it() -> None:
    dear = {"summary": Terms(margin=0.03, quality_per_nano_usd=20 / USD)}
    one = receipt(pairs(HAIKU, 3_000, 0.2, 2), pairs(FLASH, 3_000, 0.2, 2), terms=dear)
    # Two cents have to buy 0.4.
    assert one.verdict == "does not pay"


def test_a_composition_that_is_cheaper_may_lose_the_margin() -> None:
    def verdict(quality: float) -> str:
        found = [pairs(arm, 8_000, quality, -1) for arm in (HAIKU, FLASH, f"{HAIKU}*3")]
        return receipt(*found).verdict

    assert (verdict(0.0), verdict(-0.1)) == ("pays", "does not pay")


def test_without_costs_nothing_is_known() -> None:
    one = receipt(pairs(HAIKU, 400, 0.2, 2, nano_usd=None))
    (against,) = one.against
    assert (against.verdict, against.extra_nano_usd, against.quality_per_usd) == (
        "not yet known", None, None,
    )  # fmt: skip


def test_tasks_of_one_group_are_one_pair() -> None:
    one = receipt(pairs(HAIKU, 40, 0.2, 2, group="same"), pairs(HAIKU, 1, 0.4, 2, group="other"))
    (against,) = one.against
    assert against.quality.groups == 2
    assert against.quality.value == pytest.approx(0.3)


def test_grounds_kinds_and_strangers_are_apart() -> None:
    found = receipts(
        [
            *pairs(HAIKU, 1, 0.2, 2),
            *pairs(HAIKU, 1, 0.2, 2, ground="traffic"),
            *pairs(LEAD, 1, 0.2, 2, LED),
            *pairs(SONNET, 1, 0.2, 2),
            *pairs(HAIKU, 1, 0.2, 2, kind="gone"),
            *pairs(HAIKU, 1, 0.2, 2, composition="gone"),
        ],
        SPECS,
        TERMS,
    )
    assert [(one.ground, one.composition, len(one.against)) for one in found] == [
        ("tests", LED, 1), ("tests", PAIR, 1), ("traffic", PAIR, 1),
    ]  # fmt: skip


def test_labels_of_one_task_and_checker_are_pairs() -> None:
    rows = [
        label("t1", PAIR, source="test", quality=1.0, cost_nano_usd=30, seconds=4.0),
        label("t1", HAIKU, source="test", quality=0.0, cost_nano_usd=10, seconds=1.0, at=AT + 5),
        label("t1", f"{HAIKU}*3", source="test", quality=1.0, cost_nano_usd=None),
        label("t1", FLASH, source="feedback", quality=1.0),
        label("golden:s/a@1", PAIR, source="judge", quality=0.5),
        label("golden:s/a@1", FLASH, source="judge", quality=1.0),
        label("golden:s/a@1", HAIKU, source="test", quality=1.0),
        label("req_1", PAIR, source="judge", quality=0.5),
        label("req_1", FLASH, source="judge", quality=1.0),
    ]
    found = list(pairs_of_labels(rows, SPECS))
    assert [(pair.group, pair.rival, pair.quality) for pair in found] == [
        ("t1", HAIKU, 1.0), ("t1", f"{HAIKU}*3", 0.0), ("golden:s/a@1", FLASH, -0.5),
    ]  # fmt: skip
    first, repeats, _ = found
    assert (first.nano_usd, first.seconds, first.rival_nano_usd, first.at) == (20, 3.0, 10, AT + 5)
    assert (repeats.nano_usd, repeats.seconds) == (None, None)


def sample(**changes) -> Sample:
    fields = {
        "task_id": "req_1", "tested_arm": HAIKU, "purpose": "composition", "conversation": "c",
        "kind": "summary", "side": None, "probability": 0.02, "base_arm": PAIR, "state": "judged",
        "by": "agreement", "base_quality": 1.0, "tested_quality": 0.5, "base_nano_usd": 30,
        "tested_nano_usd": 10, "base_s": 4.0, "tested_s": 1.0, "at": AT,
    }  # fmt: skip
    return Sample(**(fields | changes))


def test_samples_of_compositions_are_pairs_and_others_are_not() -> None:
    rows = [
        sample(),
        sample(task_id="req_2", purpose="migration"),
        sample(task_id="req_3", state="left", reason="budget", base_quality=None, by=None),
    ]
    (pair,) = pairs_of_samples(rows)
    assert pair == Pair(
        ground="traffic", kind="summary", composition=PAIR, rival=HAIKU, group="c", quality=0.5,
        nano_usd=20, seconds=3.0, rival_nano_usd=10, at=AT,
    )  # fmt: skip


def proposed(*found: list[Pair], terms=TERMS):
    rows = receipts([pair for some in found for pair in some], SPECS, terms)
    return [(one.why, one.change) for one in proposals(rows, SPECS, CONFIG.catalog)]


def test_one_that_does_not_pay_is_proposed_as_one_model_in_a_tier_that_loads(tmp_path) -> None:
    ((why, change),) = proposed(pairs(LEAD, 3_000, 0.0, 2, LED))
    assert why == "it does not pay for summary"
    assert change.split("\n") == [
        "config/models.yaml, under tiers:",
        "  tier2:",
        "    composition: single",
        "    seats:",
        f"      - {{role: single, model: {SONNET}}}",
    ]
    models = tmp_path / "models.yaml"
    for file in (PROJECT / "config").glob("*.yaml"):
        (tmp_path / file.name).write_text(file.read_text())
    before, rest = models.read_text().split("  tier2:\n")
    after = "\n".join(change.split("\n")[1:]) + "\n"
    models.write_text(before + after + "  tier3:\n" + rest.split("  tier3:\n")[1])
    tier = load(tmp_path).catalog.tiers["tier2"]
    assert (tier.composition, tier.seats[0].model) == ("single", SONNET)


def test_a_model_that_no_tier_would_seat_any_more_is_named() -> None:
    ((_, change),) = proposed(pairs(HAIKU, 3_000, 0.0, 2))
    assert change.split("\n")[-1] == (
        f"and without {FLASH} under models, for no tier would seat it"
    )


def test_one_that_pays_somewhere_is_proposed_by_kind_where_a_setting_can() -> None:
    terms = TERMS | {"maths": TERMS["summary"]}
    good = [pairs(arm, 400, 0.3, 2, kind="maths", ground="traffic") for arm in (HAIKU, FLASH)]
    bad = pairs(FLASH, 3_000, 0.0, 2, ground="traffic")
    ((why, change),) = proposed(*good, bad, terms=terms)
    assert why == "it does not pay for summary; it pays for maths"
    assert change.split("\n")[1:] == [
        "  on_disagreement: {summary: prefer}",
        f"  prefer: {{summary: {FLASH}}}",
    ]
    good = [pairs(LEAD, 400, 0.3, 2, LED, kind="maths", ground="traffic")]
    good += [pairs(ARGON, 400, 0.3, 2, LED, kind="maths", ground="traffic")]
    bad = pairs(LEAD, 3_000, 0.0, 2, LED, ground="traffic")
    ((_, change),) = proposed(*good, bad, terms=terms)
    assert change == (
        "none: no setting takes a seat from one kind of work; with `policy: auto` a learned "
        f"version may choose {SONNET} for summary by itself"
    )


def test_where_only_repeats_are_better_no_setting_is_proposed() -> None:
    ((_, change),) = proposed(pairs(HAIKU, 400, 0.2, 2), pairs(f"{HAIKU}*3", 3_000, -0.1, 0.1))
    assert change == (
        "none: repeats of one model are better for the money, and no setting plays them"
    )


def test_one_that_pays_or_is_not_known_yet_is_not_proposed() -> None:
    assert proposed(pairs(HAIKU, 5, 0.0, 2)) == []


def test_the_table_says_what_came_of_each_and_what_was_not_asked() -> None:
    one = receipt(pairs(HAIKU, 400, 0.2, 2))
    lines = as_text([one], []).split("\n")
    low = f"{one.against[0].quality.low:+.3f}"
    assert lines[1].split()[:7] == [PAIR, "summary", "tests", HAIKU, "400", "+0.200", low]
    assert lines[1].endswith("pays")
    assert lines[2].split()[-3:] == ["not", "yet", "known"]
    assert lines[4:6] == [
        f"{PAIR}, summary, on tests: not compared with {FLASH}",
        f"{PAIR}, summary, on tests: not compared with {HAIKU}*3",
    ]
    assert as_text([], []).startswith("no composition was compared with its seats yet")


def test_the_command_reads_labels_and_samples_of_the_ledger(tmp_path, capsys) -> None:
    path = tmp_path / "ledger.sqlite3"
    now = {"at": 1.9e9}
    with closing(Ledger(path)) as ledger:
        rows = [
            label(f"t{n}", arm, source="test", quality=quality, cost_nano_usd=cost, **now)
            for n in range(25)
            for arm, quality, cost in ((PAIR, 1.0, 30), (HAIKU, n % 2, 10))
        ]
        asyncio.run(ledger.note_labels(rows))
        asyncio.run(ledger.note_sample(replace(sample(), at=1.9e9)))
    assert main(["compositions", "--json", "--ledger", str(path)]) == 0
    told = json.loads(capsys.readouterr().out)
    tests, traffic = told["receipts"]
    assert (tests["ground"], tests["composition"], tests["verdict"]) == (
        "tests", PAIR, "not yet known",
    )  # fmt: skip
    (against,) = tests["against"]
    assert (against["rival"], against["pairs"], against["quality"]) == (HAIKU, 25, 0.52)
    assert (against["extra_nano_usd"], against["extra_seconds"]) == (20.0, None)
    assert (traffic["ground"], traffic["against"][0]["low"]) == ("traffic", None)
    assert told["proposals"] == []
