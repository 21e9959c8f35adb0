"""Whether the local model pays: what it avoided, what its machine cost, and what is proved."""

from collections.abc import Iterable
from typing import Literal

from router.console.evidence_views import MoneyInterval
from router.console.making.documents import part, read
from router.console.making.migrations import money_of
from router.console.making.scene import Scene
from router.console.views import PaysView
from tercet.catalog import LOCAL
from tercet.usage import NANO_USD_PER_USD

Verdict = Literal["off", "pays", "does not pay", "not known yet"]

_ANSWERING = frozenset({"canary", "promoted"})


def pays(scene: Scene) -> PaysView:
    """Return the answer; only what is proved by held-out conversations decides it."""
    tally, month = scene.books.tally, scene.month
    local = tally.by("provider", month).get(LOCAL)
    answered = 0 if local is None else local.completed
    machine = scene.books.rented_in(month)
    saving = _saving(scene)
    verdict = _verdict(scene, answered, machine, saving)
    avoided = _avoided(scene) if answered else None
    return PaysView(
        verdict=verdict,
        words=_words(verdict, answered, avoided, machine),
        answered=answered,
        avoided_nano_usd=avoided,
        machine_nano_usd=machine,
        saving=saving,
    )


def _avoided(scene: Scene) -> int | None:
    """Return what an API would have taken, by the mean of what it took for the same kinds.

    `None`: of a kind that the local model answers, no API answered any.
    """
    tally, month = scene.books.tally, scene.month
    avoided = 0.0
    for kind in tally.by("kind", month):
        answered = tally.of_kind(month, kind, is_local=True).completed
        if not answered:
            continue
        tasks = tally.routed_to_apis(month, kind)
        if not tasks:
            return None
        avoided += answered * tally.of_kind(month, kind, is_local=False).nano_usd / tasks
    return round(avoided)


def _saving(scene: Scene) -> MoneyInterval | None:
    """Return the sum of the intervals of the kinds that the local model answers."""
    found: list[MoneyInterval] = []
    for look in scene.view.looks():
        evidence = part(read(look.document), "evidence")
        if evidence.get("state") in _ANSWERING:
            saving = money_of(evidence.get("saving"))
            if saving is None:
                return None
            found.append(saving)
    if not found:
        return None
    return MoneyInterval(
        value_nano_usd=sum(one.value_nano_usd for one in found),
        low_nano_usd=_sum(one.low_nano_usd for one in found),
        high_nano_usd=_sum(one.high_nano_usd for one in found),
    )


def _sum(ends: Iterable[int | None]) -> int | None:
    """Return a sum; where a part has no bound, neither has the whole."""
    total = 0
    for end in ends:
        if end is None:
            return None
        total += end
    return total


def _verdict(scene: Scene, answered: int, machine: int, saving: MoneyInterval | None) -> Verdict:
    if scene.config.local is None and not answered and not machine:
        return "off"
    if saving is None:
        return "not known yet"
    if saving.low_nano_usd is not None and saving.low_nano_usd > 0:
        return "pays"
    if saving.high_nano_usd is not None and saving.high_nano_usd < 0:
        return "does not pay"
    return "not known yet"


def _words(verdict: Verdict, answered: int, avoided: int | None, machine: int) -> str:
    if verdict == "off":
        return "There is no local model: everything is answered by the APIs."
    proved = {
        "pays": "It surely pays.",
        "does not pay": "It surely does not pay.",
    }.get(verdict, "Whether it pays is not proved yet.")
    if not answered:
        return f"It answered nothing this month, and its machine cost {_usd(machine)}. {proved}"
    saved = "nobody can say what" if avoided is None else f"about {_usd(avoided)}"
    return (
        f"It gave {answered:,} answers that would have cost {saved} at the APIs' mean price for "
        f"the same kinds of work; its machine cost {_usd(machine)}. {proved}"
    )


def _usd(nano_usd: int) -> str:
    return f"${nano_usd / NANO_USD_PER_USD:,.2f}"
