"""What the routing bench reads: rows, prices, embeddings, groups, arms."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from bench.routing import assembling
from bench.routing.grouping import groups_of, split
from bench.routing.prices import price_list
from bench.routing.reading import dataset, embeddings_of, filled, rows_of

ROWS = Path(__file__).parent / "routing_rows"
PRICES = price_list()


def test_a_plain_file_and_its_zstd_hold_the_same_rows(tmp_path: Path):
    packed = tmp_path / "train.jsonl.zst"
    with pa.output_stream(str(packed), compression="zstd") as stream:
        stream.write((ROWS / "train.jsonl").read_bytes())
    rows = rows_of(packed)
    assert rows == rows_of(ROWS / "train.jsonl")
    assert len(rows) == 81


def test_a_line_separator_within_a_prompt_does_not_end_the_line():
    assert rows_of(ROWS / "train.jsonl")[6].prompt.endswith("\u2028Thanks.")


def test_a_bad_line_is_named(tmp_path: Path):
    file = tmp_path / "bad.jsonl"
    good = '{"id": 1, "prompt": "a", "models": {"m": {"ok": 1}}}'
    file.write_text(f"{good}\n{good.replace('1}}', '3}}')}\n")
    with pytest.raises(SystemExit, match=r"bad.jsonl, line 2: .*ok is 3, not in \[0, 1\]"):
        rows_of(file)


def test_unknown_output_tokens_are_the_models_median_else_that_of_all_else_200():
    nan = np.nan
    cells = filled(np.array([[10.0, nan, nan], [30.0, nan, 90.0], [nan, nan, nan]]))
    assert cells.tolist() == [[10.0, 30.0, 90.0], [30.0, 30.0, 90.0], [20.0, 30.0, 90.0]]
    assert filled(np.array([[nan]])).tolist() == [[200.0]]


@pytest.mark.parametrize(
    ("model", "usd", "is_listed"),
    [
        ("gpt-4o", (2.5, 10), True),
        ("openai/GPT-4o", (2.5, 10), True),
        ("Qwen2.5-7B-Instruct", (0.2, 0.2), False),
        ("gemma-2-2b-it", (0.1, 0.1), False),
        ("llama-3.1-405b-fp8", (3.5, 3.5), False),
        ("Mixtral-8x7B-Instruct-v0.1", (0.6, 0.6), False),
        ("Mistral-Large-2", (2, 6), False),
    ],
)
def test_a_price_is_found_by_name_else_by_size(model: str, usd: tuple[float, float], is_listed):
    price = PRICES.of(model)
    assert price is not None
    assert (price.input * 1e6, price.output * 1e6) == pytest.approx(usd)
    assert price.is_listed is is_listed


def test_a_name_without_a_size_has_no_price():
    assert PRICES.of("oracle-of-delphi") is None


def test_prices_of_a_file_win_over_the_shipped_ones(tmp_path: Path):
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"prices": {"gpt-4o": [1, 2], "Mine": [3, 4]}}))
    mine = price_list(file)
    assert mine.of("gpt-4o").output * 1e6 == pytest.approx(2)
    assert mine.of("mine").is_listed


def test_case_and_white_space_make_no_other_question():
    assert groups_of(["What  is\n1?", "what is 1?", "what is 2?"]) == [0, 0, 1]


def test_questions_with_the_same_long_beginning_are_one_group():
    shared = "x" * 200
    assert len(set(groups_of([shared + " one", shared + " two", "y" + shared]))) == 2


def test_a_beginning_that_many_rows_share_is_a_template_and_makes_no_group():
    prompts = ["Complete the assertion. " * 20 + f"case {i % 30}" for i in range(60)]
    numbers = groups_of(prompts)
    assert len(set(numbers)) == 30
    assert numbers[:30] == numbers[30:]


def test_a_split_keeps_groups_whole():
    groups = [i // 3 for i in range(300)]
    early, late = split(groups, 0.64, 0)
    assert (len(early), len(late)) == (192, 108)
    assert not {groups[i] for i in early} & {groups[i] for i in late}


def test_rows_that_are_tested_are_dropped_from_training_and_counted():
    said: list[str] = []
    (trial,) = assembling.given([ROWS / "train.jsonl"], [ROWS / "test.jsonl"], said.append)
    assert said == [
        "test.jsonl: 1 of 81 training rows dropped, as its test rows hold the same question "
        "(1 equal, 0 nearly)."
    ]
    assert len(trial.train) == 80
    assert "train/leak" not in {row.id for row in trial.train}


def test_a_file_that_is_cut_is_never_on_both_sides():
    (trial,) = assembling.cut([ROWS / "train.jsonl"], 0.5, 0, together=False)
    assert len(trial.train) + len(trial.test) == 81
    assert not set(trial.train_groups) & set(trial.test_groups)


def test_the_listed_models_take_part_by_default():
    (trial,) = assembling.cut([ROWS / "train.jsonl"], 0.5, 0, together=False)
    arms = assembling.taking_part(trial, PRICES, None)
    assert arms == ["claude-3-haiku-20240307", "gemini-1.5-flash", "gpt-4o"]


def test_a_model_priced_by_its_size_joins_only_where_few_are_listed(tmp_path: Path):
    file = tmp_path / "few.jsonl"
    cells = {"gpt-4o": {"ok": 1}, "gemini-1.5-flash": {"ok": 0}, "tiny-7b": {"ok": 0}}
    lines = [{"id": i, "prompt": f"question {i}", "models": cells} for i in range(10)]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (trial,) = assembling.cut([file], 0.5, 0, together=False)
    assert assembling.taking_part(trial, PRICES, None) == ["gemini-1.5-flash", "gpt-4o", "tiny-7b"]
    assert assembling.taking_part(trial, PRICES, ["tiny-7b", "gpt-4o"]) == ["tiny-7b", "gpt-4o"]


def test_a_model_that_no_row_has_is_refused_by_name():
    (trial,) = assembling.cut([ROWS / "train.jsonl"], 0.5, 0, together=False)
    with pytest.raises(SystemExit, match="No test row has gpt-5"):
        assembling.taking_part(trial, PRICES, ["gpt-5"])


def test_a_data_set_has_costs_in_usd_and_nan_where_an_outcome_is_unknown():
    rows = rows_of(ROWS / "train.jsonl")[5:7]
    arms = {"gpt-4o": PRICES.of("gpt-4o")}
    told = dataset(rows, arms, groups=[0, 1], vectors={})
    assert np.isnan(told.quality[0, 0])
    expected = (rows[1].in_tok * 2.5 + rows[1].outcomes["gpt-4o"].out_tok * 10) / 1e6
    assert told.cost[1, 0] == pytest.approx(expected)
    assert told.blind.tasks == ("", "")
    assert told.asked.embeddings is None


def test_embeddings_count_only_where_every_row_has_one(tmp_path: Path):
    rows = rows_of(ROWS / "test.jsonl")[:2]
    file = tmp_path / "few.npz"
    np.savez(file, ids=np.array([row.id for row in rows]), emb=np.eye(2, dtype=np.float16))
    vectors = embeddings_of([file])
    prices = {"gpt-4o": PRICES.of("gpt-4o")}
    told = dataset(rows, prices, groups=[0, 1], vectors=vectors)
    assert told.asked.embeddings.tolist() == [[1.0, 0.0], [0.0, 1.0]]
    del vectors[rows[0].id]
    assert dataset(rows, prices, groups=[0, 1], vectors=vectors).asked.embeddings is None
