from dataclasses import replace

import numpy as np
import pytest

from router.learning.cold import ArmSpec, arms_of_catalog, cold_estimates, remarks_on
from router.learning.estimates import Estimates
from tercet.config import Config, load
from tercet.environment import settings
from tercet.priors import Belief, KindPriors, Priors
from tercet.taxonomy import KindRules, Taxonomy
from tercet.usage import Usage

OPUS, SONNET, HAIKU = "claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"
ARGON, FLASH = "gemini-4-argon", "gemini-3.8-flash"
CODER = "deepseek-coder-33b-instruct"
# Nano-USD a token, in and out.
PRICES = {
    OPUS: (4_000, 20_000),
    SONNET: (2_000, 10_000),
    ARGON: (2_000, 10_000),
    HAIKU: (100, 500),
    FLASH: (750, 3_750),
    CODER: (0, 0),
}
TAXONOMY = Taxonomy(kinds=(KindRules(name="bug_fix"), KindRules(name="question")))
IDS = (
    "tier1(claude-opus-5-5+gemini-4-argon)",
    "tier1(claude-opus-5-5)",
    "tier2(claude-sonnet-5-5+gemini-4-argon)",
    "tier2(claude-sonnet-5-5)",
    "tier3(claude-haiku-5-5+gemini-3.8-flash)",
    "tier3+tier2(claude-haiku-5-5+gemini-3.8-flash+claude-sonnet-5-5)",
    "local(deepseek-coder-33b-instruct)",
    "claude-haiku-5-5",
    "gemini-4-argon",
    "gemini-3.8-flash",
)


def believed(*qualities: float) -> dict[str, Belief]:
    return {
        model: Belief(quality=quality, labels=labels, source="")
        for model, quality, labels in zip(
            (OPUS, SONNET, ARGON, HAIKU, FLASH, CODER),
            qualities,
            (15, 8, 4, 6, 3, 2),
            strict=True,
        )
    }


PRIORS = Priors(
    kinds={
        "bug_fix": KindPriors(
            output_tokens=1_000, agree=0.2, beliefs=believed(0.9, 0.8, 0.8, 0.6, 0.65, 0.1)
        ),
        "question": KindPriors(
            output_tokens=300, agree=0.6, beliefs=believed(0.94, 0.92, 0.93, 0.91, 0.9, 0.4)
        ),
    },
    tiers={
        OPUS: "tier1",
        SONNET: "tier2",
        ARGON: "tier2",
        HAIKU: "tier3",
        FLASH: "tier3",
        CODER: "local",
    },
    advice_tokens=1_500,
)


def price(model: str, usage: Usage) -> int | None:
    if model not in PRICES:
        return None
    read, written = PRICES[model]
    return read * usage.input + written * usage.output


@pytest.fixture(scope="module")
def config() -> Config:
    return load(chosen=replace(settings({}), local="gpu"))


@pytest.fixture(scope="module")
def specs(config: Config) -> tuple[ArmSpec, ...]:
    return arms_of_catalog(config.catalog, config.rules)


@pytest.fixture(scope="module")
def cold(specs: tuple[ArmSpec, ...]) -> Estimates:
    return cold_estimates(specs, PRIORS, price, TAXONOMY)


def row(table: np.ndarray, cold: Estimates, kind: str) -> dict[str, float]:
    return dict(zip(cold.arms, table[cold.kinds.index(kind)].tolist(), strict=True))


def with_a_newer_haiku(config: Config) -> Config:
    """Return the catalog with another model in Haiku's place."""
    old, new = HAIKU, "claude-haiku-6"
    models = {
        (new if name == old else name): replace(model, name=new) if name == old else model
        for name, model in config.catalog.models.items()
    }
    tiers = {
        name: replace(
            tier,
            seats=tuple(replace(s, model=new) if s.model == old else s for s in tier.seats),
        )
        for name, tier in config.catalog.tiers.items()
    }
    return replace(config, catalog=replace(config.catalog, models=models, tiers=tiers))


def test_every_route_a_policy_can_choose_is_an_arm(specs) -> None:
    assert tuple(spec.id for spec in specs) == IDS


def test_an_arm_says_how_it_is_played(specs) -> None:
    arms = {spec.id: spec for spec in specs}

    assert arms[IDS[0]] == ArmSpec(
        id="tier1(claude-opus-5-5+gemini-4-argon)",
        route="tier1",
        tier="tier1",
        composition="memory_brain",
        models=(OPUS, ARGON),
        from_tokens=10_500,
    )
    assert arms[IDS[5]] == ArmSpec(
        id="tier3+tier2(claude-haiku-5-5+gemini-3.8-flash+claude-sonnet-5-5)",
        route="tier3",
        tier="tier3",
        composition="consensus",
        models=(HAIKU, FLASH, SONNET),
        escalates_to="tier2",
    )
    assert (arms[IDS[4]].max_rounds, arms[IDS[5]].max_rounds) == (3, 1)
    assert (arms[ARGON].composition, arms[ARGON].tier) == ("single", "tier2")


def test_a_new_version_of_a_model_is_a_new_arm_in_every_route_that_asks_it(config, specs) -> None:
    newer = with_a_newer_haiku(config)

    ids = {spec.id for spec in arms_of_catalog(newer.catalog, newer.rules)}

    assert ids - set(IDS) == {
        "tier3(claude-haiku-6+gemini-3.8-flash)",
        "tier3+tier2(claude-haiku-6+gemini-3.8-flash+claude-sonnet-5-5)",
        "claude-haiku-6",
    }
    assert len(set(IDS) - ids) == 3


