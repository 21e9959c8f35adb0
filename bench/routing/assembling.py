"""From files to what is trained on and what is tested on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.routing import grouping
from bench.routing.dataset import Array, Dataset
from bench.routing.prices import Price, PriceList
from bench.routing.reading import Row, coverage, dataset, models_of, rows_of

COVERED = 0.8
ENOUGH = 3
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Rows to train on and rows of one file to test on, with each row's group."""

    name: str
    train: Sequence[Row]
    train_groups: Sequence[int]
    test: Sequence[Row]
    test_groups: Sequence[int]


def given(train: Sequence[Path], test: Sequence[Path], say: Say) -> list[Trial]:
    """Return a trial for each test file; what of it is in training is dropped from training."""
    learned = [row for file in train for row in rows_of(file)]
    return [_without_leaks(file.name, learned, rows_of(file), say) for file in test]


def cut(files: Sequence[Path], share: float, seed: int, *, together: bool) -> list[Trial]:
    """Return a trial for each file: trained on a part of it (of all), tested on its rest."""
    read = [rows_of(file) for file in files]
    numbers = grouping.groups_of([row.prompt for rows in read for row in rows])
    early, late = grouping.split(numbers, share, seed)
    everything = [row for rows in read for row in rows]
    trials: list[Trial] = []
    begin = 0
    for file, rows in zip(files, read, strict=True):
        end = begin + len(rows)
        learn = [i for i in early if together or begin <= i < end]
        ask = [i for i in late if begin <= i < end]
        trials.append(
            Trial(
                name=file.name,
                train=[everything[i] for i in learn],
                train_groups=[numbers[i] for i in learn],
                test=[everything[i] for i in ask],
                test_groups=[numbers[i] for i in ask],
            )
        )
        begin = end
    return trials


def datasets(
    trial: Trial, arms: Sequence[str], prices: PriceList, vectors: Mapping[str, Array]
) -> tuple[Dataset, Dataset]:
    """Return training rows with all their priced models, test rows with the arms taking part."""
    priced = _priced(models_of(trial.train), prices)
    train = dataset(trial.train, priced, groups=trial.train_groups, vectors=vectors)
    wanted = _priced(arms, prices)
    test = dataset(trial.test, wanted, groups=trial.test_groups, vectors=vectors)
    return train, test


def taking_part(trial: Trial, prices: PriceList, wanted: Sequence[str] | None) -> list[str]:
    """Return the arms: those named, or by default those that are priced, covered and trained on.

    Listed prices first. Where fewer than three are left, models priced otherwise join; where it
    still is so, models without a training row take part, again the listed ones first.
    """
    tested, trained = models_of(trial.test), set(models_of(trial.train))
    if wanted is not None:
        return _named(wanted, tested, prices)
    covered = {
        model: price
        for model, price in _priced(tested, prices).items()
        if coverage(trial.test, model) >= COVERED
    }
    steps = (
        [m for m, price in covered.items() if m in trained and price.is_listed],
        [m for m in covered if m in trained],
        [m for m, price in covered.items() if price.is_listed],
        list(covered),
    )
    arms = next((step for step in steps if len(step) >= ENOUGH), steps[-1])
    if len(arms) < 2:
        raise SystemExit(
            f"{trial.name}: {len(arms)} of its models have a price and outcomes on 80 % of the "
            "rows; routing takes two. Name them with --models, or give their prices with --prices."
        )
    return arms


def _named(wanted: Sequence[str], tested: Sequence[str], prices: PriceList) -> list[str]:
    absent = [model for model in wanted if model not in tested]
    if absent:
        raise SystemExit(f"No test row has {absent[0]}; they have: {', '.join(tested)}.")
    unpriced = [model for model in wanted if prices.of(model) is None]
    if unpriced:
        raise SystemExit(f"No price is known of {unpriced[0]}; give one with --prices.")
    return list(wanted)


def _priced(models: Sequence[str], prices: PriceList) -> dict[str, Price]:
    found = {model: prices.of(model) for model in models}
    return {model: price for model, price in found.items() if price is not None}


def _without_leaks(name: str, train: Sequence[Row], test: Sequence[Row], say: Say) -> Trial:
    numbers = grouping.groups_of([row.prompt for row in [*test, *train]])
    asked, learned = numbers[: len(test)], numbers[len(test) :]
    equal = {grouping.normalised(row.prompt) for row in test}
    same = sum(grouping.normalised(row.prompt) in equal for row in train)
    tested = set(asked)
    kept = [i for i, number in enumerate(learned) if number not in tested]
    dropped = len(train) - len(kept)
    say(
        f"{name}: {dropped:,} of {len(train):,} training rows dropped, as its test rows hold the "
        f"same question ({same:,} equal, {dropped - same:,} nearly)."
    )
    if not kept:
        raise SystemExit(f"{name}: every training row is one of its test rows; nothing to learn.")
    return Trial(
        name=name,
        train=[train[i] for i in kept],
        train_groups=[learned[i] for i in kept],
        test=test,
        test_groups=asked,
    )
