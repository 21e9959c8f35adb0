"""The field beside ours: the published ways of routing, with equal features, tuned alike.

Every learned baseline picks its option (a penalty, a rank) by AIQ over three folds of its training
rows, and its default cost weight by the arena score there; then it is fitted on all of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any, Protocol

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from bench.routing import methods
from bench.routing.dataset import Array, Dataset, Index, Questions
from bench.routing.features import Encoder, embedded, hashed
from bench.routing.metrics import aiq, arena, frontier
from bench.routing.policy import Fitted, Policy, choices_of, cost_weights

RIDGES: Sequence[methods.Option] = [(2,), (8,), (32,), (128,)]
RANKED: Sequence[methods.Option] = [(8, 2), (8, 4), (32, 2), (32, 4)]
FOLDS = 3
TWINS = 3  # an arm nobody has an outcome of is expected to do as the nearest in price


class Predictor(Protocol):
    """What expects quality and output tokens, of features or of questions."""

    def predict(self, asked: Any, /) -> Array:
        """Return a row for each question: every arm's quality, then every arm's tokens."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Expecting:
    """A fitted predictor with its features, for the arms it knows and for others."""

    predictor: Predictor
    encode: Encoder | None
    arms: tuple[str, ...]
    price: Array
    default_weight: float = 0.0

    def scores(self, asked: Questions) -> tuple[Array, Array]:
        """Return expected quality and USD."""
        told = asked if self.encode is None else self.encode(asked)
        targets = self.predictor.predict(told)
        known = targets.reshape(len(asked), 2, len(self.arms))
        both = known @ like_known(self.arms, self.price, asked)
        return both[:, 0], asked.cost(np.maximum(both[:, 1], 1))


