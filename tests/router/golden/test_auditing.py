"""The judge's audit: what judges say of pairs whose qualities are known."""

import asyncio
import json
from contextlib import closing
from pathlib import Path

import pytest
from fakes.gateway import NOW
from fakes.golden import FLASH, HAIKU, Answers

from deployments.ledger import Ledger
from deployments.ledger.inspection import inspected
from router import prompts
from router.cli import main
from router.golden.asking import Gateway
from router.golden.auditing import Heard, Wanted, hear, standings
from router.golden.judging import Judge
from router.golden.tasks import GoldPair
from tercet.migration import JudgeAudit


def pair(name: str, first: str, second: str, truth: float, trap: str | None = None) -> GoldPair:
    return GoldPair(
        suite="s", name=name, kind="lookup", question=f"Question {name}?", first=first,
        second=second, truth=truth, trap=trap,
    )  # fmt: skip


PAIRS = (
    pair("a", "right one", "wrong", 1.0),
    pair("b", "wrong", "right one", -1.0),
    pair("c", "right one", "wrong, and at much greater length", 1.0, "length"),
)


def verdict(a: float, b: float, better: str) -> str:
    return json.dumps({"why": "w", "a": a, "b": b, "better": better})


def knows(body) -> str:
    """Prefer the right answer, wherever it stands."""
    said = body["messages"][-1]["content"]
    return verdict(1, 0, "A") if said.index("right") < said.index("wrong") else verdict(0, 1, "B")


def likes_the_first(_body) -> str:
    return verdict(1, 0, "A")


def likes_length(body) -> str:
    """Prefer the longer answer: in A's part or in B's."""
    said = body["messages"][-1]["content"]
    first, second = said.split("<<<A ")[1].split("<<<B ")
    return verdict(1, 0, "A") if len(first) > len(second) + 20 else verdict(0, 1, "B")


def heard(path: Path, site: Answers, pairs=PAIRS, most: int = 10**9, judges=(FLASH,)):
    wanted = Wanted(
        judges=[], suites=[], url="", most_nano_usd=most, at_once=1, folder=None, ledger="",
        as_json=False,
    )  # fmt: skip

    async def scenario():
        with closing(Ledger(path)) as ledger:
            async with site.http() as http:
                asked = [
                    Judge(model=name, ask=Gateway(http).ask, texts=prompts.load())
                    for name in judges
                ]
                return await hear(wanted, pairs, asked, ledger.note_audit, lambda: NOW)

    return asyncio.run(scenario())


def test_each_pair_is_judged_in_both_orders_and_is_a_row_of_the_ledger(tmp_path) -> None:
    path, site = tmp_path / "ledger.sqlite3", Answers(says={FLASH: knows})
    found = heard(path, site)
    with inspected(path) as books:
        rows = sorted(books.audits(0), key=lambda row: row.item)
    assert rows == [
        JudgeAudit(
            item=f"s/{name}", judge=FLASH, kind="lookup", judged=truth, truth=truth,
            is_consistent=True, at=NOW,
        )
        for name, truth in (("a", 1.0), ("b", -1.0), ("c", 1.0))
    ]  # fmt: skip
    assert len(site.bodies) == 6
    assert sum(one.nano_usd for one in found) == 6_000_000
    *_, whole = standings(found)
    assert (whole.trap, whole.pairs, whole.right, whole.consistent) == ("all", 3, 1.0, 1.0)
    assert (whole.bias, whole.to_longer) == (0.0, 0.0)
    # Clopper and Pearson: with 3 of 3 the lower bound is 0.025 ** (1 / 3).
    assert (whole.right_low, whole.right_high) == (pytest.approx(0.2924, abs=1e-4), 1.0)


def test_who_follows_the_position_is_neither_right_nor_the_same_in_both_orders(tmp_path) -> None:
    found = heard(tmp_path / "l.sqlite3", Answers(says={FLASH: likes_the_first}))
    *_, whole = standings(found)
    assert (whole.right, whole.consistent) == (0.0, 0.0)
    # It judged 0, and the truths are 1, -1 and 1; first longer, shorter, shorter.
    assert whole.bias == pytest.approx(-1 / 3)
    assert whole.to_longer == pytest.approx(-1 / 3)


def test_who_likes_length_falls_into_its_trap(tmp_path) -> None:
    pairs = [pair(f"c{n}", "right one", "wrong" + ", and on" * 9, 1.0, "length") for n in range(3)]
    found = heard(tmp_path / "l.sqlite3", Answers(says={FLASH: likes_length}), pairs)
    trap, whole = standings(found)
    assert (trap.trap, trap.right, trap.consistent, trap.to_longer) == ("length", 0.0, 1.0, 2.0)
    assert (whole.bias, whole.bias_low, whole.bias_high) == (-2.0, -2.0, -2.0)


def test_pairs_without_a_verdict_are_left_and_no_row(tmp_path) -> None:
    path = tmp_path / "l.sqlite3"
    found = heard(path, Answers(says={FLASH: "Both are nice."}))
    assert [one.why for one in found] == ["the judge gave no verdict that can be read"] * 3
    with inspected(path) as books:
        assert list(books.audits(0)) == []
    assert standings(found) == []


def test_it_stops_once_the_money_is_spent(tmp_path) -> None:
    site = Answers(says={FLASH: knows, HAIKU: knows})
    found = heard(tmp_path / "l.sqlite3", site, most=4_000_000, judges=(FLASH, HAIKU))
    assert [one.why for one in found] == ["", ""] + ["the limit of 0.004 USD"] * 4
    assert len(site.bodies) == 4


def test_one_pair_has_no_interval_of_its_bias() -> None:
    row = JudgeAudit(
        item="s/a", judge=FLASH, kind="lookup", judged=0.5, truth=1.0, is_consistent=True, at=NOW
    )
    _, whole = standings([Heard(pair=PAIRS[0], judge=FLASH, audit=row)])
    assert (whole.right, whole.bias, whole.bias_low, whole.bias_high) == (
        1.0, -0.5, float("-inf"), float("inf"),
    )  # fmt: skip


def test_the_command_names_what_is_no_judge_and_suites_without_pairs(tmp_path, capsys) -> None:
    ledger = ["--ledger", str(tmp_path / "l.sqlite3")]
    assert main(["golden", "audit", "--judge", "gpt", *ledger]) == 2
    assert "'gpt' is not a model; models are claude-opus-5-5" in capsys.readouterr().err
    suite = tmp_path / "s.yaml"
    suite.write_text(
        "tasks: [{id: a, kind: chat, prompt: P, exact: [R], reference: R, wrong: [W]}]"
    )
    assert main(["golden", "audit", "--suite", str(suite), *ledger]) == 2
    assert "the suites have no pairs" in capsys.readouterr().err
