"""What to change in `config/` where a composition does not pay. Nothing here changes it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from router.golden.receipts import Receipt
from router.learning.cold import ArmSpec
from tercet.catalog import Catalog


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A change for an operator to make or not."""

    composition: str
    why: str
    change: str
    """The lines of the configuration as they would be, or why there are none."""


def proposals(
    found: Iterable[Receipt], specs: Sequence[ArmSpec], catalog: Catalog
) -> Sequence[Proposal]:
    """Return a change for each composition that does not pay somewhere."""
    by_id = {spec.id: spec for spec in specs}
    by_composition: dict[str, list[Receipt]] = {}
    for receipt in found:
        by_composition.setdefault(receipt.composition, []).append(receipt)
    made = (
        _proposal(by_id[name], receipts, by_id, catalog)
        for name, receipts in by_composition.items()
    )
    return [proposal for proposal in made if proposal is not None]


def _proposal(
    spec: ArmSpec, found: Sequence[Receipt], specs: dict[str, ArmSpec], catalog: Catalog
) -> Proposal | None:
    """Propose one model in place of a whole tier, or where it pays somewhere, by kind."""
    losing = [one for one in found if one.verdict == "does not pay"]
    if not losing:
        return None
    winning = sorted({one.kind for one in found if one.verdict == "pays"})
    kinds = sorted({one.kind for one in losing} - set(winning))
    best = _best(losing)
    why = f"it does not pay for {', '.join(sorted({one.kind for one in losing}))}"
    if winning:
        why += f"; it pays for {', '.join(winning)}"
    if best is None or best not in specs:
        change = "none: repeats of one model are better for the money, and no setting plays them"
    elif not winning:
        change = _whole(spec, specs[best].models[0], catalog)
    else:
        change = _by_kind(spec, specs[best].models[0], kinds)
    return Proposal(composition=spec.id, why=why, change=change)


def _best(losing: Sequence[Receipt]) -> str | None:
    """Return the seat that most often shows that it does not pay; `None`: only repeats do."""
    seats = [
        one.rival
        for receipt in losing
        for one in receipt.against
        if one.verdict == "does not pay" and one.sort == "seat"
    ]
    return max(dict.fromkeys(seats), key=seats.count) if seats else None


def _whole(spec: ArmSpec, model: str, catalog: Catalog) -> str:
    if spec.escalates_to is not None:
        return (
            "none: a learned version chose to escalate; lower the bound of escalates_up_to_tokens "
            "in config/migrations.yaml"
        )
    others = {
        seat.model
        for name, tier in catalog.tiers.items()
        if name != spec.tier
        for seat in tier.seats
    }
    unseated = [name for name in spec.models if name != model and name not in others]
    lines = [
        "config/models.yaml, under tiers:",
        f"  {spec.tier}:",
        "    composition: single",
        "    seats:",
        f"      - {{role: single, model: {model}}}",
    ]
    lines += [f"and without {name} under models, for no tier would seat it" for name in unseated]
    return "\n".join(lines)


def _by_kind(spec: ArmSpec, model: str, kinds: Sequence[str]) -> str:
    if spec.composition != "consensus" or spec.escalates_to is not None or not kinds:
        return (
            f"none: no setting takes a seat from one kind of work; with `policy: auto` a learned "
            f"version may choose {model} for {', '.join(kinds) or 'it'} by itself"
        )
    after = ", ".join(f"{kind}: prefer" for kind in kinds)
    prefer = ", ".join(f"{kind}: {model}" for kind in kinds)
    return (
        "config/routes.yaml, under consensus (no further rounds there; both members are still "
        f"asked once):\n  on_disagreement: {{{after}}}\n  prefer: {{{prefer}}}"
    )