def like_known(arms: tuple[str, ...], price: Array, asked: Questions) -> Array:
    """Return how asked arms are made of known ones (known x asked): itself, or the nearest."""
    made = np.zeros((len(arms), len(asked.arms)))
    level = np.log(price.sum(axis=1))
    for column, arm in enumerate(asked.arms):
        if arm in arms:
            made[arms.index(arm), column] = 1
        else:
            near = np.argsort(np.abs(level - np.log(asked.price[column].sum())))[:TWINS]
            made[near, column] = 1 / len(near)
    return made


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Learned:
    """A method on features."""

    name: str
    reads: str
    method: methods.Fit
    options: Sequence[methods.Option]
    is_published: bool = True

    def fit(self, train: Dataset, arms: tuple[str, ...]) -> Expecting:
        """Tune on folds of training, then fit on all of it."""
        mine = train.about(arms)
        folds = FOLDS if len(self.options) > 1 else 1
        trials = [
            (option, *tried(partial(self._once, option), mine, folds)) for option in self.options
        ]
        option, _, weight = max(trials, key=lambda one: one[1])
        fitted = self._once(option, mine)
        return Expecting(
            predictor=fitted.predictor,
            encode=fitted.encode,
            arms=mine.arms,
            price=mine.asked.price,
            default_weight=weight,
        )

    def _once(self, option: methods.Option, train: Dataset) -> Expecting:
        encode = embedded if self.reads == "embedding" else hashed
        predictor = self.method(encode(train.asked), targets_of(train), option)
        return Expecting(
            predictor=predictor, encode=encode, arms=train.arms, price=train.asked.price
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TypeTable:
    """Quality and tokens by true type."""

    types: tuple[str, ...]
    table: Array
    means: Array

    def predict(self, asked: Questions) -> Array:
        """Return the row of each question's type; the means for a type never seen."""
        place = {name: i for i, name in enumerate(self.types)}
        rows = [self.table[place[t]] if t in place else self.means for t in asked.tasks]
        return np.array(rows)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TypeGuess:
    """Quality and tokens by type, expected over what a classifier makes of the text."""

    words: TfidfVectorizer | None
    classifier: LogisticRegression | None
    table: Array

    def predict(self, asked: Questions) -> Array:
        """Return the table's rows, mixed by the types' probabilities."""
        if self.classifier is None:
            return np.repeat(self.table, len(asked), axis=0)
        told = embedded(asked) if self.words is None else self.words.transform(asked.prompts)
        return np.asarray(self.classifier.predict_proba(told) @ self.table)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Table:
    """A table by type, the type true or guessed."""

    name: str
    reads: str
    is_published: bool = False

    def fit(self, train: Dataset, arms: tuple[str, ...]) -> Expecting:
        """Fit the classifier and the table; the default weight is read on folds of training."""
        mine = train.about(arms)
        _, weight = tried(partial(self._once, 0.0), mine)
        return self._once(weight, mine)

    def _once(self, weight: float, train: Dataset) -> Expecting:
        types = sorted(set(train.asked.tasks))
        shares = np.array([[t == name for name in types] for t in train.asked.tasks], dtype=float)
        targets = targets_of(train)
        table = methods.shrunk_table(shares, targets)
        predictor: TypeTable | TypeGuess
        if self.reads == "type":
            means = methods.means_of(targets)
            predictor = TypeTable(types=tuple(types), table=table, means=means)
        else:
            predictor = self._guess(train, table)
        return Expecting(
            predictor=predictor,
            encode=None,
            arms=train.arms,
            price=train.asked.price,
            default_weight=weight,
        )

    def _guess(self, train: Dataset, table: Array) -> TypeGuess:
        if len(table) == 1:
            return TypeGuess(words=None, classifier=None, table=table)
        words = None
        if self.reads == "prompt":
            words = TfidfVectorizer(sublinear_tf=True, min_df=min(2, len(train)))
        told = embedded(train.asked) if words is None else words.fit_transform(train.asked.prompts)
        classifier = LogisticRegression(C=10, max_iter=200, tol=1e-3).fit(told, train.asked.tasks)
        return TypeGuess(words=words, classifier=classifier, table=table)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Constant:
    """The same expectations for every question, or random ones."""

    arms: tuple[str, ...]
    price: Array
    quality: Array
    out_tok: Array
    is_random: bool

    def scores(self, asked: Questions) -> tuple[Array, Array]:
        """Return the arms' means; where random, a quality drawn anew for each cell."""
        made = like_known(self.arms, self.price, asked)
        shape = (len(asked), len(asked.arms))
        tokens = np.broadcast_to(self.out_tok @ made, shape)
        if self.is_random:
            return np.random.default_rng(0).random(shape), asked.cost(tokens)
        return np.broadcast_to(self.quality @ made, shape), asked.cost(tokens)

    def choices(self, asked: Questions, weights: Array) -> Index:
        """Return the best of training for every weight, or a random mix of all arms."""
        quality, _ = self.scores(asked)
        return np.repeat(np.argmax(quality, axis=1)[None, :], len(weights), axis=0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Unread:
    """A policy that does not look at the question."""

    name: str
    is_random: bool
    reads: str = field(default="nothing", init=False)
    is_published: bool = field(default=False, init=False)

    def fit(self, train: Dataset, arms: tuple[str, ...]) -> Constant:
        """Take the arms' means."""
        mine = train.about(arms)
        return Constant(
            arms=mine.arms,
            price=mine.asked.price,
            quality=np.nanmean(mine.quality, axis=0),
            out_tok=mine.out_tok.mean(axis=0),
            is_random=self.is_random,
        )


def targets_of(train: Dataset) -> Array:
    """Return quality and output tokens side by side, nan where the outcome is unknown."""
    tokens = np.where(np.isnan(train.quality), np.nan, train.out_tok)
    return np.concatenate([train.quality, tokens], axis=1)


def tried(fit: Callable[[Dataset], Fitted], train: Dataset, folds: int = 1) -> tuple[float, float]:
    """Return AIQ on rows that each fold's fit has not seen, and the weight of the best arena score.

    Rows that lack an outcome are learned from and not judged on; with too few to judge, 0 and 0.
    One fold of the three is enough for the weight alone.
    """
    is_whole = (~np.isnan(train.quality)).all(axis=1)
    if len(np.unique(train.groups[is_whole])) < 2 * FOLDS:
        return 0.0, 0.0
    weights = cost_weights(train.cost.mean(axis=0))
    right, spent = np.zeros(len(weights)), np.zeros(len(weights))
    judged: list[Index] = []
    for learn, ask in islice(GroupKFold(FOLDS).split(train.groups, groups=train.groups), folds):
        judged.append(ask[is_whole[ask]])
        late = train.rows(judged[-1])
        choices = choices_of(fit(train.rows(learn)), late.asked, weights)
        right += late.quality[np.arange(len(late)), choices].sum(axis=1)
        spent += late.cost[np.arange(len(late)), choices].sum(axis=1)
    seen = np.concatenate(judged)
    right, spent = right / len(seen), spent / len(seen)
    singles = frontier(train.cost[seen].mean(axis=0), train.quality[seen].mean(axis=0))
    score = aiq(frontier(spent, right), singles[0][0], singles[-1][0])
    arenas = [arena(float(q), float(c)) for q, c in zip(right, spent, strict=True)]
    return score, float(weights[int(np.argmax(arenas))])


def baselines(*, is_embedded: bool) -> list[Policy]:
    """Return the baselines, those on embeddings only where there are some."""
    found: list[Policy] = [
        Unread(name="random mix", is_random=True),
        Unread(name="best single", is_random=False),
        Table(name="type table (true types)", reads="type"),
        Table(name="type table (TF-IDF)", reads="prompt"),
    ]
    sources = [("hash", "prompt"), ("MiniLM", "embedding")] if is_embedded else [("hash", "prompt")]
    for label, reads in sources:
        found += [
            _learned(f"kNN k=40 ({label})", reads, methods.neighbours, [(40,)]),
            _learned(f"kNN k=100 ({label})", reads, methods.neighbours, [(100,)]),
            _learned(f"clusters 60, top 3 ({label})", reads, methods.clusters, [(60, 3)]),
            _learned(f"ridge ({label})", reads, methods.ridge, RIDGES),
            _learned(f"matrix factorisation ({label})", reads, methods.factorised, RANKED),
        ]
    if is_embedded:
        found.append(Table(name="type table (MiniLM)", reads="embedding"))
    return found


def _learned(
    name: str, reads: str, method: methods.Fit, options: Sequence[methods.Option]
) -> Policy:
    return Learned(name=name, reads=reads, method=method, options=options)
