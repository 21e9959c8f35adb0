import shutil
from pathlib import Path

import pytest
import yaml

from tercet.config import PROJECT, load
from tercet.errors import ConfigError
from tercet.prior_file import load_priors
from tercet.priors import Belief, KindPriors, Priors
from tercet.taxonomy import BUILT_IN

HARD = ("security", "architecture", "code_review", "bug_fix", "implementation")
EASY = ("routine_code", "lookup", "transformation", "summary", "chat", "question")
OWN_KIND = "legal"
# What is replaced in priors.yaml, the replacement, the problem.
BROKEN = {
    "a quality above 1": ("quality: 0.899", "quality: 1.1", r"quality: Input should be less than"),
    "no label at all": ("labels: 15", "labels: 0", r"labels: Input should be greater than 0"),
    "a source nobody wrote down": ("from: swe_pro}", "from: a_friend}", r"no source 'a_friend'"),
    "a kind there is none of": ("  bug_fix:", "  bugs:", r"kinds\.bugs: it is no kind of task"),
    "a model without a tier": ("  gemini-4-argon: tier2\n", "", r"tiers does not have it"),
    "a key nobody knows": ("agree: 0.2", "agreed: 0.2", r"agreed: Extra inputs"),
    "answers without words": ("output_tokens: 200", "output_tokens: 0", r"lookup\.output_tokens"),
}


def believed(quality: float, labels: float = 4) -> Belief:
    return Belief(quality=quality, labels=labels, source="a guess")


PRIORS = Priors(
    kinds={
        "question": KindPriors(
            output_tokens=300,
            agree=0.6,
            beliefs={"strong": believed(0.9, 15), "cheap": believed(0.8), "old": believed(0.6)},
        ),
        "summary": KindPriors(
            output_tokens=400, agree=0.2, beliefs={"strong": believed(0.8), "cheap": believed(0.7)}
        ),
    },
    tiers={"strong": "tier1", "cheap": "tier3", "old": "tier3"},
    advice_tokens=1_500,
)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    shutil.copy(PROJECT / "config" / "priors.yaml", tmp_path)
    return tmp_path


def test_a_model_of_the_priors_is_believed_what_stands_there() -> None:
    assert PRIORS.belief("strong", "question", "tier1") == believed(0.9, 15)


def test_a_model_that_is_not_in_the_priors_gets_its_tiers_mean_and_says_so() -> None:
    belief = PRIORS.belief("newest", "question", "tier3")

    assert belief.quality == pytest.approx(0.7)
    assert belief.labels == 2
    assert belief.source == "the mean of tier3's models: newest is not in config/priors.yaml"


def test_a_model_of_a_tier_without_models_gets_the_mean_of_all() -> None:
    belief = PRIORS.belief("newest", "summary", "tier4")

    assert belief.quality == pytest.approx(0.75)
    assert belief.source == "the mean of all models: newest is not in config/priors.yaml"


def test_a_kind_of_the_operators_own_gets_the_mean_over_kinds() -> None:
    kind = PRIORS.of_kind(OWN_KIND)

    assert kind.output_tokens == 350
    assert kind.agree == pytest.approx(0.4)
    assert kind.beliefs["strong"].quality == pytest.approx(0.85)
    assert kind.beliefs["strong"].labels == 2
    assert kind.beliefs["old"].quality == 0.6
    assert kind.beliefs["strong"].source == (
        "the mean over kinds: legal is not in config/priors.yaml"
    )


def test_the_projects_priors_cover_every_kind_and_every_model_it_has() -> None:
    config = load()
    priors = load_priors(config.taxonomy)
    models = {*config.catalog.models, "deepseek-coder-33b-instruct", "tiny-llama"}

    assert set(priors.kinds) == set(BUILT_IN.names)
    assert {name: set(kind.beliefs) for name, kind in priors.kinds.items()} == dict.fromkeys(
        BUILT_IN.names, models
    )
    assert set(priors.tiers) == models


@pytest.mark.parametrize("kind", HARD)
def test_at_hard_kinds_a_more_capable_tier_is_never_expected_to_be_worse(kind: str) -> None:
    quality = {
        model: belief.quality
        for model, belief in load_priors(BUILT_IN).of_kind(kind).beliefs.items()
    }

    tier3 = max(quality["claude-haiku-5-5"], quality["gemini-3.8-flash"])
    assert quality["claude-opus-5-5"] > quality["claude-sonnet-5-5"] > tier3
    assert quality["gemini-4-argon"] > tier3 > quality["deepseek-coder-33b-instruct"]


@pytest.mark.parametrize("kind", EASY)
def test_at_easy_kinds_the_cheap_are_close_to_the_best(kind: str) -> None:
    beliefs = load_priors(BUILT_IN).of_kind(kind).beliefs
    best = max(belief.quality for belief in beliefs.values())
    cheap = max(beliefs[name].quality for name in ("claude-haiku-5-5", "gemini-3.8-flash"))

    assert best - cheap <= 0.03


def test_the_local_model_comes_nearest_at_routine_code() -> None:
    short = {
        name: max(belief.quality for belief in kind.beliefs.values())
        - kind.beliefs["deepseek-coder-33b-instruct"].quality
        for name, kind in load_priors(BUILT_IN).kinds.items()
    }

    assert min(short, key=lambda name: short[name]) == "routine_code"
    assert sorted(short.values())[1] > 2 * short["routine_code"]


def test_every_source_of_the_projects_priors_is_used() -> None:
    file = yaml.safe_load((PROJECT / "config" / "priors.yaml").read_text(encoding="utf-8"))
    used = {
        belief["from"]: None
        for kind in file["kinds"].values()
        for belief in kind["models"].values()
    }

    assert set(used) == set(file["sources"])


def test_the_table_of_the_documents_is_the_files() -> None:
    text = (PROJECT / "docs" / "priors.md").read_text(encoding="utf-8")
    order = ("claude-opus-5-5", "claude-sonnet-5-5", "gemini-4-argon", "claude-haiku-5-5")
    order = (*order, "gemini-3.8-flash", "deepseek-coder-33b-instruct")
    for name, kind in load_priors(BUILT_IN).kinds.items():
        cells = next(line for line in text.split("\n") if line.startswith(f"| {name} | "))
        told = [float(cell.strip(" *").replace(",", "")) for cell in cells.split("|")[2:-1]]

        believed = [kind.beliefs[model].quality for model in order]
        assert told == [*believed, kind.output_tokens, kind.agree]


@pytest.mark.parametrize(("before", "after", "problem"), BROKEN.values(), ids=BROKEN)
def test_what_is_wrong_with_the_file_is_said_with_its_key(
    config: Path, before: str, after: str, problem: str
) -> None:
    path = config / "priors.yaml"
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after, 1), encoding="utf-8")

    with pytest.raises(ConfigError, match=rf"priors\.yaml: .*{problem}"):
        load_priors(BUILT_IN, config)


def test_a_missing_file_is_a_problem_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"priors\.yaml"):
        load_priors(BUILT_IN, tmp_path)
