"""What would be done with a task, for people."""

from collections.abc import Iterator

from router.asking.explaining import Explained
from router.books.table import table
from router.learned import Weighing
from router.migrating import Stand
from tercet.route import Refused, Route, Seat
from tercet.task import Profile
from tercet.usage import NANO_USD_PER_USD

_ARMS = ("arm", "quality", "deviation", "cost USD", "drawn with")
_WIDTH = 11
_SHOWN_KINDS = 4
_LEAST_SHOWN = 0.01


def as_text(found: Explained) -> str:
    """Return all of it, as it is printed."""
    blocks = [_profile(found), _plan(found), _arms(found), _decision(found)]
    remarks = [f"note: {remark}\n" for remark in found.remarks]
    return "\n".join(filter(None, [*blocks, "".join(remarks)]))


def _lines(*rows: tuple[str, str]) -> str:
    return "".join(f"{name:<{_WIDTH}}{text}\n" for name, text in rows if text)


def _profile(found: Explained) -> str:
    task, profile = found.task, found.profile
    count = len(task.messages)
    asked = f"{count} message{'s' if count > 1 else ''}, about {profile.size_tokens} tokens"
    tools = ", with tools" if task.is_agentic else ""
    return _lines(
        ("task", f"{asked}{tools}; key {task.key_id}, asks for {task.model}"),
        ("kind", _kinds(profile)),
        ("flags", ", ".join(_flags(profile)) or "none"),
        ("unsure", "what is asked is not clear" if profile.is_unsure else "no"),
        ("because", "; ".join(profile.reasons)),
    )


def _kinds(profile: Profile) -> str:
    shares = sorted(profile.kinds.items(), key=lambda item: -item[1])
    others = [
        f"{name} {share:.2f}"
        for name, share in shares[:_SHOWN_KINDS]
        if name != profile.kind and share >= _LEAST_SHOWN
    ]
    rest = f"; then {', '.join(others)}" if others else ""
    return f"{profile.kind} {profile.confidence:.2f}{rest}"


def _flags(profile: Profile) -> Iterator[str]:
    said = {
        "requires design": profile.requires_design,
        "critical": profile.is_critical,
        "requires implementation": profile.requires_implementation,
        "routine": profile.is_routine,
    }
    yield from (name for name, is_so in said.items() if is_so)


def _plan(found: Explained) -> str:
    seen = found.outlook
    return _lines(
        ("plan", found.plan.reason),
        ("month", f"step {seen.step}, cost weighs {seen.cost_weight:g} times; {seen.why}"),
    )


def _arms(found: Explained) -> str:
    weighing = found.weighing
    if weighing is None:
        return f"{found.by}\n"
    return f"{found.by}\n{_terms(weighing)}\n\n{_table(found, weighing)}{_barred(weighing)}"


def _terms(weighing: Weighing) -> str:
    price = weighing.quality_per_nano_usd * NANO_USD_PER_USD
    bought = f"a US dollar has to buy {price:.3g} of it" if price else "cost has no weight below it"
    return f"margin {weighing.margin:g}: so much quality may be lost to save money; {bought}"


def _table(found: Explained, weighing: Weighing) -> str:
    shares = found.propensities
    ordered = sorted(weighing.arms, key=lambda arm: (arm.bar is not None, -arm.quality))
    rows = [
        (
            arm.arm,
            f"{arm.quality:.3f}",
            f"{arm.deviation:.3f}",
            f"{arm.cost_nano_usd / NANO_USD_PER_USD:.6f}",
            f"{shares[arm.arm]:.3f}" if arm.arm in shares else "-",
        )
        for arm in ordered
    ]
    return table(_ARMS, rows)


def _barred(weighing: Weighing) -> str:
    barred = [f"  {arm.arm}: {arm.bar}\n" for arm in weighing.arms if arm.bar is not None]
    return f"may not answer:\n{''.join(barred)}" if barred else ""


def _decision(found: Explained) -> str:
    route = found.decision
    if isinstance(route, Refused):
        return _lines(("decision", f"nobody answers: {route.reason}"))
    return _lines(
        ("decision", f"{route.name}, {route.composition}"),
        ("side", _side(found.stand)),
        ("seats", ", ".join(_seat(seat) for seat in route.seats)),
        ("missing", ", ".join(route.degraded)),
        ("contract", _contract(route)),
        ("version", _version(route)),
        ("reason", route.reason),
        ("deadline", f"{route.deadline_at - found.at:.0f} s"),
        ("instead", "" if route.instead is None else route.instead.reason),
    )


def _side(stand: Stand) -> str:
    assignment = stand.assignment
    if assignment is None:
        return f"none: {stand.why}"
    side, state = assignment.side.replace("_", " "), assignment.state.replace("_", " ")
    share = f"treated with probability {assignment.propensity:.3f}"
    return f"{side}; {assignment.kind}, {state}: {share}"


def _seat(seat: Seat) -> str:
    after = f" (if it fails {', '.join(seat.alternates)})" if seat.alternates else ""
    return f"{seat.role} {seat.model}{after}"


def _contract(route: Route) -> str:
    if route.composition != "consensus":
        return ""
    if not route.stops_on_agreement:
        return f"{route.contract}; every one of {route.max_rounds} rounds is played"
    after = f"at a disagreement: {route.on_disagreement}"
    if route.escalation is not None:
        after += f" to {route.escalation.model} of {route.escalation.tier}"
        limit = route.escalates_up_to_tokens
        after += "" if limit is None else f", up to {limit} tokens of output"
    elif route.on_disagreement == "critique":
        after += f", {route.max_rounds} rounds at most"
    return f"{route.contract}; {after}"


def _version(route: Route) -> str:
    draw = route.draw
    if route.policy is None or draw is None:
        return "none: the plan's rule"
    if draw.is_forced:
        return f"{route.policy}; arm {draw.arm}, forced: {draw.reason}"
    share = draw.propensities[draw.arm]
    return f"{route.policy}; arm {draw.arm}, with probability {share:.3f}: {draw.reason}"
