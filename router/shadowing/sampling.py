"""Which answers are compared with which others: decided by a hash."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from router.assigning import place_of
from router.choices import AUTO
from router.learning.cold import ArmSpec, arm_of
from router.lessons import conversation_of
from router.shadowing.judging import REQUEST_TOKENS
from tercet.answer import Answer
from tercet.catalog import LOCAL, Catalog
from tercet.content import ToolUse, media_in
from tercet.migration import Assignment, MigrationRules, MigrationState, Purpose, Sample
from tercet.route import Route, Seat
from tercet.task import Profile, Task, TaskKind

_COMPARED: Final[frozenset[MigrationState]] = frozenset({"shadow", "canary", "promoted"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A task, and the answer that its caller was given."""

    task: Task
    profile: Profile
    route: Route
    answer: Answer
    seconds: float
    """How long the answer took."""
    at: float
    """Unix seconds at its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """An answer that was given, and the route to the one that it is compared with."""

    sample: Sample
    """As it was chosen."""
    run: Route
    """Played off the request path."""
    is_base_run: bool
    """It leads to the base's answer; else to the tested one."""
    is_watch: bool = False
    """It says how good what callers are answered by is: there is money kept for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """What it is decided on."""

    rules: MigrationRules
    catalog: Catalog
    specs: Sequence[ArmSpec]
    """The arms of the catalog."""
    suspected: Callable[[], Collection[TaskKind]] = frozenset
    """The kinds that are watched closely."""

    def pairs(self, given: Given) -> tuple[Pair, ...]:
        """Return what is to be compared with an answer: nearly always nothing."""
        return (*self._migration(given), *self._composition(given))

    def _migration(self, given: Given) -> Iterator[Pair]:
        """Yield the local model beside the API that answered, or the other way round."""
        route, assignment = given.route, given.route.assignment
        if assignment is None or assignment.state not in _COMPARED:
            return
        if assignment.side == "treated":
            # Of a task that fell back an API has answered: nothing is there to be compared.
            is_local = route.name == LOCAL and given.answer.model == route.seats[0].model
            if route.instead is not None and is_local:
                is_suspected = assignment.kind in self.suspected()
                rules = self.rules
                share = rules.watch_closely_share if is_suspected else rules.watch_share
                yield from self._pair(given, route, route.instead, share)
        elif LOCAL in self.catalog.tiers:
            share = 1.0 if _is_held_out(assignment) else self.rules.shadow_share
            yield from self._pair(given, self._local(given.task), route, share)

    def _pair(self, given: Given, tested: Route, base: Route, share: float) -> Iterator[Pair]:
        # By the task: each of a conversation says less than the first, and costs as much.
        if self._is_in("migration", given.task.id, share):
            arms = answering_arm(tested, self.specs), answering_arm(base, self.specs)
            is_base_run = tested is given.route
            yield Pair(
                sample=_sample("migration", given, arms, share),
                run=base if is_base_run else tested,
                is_base_run=is_base_run,
                is_watch=is_base_run or _is_held_out(given.route.assignment),
            )

    def _composition(self, given: Given) -> Iterator[Pair]:
        """Yield each seat of a composition by itself."""
        task, route, share = given.task, given.route, self.rules.composition_share
        is_auto = task.model == AUTO and task.hints.tier is None and not task.hints.strict
        is_sampled = self._is_in("composition", conversation_of(task), share)
        if not (is_auto and len(route.seats) > 1 and is_sampled):
            return
        base = answering_arm(route, self.specs)
        for seat in route.seats:
            spec = self._alone(seat.model)
            if spec is not None:
                yield Pair(
                    sample=_sample("composition", given, (spec.id, base), share),
                    run=_single(spec.route, seat.tier, seat.model, task),
                    is_base_run=False,
                )

    def _is_in(self, purpose: Purpose, drawn: str, share: float) -> bool:
        """Say whether a task or a conversation is sampled: in every replica alike."""
        return place_of(drawn, f"{self.rules.salt} {purpose}") < share

    def _local(self, task: Task) -> Route:
        return _single(LOCAL, LOCAL, self.catalog.tiers[LOCAL].seats[0].model, task)

    def _alone(self, model: str) -> ArmSpec | None:
        alone = (spec for spec in self.specs if spec.models == (model,))
        return next(alone, None)


def _is_held_out(assignment: Assignment | None) -> bool:
    """Say whether the API answers so that there is something to compare the local model with.

    Where it does, all is compared: it is a tenth in the end, and a judge alone is paid, where
    watching a treated task takes the API's answer too.
    """
    if assignment is None:
        return False
    return assignment.side == "held_out" and assignment.state in {"canary", "promoted"}


def is_fit(given: Given) -> bool:
    """Say whether an answer can be compared with another: as text, and by who reads it all."""
    task = given.task
    is_text = not any(media_in(message.parts) for message in task.messages)
    is_said = not any(isinstance(part, ToolUse) for part in given.answer.parts)
    is_read = given.profile.size_tokens <= REQUEST_TOKENS
    return is_text and is_said and is_read and not task.is_agentic


def answering_arm(route: Route, specs: Sequence[ArmSpec]) -> str:
    """Return the arm that was drawn, or the one that a route is."""
    return arm_of(route, specs) if route.draw is None else route.draw.arm


def _single(name: str, tier: str, model: str, task: Task) -> Route:
    return Route(
        name=name,
        composition="single",
        seats=(Seat(role="single", tier=tier, model=model),),
        reason="to be compared",
        deadline_at=task.deadline_at,
    )


def _sample(purpose: Purpose, given: Given, arms: tuple[str, str], share: float) -> Sample:
    tested, base = arms
    assignment = given.route.assignment
    return Sample(
        task_id=given.task.id,
        tested_arm=tested,
        purpose=purpose,
        conversation=conversation_of(given.task),
        kind=given.profile.kind,
        side=None if assignment is None else assignment.side,
        probability=share,
        base_arm=base,
        state="chosen",
        at=given.at,
    )
