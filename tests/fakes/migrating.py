"""Kinds' moves and compared answers for tests."""

from typing import Any

from fakes.rows import AT

from tercet.migration import JudgeAudit, Sample, Transition


def transition(seq: int = 1, **changes: Any) -> Transition:
    """Return a move of `lookup`: its first into `shadow`, the second and more into `canary`."""
    fields: dict[str, Any] = {
        "kind": "lookup",
        "seq": seq,
        "come_from": ("baseline", "shadow", "canary")[min(seq, 3) - 1],
        "to": "shadow" if seq == 1 else "canary",
        "share": 0.0 if seq == 1 else 0.1,
        "why": "a test",
        "by": "gate",
        "evidence": '{"answered": 200}',
        "at": AT + seq,
    }
    return Transition(**(fields | changes))


def sample(task_id: str = "req_1", **changes: Any) -> Sample:
    """Return a pair of a lookup that a judge found equally good."""
    fields: dict[str, Any] = {
        "task_id": task_id,
        "tested_arm": "local",
        "purpose": "migration",
        "conversation": f"c-{task_id}",
        "kind": "lookup",
        "side": "waiting",
        "probability": 0.4,
        "base_arm": "gemini-3.8-flash",
        "state": "judged",
        "by": "judge",
        "judge": "claude-haiku-5-5",
        "base_quality": 0.75,
        "tested_quality": 0.75,
        "is_consistent": True,
        "base_chars": 120,
        "tested_chars": 90,
        "base_nano_usd": 900,
        "tested_nano_usd": 0,
        "judge_nano_usd": 50,
        "base_s": 1.5,
        "tested_s": 2.25,
        "at": AT,
    }
    return Sample(**(fields | changes))


def audit(item: str = "maths-1", **changes: Any) -> JudgeAudit:
    fields: dict[str, Any] = {
        "item": item,
        "judge": "claude-haiku-5-5",
        "kind": "maths",
        "judged": 0.5,
        "truth": 1.0,
        "is_consistent": True,
        "at": AT,
    }
    return JudgeAudit(**(fields | changes))
