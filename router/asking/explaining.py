"""What would be done with a task, and why: the gateway's own decision, with all that led to it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from router.admitting import case_of
from router.answering import opening
from router.assigning import hard_rule
from router.choices import Choices
from router.classify import classified
from router.learned import Weighing, route_as_learned, weigh
from router.learning.document import Policy
from router.lessons import Lessons, conversation_of
from router.migrating import Stand, migrating, stand_of
from router.policies import route_by_complexity
from tercet.outlook import Outlook
from tercet.route import Refused, Route
from tercet.task import Profile, Task
from tercet.taxonomy import Taxonomy


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What there is to decide by."""

    choices: Choices
    lessons: Lessons
    taxonomy: Taxonomy
    public: Policy
    """Public results, shown where no version is in force."""
    remarks: tuple[str, ...] = ()
    """What was taken for granted, in sentences."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """A decision, and what led to it."""

    task: Task
    profile: Profile
    outlook: Outlook
    at: float
    """Unix seconds."""
    stand: Stand
    """Which side of its kind's migration it is on, or why on none."""
    plan: Route | Refused
    """The plan's rule's choice of what the migrations leave to it."""
    version: str | None
    """Of what was learned, where one is asked; `None`: the plan's rule routes."""
    by: str
    """Who decides, in a sentence."""
    held: str | None
    """The hard rule that leaves the task to the plan's rule."""
    weighing: Weighing | None
    """What is expected of every arm; `None`: nobody may answer."""
    decision: Route | Refused
    remarks: tuple[str, ...]

    @property
    def propensities(self) -> Mapping[str, float]:
        """With what probability each arm is drawn; none where a hard rule decides."""
        drawn = None if self.weighing is None or self.held else self.weighing.draw
        return {} if drawn is None else drawn.propensities


def explained(task: Task, known: Known) -> Explained:
    """Decide a task as the gateway does where nobody remembers its conversation."""
    first = opening(task)
    profile, asked = classified(first, known.taxonomy)
    lessons, is_off = known.lessons, known.lessons.rules.policy == "plan"
    choices = replace(known.choices, asked=asked, lessons=None if is_off else lessons)
    policy = None if is_off else lessons.version_for(conversation_of(task))
    stand = stand_of(task, profile, choices)
    plan = route_by_complexity(task, profile, stand.choices)
    why = hard_rule(task, profile, choices)
    weighing = None
    if isinstance(plan, Route):
        case = case_of(task, profile, stand.choices, plan)
        weighing = weigh(case, policy or known.public, lessons)
    return Explained(
        task=task,
        profile=profile,
        outlook=choices.outlook,
        at=choices.at,
        stand=stand,
        plan=plan,
        version=None if policy is None else policy.version,
        by=_by(policy, why, lessons) + _instead(stand, policy),
        held=why,
        weighing=weighing,
        decision=migrating(route_as_learned)(task, profile, choices),
        remarks=known.remarks,
    )


def _by(policy: Policy | None, why: str | None, lessons: Lessons) -> str:
    if lessons.rules.policy == "plan":
        return "learning.yaml says `policy: plan`: the plan's rule routes; these are public results"
    if policy is None:
        return "no version is in force: the plan's rule routes; these are public results"
    name = f"version {policy.version}"
    if policy is lessons.canary:
        name += f", the canary with {lessons.canary_share:.0%} of the conversations,"
    if why is not None:
        return f"{name} is asked, but a hard rule leaves this to the plan's rule: {why}"
    return f"{name} decides"


def _instead(stand: Stand, policy: Policy | None) -> str:
    is_treated = stand.assignment is not None and stand.assignment.side == "treated"
    return " who answers where the local model cannot" if is_treated and policy else ""