def test_without_a_local_model_there_is_no_local_arm(config) -> None:
    without = load(chosen=replace(settings({}), local="off"))

    assert "local" not in {s.route for s in arms_of_catalog(without.catalog, without.rules)}


def test_a_bug_fix_is_expected_to_go_as_its_models_and_the_measured_compositions_say(cold) -> None:
    quality, labels = cold.table.quality, cold.table.labels

    assert row(quality, cold, "bug_fix") == pytest.approx(
        dict(
            zip(
                IDS,
                (0.882, 0.9, 0.8, 0.8, 0.65, 0.792, 0.1, 0.6, 0.8, 0.65),
                strict=True,
            )
        )
    )
    assert row(labels, cold, "bug_fix") == dict(
        zip(IDS, (7.5, 15, 4, 8, 1.5, 1.5, 2, 6, 4, 3), strict=True)
    )


def test_where_a_member_is_as_good_as_the_strong_escalating_is_too(cold) -> None:
    quality = row(cold.table.quality, cold, "question")

    assert quality[IDS[4]] == 0.91
    assert quality[IDS[5]] == pytest.approx(0.9108)


def test_a_question_costs_what_its_calls_cost(cold) -> None:
    fixed = row(cold.table.cost_fixed, cold, "question")
    per_token = row(cold.table.cost_per_token, cold, "question")

    assert fixed[HAIKU] == 100 * 100 + 300 * 500
    assert per_token[HAIKU] == 100
    assert fixed[IDS[1]] == 100 * 4_000 + 300 * 20_000
    # The memory reads all and hands over 1,500 tokens; the brain reads those and 1,000 more.
    assert fixed[IDS[0]] == ((100 * 2_000 + 1_500 * 10_000) + (100 + 2_500) * 4_000 + 300 * 20_000)
    assert per_token[IDS[0]] == 2_000
    # The junior and the lead read all, the lead the notes too.
    assert per_token[IDS[2]] == 2_000 + 2_000
    assert fixed[IDS[2]] == (100 * 2_000 + 1_500 * 10_000) + (1_600 * 2_000 + 300 * 10_000)


def test_a_disagreement_costs_another_round_or_the_strong_one(cold) -> None:
    fixed = row(cold.table.cost_fixed, cold, "question")
    per_token = row(cold.table.cost_per_token, cold, "question")
    pair = 100 * 850 + 300 * 4_250
    again = 700 * 850 + 300 * 4_250

    assert fixed[IDS[4]] == pytest.approx(pair + (0.4 + 0.16) * again)
    assert per_token[IDS[4]] == pytest.approx(850 * 1.56)
    assert fixed[IDS[5]] == pytest.approx(pair + 0.4 * (100 * 2_000 + 300 * 10_000))
    assert per_token[IDS[5]] == pytest.approx(850 + 0.4 * 2_000)


def test_the_memory_saves_money_from_the_size_on_that_the_routes_say(cold) -> None:
    def saved(size: int) -> float:
        costs = cold.expect({"question": 1.0}, size, None).cost_nano_usd
        return costs[1] - costs[0]

    assert saved(5_000) < 0 < saved(20_000)


def test_the_local_model_costs_nothing_a_token(cold) -> None:
    assert row(cold.table.cost_fixed, cold, "bug_fix")[IDS[6]] == 0
    assert row(cold.table.cost_per_token, cold, "bug_fix")[IDS[6]] == 0


def test_a_kind_of_the_operators_own_gets_the_mean_over_kinds(specs) -> None:
    taxonomy = Taxonomy(kinds=(*TAXONOMY.kinds, KindRules(name="legal")))

    cold = cold_estimates(specs, PRIORS, price, taxonomy)

    assert cold.kinds == ("bug_fix", "question", "legal")
    assert row(cold.table.quality, cold, "legal")[IDS[1]] == pytest.approx(0.92)
    assert row(cold.table.labels, cold, "legal")[IDS[1]] == 2
    assert row(cold.table.cost_fixed, cold, "legal")[HAIKU] == 100 * 100 + 650 * 500
    assert remarks_on(specs, PRIORS, price, taxonomy) == (
        "the mean over kinds: legal is not in config/priors.yaml",
    )


def test_a_model_that_is_not_in_the_priors_gets_its_tiers_mean_and_it_is_said(config) -> None:
    newer = with_a_newer_haiku(config)
    specs = arms_of_catalog(newer.catalog, newer.rules)

    def priced(model: str, usage: Usage) -> int | None:
        return price(HAIKU if model == "claude-haiku-6" else model, usage)

    cold = cold_estimates(specs, PRIORS, priced, TAXONOMY)

    assert row(cold.table.quality, cold, "bug_fix")["claude-haiku-6"] == pytest.approx(0.625)
    assert row(cold.table.labels, cold, "bug_fix")["claude-haiku-6"] == 2
    assert remarks_on(specs, PRIORS, priced, TAXONOMY) == (
        "the mean of tier3's models: claude-haiku-6 is not in config/priors.yaml",
    )


def test_arms_that_ask_a_model_without_a_price_are_left_out_and_it_is_said(config) -> None:
    newer = with_a_newer_haiku(config)
    specs = arms_of_catalog(newer.catalog, newer.rules)

    cold = cold_estimates(specs, PRIORS, price, TAXONOMY)

    assert [arm for arm in cold.arms if "haiku" in arm] == []
    assert remarks_on(specs, PRIORS, price, TAXONOMY)[1] == (
        "no arm asks claude-haiku-6: it has no price; write one in config/prices.yaml"
    )
