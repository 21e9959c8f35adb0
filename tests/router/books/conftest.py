import asyncio
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fakes.rows import AT

from deployments.ledger import Ledger
from tercet.ledger import Reservation, Settlement

Pairs = tuple[Reservation, Settlement | None]
Book = Callable[..., Path]
Bill = Callable[..., Path]


@pytest.fixture
def book(tmp_path: Path) -> Book:
    """Write a ledger of attempts, each with its settlement or `None`, and return its file."""

    async def write(ledger: Ledger, pairs: tuple[Pairs, ...], swept_at: float | None) -> None:
        for reservation, settlement in pairs:
            await ledger.reserve(reservation)
            if settlement is not None:
                await ledger.settle(settlement)
        if swept_at is not None:
            await ledger.sweep(swept_at)

    def make(*pairs: Pairs, swept_at: float | None = None) -> Path:
        path = tmp_path / "ledger.sqlite3"
        with closing(Ledger(path, clock=lambda: AT)) as ledger:
            asyncio.run(write(ledger, pairs, swept_at))
        return path

    return make


@pytest.fixture
def bill(tmp_path: Path) -> Bill:
    """Write a billing log: model, nano-USD, and the attempt that the caller named."""

    def make(*posts: tuple[str, int] | tuple[str, int, str]) -> Path:
        path = tmp_path / "bill.jsonl"
        path.write_text("".join(f"{json.dumps(line(*post))}\n" for post in posts))
        return path

    return make


@pytest.fixture
def damage() -> Callable[[Path], None]:
    """Overwrite the first page of the attempts, as a failing disk would."""

    def overwrite(path: Path) -> None:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")
            asked = "SELECT rootpage FROM sqlite_schema WHERE name = 'attempts'"
            [page] = connection.execute(asked).fetchone()
        with path.open("r+b") as file:
            file.seek((page - 1) * 4096)
            file.write(b"\xff" * 4096)

    return overwrite


def line(model: str, nano_usd: int, attempt_id: str | None = None) -> dict[str, Any]:
    return {
        "model": model,
        "cost_nano_usd": nano_usd,
        "request_id": "msg_7",
        "client_request_id": attempt_id,
        "fresh_input": 8,
        "cache_read": 0,
        "cache_write_5m": 0,
        "cache_write_1h": 0,
        "output": 3,
    }
