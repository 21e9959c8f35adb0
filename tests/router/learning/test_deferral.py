"""Which mode of deferral is chosen for a kind, from logged tasks made for the purpose."""

import random

import pytest

from router.learning.deferral import fitted
from router.learning.deferral_options import ANY_KIND
from router.learning.deferral_rows import Compared, Said, Terms

PAIR = ("flash", "haiku")
TERMS = Terms(strongs=("sonnet",), pairs=(PAIR,), singles=PAIR)


def tasks(kind: str, count: int, **rates) -> list[Compared]:
    """Return tasks on which each arm is right at a rate; what agrees is right or wrong together."""
    rng = random.Random(f"{kind} {count}")
    made: list[Compared] = []
    for _ in range(count):
        agree = rng.random() < rates["agree"]
        flash = rng.random() < (rates["together"] if agree else rates["flash_apart"])
        haiku = flash if agree else rng.random() < rates["haiku_apart"]
        sonnet = flash if agree else rng.random() < rates["sonnet_apart"]
        wrote = rng.randint(50, 150)
        made.append(
            Compared(
                kind=kind,
                said={
                    "flash": Said(quality=flash, nano_usd=10, output_tokens=wrote),
                    "haiku": Said(quality=haiku, nano_usd=80, output_tokens=wrote),
                    "sonnet": Said(quality=sonnet, nano_usd=400, output_tokens=wrote),
                },
                agree={PAIR: agree},
            )
        )
    return made


SUMS = {"agree": 0.8, "together": 0.97, "flash_apart": 0.4, "haiku_apart": 0.3, "sonnet_apart": 0.9}
HARD = {"agree": 0.1, "together": 0.7, "flash_apart": 0.2, "haiku_apart": 0.2, "sonnet_apart": 0.9}
EASY = {
    "agree": 0.8,
    "together": 0.97,
    "flash_apart": 0.98,
    "haiku_apart": 0.3,
    "sonnet_apart": 0.9,
}


def test_what_the_cheap_mostly_agree_on_is_escalated_where_they_do_not() -> None:
    found = fitted(tasks("sums", 2000, **SUMS), TERMS)["sums"]

    assert (found.mode, found.strong) == ("escalate", "sonnet")
    assert found.up_to_tokens is None
    assert found.agreement == pytest.approx(0.8, abs=0.03)
    assert found.quality == pytest.approx(found.strong_quality, abs=0.02)
    assert found.nano_usd == pytest.approx(90 + 0.2 * 400, abs=15)


def test_where_the_cheap_rarely_agree_the_strong_is_asked_at_once() -> None:
    found = fitted(tasks("proofs", 2000, **HARD), TERMS)["proofs"]

    assert (found.mode, found.arms) == ("straight", ("sonnet",))
    assert found.gain == 0.0


def test_an_arm_that_is_as_good_as_the_strong_answers_alone() -> None:
    found = fitted(tasks("chat", 2000, **EASY), TERMS)["chat"]

    assert (found.mode, found.arms) == ("single", ("flash",))
    assert found.nano_usd == 10


def test_the_better_of_two_is_preferred_where_nobody_may_be_escalated_to_nor_answer_alone() -> None:
    terms = Terms(strongs=("sonnet",), pairs=(PAIR,), cost_share=0.23)

    found = fitted(tasks("chat", 2000, **EASY), terms)["chat"]

    assert (found.mode, found.arms) == ("prefer", ("flash", "haiku"))


def test_a_share_of_the_cost_is_spent_where_it_brings_most() -> None:
    logged = [*tasks("sums", 1000, **SUMS), *tasks("proofs", 1000, **HARD)]
    half, most = (
        fitted(logged, Terms(strongs=("sonnet",), pairs=(PAIR,), singles=PAIR, cost_share=share))
        for share in (0.52, 0.8)
    )

    assert [half[kind].mode for kind in ("sums", "proofs")] == ["single", "straight"]
    assert [most[kind].mode for kind in ("sums", "proofs")] == ["escalate", "straight"]


