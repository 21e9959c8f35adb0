"""The arms of a run by their names, and what the gateway is asked for each."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from router.learning.cold import ArmSpec
from tercet.catalog import LOCAL
from tercet.errors import ConfigError

MOST_REPEATS = 9
_REPEATED = re.compile(r"(.+)\*(\d{1,3})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """A way to answer that can be asked for by name."""

    id: str
    """As labels have it: of what learning knows, the same."""
    spec: ArmSpec
    """How one answer is made."""
    answers: int = 1
    """How many are asked for; of several the one that most agree with counts."""

    @property
    def model(self) -> str:
        """What the gateway is asked for."""
        if self.spec.tier == LOCAL:
            return LOCAL
        return self.spec.models[0] if self.spec.composition == "single" else self.spec.route


def arms_named(names: Sequence[str], specs: Iterable[ArmSpec]) -> tuple[Arm, ...]:
    """Return the arms that are named: an arm's id, a tier, a model, `local`, or MODEL*N.

    Raises:
        ConfigError: listing what is no arm, and which there are.
    """
    known = _by_name(specs)
    problems: list[str] = []
    found: dict[str, Arm] = {}
    for name in names:
        arm = _arm(name, known)
        if isinstance(arm, str):
            problems.append(arm)
        else:
            found[arm.id] = arm
    if problems:
        there = ", ".join(dict.fromkeys(arm.id for arm in known.values()))
        raise ConfigError("\n".join([*problems, f"arms are {there}, and MODEL*N"]))
    return tuple(found.values())


def _by_name(specs: Iterable[ArmSpec]) -> Mapping[str, Arm]:
    """Return arms by every name they have; who escalates cannot be asked for over HTTP."""
    found: dict[str, Arm] = {}
    for spec in specs:
        if spec.escalates_to is not None:
            continue
        arm = Arm(id=spec.id, spec=spec)
        found[spec.id] = arm
        if spec.composition == "single":
            found.setdefault(spec.models[0], arm)
        if spec.composition != "single" or spec.tier == LOCAL:
            found[spec.route] = arm
    return found


def _arm(name: str, known: Mapping[str, Arm]) -> Arm | str:
    if name in known:
        return known[name]
    repeated = _REPEATED.fullmatch(name)
    if repeated is None:
        missing = f"{LOCAL!r} is off: set TERCET_LOCAL=cpu or gpu"
        return missing if name == LOCAL else f"{name[:100]!r} is no arm that can be asked for"
    arm, answers = known.get(repeated[1]), int(repeated[2])
    if arm is None or arm.spec.composition != "single":
        return f"{name[:100]!r}: before the * has to be a single model"
    if not 2 <= answers <= MOST_REPEATS:
        return f"{name[:100]!r}: it may be asked 2 to {MOST_REPEATS} times"
    return replace(arm, id=f"{arm.id}*{answers}", answers=answers)
