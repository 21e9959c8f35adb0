"""What people ask in the three months, and how able each model is: the truth of the play.

Whether a model gets a task right is drawn here, by task and model, and told to the simulated models
by markers (`sim:wrong@MODEL`); what the product finds out about it, it finds out by itself.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from tercet.ledger import month_end

LOCAL_MODEL: Final = "deepseek-coder-33b-instruct"
_DAY_S: Final = 86_400.0

ABLE: Final[Mapping[str, Mapping[str, float]]] = {
    "routine_code": {"claude-haiku-5-5": 0.96, "gemini-3.8-flash": 0.95, LOCAL_MODEL: 0.97},
    "lookup": {"claude-haiku-5-5": 0.92, "gemini-3.8-flash": 0.91, LOCAL_MODEL: 0.55},
    "transformation": {"claude-haiku-5-5": 0.95, "gemini-3.8-flash": 0.95, LOCAL_MODEL: 0.9},
}
"""How often a model is right: the local one is as good at routine code, and worse at lookups."""

SHARES: Final[Mapping[str, float]] = {
    "routine_code": 0.65, "lookup": 0.17, "transformation": 0.08, "implementation": 0.06,
    "architecture": 0.04,
}  # fmt: skip
"""Of the conversations."""

_EDITS: Final = (
    "Rename the variable `{a}` to `{b}` in this function:",
    "Add type hints to this function:",
    "Add a docstring to this function:",
    "Sort the imports of this module:",
)
_SUBJECTS: Final = ("the harbour", "the bridge", "the mill", "the observatory", "the canal")
_LANGUAGES: Final = ("German", "French", "Italian", "Polish")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request."""

    at: float
    """Unix seconds."""
    conversation: int
    text: str
    kind: str
    """That it was made as; the classifier is not told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """How much comes."""

    seed: int
    requests: int
    """A month."""


def month_of_asks(world: World, start: float) -> list[Ask]:
    """Return the requests of the month that begins at `start`, in the order they come."""
    chance = random.Random(f"{world.seed} {start}")
    days = [at for at in _days(start, month_end(start)) if _works(at)]
    asks: list[Ask] = []
    while len(asks) < world.requests:
        kind = chance.choices(list(SHARES), list(SHARES.values()))[0]
        at = chance.choice(days) + _hour(chance) * 3600
        number = chance.randrange(10**9)
        asks += _conversation(chance, kind, at, number)
    return sorted(asks[: world.requests], key=lambda ask: ask.at)


def _conversation(chance: random.Random, kind: str, at: float, number: int) -> Iterator[Ask]:
    """Yield one to three requests that begin alike, minutes from each other."""
    opening = _text(chance, kind, number)
    for turn in range(chance.choice((1, 1, 1, 1, 2))):
        text = f"{opening}\n\n{_markers(chance, kind)}".strip()
        yield Ask(at=at + 180 * turn, conversation=number, text=text, kind=kind)


def _markers(chance: random.Random, kind: str) -> str:
    wrong = [
        f"sim:wrong@{model}" for model, able in ABLE.get(kind, {}).items() if chance.random() > able
    ]
    return " ".join(["sim:piece=100", f"sim:words={chance.randint(60, 200)}", *wrong])


def _text(chance: random.Random, kind: str, number: int) -> str:
    match kind:
        case "routine_code":
            edit = chance.choice(_EDITS).format(a=f"tmp{number % 97}", b=f"total{number % 89}")
            return f"{edit}\n```python\n{_code(chance, number)}\n```"
        case "lookup":
            about = chance.choice(_SUBJECTS)
            question = f"According to the text below, when was {about} opened?"
            return f"{question}\n\n{_prose(chance, about, number)}"
        case "transformation":
            about = chance.choice(_SUBJECTS)
            return (
                f"Translate this to {chance.choice(_LANGUAGES)}: The ship number {number} leaves "
                f"{about} at noon."
            )
        case "implementation":
            return f"Implement a rate limiter class with tests for our API server number {number}."
        case _:
            return (
                f"Should we use Kafka or RabbitMQ for {number % 9000 + 1000} orders a second? "
                "Decide how the services are split."
            )


def _code(chance: random.Random, number: int) -> str:
    lines = [f"def cargo_{number}(tmp{number % 97}, rate):"]
    lines += [
        f"    weight_{step} = tmp{number % 97} * {chance.randint(2, 99)} + rate"
        for step in range(chance.randint(800, 1_100))
    ]
    return "\n".join([*lines, f"    return tmp{number % 97}"])


def _prose(chance: random.Random, about: str, number: int) -> str:
    said = [f"This is document {number} of the town's archive."]
    for _ in range(chance.randint(100, 300)):
        year = chance.randint(1700, 1999)
        said.append(f"In {year} the keeper of {chance.choice(_SUBJECTS)} wrote of {year % 60} men.")
    said.insert(len(said) // 2, f"{about.capitalize()} was opened in {chance.randint(1700, 1999)}.")
    return " ".join(said)


def _days(start: float, end: float) -> Iterator[float]:
    at = start
    while at < end:
        yield at
        at += _DAY_S


def _works(at: float) -> bool:
    return datetime.fromtimestamp(at, UTC).weekday() in (0, 2, 4)


def _hour(chance: random.Random) -> float:
    """Return an hour of the day: most work is done from ten to three."""
    return min(max(chance.gauss(10.5, 0.15), 10.2), 10.8)