def test_a_weight_says_what_a_dollar_must_bring() -> None:
    logged = tasks("sums", 1000, **SUMS)
    dear = Terms(strongs=("sonnet",), pairs=(PAIR,), singles=PAIR, weight=1e9)
    free = Terms(strongs=("sonnet",), pairs=(PAIR,), singles=PAIR, weight=0.0)

    assert fitted(logged, dear)["sums"].arms == ("flash",)
    assert fitted(logged, free)["sums"].mode in ("escalate", "straight")


def test_what_is_labelled_after_disagreements_alone_is_not_taken_for_all() -> None:
    logged = tasks("sums", 2000, **SUMS)
    shown = [
        task if not task.agree[PAIR] or at % 10 == 0 else Compared(
            kind=task.kind,
            said={arm: said for arm, said in task.said.items() if arm != "sonnet"},
            agree=task.agree,
        )
        for at, task in enumerate(logged)
    ]  # fmt: skip

    of_all, of_shown = (fitted(rows, TERMS)["sums"] for rows in (logged, shown))

    assert of_shown.mode == of_all.mode == "escalate"
    assert of_shown.strong_quality == pytest.approx(of_all.strong_quality, abs=0.03)


def test_long_disagreements_are_not_escalated_where_the_strong_fails_them_too() -> None:
    logged: list[Compared] = []
    for at in range(2000):
        is_long = at % 2 == 0
        logged.append(
            Compared(
                kind="proofs",
                said={
                    "flash": Said(quality=0.0, nano_usd=10, output_tokens=900 if is_long else 50),
                    "haiku": Said(quality=0.0, nano_usd=30, output_tokens=900 if is_long else 50),
                    "sonnet": Said(quality=float(not is_long), nano_usd=4000 if is_long else 400),
                },
                agree={PAIR: False},
            )
        )

    found = fitted(logged, TERMS)["proofs"]

    assert (found.mode, found.up_to_tokens) == ("escalate", 100)
    assert "there sonnet is dear and seldom right either" in found.reasons[-1]


def test_critique_rounds_are_chosen_where_the_ledger_says_that_they_pay() -> None:
    logged = [
        Compared(
            kind=task.kind,
            said=task.said,
            agree=task.agree,
            consensus={PAIR: Said(quality=0.99, nano_usd=60)},
        )
        for task in tasks("proofs", 500, **HARD)
    ]

    found = fitted(logged, TERMS)["proofs"]

    assert (found.mode, found.arms) == ("consensus", PAIR)


def test_a_kind_with_few_labels_leans_on_the_others_and_says_so() -> None:
    logged = [*tasks("sums", 2000, **SUMS), *tasks("riddles", 3, **SUMS)]

    found = fitted(logged, TERMS)

    assert found["riddles"].mode == found["sums"].mode == "escalate"
    assert found["riddles"].reasons[-1].startswith("3 labelled tasks of its own")
    assert found[ANY_KIND].mode == "escalate"


def test_an_arm_that_failed_is_as_if_it_disagreed() -> None:
    logged = tasks("sums", 1000, **SUMS)
    lost = [
        Compared(
            kind="sums",
            said={arm: said for arm, said in task.said.items() if arm != "haiku"},
            agree={PAIR: False},
        )
        for task in logged[:500]
    ]

    found = fitted([*lost, *logged[500:]], TERMS)["sums"]

    assert found.mode != "prefer"
    assert found.agreement is None or found.agreement < 0.5


def test_without_a_label_of_the_strong_there_is_nothing_to_compare_with() -> None:
    unlabelled = Compared(
        kind="sums",
        said={"flash": Said(quality=1.0, nano_usd=10), "sonnet": Said(quality=None, nano_usd=400)},
        agree={PAIR: True},
    )

    with pytest.raises(ValueError, match="no task has a label for 'sonnet'; label some"):
        fitted([unlabelled], TERMS)


def test_the_reasons_are_words_and_shares_of_the_strong_arms_cost() -> None:
    found = fitted(tasks("sums", 2000, **SUMS), TERMS)["sums"]

    first, second = found.arms
    assert found.reasons[0] == f"escalate of {first} and {second} to sonnet"
    assert found.reasons[1].startswith("they agree on ")
    assert found.reasons[2].startswith("expected quality 0.9")
