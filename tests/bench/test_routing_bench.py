"""The routing bench from end to end, on a small file of made-up outcomes."""

import json
import random
from pathlib import Path

import numpy as np
import pytest

from bench.routing import noise
from bench.routing.__main__ import main
from bench.routing.baselines import Expecting, Unread, like_known, targets_of
from bench.routing.dataset import Dataset
from bench.routing.evaluation import Settings, measured, staged, yardsticks
from bench.routing.features import features_of, hashed
from bench.routing.methods import clusters, factorised, neighbours, ridge
from bench.routing.policy import choose, cost_weights
from bench.routing.prices import price_list
from bench.routing.reading import dataset, rows_of

ROWS = Path(__file__).parent / "routing_rows"
ARMS = ("claude-3-haiku-20240307", "gemini-1.5-flash", "gpt-4o")
QUICK = ["--resamples", "50", "--noisy-rows", "5", "--timed-rows", "5"]


def rows(name: str, arms: tuple[str, ...] = ARMS) -> Dataset:
    prices = price_list()
    found = rows_of(ROWS / f"{name}.jsonl")
    wanted = {arm: prices.of(arm) for arm in arms}
    return dataset(found, wanted, groups=range(len(found)), vectors={})


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("routing")
    test = ROWS / "test.jsonl"
    vectors = folder / "vectors.npz"
    ids = [row.id for name in ("train", "test") for row in rows_of(ROWS / f"{name}.jsonl")]
    drawn = np.random.default_rng(0).normal(size=(len(ids), 8)).astype(np.float16)
    np.savez(vectors, ids=np.array(ids), emb=drawn)
    out = folder / "out.json"
    options = ["--train", str(ROWS / "train.jsonl"), "--test", str(test), "--test", str(test)]
    main([*options, "--embeddings", str(vectors), "--json", str(out), "--deferral", *QUICK])
    return json.loads(out.read_text())


def test_every_policy_has_a_row_with_its_figures(report):
    first = report["tests"][0]
    names = {row["policy"] for row in first["policies"]}
    assert first["n"] == 40
    assert first["arms"] == list(ARMS)
    assert {
        "tercet",
        "zero router",
        "oracle",
        "random mix",
        "best single",
        "kNN k=40 (hash)",
        "kNN k=100 (MiniLM)",
        "clusters 60, top 3 (hash)",
        "ridge (MiniLM)",
        "matrix factorisation (hash)",
        "type table (true types)",
        "type table (TF-IDF)",
    } <= names
    ours = next(row for row in first["policies"] if row["policy"] == "tercet")
    assert {"aiq", "aiq_log", "minus_zero", "minus_strongest", "minus_knn", "arena"} <= ours.keys()
    assert {"cost_at_best_single", "oracle_gap_closed", "apgr", "cpu_ms_p99"} <= ours.keys()
    assert set(ours["robustness"]) == {*noise.CHANGES, "mean"}


def test_no_policy_beats_the_oracle(report):
    by_name = {row["policy"]: row for row in report["tests"][0]["policies"]}
    best = by_name["oracle"]
    assert all(row["aiq"] <= best["aiq"] + 1e-9 for row in by_name.values())
    assert best["oracle_gap_closed"] == pytest.approx(1)
    assert by_name["zero router"]["minus_zero"] == 0


def test_means_over_files_are_given_for_each_rival(report):
    assert {line["minus"] for line in report["mean"]} == {"strongest", "strongest_of_all", "knn"}
    assert all(line["tests"] == 2 for line in report["mean"])


def test_a_folder_is_cut_in_two(tmp_path: Path, capsys):
    (tmp_path / "dev_small.jsonl").write_bytes((ROWS / "train.jsonl").read_bytes())
    main(["--dev", str(tmp_path), "--split", "0.6", "--only", "type table,best", *QUICK])
    told = capsys.readouterr()
    assert "dev_small.jsonl: 3" in told.out
    assert "type table (true types)" in told.out


