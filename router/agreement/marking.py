# ruff: noqa: RUF001  look-alikes of Latin letters are words of other scripts here
"""What a text marks as its final answer: a box, a field of JSON, or a marker such as "Answer:"."""

import json
import re
from collections.abc import Iterator
from typing import cast

from router.agreement.codeform import FENCE

SIMULATED_MARK = "[simulated] "
"""How every text of the project's own simulated upstreams begins."""

_BOXED_CHARS = 300
_MARKED_CHARS = 4_000  # the end of a text, where it may mark its final answer
_BOX = re.compile(r"\\f?boxed\s*\{")
_MARKER = re.compile(
    r"(?im)\b(?:final |correct )?answer\**(?:\s+(?:is|would be|should be|must be)\b"
    r"(?:\s+(?:that|therefore|thus|then)\b)?|\s*[:=])[:\s*_]*"
    r"|\b(?:итоговый )?ответ\**\s*[:—-][\s*]*|(?:最终)?答案\s*[:：是为][\s*]*|^####\s+"
    r"|^\W{0,4}final answer\W{0,3}(?:[-—–]\s*|\n+)"
)
_FINAL = ("final", "correct", "итог", "最终", "#")
_FINAL_FIELDS = frozenset(("final", "final_answer", "answer"))
_REMARKS = frozenset(("reasoning", "explanation", "confidence", "rationale", "steps", "evidence"))
_OPENER = re.compile(
    r"(?i)\A(?:(?:sure|certainly|of course|okay|ok|great question|конечно|好的|当然)\s*[!,.:]\s*"
    r"|here(?:'s| is| are)\b[^\n:]{0,80}:\s*)+"
)


def unmarked(answer: str) -> str:
    """Return an answer without the mark of the simulated upstreams."""
    return answer.strip().removeprefix(SIMULATED_MARK.strip()).strip()


def final_answer(text: str) -> str:
    """Return what a text marks as its final answer, or all of it without openers like "Sure!"."""
    return marked(text) or (_OPENER.sub("", text) or text).strip()


def marked(text: str) -> str:
    """Return what a text marks as its final answer; empty where it marks nothing, or too much."""
    if told := _final_field(text) or ", ".join(dict.fromkeys(_boxes(text))):
        return told
    end = text[-_MARKED_CHARS:]
    prose = FENCE.sub(lambda fence: " " * len(fence[0]), end)
    marks = [mark for mark in _MARKER.finditer(prose) if end[mark.end() :].strip(" \t\n.*_:`")]
    if not marks:
        return ""
    if len(marks) > 1 and not marks[-1][0].casefold().lstrip("*_# ").startswith(_FINAL):
        return ""
    rest = end[marks[-1].end() :].strip()
    line = rest.split("\n", 1)[0].strip()
    line = line.replace("**", "", line.count("**") % 2)
    return rest if line.endswith(":") or line.startswith("```") else line


def is_enveloped(text: str) -> bool:
    """Whether a text is one JSON object of an answer and remarks about it."""
    return bool(_final_field(text))


def _boxes(text: str) -> Iterator[str]:
    for start in [box.end() for box in _BOX.finditer(text)][-5:]:
        depth = 1
        for end in range(start, min(start + _BOXED_CHARS, len(text))):
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            if not depth:
                yield text[start:end]
                break


def _final_field(text: str) -> str:
    """Return the answer of a reply that is one JSON object: an answer and remarks about it."""
    if not text.startswith(("{", "```")):
        return ""
    fence = FENCE.fullmatch(text)
    try:
        reply = json.loads(fence[3] if fence else text, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(reply, dict):
        return ""
    fields = cast("dict[str, object]", reply)
    told = [name for name in fields if name not in _REMARKS]
    if len(told) != 1 or told[0] not in _FINAL_FIELDS:
        return ""
    answer = fields[told[0]]
    return answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
