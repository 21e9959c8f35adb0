from dataclasses import replace

import numpy as np
import pytest
from fakes.examples import examples

from router.learning.document import Policy, to_bytes
from router.learning.estimates import Estimates, Head, Residual
from router.learning.examples import Examples
from router.learning.features import BUCKETS, sketch_of
from router.learning.fitting import fit

FILLER = [f"word{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
NAN = np.nan


def texts(marks: list[str], seed: int = 0) -> list[str]:
    """Return a text for each mark, of it and of filler drawn alike for all."""
    draw = np.random.default_rng(seed)
    return [" ".join([*draw.choice(FILLER, 12), mark]) for mark in marks]


def noise(count: int, seed: int = 0) -> Examples:
    """Return examples in whose texts nothing is to be found."""
    draw = np.random.default_rng(seed)
    quality = draw.integers(0, 2, (count, 2)).astype(float)
    return examples(
        ["x"] * count, quality, cost=[[1.0, 9.0]] * count, texts=texts(["so"] * count, seed)
    )


def with_an_effect(count: int) -> Examples:
    """Return examples in which one word decides which arm is right."""
    marks = ["alpha", "omega"] * (count // 2)
    quality = [[1.0, 0.0] if mark == "alpha" else [0.0, 1.0] for mark in marks]
    return examples(["x"] * count, quality, cost=[[1.0, 9.0]] * count, texts=texts(marks))


def test_the_kind_is_found_in_words_that_only_it_has() -> None:
    kinds = ["code", "chat"] * 60
    words = {"code": "compile", "chat": "friend"}
    found = fit(examples(kinds, [[NAN]] * 120, texts=texts([words[kind] for kind in kinds])))
    assert found.head_accuracy == 1.0
    for kind, word in words.items():
        text = texts([word], seed=7)[0]
        share = found.estimates.expect(None, 0, sketch_of(text)).kinds
        assert share[found.estimates.kinds.index(kind)] > 0.8


def test_texts_without_a_label_teach_the_head() -> None:
    kinds = ["code", "chat"] * 60
    marks = ["compile" if kind == "code" else "friend" for kind in kinds]
    quality = [[1.0, 0.0]] * 4 + [[NAN, NAN]] * 116
    found = fit(examples(kinds, quality, texts=texts(marks)))
    assert found.head_accuracy == 1.0
    assert found.estimates.table.labels.tolist() == [[17.0, 17.0], [17.0, 17.0]]


def test_too_few_texts_make_no_head() -> None:
    few = examples(["code", "chat"] * 20, [[1.0]] * 40, texts=texts(["compile", "friend"] * 20))
    found = fit(few)
    assert found.head_accuracy is None
    assert not found.estimates.reads_text


def test_examples_without_sketches_make_a_table() -> None:
    found = fit(examples(["code", "chat"] * 100, [[1.0, 0.0]] * 200))
    assert found.estimates.table.labels.tolist() == [[115.0, 115.0], [115.0, 115.0]]
    assert not found.estimates.reads_text


def test_there_may_be_nothing_to_learn_from() -> None:
    found = fit(examples(["x"], [[NAN, NAN]]).take(np.array([], np.intp)))
    assert found.estimates.table.quality.tolist() == [[0.5, 0.5]]


@pytest.mark.parametrize("seed", range(5))
def test_where_texts_tell_nothing_there_is_no_residual(seed: int) -> None:
    found = fit(noise(300, seed))
    assert found.estimates.residual is None
    assert len(found.residual_gains) == 1


def test_where_a_word_decides_the_residual_finds_it() -> None:
    found = fit(with_an_effect(400)).estimates
    assert found.residual is not None
    assert found.residual.pays.tolist() == [1.0]
    for mark, better in (("alpha", 0), ("omega", 1)):
        quality = found.expect({"x": 1.0}, 0, sketch_of(texts([mark], seed=7)[0])).quality
        assert int(np.argmax(quality)) == better


def test_a_residual_is_not_tried_on_labels_that_are_not_in_pairs() -> None:
    single = with_an_effect(400)
    quality = single.quality.copy()
    quality[::2, 0] = NAN
    quality[1::2, 1] = NAN
    found = fit(replace(single, quality=quality))
    assert found.estimates.residual is None
    assert found.residual_gains == ()


def test_the_same_examples_make_the_same_fit() -> None:
    def made() -> bytes:
        kinds = ["code", "chat"] * 110
        marks = ["alpha", "omega", "omega", "alpha"] * 55
        quality = [[1.0, 0.0] if mark == "alpha" else [0.0, 1.0] for mark in marks]
        many = examples(kinds, quality, cost=[[1.0, 9.0]] * 220, texts=texts(marks))
        found = fit(many).estimates
        return to_bytes(Policy(version="1", estimates=found, quality_per_nano_usd=0.0, margins={}))

    assert made() == made()


def test_thirteen_kinds_and_twelve_arms_take_less_than_twenty_megabytes() -> None:
    kinds = [f"kind{letter}" for letter in "abcdefghijklm"] * 20
    marks = [f"{kind} {'alpha' if at % 2 else 'omega'}" for at, kind in enumerate(kinds)]
    quality = [[float(at % 2)] * 6 + [float(1 - at % 2)] * 6 for at in range(len(kinds))]
    many = examples(kinds, quality, cost=[[1.0] * 12] * len(kinds), texts=texts(marks))
    found = fit(many).estimates
    assert isinstance(found.head, Head)
    assert isinstance(found.residual, Residual)
    assert found.idf is not None
    held = (found.idf, found.head.weights, found.residual.weights)
    assert [part.dtype for part in held] == [np.float32] * 3
    assert sum(part.nbytes for part in held) == BUCKETS * 4 * (1 + 13 + 12)
    assert sum(part.nbytes for part in held) <= 20e6
    assert isinstance(found, Estimates)
