"""A whole request in one screen: classify, decide, compose. Knows neither HTTP nor Ray."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass

from router.classify import classify
from router.compositions.consensus import consensus
from router.compositions.lead_junior import lead_junior
from router.compositions.memory_brain import memory_brain
from router.compositions.single import single
from router.compositions.stage import Composition, Event, Stage
from router.policies import Choices, Policy
from tercet.catalog import CompositionName
from tercet.route import Route
from tercet.task import Profile, Task

COMPOSITIONS: Mapping[CompositionName, Composition] = {
    "memory_brain": memory_brain,
    "lead_junior": lead_junior,
    "consensus": consensus,
    "single": single,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided about a task, before any model was called."""

    profile: Profile
    route: Route


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering:
    """Everything needed to answer a task."""

    policy: Policy
    choices: Choices
    stage: Stage

    def decide(self, task: Task) -> Decision:
        """Profile the task and route it."""
        profile = classify(task)
        return Decision(profile=profile, route=self.policy(task, profile, self.choices))

    def compose(self, task: Task, route: Route) -> AsyncGenerator[Event, None]:
        """Play the route's composition; see `router.compositions.stage.Event`."""
        return COMPOSITIONS[route.composition](task, route, self.stage)
