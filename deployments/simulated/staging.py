"""Decides the whole response to a POST before any of it is sent."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from email.utils import formatdate

from deployments.simulated.acting import results
from deployments.simulated.counting import PromptCache
from deployments.simulated.markers import user_text
from deployments.simulated.mind import Speech, misspeak, speak
from deployments.simulated.scenarios import (
    MISCALLED,
    OK,
    REFUSED,
    UNANSWERED,
    Scenario,
    Stage,
    pace_of,
)
from deployments.simulated.script import (
    Ask,
    Fate,
    Frame,
    Incoming,
    Problem,
    Script,
    Turn,
    Wire,
)
from tercet.usage import Usage

_CONTEXT_TOKENS = 1_000_000
_DATE_AHEAD_S = 30
_EVENT_STREAM = "text/event-stream; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What the process remembers between POSTs."""

    stage: Stage
    cache: PromptCache


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """What surrounds a POST."""

    incoming: Incoming
    request_id: str
    elsewhere: str
    """A URL at another origin."""
    at: float
    """Unix seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """A decided response and what the bill has to say about the request."""

    model: str
    stream: bool
    script: Script


def staged(wire: Wire, post: Post, memory: Memory) -> Staged:
    """Return the response to a billable POST."""
    ask = wire.read(post.incoming)
    if isinstance(ask, Problem):
        script = wire.error(ask, post.request_id)
        return Staged(model=ask.model, stream=post.incoming.stream, script=script)
    scenario = memory.stage.pick(ask.model, user_text(ask.prompt))
    if _is_over(scenario, ask):
        scenario = OK
    if scenario.name in REFUSED:
        script = _refused(wire, post, scenario)
    else:
        script = _answered(wire, ask, scenario, post.request_id, memory.cache)
    return Staged(model=ask.model, stream=ask.stream, script=script)


def _is_over(scenario: Scenario, ask: Ask) -> bool:
    """Tell whether a scenario of one turn has been shown, and its conversation goes on."""
    if scenario.name in MISCALLED:
        return results(ask.prompt) is not None
    return scenario.name == "pause" and ask.continues


def _refused(wire: Wire, post: Post, scenario: Scenario) -> Script:
    """Return the response of a scenario in which nothing is generated."""
    name = scenario.name
    match name:
        case "redirect":
            headers = {"location": post.elsewhere, "content-length": "0"}
            frames = [Frame(data=b"")]
            return Script(status=307, headers=headers, frames=frames, outcome=scenario.failure)
        case "e502":
            page = b"<html><head><title>502 Bad Gateway</title></head><body>balancer</body></html>"
            headers = {"content-type": "text/html", "content-length": str(len(page))}
            frames = [Frame(data=page)]
            return Script(status=502, headers=headers, frames=frames, outcome=scenario.failure)
        case "leaky":
            message = (
                f"http://10.0.0.7:8080/internal refused key {wire.key(post.incoming)}. "
                + "trace " * 1_000
            )
            return wire.error(Problem(name=name, message=message), post.request_id)
        case "rate" | "rate-once":
            value = scenario.value or "1"
            ahead = formatdate(post.at + _DATE_AHEAD_S, usegmt=True)
            problem = Problem(name=name, value=ahead if value == "date" else value)
            return wire.error(problem, post.request_id)
        case _:
            return wire.error(Problem(name=name), post.request_id)


def _answered(
    wire: Wire, ask: Ask, scenario: Scenario, request_id: str, cache: PromptCache
) -> Script:
    """Return the response of a scenario in which the model is asked."""
    usage = cache.count(ask.model, ask.blocks)
    if usage.input > _CONTEXT_TOKENS:
        return wire.error(Problem(name="too-long"), request_id)
    turn = Turn(
        ask=ask,
        speech=_speech(ask, scenario),
        scenario=scenario if ask.flaw is None else Scenario(name=ask.flaw),
        pace=pace_of(user_text(ask.prompt), ask.model, scenario),
        usage=usage,
        request_id=request_id,
    )
    return _streamed(wire, turn) if ask.stream else _whole(wire, turn)


def _speech(ask: Ask, scenario: Scenario) -> Speech:
    if scenario.name in MISCALLED:
        return misspeak(ask.model, ask.prompt)
    speech = speak(ask.model, ask.prompt)
    if scenario.name != "max-tokens":
        return speech
    half = speech.thought_tokens + max(speech.said_tokens // 2, 1)
    return speak(ask.model, replace(ask.prompt, max_output_tokens=half))


def _streamed(wire: Wire, turn: Turn) -> Script:
    name = turn.scenario.name
    silent = name in ("reset", "hang")
    headers = {"content-type": _EVENT_STREAM, "cache-control": "no-cache"}
    return Script(
        headers={**headers, **wire.headers(turn.request_id)},
        frames=() if silent else _after(turn.pace.first_s, wire.frames(turn)),
        then=_fate(name),
        outcome=_outcome(turn.scenario),
        usage=Usage() if name == "early-error" else turn.usage,
    )


def _whole(wire: Wire, turn: Turn) -> Script:
    """Return an answer that is not a stream; what breaks a stream breaks its body in half."""
    name = turn.scenario.name
    if name in ("early-error", "mid-error"):
        return wire.error(Problem(name=name), turn.request_id)
    if name in ("reset", "hang", "pings"):
        return Script(then=_fate(name), outcome=_outcome(turn.scenario), usage=turn.usage)
    body = wire.body(turn)
    headers = {"content-type": "application/json", **wire.headers(turn.request_id)}
    if name in UNANSWERED:
        body = replace(body, data=body.data[: len(body.data) // 2])
    else:
        headers["content-length"] = str(len(body.data))
    return Script(
        headers=headers,
        frames=_after(turn.pace.first_s, [body]),
        then=_fate(name),
        outcome=_outcome(turn.scenario),
        usage=turn.usage,
    )


def _fate(name: str) -> Fate:
    match name:
        case "reset":
            return "reset"
        case "cut":
            return "cut"
        case "hang" | "stall" | "pings":
            return "hang"
        case _:
            return "end"


def _outcome(scenario: Scenario) -> str:
    return scenario.failure if scenario.name in UNANSWERED else "complete"


def _after(seconds: float, frames: Iterable[Frame]) -> Iterator[Frame]:
    for n, frame in enumerate(frames):
        yield frame if n else replace(frame, after_s=frame.after_s + seconds)
