"""Routing policies side by side, on files of models' outcomes.

    python -m bench.routing --train A B --test C [--test D] --json OUT
    python -m bench.routing --dev ../shared/data --save

Prints a table a test file, one row a policy. Files hold JSON lines, plain (.jsonl) or zstd
(.jsonl.zst). What the columns mean: docs/routing-bench.md.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench.report import store
from bench.routing import assembling, telling
from bench.routing.assembling import Trial
from bench.routing.dataset import Array, Dataset
from bench.routing.evaluation import Measured, Settings, compared, measured, staged, yardsticks
from bench.routing.policies import lineup
from bench.routing.prices import price_list
from bench.routing.reading import embeddings_of

Json = dict[str, object]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the tables, and write JSON where asked to."""
    options = _parsed(arguments)
    began = time.monotonic()
    trials = _trials(options)
    vectors = embeddings_of(options.embeddings)
    tests, means = [], []
    for trial in trials:
        told, rivals, draws, aiqs = _one(trial, options, vectors)
        tests.append(told)
        means.append((rivals, draws, aiqs))
    overall = telling.mean_of(means)
    if len(tests) > 1 and overall:
        print("\n" + telling.means(overall))
    _say(f"done in {time.monotonic() - began:.0f} s")
    report: Json = {
        "seed": options.seed,
        "resamples": options.resamples,
        "split": options.split if options.dev else None,
        "tests": tests,
        "mean": overall,
    }
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if options.save:
        _say(f"stored {store('routing', report)}")


def _one(
    trial: Trial, options: argparse.Namespace, vectors: dict[str, Array]
) -> tuple[Json, dict[str, str], dict[str, Array], Json]:
    prices = price_list(options.prices)
    arms = assembling.taking_part(trial, prices, options.models)
    train, test = assembling.datasets(trial, arms, prices, vectors)
    settings = Settings(
        seed=options.seed,
        resamples=options.resamples,
        noisy_rows=options.noisy_rows,
        timed_rows=options.timed_rows,
        pair=options.pair,
    )
    stage = staged(train, test, settings)
    _warn(trial, train, test, len(stage.test))
    found = yardsticks(stage)
    is_embedded = test.asked.embeddings is not None and train.asked.embeddings is not None
    for policy in lineup(is_embedded=is_embedded):
        if options.only and not any(part in policy.name for part in options.only):
            continue
        began = time.monotonic()
        found.append(measured(policy, train, stage, settings))
        _say(f"{trial.name}: {policy.name}, {time.monotonic() - began:.1f} s")
    rivals, draws = compared(found, stage, settings)
    trained = len(train.about(test.arms))
    print(telling.heading(trial.name, len(stage.test), test.arms, trained))
    print(telling.rows(found))
    print(telling.verdict(found, rivals))
    pair = (test.arms[stage.pair[0]], test.arms[stage.pair[1]])
    if options.deferral:
        print(telling.deferrals(found, pair))
    told: Json = {
        "file": trial.name,
        "n": len(stage.test),
        "trained": trained,
        "arms": list(test.arms),
        "best_single": test.arms[stage.best],
        "pair": list(pair),
        "rivals": rivals,
        "policies": telling.as_json(found),
    }
    return told, rivals, draws, _aiqs(found)


def _aiqs(found: Sequence[Measured]) -> Json:
    return {one.curve.name: one.figures["aiq"] for one in found}


def _warn(trial: Trial, train: Dataset, test: Dataset, left: int) -> None:
    if left < len(test):
        _say(f"{trial.name}: {len(test) - left:,} test rows lack an arm's outcome: left out")
    strangers = [arm for arm in test.arms if arm not in train.about(test.arms).arms]
    if strangers:
        _say(f"{trial.name}: no training row has {', '.join(strangers)}: expected from others")
    cells = (row.outcomes.get(arm) for row in trial.test for arm in test.arms)
    unknown = sum(1 for cell in cells if cell is not None and cell.out_tok is None)
    if unknown:
        _say(f"{trial.name}: {unknown:,} outcomes without out_tok: the model's median, else 200")


def _trials(options: argparse.Namespace) -> list[Trial]:
    if options.dev:
        files = [*options.dev.glob("dev_*.jsonl.zst"), *options.dev.glob("dev_*.jsonl")]
        if not files:
            raise SystemExit(f"{options.dev} has no dev_*.jsonl.zst or dev_*.jsonl.")
        options.embeddings += sorted(options.dev.glob("dev_*.npz"))
        return assembling.cut(sorted(files), options.split, options.seed, together=options.together)
    if not options.train or not options.test:
        raise SystemExit("Give --train FILE... and --test FILE..., or --dev FOLDER.")
    test = [file for files in options.test for file in files]
    return assembling.given(options.train, test, _say)


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.routing",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    which = parser.add_argument_group("what is read")
    which.add_argument("--train", nargs="+", type=Path, metavar="FILE", help="rows to learn from")
    which.add_argument(
        "--test", nargs="+", type=Path, action="append", metavar="FILE", help="a table for each"
    )
    which.add_argument(
        "--dev", type=Path, metavar="FOLDER", help="instead: split each dev_*.jsonl[.zst] in two"
    )
    which.add_argument(
        "--split", type=float, default=0.64, help="share of rows that is trained on (0.64)"
    )
    which.add_argument(
        "--together", action="store_true", help="train on the parts of all files, not of each"
    )
    which.add_argument(
        "--embeddings", nargs="+", type=Path, default=[], metavar="NPZ", help="ids and emb"
    )
    which.add_argument("--prices", type=Path, metavar="JSON", help="prices that win over ours")
    which.add_argument("--models", type=_names, metavar="A,B", help="the arms (default: priced)")
    how = parser.add_argument_group("what is measured")
    how.add_argument("--seed", type=int, default=0)
    how.add_argument("--resamples", type=int, default=2000, help="of the bootstrap (2000)")
    how.add_argument("--pair", type=_pair, metavar="STRONG,WEAK", help="of the deferral curve")
    how.add_argument("--deferral", action="store_true", help="print the deferral figures too")
    how.add_argument("--only", type=_names, metavar="A,B", help="policies whose name has one of")
    how.add_argument("--noisy-rows", type=int, default=300, help="rows of robustness (300; 0: no)")
    how.add_argument("--timed-rows", type=int, default=300, help="prompts timed (300; 0: none)")
    where = parser.add_argument_group("where it goes")
    where.add_argument("--json", type=Path, metavar="OUT", help="write every figure")
    where.add_argument("--save", action="store_true", help="store a dated result")
    return parser.parse_args(arguments)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _pair(text: str) -> tuple[str, str]:
    names = _names(text)
    if len(names) != 2:
        raise argparse.ArgumentTypeError(f"{text!r} is not two models with a comma between them")
    return names[0], names[1]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
