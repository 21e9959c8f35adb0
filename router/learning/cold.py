"""Before the first label: the arms there are, and what is expected of each by public results."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from router.learning.estimates import Estimates, Table
from tercet.catalog import LOCAL, Catalog, CompositionName, Tier
from tercet.priors import FILE, Belief, KindPriors, Priors
from tercet.route import Route
from tercet.rules import Rules
from tercet.taxonomy import Taxonomy
from tercet.usage import Usage

PriceOf = Callable[[str, Usage], int | None]
"""Nano-USD of one call of a model; `None`: no price is known."""

# `facts/routing.md` 2, what compositions were measured to keep of their strongest model's quality.
_BY_EVIDENCE: Final = 0.98  # 2.1: MinionS 97.9 %
_BY_AGREEMENT: Final = 0.99  # 2.3: 99 to 100 %
_COMPOSED: Final = 0.5  # of a model's labels: they were measured with other models
_INSTRUCTIONS_TOKENS: Final = 100  # of router/prompts, about
_SHOWN_TOKENS: Final = 1_000  # a long message as a brain is shown it (memory_brain.SHOWN_CHARS)
_LINE_TOKENS: Final = 10_000  # costs are lines through 0 and this, below any long-context step
_LEADS: Final = frozenset({"memory_brain", "lead_junior"})
"""Compositions whose first seat can do without the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmSpec:
    """One way in which a task can be answered: a route with its models."""

    id: str
    """Changes with any of its models: a new version is a new arm."""
    route: str
    """The name of the tier, `local` among them; of a model alone the model's."""
    tier: str
    """The tier that seats it; of a model alone the least capable one that does."""
    composition: CompositionName
    models: tuple[str, ...]
    """Everyone who may be asked, who answers first; an escalation's model last."""
    escalates_to: str | None = None
    """The tier whose first seat decides when the members disagree."""
    from_tokens: int = 0
    """With less to read the lead is not given its assistant: the route is the lead's own arm."""
    max_rounds: int = 1

    @property
    def members(self) -> int:
        """How many of the models are asked in every case."""
        return len(self.models) - (self.escalates_to is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What the calls of one kind are like."""

    output_tokens: int
    agree: float
    advice_tokens: int
    price: PriceOf

    @classmethod
    def of(cls, kind: KindPriors, advice_tokens: int, price: PriceOf) -> Self:
        return cls(
            output_tokens=round(kind.output_tokens),
            agree=kind.agree,
            advice_tokens=advice_tokens,
            price=price,
        )


def arms_of_catalog(catalog: Catalog, rules: Rules) -> tuple[ArmSpec, ...]:
    """Return every arm a policy can choose from, the tiers' first; ids are unique."""
    arms = [arm for tier in catalog.tiers.values() for arm in _arms_of_tier(tier, catalog, rules)]
    return (*arms, *_alone(catalog))


def arm_id(name: str, models: tuple[str, ...]) -> str:
    """Return the id of a route and the models it may ask."""
    return name if models == (name,) else f"{name}({'+'.join(models)})"


def arm_of(route: Route, specs: Iterable[ArmSpec]) -> str:
    """Return the arm that a route is, in whatever order it seats the models."""
    name, models = route.name, tuple(dict.fromkeys(seat.model for seat in route.seats))
    if route.escalation is not None:
        name, models = f"{name}+{route.escalation.tier}", (*models, route.escalation.model)
    found = (
        spec.id
        for spec in specs
        if (spec.route, {*spec.models}) == (route.name, {*models})
        and (spec.escalates_to is None) == (route.escalation is None)
    )
    return next(found, arm_id(name, models))


def _arms_of_tier(tier: Tier, catalog: Catalog, rules: Rules) -> Iterator[ArmSpec]:
    """Yield the tier's composition, its lead alone, and its members with someone to escalate to."""
    models = tuple(seat.model for seat in tier.seats)
    floors = {"memory_brain": rules.memory_from_tokens, "lead_junior": rules.junior_from_tokens}
    yield ArmSpec(
        id=arm_id(tier.name, models),
        route=tier.name,
        tier=tier.name,
        composition=tier.composition,
        models=models,
        from_tokens=floors.get(tier.composition, 0),
        max_rounds=rules.max_rounds if tier.composition == "consensus" else 1,
    )
    if tier.composition in _LEADS:
        yield ArmSpec(
            id=arm_id(tier.name, models[:1]),
            route=tier.name,
            tier=tier.name,
            composition="single",
            models=models[:1],
        )
    strong = catalog.tiers.get(rules.escalate_to)
    if tier.composition == "consensus" and strong and strong != tier:
        asked = (*models, strong.seats[0].model)
        yield ArmSpec(
            id=arm_id(f"{tier.name}+{strong.name}", asked),
            route=tier.name,
            tier=tier.name,
            composition=tier.composition,
            models=asked,
            escalates_to=strong.name,
        )


def _alone(catalog: Catalog) -> Iterator[ArmSpec]:
    """Yield each model by itself that is no tier's lead: those, and the local one, are above."""
    leads = {t.seats[0].model for t in catalog.tiers.values() if t.composition in _LEADS}
    for model in catalog.models.values():
        hosts = catalog.hosts_of(model.name)
        if hosts and LOCAL not in hosts and model.name not in leads:
            yield ArmSpec(
                id=arm_id(model.name, (model.name,)),
                route=model.name,
                tier=hosts[-1],
                composition="single",
                models=(model.name,),
            )


def cold_estimates(
    specs: Sequence[ArmSpec], priors: Priors, price: PriceOf, taxonomy: Taxonomy
) -> Estimates:
    """Return what is expected of each arm before the first label.

    An arm that asks a model without a price is left out, for it cannot be called. A conversation
    longer than the first step of a model's prices costs more than is expected here.

    Args:
        specs: the arms.
        priors: what is expected of the models.
        price: of one call.
        taxonomy: the kinds there are.
    """
    arms = [arm for arm in specs if all(price(model, Usage()) is not None for model in arm.models)]
    tiers, size = _tiers(specs), (len(taxonomy.names), len(arms))
    quality, labels = np.zeros(size), np.zeros(size)
    fixed, per_token = np.zeros(size), np.zeros(size)
    for row, kind in enumerate(taxonomy.names):
        asked = _Asked.of(priors.of_kind(kind), priors.advice_tokens, price)
        for column, arm in enumerate(arms):
            at = row, column
            beliefs = [priors.belief(model, kind, tiers[model]) for model in arm.models]
            quality[at], labels[at] = _quality(arm, beliefs)
            fixed[at], per_token[at] = _line(arm, asked)
    return Estimates(
        kinds=taxonomy.names,
        arms=tuple(arm.id for arm in arms),
        table=Table(quality=quality, labels=labels, cost_fixed=fixed, cost_per_token=per_token),
    )


def remarks_on(
    specs: Sequence[ArmSpec], priors: Priors, price: PriceOf, taxonomy: Taxonomy
) -> tuple[str, ...]:
    """Say, in sentences, what of `cold_estimates` nobody wrote down: kinds, models and prices."""
    said = [
        f"the mean over kinds: {kind} is not in {FILE}"
        for kind in taxonomy.names
        if kind not in priors.kinds
    ]
    first = next(iter(priors.kinds))
    for model, tier in _tiers(specs).items():
        if model not in priors.tiers:
            said.append(priors.belief(model, first, tier).source)
        if price(model, Usage()) is None:
            said.append(f"no arm asks {model}: it has no price; write one in config/prices.yaml")
    return tuple(said)


def _tiers(specs: Sequence[ArmSpec]) -> Mapping[str, str]:
    """Return the tier of each model: the least capable one that seats it, where it has an arm."""
    tiers = {model: spec.tier for spec in specs for model in spec.models}
    return tiers | {spec.models[0]: spec.tier for spec in specs if len(spec.models) == 1}


def _quality(spec: ArmSpec, beliefs: Sequence[Belief]) -> tuple[float, float]:
    """Return the quality of an arm and what it is worth in labels, by its models' in one kind."""
    first = beliefs[0]
    weakest = min(belief.labels for belief in beliefs)
    match spec.composition:
        case "memory_brain":
            return _BY_EVIDENCE * first.quality, _COMPOSED * first.labels
        case "lead_junior":
            return first.quality, _COMPOSED * first.labels
        case "consensus":
            best = max(belief.quality for belief in beliefs[: spec.members])
            strong = beliefs[-1].quality if spec.escalates_to else 0.0
            return max(best, _BY_AGREEMENT * strong), _COMPOSED * weakest
        case "single":
            return first.quality, first.labels


def _line(spec: ArmSpec, asked: _Asked) -> tuple[float, float]:
    """Return nano-USD of an arm for a task without a word in it, and for each of its tokens."""
    # No arm is here that asks a model without a price.
    fixed, long = (
        sum(often * (asked.price(model, usage) or 0) for model, often, usage in calls)
        for calls in (_calls(spec, 0, asked), _calls(spec, _LINE_TOKENS, asked))
    )
    return fixed, (long - fixed) / _LINE_TOKENS


def _calls(spec: ArmSpec, size: int, asked: _Asked) -> Iterator[tuple[str, float, Usage]]:
    """Yield the models asked for a task of so many tokens, how often, and what a call takes."""
    first, *others = spec.models
    answer, advice = asked.output_tokens, asked.advice_tokens
    match spec.composition:
        case "memory_brain":
            yield others[0], 1.0, _usage(size, advice)
            yield first, 1.0, _usage(_SHOWN_TOKENS + advice, answer)
        case "lead_junior":
            yield others[0], 1.0, _usage(size, advice)
            yield first, 1.0, _usage(size + advice, answer)
        case "consensus":
            yield from _consensus(spec, size, asked)
        case _:
            yield first, 1.0, _usage(size, answer)


def _consensus(spec: ArmSpec, size: int, asked: _Asked) -> Iterator[tuple[str, float, Usage]]:
    """Yield the rounds, of which each after the first takes place where the one before disagreed.

    In them each member reads its own answer and the other's.
    """
    answer, differ = asked.output_tokens, 1 - asked.agree
    members = spec.models[: spec.members]
    for number in range(spec.max_rounds):
        said = len(members) * answer if number else 0
        for member in members:
            yield member, differ**number, _usage(size + said, answer)
    if spec.escalates_to:
        yield spec.models[-1], differ, _usage(size, answer)


def _usage(read: int, written: int) -> Usage:
    return Usage(fresh_input=read + _INSTRUCTIONS_TOKENS, output=written)
