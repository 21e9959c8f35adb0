"""`tercet labels import`: labels that others have made, from a file of JSON lines."""

import asyncio
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked

from deployments.ledger import Ledger
from deployments.ledger.inspection import inspected
from router.classify import classify
from router.labelling import Opinion, label_of, propensity_of
from router.refit.tasks import Came, came
from tercet.config import load
from tercet.errors import ConfigError
from tercet.keys import DEFAULT_KEY
from tercet.learning import Label, LabelSource
from tercet.task import Hints, Task, turn
from tercet.taxonomy import Taxonomy
from tercet.usage import NANO_USD_PER_USD

AT_ONCE = 1_000
"""Labels written in one transaction."""
_TOLD = 10
"""Problems of a file that are told."""


@checked(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class Line:
    """One line of the file."""

    task_id: Annotated[str, Field(min_length=1, max_length=200)]
    arm: Annotated[str, Field(min_length=1, max_length=500)]
    quality: Annotated[float, Field(ge=0, le=1)]
    source: LabelSource
    text: str | None = None
    """What was asked. It is hashed, and not kept."""
    kind: str | None = None
    group: str | None = None
    """Of the conversation or the prompt; the task's own if left out."""
    cost_usd: Annotated[Decimal, Field(ge=0, le=1_000_000)] | None = None
    seconds: Annotated[float, Field(ge=0, le=1_000_000)] | None = None
    """How long the answer took."""


_LINE: TypeAdapter[Line] = TypeAdapter(Line)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a line is completed from."""

    tasks: Mapping[str, Came]
    taxonomy: Taxonomy
    now: float
    """Unix seconds."""


def import_labels(
    ledger: str, file: Path, folder: Path | None, now: float, *, as_json: bool
) -> int:
    """Write the labels of a file, all or none; return 0.

    Raises:
        ConfigError: listing what is wrong with the file.
        LedgerError: the ledger cannot be read or written.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from error
    with closing(Ledger(ledger)) as books:
        with inspected(ledger) as seen:
            tasks = {task.task_id: task for task in came(seen.tasks(0))}
        known = Known(tasks=tasks, taxonomy=load(folder).taxonomy, now=now)
        labels = read_labels(data, known)
        for start in range(0, len(labels), AT_ONCE):
            asyncio.run(books.note_labels(labels[start : start + AT_ONCE]))
            sys.stderr.write(f"{min(start + AT_ONCE, len(labels))} of {len(labels)}\n")
    said = {"labels": len(labels), "tasks": len({label.task_id for label in labels})}
    if as_json:
        sys.stdout.write(f"{json.dumps(said)}\n")
    else:
        sys.stdout.write(f"{said['labels']} labels of {said['tasks']} tasks\n")
    return 0


def read_labels(data: bytes, known: Known) -> Sequence[Label]:
    """Return the labels of a file's bytes.

    Raises:
        ConfigError: listing what is wrong with it.
    """
    labels: list[Label] = []
    problems: list[str] = []
    # Not by lines of text: a prompt may have any separator of Unicode within.
    for number, line in enumerate(data.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            labels.append(_label(_LINE.validate_json(line), known))
        except ValidationError as error:
            problems += [f"line {number}: {said}" for said in _said(error)]
        except ValueError as error:
            problems.append(f"line {number}: {error}")
    if problems:
        more = len(problems) - _TOLD
        told = [*problems[:_TOLD], *([f"and {more} more"] if more > 0 else [])]
        raise ConfigError("no label was written\n" + "\n".join(told))
    return labels


def _said(error: ValidationError) -> Iterator[str]:
    for item in error.errors():
        where = ".".join(map(str, item["loc"]))
        yield f"{where}: {item['msg']}" if where else item["msg"]


def _label(line: Line, known: Known) -> Label:
    if line.kind is not None and line.kind not in known.taxonomy.names:
        kinds = ", ".join(known.taxonomy.names)
        raise ValueError(f"{line.kind!r} is no kind of task; kinds are {kinds}")
    task = known.tasks.get(line.task_id)
    if task is None and line.text is None and line.kind is None:
        raise ValueError(f"task {line.task_id!r} is not in the ledger: give its text or its kind")
    found = _of_text(line, known) if line.text else _of_kind(line, known)
    if task is not None:
        found = _of_task(found, line, task)
    cost = None if line.cost_usd is None else int(line.cost_usd * NANO_USD_PER_USD)
    return replace(
        found,
        group_id=line.group or (found.group_id if line.text else line.task_id),
        cost_nano_usd=found.cost_nano_usd if cost is None else cost,
        seconds=found.seconds if line.seconds is None else line.seconds,
    )


def _of_text(line: Line, known: Known) -> Label:
    task = Task(
        id=line.task_id,
        key_id=DEFAULT_KEY,
        model="auto",
        messages=(turn("user", line.text or ""),),
        hints=Hints(kind=line.kind),
        deadline_at=known.now,
    )
    opinion = Opinion(arm=line.arm, quality=line.quality, source=line.source)
    return label_of(task, classify(task, known.taxonomy), opinion, known.now)


def _of_kind(line: Line, known: Known) -> Label:
    kind = line.kind or known.taxonomy.names[-1]
    return Label(
        task_id=line.task_id,
        group_id=line.task_id,
        kind=kind,
        kinds={kind: 1.0},
        is_declared=line.kind is not None,
        arm=line.arm,
        quality=line.quality,
        source=line.source,
        cost_nano_usd=None,
        size_tokens=0,
        sketch=None,
        policy_version=None,
        propensity=None,
        at=known.now,
    )


def _of_task(label: Label, line: Line, task: Came) -> Label:
    """Complete a label from the task's own row, which knows best how it was routed."""
    is_own = line.arm == task.arm
    seen = {} if line.kind else {"kind": task.kind, "kinds": task.kinds}
    return replace(
        label,
        **seen,
        size_tokens=task.size_tokens,
        cost_nano_usd=task.nano_usd if is_own else None,
        seconds=task.seconds if is_own else None,
        policy_version=task.policy_version,
        propensity=propensity_of(line.arm, task.draw),
    )
