"""Fit the classifier's calibrated head on the labelled conversations; every third is held out.

    .venv/bin/python -m bench.classify_fit [--write]

The head is a multinomial logistic regression over the evidence for each kind and the rule's choice
(`router.evidence.weighing.features`), with an L2 penalty chosen by five-fold cross-validation on
what is not held out. Each conversation is there a few times: as it is, and with the noise around it
that `bench.perturbing` makes of the tuned ones, so that greetings and small talk around a request
count for little. `--write` puts its coefficients into `router/evidence/weights.py`.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from random import Random

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_score

from bench.perturbing import DISTURBANCES, Disturb
from router.evidence.conversation import hear
from router.evidence.weighing import KINDS, broadest, features, totals
from tercet.task import Message, turn

ROOT = Path(__file__).parents[1]
CASES = ROOT / "tests" / "router" / "classify_cases.jsonl"
WEIGHTS = ROOT / "router" / "evidence" / "weights.py"
NOISES = ("noise before", "noise after", "polite")
PENALTIES = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
HEADER = '''\
"""Coefficients of the calibrated head: a row a kind, in the order of `tercet.taxonomy.BUILT_IN`.

Made by `python -m bench.classify_fit --write`; do not edit.
"""

from typing import Final

'''


def main() -> None:
    """Fit, print the figures, and write the coefficients when asked to."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--write", action="store_true", help="write the coefficients")
    writes = parser.parse_args().write
    seen, kinds = labelled()
    tuned = np.arange(len(kinds)) % 3 != 2
    noisy = np.concatenate([seen, *(labelled(DISTURBANCES[name])[0] for name in NOISES)])
    group = np.tile(np.arange(len(kinds)), len(NOISES) + 1)
    known, labels = noisy[tuned[group]], kinds[group][tuned[group]]
    scores = {
        penalty: cross_val_score(
            model(penalty),
            known,
            labels,
            groups=group[tuned[group]],
            cv=GroupKFold(5),
            scoring="neg_log_loss",
        ).mean()
        for penalty in PENALTIES
    }
    best = max(scores, key=scores.__getitem__)
    fitted = model(best).fit(known, labels)
    for name, rows in (("tuned", tuned), ("held out", ~tuned)):
        print(name, figures(fitted.predict_proba(seen[rows]), kinds[rows]), f"C={best}")
    if writes:
        WEIGHTS.write_text(source(fitted.coef_, fitted.intercept_), encoding="utf-8")


def model(penalty: float) -> LogisticRegression:
    """Return the head before it is fitted; `penalty` is the inverse of the L2 strength."""
    return LogisticRegression(C=penalty, max_iter=5_000)


def labelled(disturb: Disturb = lambda text, _: text) -> tuple[np.ndarray, np.ndarray]:
    """Return features and the number of the kind of every labelled conversation, disturbed."""
    random = Random(3)
    rows = [json.loads(line) for line in CASES.read_text(encoding="utf-8").split("\n") if line]
    seen: list[list[float]] = []
    for row in rows:
        *earlier, last = [turn(m["speaker"], m["text"]) for m in row["messages"]]
        seen.append(seen_of([*earlier, turn("user", disturb(last.text, random))]))
    return np.array(seen), np.array([KINDS.index(row["kind"]) for row in rows])


def seen_of(messages: Sequence[Message]) -> list[float]:
    """Return the features of one conversation."""
    heard = hear(messages)
    scores = totals(heard.clues)
    return features(scores, broadest(scores, heard.last))


def figures(shares: np.ndarray, kinds: np.ndarray) -> dict[str, float]:
    """Return accuracy, Brier score and expected calibration error (ten bins of equal width)."""
    told = shares.max(axis=1)
    right = shares.argmax(axis=1) == kinds
    bins = np.minimum((told * 10).astype(int), 9)
    gaps = [
        abs(told[bins == b].mean() - right[bins == b].mean()) * (bins == b).mean()
        for b in range(10)
        if (bins == b).any()
    ]
    brier = ((shares - np.eye(len(KINDS))[kinds]) ** 2).sum(axis=1).mean()
    figured = {"accuracy": right.mean(), "brier": brier, "ece": sum(gaps)}
    return {name: round(float(value), 4) for name, value in figured.items()}


def source(weights: np.ndarray, biases: np.ndarray) -> str:
    """Return the module that holds the coefficients."""
    rows = "\n".join(f"    ({', '.join(f'{w:.3f}' for w in row)})," for row in weights)
    held = ", ".join(f"{bias:.3f}" for bias in biases)
    return f"{HEADER}BIASES: Final = (\n    {held},\n)\nWEIGHTS: Final = (\n{rows}\n)\n"


if __name__ == "__main__":
    main()
