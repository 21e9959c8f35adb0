"""A generateContent answer, as the chunks of a stream or as one response."""

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import repeat

from deployments.simulated.acting import Action
from deployments.simulated.gemini_errors import error_body
from deployments.simulated.gemini_read import THOUGHTS, UNSIGNED
from deployments.simulated.scenarios import BROKEN
from deployments.simulated.script import Frame, Json, Spoken, Turn, encoded, spoken
from deployments.simulated.signing import signature

_ENDINGS: Mapping[str, str] = {
    "stop": "STOP",
    "length": "MAX_TOKENS",
    "stop_sequence": "STOP",
}
_WITHHELD: Mapping[str, str] = {
    "safety": "SAFETY",
    "recitation": "RECITATION",
    "malformed-call": "MALFORMED_FUNCTION_CALL",
    "empty": "STOP",
    UNSIGNED: "MISSING_THOUGHT_SIGNATURE",
}
_SILENT = frozenset({*_WITHHELD, "refusal", "no-candidates"})


def frames(turn: Turn) -> Iterator[Frame]:
    """Yield the chunks of a stream; the last one has the finish reason."""
    name = turn.scenario.name
    if name == "early-error":
        yield _error_chunk(name)
    elif name == "pings":
        # The API has no pings, and its SDK takes comments for JSON: only empty lines are neutral.
        yield from repeat(Frame(data=b"\r\n", after_s=turn.scenario.interval_s))
    elif name in BROKEN:
        yield from _broken_frames(turn)
    else:
        said = list(_said_frames(turn, {} if name in _SILENT else _finish(turn)))
        whole = body(turn)
        yield from said or [replace(whole, data=_sse(whole.data))]


def body(turn: Turn) -> Frame:
    """Return the answer as one response."""
    output = 0 if turn.scenario.name in _SILENT else turn.speech.said_tokens
    answer, total = _reply(turn, _answer(turn), output)
    return Frame(data=encoded(answer), output=total)


def _said_frames(turn: Turn, finish: Json) -> Iterator[Frame]:
    """Yield one chunk for each piece that can be seen, the last of all with the finish reason."""
    if turn.scenario.name in _SILENT:
        return
    shown = [(piece, part) for piece in spoken(turn) if (part := _part(turn, piece)) is not None]
    for n, (piece, part) in enumerate(shown):
        ended = n == len(shown) - 1
        content = {"parts": [part], "role": "model"}
        candidate = {"content": content, **(finish if ended else {}), "index": 0}
        answer, total = _reply(turn, {"candidates": [candidate]}, piece.said_tokens)
        yield Frame(data=_sse(encoded(answer)), output=total, after_s=piece.after_s)


def _part(turn: Turn, piece: Spoken) -> Json | None:
    """Return a piece as the API sends it: calls are whole, thoughts seldom seen."""
    if piece.action is not None:
        return _call(turn, piece.action, piece.number) if piece.is_last else None
    if piece.kind == "thought":
        return {"text": piece.text, "thought": True} if piece.text else None
    is_signed = piece.is_last and turn.speech.thinking is not None
    return {"text": piece.text, **(_signed(turn) if is_signed else {})}


def _call(turn: Turn, action: Action, number: int) -> Json | None:
    """Return a call; the first of a turn carries the signature of all."""
    try:
        arguments = json.loads(action.arguments)
    except ValueError:
        arguments = action.arguments
    if turn.speech.ended == "length" and isinstance(arguments, str):
        return None
    call = {"id": f"call_{turn.request_id}_{number}", "name": action.name, "args": arguments}
    return {"functionCall": call, **(_signed(turn) if action is turn.speech.actions[0] else {})}


def _signed(turn: Turn) -> Json:
    signed = signature(turn.ask.model, turn.request_id)
    return {"thoughtSignature": base64.b64encode(signed.encode()).decode()}


def _broken_frames(turn: Turn) -> Iterator[Frame]:
    last = Frame(data=b"")
    for last in _said_frames(turn, {}):
        yield last
    if turn.scenario.name == "mid-error":
        yield replace(_error_chunk("mid-error"), output=last.output)
    elif turn.scenario.name == "bad-json":
        yield Frame(data=_sse(b'{"candidates": [{"content": {"par'), output=last.output)
    elif not last.data:
        # Headers without a body: the break comes before the first piece.
        yield last


def _error_chunk(name: str) -> Frame:
    return Frame(data=_sse(encoded(error_body(name))))


def _sse(data: bytes) -> bytes:
    return b"data: %b\r\n\r\n" % data


def _finish(turn: Turn) -> Json:
    match turn.scenario.name:
        case "pause":
            return {"finishReason": "CONTINUATION", "continuationToken": "c2ltdWxhdGVk"}
        case "window-full":
            return {"finishReason": "MAX_TOKENS"}
        case _:
            return {"finishReason": _ENDINGS[turn.speech.ended]}


def _answer(turn: Turn) -> Json:
    """Return the part of a response that depends on what was said or withheld."""
    name = turn.scenario.name
    if name == "refusal":
        return {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}
    if name == "no-candidates":
        return {}
    if name in _WITHHELD:
        return {"candidates": [{"finishReason": _WITHHELD[name], "index": 0, **_remark(name)}]}
    content = {"parts": list(_parts(turn)), "role": "model"}
    return {"candidates": [{"content": content, **_finish(turn), "index": 0}]}


def _parts(turn: Turn) -> Iterator[Json]:
    speech = turn.speech
    if speech.thinking is not None and speech.thinking.text:
        yield {"text": speech.thinking.text, "thought": True}
    if speech.text:
        yield {"text": speech.text, **(_signed(turn) if speech.thinking is not None else {})}
    for number, action in enumerate(speech.actions):
        call = _call(turn, action, number)
        if call is not None:
            yield call


def _remark(name: str) -> Json:
    if name == "empty":
        return {"content": {"parts": [], "role": "model"}}
    return {"finishMessage": f"Simulated: withheld, {_WITHHELD[name]}."}


def _reply(turn: Turn, answer: Json, output: int) -> tuple[Json, int]:
    """Return a response with its counts, and the output tokens that are billed so far."""
    thoughts = 0
    if "candidates" in answer:
        thoughts = THOUGHTS.get(turn.ask.model, 0)
        thoughts += 0 if turn.scenario.name in _SILENT else turn.speech.thought_tokens
    reply: dict[str, object] = {**answer, "modelVersion": turn.ask.model}
    reply["responseId"] = turn.request_id
    if turn.scenario.name != "usage-absent":
        reply["usageMetadata"] = _usage(turn, output, thoughts)
    return reply, output + thoughts


def _usage(turn: Turn, output: int, thoughts: int) -> Json:
    whole = 0 if turn.scenario.name in _SILENT else turn.speech.said_tokens
    reported = turn.scenario.reported
    prompt, said = reported(turn.usage.input), reported(output, left=whole - output)
    counts: dict[str, object] = {"promptTokenCount": prompt, "candidatesTokenCount": said}
    if thoughts:
        counts["thoughtsTokenCount"] = reported(thoughts)
    counts["totalTokenCount"] = prompt + said + reported(thoughts)
    counts["promptTokensDetails"] = [{"modality": "TEXT", "tokenCount": prompt}]
    return counts
