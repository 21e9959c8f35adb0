"""The deferral bench on rows made for the purpose: the figures are known before it runs."""

import json

import pytest

from bench.deferral import main
from bench.deferral_play import auroc, plainly, play
from router.learning.deferral_rows import Compared, Said, Terms

PRICES = {"prices": {"cheap-one": [1, 1], "frugal-two": [1, 1], "dear-three": [30, 30]}}


def row(at: int, *, agree: bool) -> dict[str, object]:
    """Return a task on which two cheap models are right together, or both wrong and apart."""
    cheap = ("7", "7") if agree else ("8", "9")
    answers = dict(zip(PRICES["prices"], (*cheap, "7"), strict=True))
    return {
        "id": f"q/{at}",
        "task": "sums",
        "prompt": f"Question {at}: what is {at} * {at}, less {at * at - 7}?",
        "in_tok": 10,
        "models": {
            name: {"ok": int(said == "7"), "ans": said, "out_tok": 90}
            for name, said in answers.items()
        },
    }


@pytest.fixture
def files(tmp_path):
    """Return prices and two files of rows, three of four agreed on."""
    prices = tmp_path / "prices.json"
    prices.write_text(json.dumps(PRICES), encoding="utf-8")
    for name, numbers in (("train", range(400)), ("test", range(400, 600))):
        rows = [json.dumps(row(at, agree=at % 4 > 0)) for at in numbers]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return prices, tmp_path / "train.jsonl", tmp_path / "test.jsonl"


def run(tmp_path, *arguments) -> dict[str, dict]:
    out = tmp_path / "out.json"
    main([*map(str, arguments), "--json", str(out)])
    return json.loads(out.read_text(encoding="utf-8"))


def test_held_out_rows_are_played_with_what_was_chosen_on_the_others(
    files, tmp_path, capsys
) -> None:
    prices, train, test = files

    found = run(tmp_path, "--train", train, "--test", test, "--prices", prices)

    one = found["test.jsonl"]
    assert one["strong"] == [["dear-three", 1]]
    assert one["tested"] == 200
    least = one["least cost at its accuracy"]
    assert least["quality"] == 1.0
    assert least["cost"] == pytest.approx((200 + 0.25 * 3000) / 3000)
    assert one["auroc"] == {"cheap-one | frugal-two": 1.0}
    assert "escalate" in capsys.readouterr().out


def test_without_a_test_file_the_rows_are_halved_at_random(files, tmp_path) -> None:
    prices, train, _ = files

    found = run(tmp_path, "--train", train, "--prices", prices, "--splits", 3)

    assert found["train.jsonl"]["splits"] == 3
    assert found["train.jsonl"]["plain: one pair"]["met"] == 1.0


def test_who_is_lost_is_replaced_by_the_strong() -> None:
    terms = Terms(strongs=("dear",), pairs=(("a", "b"),))
    task = Compared(
        kind="sums",
        said={
            "a": Said(quality=0.0, nano_usd=1, output_tokens=5),
            "dear": Said(quality=1.0, nano_usd=30, output_tokens=5),
        },
        agree={("a", "b"): False},
    )

    assert play(plainly(("a", "b"), terms)["*"], task, "dear") == (1.0, 31)


def test_agreement_that_tells_nothing_has_an_auroc_of_a_half() -> None:
    tasks = [
        Compared(
            kind="sums",
            said={
                "a": Said(quality=float(right), nano_usd=1),
                "b": Said(quality=1.0, nano_usd=1),
            },
            agree={("a", "b"): agree},
        )
        for right in (True, False)
        for agree in (True, False)
    ]

    assert auroc(("a", "b"), tasks) == 0.5


def test_rows_without_a_known_model_are_refused_with_the_remedy(files, tmp_path) -> None:
    prices, train, _ = files
    strange = tmp_path / "strange.jsonl"
    told = row(1, agree=True)
    told["models"] = {"unheard-of": {"ok": 1, "ans": "7", "out_tok": 9}}
    strange.write_text(json.dumps(told), encoding="utf-8")

    with pytest.raises(SystemExit, match="name more --train"):
        main(["--train", str(train), "--test", str(strange), "--prices", str(prices)])
