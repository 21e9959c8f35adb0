"""What is asked at a terminal -> the task that the gateway would make of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from router.gateway import owners
from router.surfaces.openai_chat_request import read
from router.surfaces.refusal import Refusal
from router.surfaces.surface import Identity, Incoming
from tercet.config import Config
from tercet.content import JsonObject, JsonValue
from tercet.errors import ConfigError
from tercet.task import Task

_TOOL: JsonValue = {"type": "function", "function": {"name": "any_tool"}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A text or a file, and what is said with it."""

    text: str | None
    file: Path | None
    said: Mapping[str, str]
    """Hints, which win over those of the file."""
    model: str | None
    offers_tools: bool


def task_of(request: Request, config: Config, key_id: str, now: float) -> Task:
    """Return the task.

    Args:
        request: what is asked.
        config: whose models, kinds and limits hold.
        key_id: who asks.
        now: Unix seconds.

    Raises:
        ConfigError: it is none; the message says what to write.
    """
    limit_s = config.rules.limits.deadline_s
    identity = Identity(
        task_id="req_asked",
        key_id=key_id,
        deadline_at=now + limit_s,
        kinds=config.taxonomy.names,
    )

    def resolve(name: str) -> str | None:
        return name if name in owners(config) else config.catalog.alias_of(name)

    body = _body(request)
    order = read(Incoming(body=body, raw=b"", headers={}, query={}), resolve, identity)
    if isinstance(order, Refusal):
        raise ConfigError(f"the gateway would refuse this: {order.message}")
    wanted_s = min(order.task.hints.deadline_s or limit_s, limit_s)
    return replace(order.task, deadline_at=now + wanted_s)


def _body(request: Request) -> JsonObject:
    body = _from_text(request.text) if request.file is None else _from_file(request)
    body["model"] = request.model or body.get("model") or "auto"
    earlier = body.get("metadata") or {}
    if isinstance(earlier, dict):
        body["metadata"] = {**earlier, **request.said}
    if request.offers_tools and not body.get("tools"):
        body["tools"] = [_TOOL]
    return body


def _from_text(text: str | None) -> dict[str, JsonValue]:
    if text is None or not text.strip():
        raise ConfigError("nothing is asked; write the task, - for standard input, or --file FILE")
    return {"messages": [{"role": "user", "content": text}]}


def _from_file(request: Request) -> dict[str, JsonValue]:
    file = request.file
    if request.text is not None:
        raise ConfigError("the task is a text or in --file: leave one of them out")
    assert file is not None  # noqa: S101  the caller saw it
    try:
        found: JsonValue = json.loads(file.read_bytes())
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}; name another file") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{file} is no JSON ({error}); write a list of messages") from error
    if isinstance(found, list):
        return {"messages": found}
    if not isinstance(found, dict):
        raise ConfigError(f"{file} is no conversation; write a list of messages, or a request")
    return dict(cast("JsonObject", found))
