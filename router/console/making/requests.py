"""The list of requests: the newest first, by what they are narrowed to."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from urllib.parse import urlencode

from deployments.ledger.page import OPEN_STATES
from deployments.ledger.viewing import Found, View, Wanted
from router.console.making.documents import read
from router.console.making.scene import Scene
from router.console.pages import PAGES
from router.console.request_views import FilterView, RequestRow, RequestsView

SHOWN = 50
AMONG = 10_000
"""Tasks that are looked through for those that are wanted, each time."""
OUTCOMES = ("answered", "failed", "abandoned", "under_way")
_HREF = PAGES["requests"].href


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a list is asked for: its query parameters, all of them what a browser sent."""

    tier: str = ""
    kind: str = ""
    outcome: str = ""
    key: str = ""
    before_ns: int | None = None
    """`None`: the newest."""


def asked_of(query: Mapping[str, str]) -> Asked:
    """Read the query parameters; what makes no sense is left out."""
    before = query.get("before", "")
    return Asked(
        tier=query.get("tier", ""),
        kind=query.get("kind", ""),
        outcome=query.get("outcome", ""),
        key=query.get("key", ""),
        before_ns=int(before) if before.isdecimal() and len(before) < 20 else None,
    )


def requests(scene: Scene, asked: Asked) -> RequestsView:
    """Return a page of the list."""
    wanted = Wanted(route=asked.tier, kind=asked.kind, outcome=asked.outcome, key_id=asked.key)
    # A second ahead of the clock: a task is opened by another process's.
    before_ns = asked.before_ns or scene.now_ns + 10**9
    found = scene.view.tasks(wanted, before_ns, SHOWN + 1, AMONG)
    rows, looked_ns, older_ns = found[:SHOWN], None, None
    if len(found) > SHOWN:
        older_ns = int(rows[-1]["opened_at_ns"])
    elif wanted.conditions:
        looked_ns = older_ns = scene.view.looked_until(before_ns, AMONG)
    newest = _address(asked, None)
    return RequestsView(
        rows=tuple(rows_of(scene.view, rows)),
        filters=_filters(scene, asked),
        older=None if older_ns is None else _address(asked, older_ns),
        newest=newest,
        is_live=asked.before_ns is None,
        poll=_address(asked, asked.before_ns, part="1"),
        looked_until=None if looked_ns is None else looked_ns / 1e9,
    )


def rows_of(view: View, tasks: Sequence[Found]) -> Sequence[RequestRow]:
    """Return tasks as a list shows them, with what their attempts cost."""
    made: dict[str, list[Found]] = defaultdict(list)
    for attempt in view.attempts_of([str(task["task_id"]) for task in tasks]):
        made[str(attempt["task_id"])].append(attempt)
    return [_row(task, made[str(task["task_id"])]) for task in tasks]


def cost_of(attempt: Found) -> int:
    """Return nano-USD booked, or held while it is under way."""
    name = "reserved_nano_usd" if attempt["state"] in OPEN_STATES else "settled_nano_usd"
    return int(attempt[name] or 0)


def seconds_of(task: Found) -> float | None:
    """Return how long a task took; `None`: it is under way."""
    closed = task["closed_at_ns"]
    return None if closed is None else max(0.0, (closed - task["opened_at_ns"]) / 1e9)


def _row(task: Found, attempts: Sequence[Found]) -> RequestRow:
    profile, route = read(task["profile"]), read(task["route"])
    answer = read(task["answer"])
    return RequestRow(
        id=task["task_id"],
        href=f"{_HREF}/{task['task_id']}",
        at=task["opened_at_ns"] / 1e9,
        key=task["key_id"],
        kind=str(profile.get("kind", "")),
        asked=task["asked_model"],
        route=str(route.get("name", "")),
        composition=str(route.get("composition", "")),
        reason=str(route.get("reason", "")),
        outcome=task["outcome"] or "under_way",
        models=tuple(dict.fromkeys(str(one["model"]) for one in attempts)),
        attempts=len(attempts),
        nano_usd=sum(cost_of(one) for one in attempts),
        seconds=seconds_of(task),
        degraded=tuple(map(str, answer.get("degraded") or route.get("degraded") or ())),
        is_simulated=any(one["simulated"] for one in attempts),
    )


def _filters(scene: Scene, asked: Asked) -> tuple[FilterView, ...]:
    catalog, tally = scene.config.catalog, scene.books.tally
    months = sorted(tally.months)
    kinds = chain(scene.config.taxonomy.names, *(tally.by("kind", month) for month in months))
    keys = sorted(set(chain(*(tally.by("key", month) for month in months))))
    routes = (*catalog.tiers, *catalog.models)
    return (
        _filter(FilterView(name="tier", title="Route", value=asked.tier, options=routes)),
        _filter(FilterView(name="kind", title="Kind", value=asked.kind, options=tuple(kinds))),
        _filter(FilterView(name="outcome", title="Outcome", value=asked.outcome, options=OUTCOMES)),
        _filter(FilterView(name="key", title="Key", value=asked.key, options=tuple(keys))),
    )


def _filter(one: FilterView) -> FilterView:
    """Return it with each option once, and with its value among them."""
    also = (one.value,) if one.value else ()
    options = tuple(dict.fromkeys((*one.options, *also)))
    return FilterView(name=one.name, title=one.title, value=one.value, options=options)


def _address(asked: Asked, before_ns: int | None, **more: str) -> str:
    given = {"tier": asked.tier, "kind": asked.kind, "outcome": asked.outcome, "key": asked.key}
    if before_ns is not None:
        given["before"] = str(before_ns)
    query = urlencode({name: value for name, value in (given | more).items() if value})
    return f"{_HREF}?{query}" if query else _HREF
