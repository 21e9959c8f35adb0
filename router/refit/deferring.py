"""Labels and tasks -> what is done by kind where cheap models disagree, if enough is known.

Here arms are models: whoever decides does so alone, and the pair is asked one by one.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from router.learning.deferral import Deferral, fitted
from router.learning.deferral_rows import Compared, Said, Terms
from router.refit import choosing
from router.refit.tasks import Came
from tercet.learning import Label
from tercet.usage import NANO_USD_PER_USD

LEAST: Final = 40
"""Tasks in which the pair was compared and the strong arm is labelled."""


def deferrals_of(
    labels: Sequence[Label],
    tasks: Sequence[Came],
    terms: choosing.Terms,
    quality_per_nano_usd: float,
) -> Mapping[str, Deferral]:
    """Return what to do by kind; empty where too little is known, or nobody can decide."""
    wanted = _terms(terms, quality_per_nano_usd)
    if wanted is None:
        return {}
    compared = _compared(labels, tasks, wanted, terms)
    strong, (pair,) = wanted.strongs[0], wanted.pairs
    told = [one for one in compared if strong in one.said and all(arm in one.said for arm in pair)]
    return fitted(compared, wanted) if len(told) >= LEAST else {}


def _terms(terms: choosing.Terms, weight: float) -> Terms | None:
    """Return what may be chosen: the members of the arm that escalates, and who decides."""
    for spec in terms.specs.values():
        if spec.escalates_to is not None:
            first, second, *strong = spec.models
            return Terms(
                strongs=(strong[-1],),
                pairs=((first, second),),
                singles=(first, second),
                weight=weight * NANO_USD_PER_USD or None,
            )
    return None


def _model_of(arm: str, terms: choosing.Terms) -> str:
    """Return the model that answers alone as an arm, under whatever name; else the arm."""
    spec = terms.specs.get(arm)
    return spec.models[0] if spec is not None and spec.composition == "single" else arm


def _compared(
    labels: Sequence[Label], tasks: Sequence[Came], wanted: Terms, terms: choosing.Terms
) -> list[Compared]:
    (pair,) = wanted.pairs
    ordered = tuple(sorted(pair))
    agreed = {
        task.task_id: task.agrees
        for task in tasks
        if task.agrees is not None and tuple(sorted(task.members)) == ordered
    }
    arms = {*wanted.strongs, *wanted.singles}
    said: dict[str, dict[str, Said]] = {}
    kinds: dict[str, str] = {}
    for label in labels:
        model = _model_of(label.arm, terms)
        if model in arms and label.task_id in agreed:
            kinds[label.task_id] = label.kind
            said.setdefault(label.task_id, {})[model] = Said(
                quality=label.quality, nano_usd=label.cost_nano_usd
            )
    return [
        Compared(
            kind=kinds[task_id],
            said=by_arm,
            agree={(ordered[0], ordered[1]): bool(agreed[task_id])},
        )
        for task_id, by_arm in said.items()
    ]
