"""The route to the local model, or around it: decided like any other before the first call."""

from dataclasses import dataclass, replace

from router.waking import Go, Hold, Local, Spill, Wait, decide
from tercet.catalog import LOCAL, Model
from tercet.content import media_in
from tercet.route import Refused, Route, Seat
from tercet.rules import LocalRules
from tercet.task import Profile, Task

ANSWER_TOKENS = 256
"""Room in the window without which no answer is worth beginning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The local model, what is seen of it, and how requests for it are treated."""

    model: Model
    local: Local
    rules: LocalRules


def local_route(
    task: Task, profile: Profile, why: str, instead: Route | None, host: Host
) -> Route | Refused:
    """Return the route to the local model, or `instead` where that is not to be asked now.

    `instead` is who answers in its place; `None`, because the budget or the key allow nobody else:
    then the task is refused.
    """
    misfit = unfit(task, profile, host.model)
    decision = Spill(reason=misfit) if misfit else _decision(task, host)
    if isinstance(decision, Spill):
        if instead is None:
            return Refused(reason=f"{why}, but {decision.reason}", is_passing=misfit is None)
        return replace(instead, reason=f"{instead.reason}, but {decision.reason}")
    reason = f"{LOCAL} because {why}"
    if isinstance(decision, Hold):
        reason += f"; held for it, {decision.until - host.local.now:.0f} s at most"
    return Route(
        name=LOCAL,
        composition="single",
        seats=(Seat(role="single", tier=LOCAL, model=host.model.name),),
        reason=reason,
        deadline_at=task.deadline_at,
        hold_until=decision.until if isinstance(decision, Hold) else None,
        instead=instead,
    )


def unfit(task: Task, profile: Profile, model: Model) -> str | None:
    """Return why the model cannot be sent this task, however ready it is."""
    if task.is_agentic and "tools" not in model.takes:
        return f"{model.name} calls no tools"
    if task.verbatim is not None and task.verbatim.is_needed:
        return f"only {task.verbatim.provider} can do what is asked"
    if any(media_in(message.parts) for message in task.messages):
        return f"{model.name} reads text alone"
    # What a caller allows an answer is a limit and no wish: it is cut to what the window leaves.
    wanted = min(task.max_output_tokens or ANSWER_TOKENS, ANSWER_TOKENS)
    if profile.size_tokens + wanted > model.window_tokens:
        return (
            f"about {profile.size_tokens} tokens are too many for {model.name}'s window of "
            f"{model.window_tokens}"
        )
    return None


def _decision(task: Task, host: Host) -> Go | Hold | Spill:
    wait = Wait(
        allowed=task.hints.batch or task.hints.deadline_s is not None,
        deadline_at=task.deadline_at,
        answer_s=host.rules.answer_s,
    )
    seen = host.local
    return decide(seen.readiness, wait, seen.queue, seen.loads, seen.now)
