from dataclasses import replace

import numpy as np
import pytest

from router.learning.estimates import Estimates, Head, Residual, Table, chosen
from router.learning.features import BUCKETS, sketch_of

CODE, CHAT = sketch_of("def main"), sketch_of("hello there")


def table(labels: float = 15.0) -> Table:
    return Table(
        quality=np.array([[0.2, 0.6], [0.4, 0.8]]),
        labels=np.full((2, 2), labels),
        cost_fixed=np.array([[100.0, 1_000.0], [300.0, -5_000.0]]),
        cost_per_token=np.array([[1.0, 2.0], [1.0, 2.0]]),
    )


def read(*, pays: tuple[float, float] = (1, 1)) -> Estimates:
    """Return estimates whose head is sure that CODE is code, whose residual favours arm b there."""
    head, residual = np.zeros((BUCKETS, 2), np.float32), np.zeros((BUCKETS, 2), np.float32)
    head[CODE.buckets, 0] = 1_000
    head[CHAT.buckets, 1] = 1_000
    residual[CODE.buckets, 1] = 1
    return Estimates(
        kinds=("code", "chat"),
        arms=("a", "b"),
        table=table(),
        idf=np.ones(BUCKETS, np.float32),
        head=Head(weights=head, bias=np.zeros(2, np.float32)),
        residual=Residual(weights=residual, bias=np.zeros(2), pays=np.array(pays)),
    )


BARE = Estimates(kinds=("code", "chat"), arms=("a", "b"), table=table())


def test_of_a_certain_kind_its_row_of_the_table_is_expected() -> None:
    found = BARE.expect({"chat": 1.0}, 1_000, None)
    assert found.kinds.tolist() == [0.0, 1.0]
    assert found.quality.tolist() == [0.4, 0.8]
    assert found.cost_nano_usd.tolist() == [1_300.0, 0.0]  # never less than nothing


def test_kinds_that_were_never_learned_count_as_a_mix_of_all() -> None:
    assert BARE.expect({"poetry": 1.0}, 0, None).kinds.tolist() == [0.5, 0.5]
    assert BARE.expect({"poetry": 0.5, "code": 0.5}, 0, None).kinds.tolist() == [0.75, 0.25]
    assert BARE.expect(None, 0, CODE).quality == pytest.approx([0.3, 0.7])
    assert BARE.expect({}, 0, None).kinds.tolist() == [0.5, 0.5]


def test_the_head_finds_the_kind_where_nobody_tells_it() -> None:
    assert read().expect(None, 0, CODE).kinds.tolist() == [1.0, 0.0]
    assert read().expect(None, 0, CHAT).kinds.tolist() == [0.0, 1.0]


def test_a_certain_kind_does_not_ask_the_head() -> None:
    assert read().expect({"chat": 1.0}, 0, CODE).kinds.tolist() == [0.0, 1.0]


def test_an_uncertain_kind_and_the_head_count_the_same() -> None:
    found = read().expect({"code": 0.4, "chat": 0.6}, 0, CODE)
    assert found.kinds == pytest.approx([0.7, 0.3])


def test_without_a_sketch_or_with_an_empty_one_only_the_table_speaks() -> None:
    for nothing in (None, sketch_of("")):
        assert read().expect(None, 0, nothing).quality == pytest.approx([0.3, 0.7])


def test_of_words_that_were_never_learned_only_the_table_speaks() -> None:
    strange = replace(read(), idf=np.zeros(BUCKETS, np.float32))
    assert strange.expect(None, 0, CODE).quality == pytest.approx([0.3, 0.7])


def test_the_residual_speaks_only_of_kinds_where_it_pays() -> None:
    assert read(pays=(1, 1)).expect(None, 0, CODE).quality.tolist() == [0.2, 1.0]  # clipped
    assert read(pays=(0, 1)).expect(None, 0, CODE).quality.tolist() == [0.2, 0.6]


def test_the_more_labels_the_less_an_expectation_varies() -> None:
    def variance(labels: float) -> float:
        estimates = Estimates(kinds=("code", "chat"), arms=("a", "b"), table=table(labels))
        return float(estimates.expect({"code": 1.0}, 0, None).variance[0])

    assert variance(15) == pytest.approx(0.01)  # 0.2 * 0.8 / 16
    assert variance(159) == pytest.approx(0.001)


def test_a_sketch_makes_a_difference_only_where_text_was_learned() -> None:
    assert read().reads_text
    assert not BARE.reads_text


def test_the_dearer_arm_is_chosen_while_its_quality_is_worth_its_cost() -> None:
    quality, cost = np.array([[0.2, 0.6]]), np.array([[100.0, 1_000.0]])
    assert chosen(quality, cost, 0.0).tolist() == [1]
    assert chosen(quality, cost, 0.0004).tolist() == [1]
    assert chosen(quality, cost, 0.0005).tolist() == [0]
