"""Ask the cheap, compare the cheap, or ask the strong: what per-kind deferral keeps and saves.

    python -m bench.deferral --train A.jsonl.zst --test B.jsonl.zst [--json OUT] [--pair a,b]
    python -m bench.deferral --train A.jsonl.zst B.jsonl.zst        each file in random halves

Rows are as docs/routing-bench.md has them, with `ans`: two answers are the same if the product's
own ladder says so. Whatever is chosen (strong model, pairs, modes, bounds) is chosen on training
rows; rows of one question are never on both sides. Three policies: the least cost that is expected
to keep the strong model's accuracy, the most accuracy for a share of its cost, and plain
accept-or-escalate with one pair. Bars: 99 % of its accuracy at 50 % of its cost; aim 100 % at 38 %.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np

from bench.deferral_play import Played, auroc, mean, means, plainly, played, summary
from bench.routing.grouping import groups_of, split
from bench.routing.prices import PriceList, price_list
from bench.routing.reading import Row, coverage, models_of, rows_of
from router.agreement.ladder import agree
from router.learning.deferral import Deferral, fitted
from router.learning.deferral_options import ANY_KIND
from router.learning.deferral_rows import Compared, Said, Terms

NANO = 1e9
POLICIES = ("least cost at its accuracy", "most accuracy for its share", "plain: one pair")
STRONG_COVERAGE = 0.95
"""Of the rows that a strong model must have answered."""
ARM_COVERAGE = 0.4
CHEAP = 0.3
"""Most an arm of a pair may cost, of the strong model's cost a task."""
DEAREST = 1.3
"""Most a second strong model may cost, likewise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How a set is judged, as the command line has it."""

    prices: PriceList
    pair: tuple[str, str] | None
    strong: str | None
    tolerance: float
    cost_share: float
    caution: float
    share: float
    splits: int


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a block for each set, and store all of it when asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train", type=Path, nargs="+", required=True)
    parser.add_argument("--test", type=Path, nargs="*", default=[])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--prices", type=Path, help="more prices, of the form of prices.json")
    parser.add_argument("--pair", help="a,b: the pair of the plain policy beside ours")
    parser.add_argument("--strong", help="the strong model; else the most accurate in training")
    parser.add_argument("--tolerance", type=float, default=0.0)
    parser.add_argument("--cost-share", type=float, default=0.35)
    parser.add_argument("--caution", type=float, default=0.5)
    parser.add_argument(
        "--share", type=float, default=0.5, help="of rows trained on, without --test"
    )
    parser.add_argument("--splits", type=int, default=20, help="random ones, without --test")
    args = parser.parse_args(arguments)
    rules = Rules(
        prices=price_list(args.prices),
        pair=None if args.pair is None else tuple(args.pair.split(",")),
        strong=args.strong,
        tolerance=args.tolerance,
        cost_share=args.cost_share,
        caution=args.caution,
        share=args.share,
        splits=args.splits,
    )
    found = {}
    for name, rows, sides in sets(args.train, args.test, rules):
        found[name] = judged(rows, sides, rules)
        show(name, found[name])
    if args.json is not None:
        args.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


Sides = Sequence[tuple[np.ndarray, np.ndarray]]
"""Places of training rows and of test rows."""


def sets(
    train: Sequence[Path], test: Sequence[Path], rules: Rules
) -> Iterator[tuple[str, list[Row], Sides]]:
    """Yield each set to judge: the test files, or the training files in random halves."""
    if not test:
        for file in train:
            rows = rows_of(file)
            groups = groups_of([row.prompt for row in rows])
            yield (
                file.name,
                rows,
                [split(groups, rules.share, seed) for seed in range(rules.splits)],
            )
        return
    known = [row for file in train for row in rows_of(file)]
    for file in test:
        held = rows_of(file)
        groups = groups_of([row.prompt for row in (*known, *held)])
        asked, names, kinds = (
            set(groups[len(known) :]),
            set(models_of(held)),
            {r.task for r in held},
        )
        usable = [
            at
            for at, row in enumerate(known)
            if groups[at] not in asked and names & row.outcomes.keys()
        ]
        if not usable:
            sys.exit(
                f"no training row has a model of {file} and another question; name more --train"
            )
        same = [at for at in usable if known[at].task in kinds]
        rows = [*(known[at] for at in same or usable), *held]
        cut = len(rows) - len(held)
        yield file.name, rows, [(np.arange(cut), np.arange(cut, len(rows)))]


