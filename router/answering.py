"""A whole request in one screen: classify, decide, compose. Knows neither HTTP nor Ray."""

from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, replace

from router.choices import Choices
from router.classify import classified
from router.compositions.consensus import consensus
from router.compositions.lead_junior import lead_junior
from router.compositions.memory_brain import memory_brain
from router.compositions.single import single
from router.compositions.stage import Composition, Event, Stage
from router.instead import played
from router.lesson_feed import LessonFeed
from router.migration_feed import MigrationFeed
from router.policies import Policy
from router.waking import Holding
from tercet.catalog import CompositionName
from tercet.outlook import Outlook
from tercet.route import Refused, Route
from tercet.task import Profile, Task
from tercet.taxonomy import BUILT_IN, Taxonomy

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
    outlook: Callable[[], Outlook] = Outlook.normal
    """The latest snapshot of the month's money; read once a task."""
    holding: Holding | None = None
    """What is known of the local model, and who waits for it; `None`: there is none."""
    taxonomy: Taxonomy = BUILT_IN
    learning: LessonFeed | None = None
    """What was learned, and what conversations were last answered by; `None`: the plan's rule."""
    migrating: MigrationFeed | None = None
    """How far the kinds of work have moved; `None`: routine work is local at once."""

    def decide(self, task: Task) -> Decision | Refused:
        """Profile the task and route it, as the month's money allows."""
        profile, asked = classified(opening(task), self.taxonomy)
        choices = self.seen(task, asked)
        route = self.policy(task, profile, choices)
        if isinstance(route, Refused):
            return route
        if self.learning is not None:
            self.learning.note(task, route, profile.size_tokens, choices.at)
        return Decision(profile=profile, route=route)

    def seen(self, task: Task, asked: str = "") -> Choices:
        """Return what there is to choose from for a task, as every snapshot has it now.

        `asked` is what it asks, where a policy is to know; see `router.classify.task_text`.
        """
        at, learning = self.stage.now(), self.learning
        return replace(
            self.choices,
            outlook=self.outlook(),
            local=None if self.holding is None else self.holding.local(),
            migrations=None if self.migrating is None else self.migrating.migrations(),
            lessons=None if learning is None else learning.lessons(at),
            kept=None if learning is None else learning.kept(task),
            asked=asked,
            at=at,
        )

    def compose(self, task: Task, route: Route) -> AsyncGenerator[Event, None]:
        """Play the route's composition; see `router.compositions.stage.Event`."""
        holding = self.holding

        def play(route: Route) -> AsyncGenerator[Event, None]:
            return COMPOSITIONS[route.composition](task, route, self.stage)

        return play(route) if holding is None else played(task, route, play, holding)


def opening(task: Task) -> Task:
    """Return what decides the route: of a loop of tools its first turn alone.

    So that every turn of a loop goes to the seat that the first one went to.
    """
    if not task.is_agentic:
        return task
    turns = [at for at, message in enumerate(task.messages) if message.speaker == "assistant"]
    first = next((at for at in turns if at > 0), len(task.messages))
    return replace(task, messages=task.messages[:first])
