"""Labels and policies for tests."""

from typing import Any

from fakes.rows import AT

from tercet.learning import Label, PolicyMove, PolicyState, PolicyVersion


def label(task_id: str = "req_1", arm: str = "flash", **changes: Any) -> Label:
    """Return what a shadow comparison said of one arm's answer to a summary."""
    fields: dict[str, Any] = {
        "task_id": task_id,
        "group_id": task_id,
        "kind": "summary",
        "kinds": {"summary": 0.75, "question": 0.25},
        "is_declared": False,
        "arm": arm,
        "quality": 1.0,
        "source": "shadow",
        "cost_nano_usd": 1_000,
        "size_tokens": 400,
        "sketch": b"\x01\x00\x02",
        "policy_version": None,
        "propensity": None,
        "at": AT,
    }
    return Label(**(fields | changes))


def version(name: str = "v1", **changes: Any) -> PolicyVersion:
    fields: dict[str, Any] = {
        "version": name,
        "made_at": AT,
        "state": "candidate",
        "share": 0.0,
        "document": b"a document",
        "summary": '{"labels": 7}',
        "why": "fitted",
        "changed_at": AT,
    }
    return PolicyVersion(**(fields | changes))


def moved(name: str, come_from: PolicyState, to: PolicyState, **changes: Any) -> PolicyMove:
    fields: dict[str, Any] = {
        "version": name,
        "come_from": come_from,
        "to": to,
        "share": 1.0 if to == "in_force" else 0.0,
        "why": "a test",
        "at": AT + 60,
    }
    return PolicyMove(**(fields | changes))