def test_without_files_the_bench_says_what_to_give():
    with pytest.raises(SystemExit, match="Give --train"):
        main([])


def test_the_cheaper_of_equals_is_chosen():
    quality, cost = np.array([[0.5, 0.5, 0.9]]), np.array([[2.0, 1.0, 4.0]])
    assert choose(quality, cost, 0.0).tolist() == [2]
    assert choose(quality, cost, 0.2).tolist() == [1]
    assert choose(quality, cost, np.inf).tolist() == [1]


def test_cost_weights_go_from_nothing_to_everything():
    weights = cost_weights(np.array([0.001, 0.01]))
    assert len(weights) == 53
    assert weights[[0, 1, -2, -1]].tolist() == pytest.approx([0, 0.2, 2000, np.inf])


def test_an_arm_without_outcomes_is_expected_to_do_as_its_neighbours_in_price():
    known, asked = rows("train"), rows("test", ("gpt-4o", "gpt-4o-mini-2024-07-18")).asked
    made = like_known(known.arms, known.asked.price, asked)
    assert made[:, 0].tolist() == [0, 0, 1]
    assert made[:, 1] == pytest.approx([1 / 3] * 3)


def test_the_yardsticks_know_the_outcomes():
    train, test = rows("train"), rows("test")
    stage = staged(train, test, Settings(resamples=10))
    zero, oracle = yardsticks(stage)
    assert zero.figures["cost_at_best_single"] == pytest.approx(1)
    assert oracle.figures["best_quality"] == pytest.approx(float(test.quality.max(axis=1).mean()))
    single = measured(
        Unread(name="best single", is_random=False), train, stage, Settings(noisy_rows=5)
    )
    assert single.figures["oracle_gap_closed"] == pytest.approx(0)
    assert single.figures["robustness"]["mean"] == 1.0


@pytest.mark.parametrize(
    ("method", "option"),
    [(neighbours, (10,)), (clusters, (6, 3)), (ridge, (2,)), (factorised, (2, 2))],
)
def test_each_method_tells_sums_from_verse(method, option):
    train, test = rows("train").about(ARMS), rows("test")
    fitted = Expecting(
        predictor=method(hashed(train.asked), targets_of(train), option),
        encode=hashed,
        arms=train.arms,
        price=train.asked.price,
    )
    quality, cost = fitted.scores(test.blind)
    flash = quality[:, ARMS.index("gemini-1.5-flash")]
    is_sum = np.array([task == "sums" for task in test.asked.tasks])
    assert flash[is_sum].mean() < flash[~is_sum].mean() - 0.1
    assert (cost > 0).all()


def test_a_ridge_of_one_target_is_the_closed_form():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 4)), rng.normal(size=(50, 1))
    y[3] = np.nan
    fitted = ridge(x, y, (3.0,))
    seen = ~np.isnan(y[:, 0])
    a, b = x[seen], y[seen] - y[seen].mean()
    expected = np.linalg.solve(a.T @ a + 3 * np.eye(4), a.T @ b)
    assert fitted.weights == pytest.approx(expected)


def test_features_are_rows_of_length_one():
    found = features_of(("How many apples?", "A short poem."))
    assert np.asarray(found.multiply(found).sum(axis=1)).ravel() == pytest.approx([1, 1])


def test_noise_changes_the_words_and_keeps_the_options_in_order():
    text = "Which of the following is true? Compute 2+2.\nA. four\nB. five"
    told = {name: change(text, random.Random(3)) for name, change in noise.CHANGES.items()}
    assert all(changed != text for changed in told.values())
    assert told["casing"].lower() == text.lower()
    assert told["whitespace"].split() == text.split()
    assert text in told["surroundings"]
    paraphrased = told["paraphrase"]
    assert paraphrased.index("A. four") < paraphrased.index("B. five")
    assert "2+2" in paraphrased
