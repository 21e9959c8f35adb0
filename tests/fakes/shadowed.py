"""Tasks with the answers that their callers were given, and what they are compared by."""

from dataclasses import dataclass, field, replace

from router.answering import Decision
from router.classify import classify
from router.learning.cold import arms_of_catalog
from router.lessons import conversation_of
from router.shadowing.sampling import Given, Sampling
from tercet.answer import Answer
from tercet.config import load, settings
from tercet.content import Text
from tercet.migration import Assignment, MigrationRules
from tercet.route import Route, Seat
from tercet.task import Profile, Task, turn

CONFIG = load(chosen=settings({"TERCET_LOCAL": "cpu"}))
NOW = 1_795_424_400.0
HAIKU, FLASH, LOCAL_MODEL = "claude-haiku-5-5", "gemini-3.8-flash", "tiny-llama"
OPUS, ARGON = "claude-opus-5-5", "gemini-4-argon"
LOCAL_ARM, TIER3_ARM = "local(tiny-llama)", "tier3(claude-haiku-5-5+gemini-3.8-flash)"
RULES = MigrationRules(
    phase="migrate", kinds=("routine_code", "lookup"), hold_out=0.1, salt="tercet",
    canary_shares=(0.1, 0.25, 0.5), margin=0.05, least_baseline=200, least_pairs=100,
    shadow_share=1.0, watch_share=1.0, watch_closely_share=1.0,
    composition_share=0.0, evidence_nano_usd=12_000_000_000,
    judges={"anthropic": FLASH, "google": HAIKU}, slower_by=1.5, slower_s=30.0,
    suspicion=4.0, alarm=200.0,
)  # fmt: skip
SAMPLING = Sampling(
    rules=RULES, catalog=CONFIG.catalog, specs=arms_of_catalog(CONFIG.catalog, CONFIG.rules)
)


@dataclass
class Rows:
    """A ledger that keeps samples and labels in memory."""

    samples: list = field(default_factory=list)
    labels: list = field(default_factory=list)
    down: bool = False

    async def note_sample(self, row) -> None:
        if self.down:
            raise OSError("disk full")
        self.samples.append(row)

    async def note_labels(self, rows) -> None:
        self.labels += rows

    @property
    def last(self):
        return self.samples[-1]


def task(text: str = "Which clause speaks of notice?", **changes) -> Task:
    made = Task(
        id="req_1", key_id="team", model="auto", messages=(turn("user", text),),
        deadline_at=NOW + 300,
    )  # fmt: skip
    return replace(made, **changes)


def route(*models: str, name: str = "tier3", **changes) -> Route:
    """Return a consensus of models, or one model alone."""
    seats = tuple(Seat(role="member", tier="tier3", model=model) for model in models)
    made = Route(
        name=name, composition="consensus" if len(models) > 1 else "single", seats=seats,
        reason="a test", deadline_at=NOW + 300,
    )  # fmt: skip
    return replace(made, **changes)


def local_route(instead: Route | None) -> Route:
    seat = Seat(role="single", tier="local", model=LOCAL_MODEL)
    return Route(
        name="local", composition="single", seats=(seat,), reason="canary", instead=instead,
        deadline_at=NOW + 300,
    )  # fmt: skip


def answer(text: str, model: str = HAIKU) -> Answer:
    return Answer(
        parts=(Text(text),), model=model, finish="stop", steps=(), settled_by=f"member {model}"
    )


def profile(kind: str = "lookup") -> Profile:
    return replace(classify(task()), kind=kind)


def assigned(asked: Task, side="waiting", state="shadow", kind="lookup") -> Assignment:
    return Assignment(
        kind=kind, state=state, side=side, propensity=0.0, conversation=conversation_of(asked)
    )


def held_out(text="Canberra", side="held_out", state="shadow", asked=None, **changes) -> Given:
    """Return a task that the API has answered."""
    asked = asked or task()
    made = Given(
        task=asked, profile=profile(), answer=answer(text), seconds=2.0, at=NOW,
        route=route(HAIKU, FLASH, assignment=assigned(asked, side, state)),
    )  # fmt: skip
    return replace(made, **changes)


def treated(text="Canberra", model=LOCAL_MODEL, asked=None) -> Given:
    """Return a task that was to be answered by the local model."""
    asked = asked or task()
    found = replace(local_route(route(HAIKU)), assignment=assigned(asked, "treated", "canary"))
    return Given(
        task=asked, profile=profile(), answer=answer(text, model), seconds=3.0, at=NOW, route=found
    )  # fmt: skip


def decision(given: Given) -> Decision:
    return Decision(profile=given.profile, route=given.route)