def judged(rows: Sequence[Row], sides: Sides, rules: Rules) -> dict[str, object]:
    """Fit on one side and play the other, for each pair of sides."""
    listed = [m for m in models_of(rows) if (p := rules.prices.of(m)) and p.is_listed]
    tasks = [compared(row, listed, rules.prices) for row in rows]
    groups = np.array(groups_of([row.prompt for row in rows]))
    rounds: list[Round] = []
    for early, late in sides:
        terms = terms_of([rows[at] for at in early], [tasks[at] for at in early], listed, rules)
        ample = replace(terms, cost_share=rules.cost_share)
        fits = [fitted([tasks[at] for at in early], wanted) for wanted in (terms, ample)]
        pair = rules.pair or plain_pair([tasks[at] for at in early], terms)
        held = [tasks[at] for at in late]
        rounds.append(
            Round(
                strong=terms.strongs[0],
                choices=fits,
                pair=pair,
                played=[
                    played(choices, held, groups[late], terms)
                    for choices in (*fits, plainly(pair, terms))
                ],
                signals={f"{a} | {b}": auroc((a, b), held) for a, b in terms.pairs},
            )
        )
    return told(rounds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What came of one split."""

    strong: str
    choices: Sequence[Mapping[str, Deferral]]
    """Of the least cost, and of the most accuracy."""
    pair: tuple[str, str]
    played: Sequence[Played]
    """Both of these, then the plain policy."""
    signals: Mapping[str, float | None]


def compared(row: Row, listed: Sequence[str], prices: PriceList) -> Compared:
    """Return a row as deferral is fitted from; answers are compared by the product's ladder."""
    said = {
        model: Said(
            quality=outcome.quality,
            nano_usd=round(NANO * (row.in_tok * price.input + outcome.out_tok * price.output)),
            output_tokens=round(outcome.out_tok),
        )
        for model in listed
        if (outcome := row.outcomes.get(model))
        and outcome.quality is not None
        and outcome.out_tok is not None
        and (price := prices.of(model))
    }
    same: dict[tuple[str, str], bool] = {}
    known: dict[tuple[str, str], bool] = {}
    for pair in combinations(listed, 2):
        if family(pair[0]) == family(pair[1]) or not any(model in said for model in pair):
            continue
        first, second = ((row.outcomes[m].answer or "") if m in said else "" for m in pair)
        if (first, second) not in known:
            known[first, second] = agree(first, second, question=row.prompt) is not None
        same[pair] = known[first, second]
    return Compared(kind=row.task, said=said, agree=same)


def family(model: str) -> str:
    """Return the maker's part of a model's name."""
    return model.rsplit("/", 1)[-1].lower().split("-")[0]


def terms_of(
    rows: Sequence[Row], tasks: Sequence[Compared], listed: Sequence[str], rules: Rules
) -> Terms:
    """Choose on training rows who may decide and who may be compared."""
    quality = {m: mean([t.said[m].quality for t in tasks if m in t.said]) for m in listed}
    cost = {m: mean([t.said[m].nano_usd for t in tasks if m in t.said]) for m in listed}
    full = [m for m in listed if coverage(rows, m) >= STRONG_COVERAGE]
    if not (full or rules.strong):
        sys.exit(f"no priced model answers {STRONG_COVERAGE:.0%} of the training rows: {listed}")
    best = sorted(full, key=lambda m: -quality[m])
    strong = rules.strong or best[0]
    seconds = [m for m in best if m != strong and cost[m] <= DEAREST * cost[strong]]
    arms = [m for m in listed if m != strong and coverage(rows, m) >= ARM_COVERAGE]
    cheap = [m for m in arms if cost[m] <= CHEAP * cost[strong]]
    return Terms(
        strongs=(strong, *seconds[:1]),
        pairs=tuple(p for p in combinations(cheap, 2) if family(p[0]) != family(p[1])),
        singles=tuple(m for m in arms if cost[m] <= cost[strong]),
        tolerance=rules.tolerance,
        caution=rules.caution,
    )


def plain_pair(tasks: Sequence[Compared], terms: Terms) -> tuple[str, str]:
    """Return the cheapest pair, the better of the two first."""

    def cost(pair: tuple[str, str]) -> float:
        return sum(mean([t.said[m].nano_usd for t in tasks if m in t.said]) for m in pair)

    def quality(arm: str) -> float:
        return mean([t.said[arm].quality for t in tasks if arm in t.said])

    first, second = sorted(min(terms.pairs, key=cost), key=quality, reverse=True)
    return first, second


def told(rounds: Sequence[Round]) -> dict[str, object]:
    """Return means over splits, their spread, and the mean ends of their bootstrap intervals."""
    kinds = sorted({kind for one in rounds for kind in one.played[0].kinds})
    return {
        "splits": len(rounds),
        "tested": mean([len(one.played[0].kinds) for one in rounds]),
        "strong": Counter(one.strong for one in rounds).most_common(),
        "plain_pair": Counter(" | ".join(one.pair) for one in rounds).most_common(1)[0][0],
        **{
            policy: summary([one.played[at] for one in rounds])
            for at, policy in enumerate(POLICIES)
        },
        "kinds": {
            kind: {policy: of_kind(kind, at, rounds) for at, policy in enumerate(POLICIES[:2])}
            for kind in kinds
        },
        "auroc": {
            name: mean([v for one in rounds if (v := one.signals.get(name)) is not None])
            for name in sorted({name for one in rounds for name in one.signals})
        },
    }


def of_kind(kind: str, at: int, rounds: Sequence[Round]) -> dict[str, object]:
    """Return what one policy did with one kind."""
    there = [one for one in rounds if kind in one.played[at].kinds]
    chosen = [one.choices[at].get(kind, one.choices[at][ANY_KIND]) for one in there]
    return {
        **means([one.played[at].of(kind) for one in there]),
        "choices": Counter(map(named, chosen)).most_common(3),
    }


def named(choice: Deferral) -> str:
    """Name a choice in one line."""
    to = f" -> {choice.strong}" if choice.strong else ""
    bound = "" if choice.up_to_tokens is None else ", bounded"
    return f"{choice.mode} {' | '.join(choice.arms)}{to}{bound}"


def show(name: str, found: Mapping[str, object]) -> None:
    """Print one set."""
    strong = ", ".join(f"{model} ({count})" for model, count in found["strong"])
    print(
        f"{name}: {found['tested']:.0f} held-out tasks, {found['splits']} splits; strong: {strong}"
    )
    print(f"  {'':<34}{'accuracy':>9} {'95 %':>15} {'cost':>7} {'95 %':>15}   bars, aims met")
    for policy in POLICIES:
        one = found[policy]
        ends = [f"{end:.1%}" for end in (*one["quality_interval"], *one["cost_interval"])]
        print(
            f"  {policy:<34}{one['quality']:>9.1%} {ends[0]:>7} {ends[1]:>7} {one['cost']:>7.1%} "
            f"{ends[2]:>7} {ends[3]:>7}   {one['met']:.0%}, {one['aimed']:.0%} of splits"
        )
    print(f"  plain pair: {found['plain_pair']}")
    for policy in POLICIES[:2]:
        for kind, both in found["kinds"].items():
            one = both[policy]
            choice, count = one["choices"][0]
            print(
                f"    {policy[:10]:<11}{kind:<26}{one['tasks']:>5.0f} {one['quality']:>7.1%} "
                f"{one['cost']:>7.1%}  {choice} ({count})"
            )
    best = sorted(found["auroc"].items(), key=lambda item: -item[1])
    shown = "; ".join(f"{pair} {value:.3f}" for pair, value in best[:3])
    print(f"  AUROC of agreement for the first one's correctness: {shown}")


if __name__ == "__main__":
    main()
