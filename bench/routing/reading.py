"""Files of outcomes, as they lie: JSON lines, plain or zstd, and embeddings in an npz."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from bench.routing.dataset import Array, Dataset, Questions
from bench.routing.prices import Price

CHARS_PER_TOKEN = 4
OUT_TOK = 200.0  # where no row of the file knows output tokens; said on stderr


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one model made of one question; None where the file does not say."""

    quality: float | None
    answer: str | None
    out_tok: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One question of a file."""

    id: str
    task: str
    prompt: str
    in_tok: float
    outcomes: Mapping[str, Outcome]


def rows_of(file: Path) -> list[Row]:
    """Read a file; a bad line is named with its number.

    Lines end at a newline only: prompts hold U+2028 and its like.
    """
    if file.suffix == ".zst":
        with pa.input_stream(str(file), compression="zstd") as stream:
            text = stream.read().decode()
    else:
        text = file.read_text(encoding="utf-8")
    rows: list[Row] = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                rows.append(_row(json.loads(line)))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise SystemExit(
                    f"{file}, line {number}: {error!r}. A row is one JSON object with id, task, "
                    "prompt, in_tok and models{name: {ok}}; see docs/routing-bench.md."
                ) from error
    if not rows:
        raise SystemExit(f"{file} has no rows.")
    return rows


def models_of(rows: Iterable[Row]) -> list[str]:
    """Return the models of some rows, by name."""
    return sorted({model for row in rows for model in row.outcomes})


def coverage(rows: Sequence[Row], model: str) -> float:
    """Return the share of rows that know a model's quality."""
    seen = sum(1 for row in rows if _quality(row, model) is not None)
    return seen / len(rows)


def embeddings_of(files: Iterable[Path]) -> dict[str, Array]:
    """Return vectors by row id, from npz files with `ids` and `emb`."""
    found: dict[str, Array] = {}
    for file in files:
        with np.load(file, allow_pickle=False) as stored:
            vectors = stored["emb"].astype(np.float64)
            found.update(zip((str(name) for name in stored["ids"]), vectors, strict=True))
    return found


def dataset(
    rows: Sequence[Row],
    prices: Mapping[str, Price],
    *,
    groups: Sequence[int],
    vectors: Mapping[str, Array],
) -> Dataset:
    """Line rows up as arrays, a column for each priced model."""
    arms = tuple(prices)
    embedded = bool(rows) and all(row.id in vectors for row in rows)
    asked = Questions(
        ids=tuple(row.id for row in rows),
        tasks=tuple(row.task for row in rows),
        prompts=tuple(row.prompt for row in rows),
        in_tok=np.array([row.in_tok for row in rows], dtype=float),
        arms=arms,
        price=np.array([(price.input, price.output) for price in prices.values()]),
        embeddings=np.stack([vectors[row.id] for row in rows]) if embedded else None,
    )
    cells = [[row.outcomes.get(arm) for arm in arms] for row in rows]
    quality = [[cell.quality if cell else None for cell in line] for line in cells]
    out_tok = [[cell.out_tok if cell else None for cell in line] for line in cells]
    return Dataset(
        asked=asked,
        quality=_floats(quality),
        out_tok=filled(_floats(out_tok)),
        answers=np.array(
            [[cell.answer if cell else None for cell in line] for line in cells], dtype=object
        ),
        groups=np.array(groups, dtype=np.intp),
    )


def filled(out_tok: Array) -> Array:
    """Fill unknown output tokens: the model's median, else the median of all, else `OUT_TOK`."""
    is_known = ~np.isnan(out_tok)
    default = float(np.median(out_tok[is_known])) if is_known.any() else OUT_TOK
    medians = [
        float(np.median(column[seen])) if seen.any() else default
        for column, seen in zip(out_tok.T, is_known.T, strict=True)
    ]
    return np.where(is_known, out_tok, np.array(medians))


def _row(data: Mapping[str, Any]) -> Row:
    prompt, tokens = str(data["prompt"]), data.get("in_tok")
    return Row(
        id=str(data["id"]),
        task=str(data.get("task", "")),
        prompt=prompt,
        in_tok=len(prompt) / CHARS_PER_TOKEN if tokens is None else float(tokens),
        outcomes={model: _outcome(cell) for model, cell in data["models"].items()},
    )


def _outcome(cell: Mapping[str, Any]) -> Outcome:
    ok, answer, tokens = cell.get("ok"), cell.get("ans"), cell.get("out_tok")
    if ok is not None and not 0 <= float(ok) <= 1:
        raise ValueError(f"ok is {ok}, not in [0, 1]")
    return Outcome(
        quality=None if ok is None else float(ok),
        answer=None if answer is None else str(answer),
        out_tok=None if tokens is None else float(tokens),
    )


def _quality(row: Row, model: str) -> float | None:
    outcome = row.outcomes.get(model)
    return None if outcome is None else outcome.quality


def _floats(cells: Sequence[Sequence[float | None]]) -> Array:
    return np.array([[np.nan if x is None else x for x in line] for line in cells], dtype=float)
