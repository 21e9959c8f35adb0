"""The two designs everybody writes first, beside the real one in every run of the harness.

They keep what the real one keeps, an `attempts` table on the same settings, and name their POSTs
as it does. A harness that they pass proves nothing.
"""

import sqlite3
import uuid
from datetime import UTC, datetime

import httpx2

from deployments import faults
from deployments.simulated.billing import cost_nano_usd
from tercet.call import Call, Completion, Failure, Outcome
from tercet.config import settings
from tercet.usage import Usage

REACHED = ("attempt_after_send", "attempt_last_byte", "attempt_before_settle")
"""The points at which these have asked and not yet booked."""
NO_CAP = 10**18
_MODEL = "claude-opus-5-5"
_TABLE = """
CREATE TABLE IF NOT EXISTS attempts (
  attempt_id TEXT PRIMARY KEY, task_id TEXT, state TEXT, flag TEXT,
  reserved_nano_usd INTEGER, settled_nano_usd INTEGER
)
"""
_BOOK = "INSERT INTO attempts VALUES (?, ?, 'settled', NULL, ?, ?)"


class SettleAfterCall:
    """Asks, and writes down what it cost."""

    def __init__(self) -> None:
        chosen = settings()
        faults.arm(chosen.faults)
        self._books = sqlite3.connect(chosen.ledger, timeout=10, isolation_level=None)
        self._books.execute("PRAGMA journal_mode=WAL")
        self._books.execute("PRAGMA synchronous=FULL")
        self._books.execute(_TABLE)
        self._http = httpx2.AsyncClient(base_url=chosen.anthropic_url or "", timeout=30)

    async def answer(self, call: Call) -> Outcome:
        attempt_id = f"att_{uuid.uuid4().hex}"
        faults.reach_in("attempt_after_send", 0.02)
        usage = await self._post(call, attempt_id)
        faults.reach("attempt_last_byte")
        cost = cost_nano_usd(_MODEL, usage, datetime.fromtimestamp(call.deadline_at, UTC))
        faults.reach("attempt_before_settle")
        self._books.execute(_BOOK, (attempt_id, call.task_id, cost, cost))
        faults.reach("attempt_after_settle")
        return Completion(
            attempt_id=attempt_id,
            model=_MODEL,
            parts=(),
            finish="stop",
            usage=usage,
            cost_nano_usd=cost,
            first_token_s=0,
            latency_s=0,
        )

    async def close(self) -> None:
        await self._http.aclose()
        self._books.close()

    async def _post(self, call: Call, attempt_id: str) -> Usage:
        said = [{"role": turn.speaker, "content": turn.text} for turn in call.prompt.messages]
        reply = await self._http.post(
            "/v1/messages",
            json={"model": _MODEL, "max_tokens": 1_000, "messages": said},
            headers={
                "x-api-key": "simulated",
                "anthropic-version": "2023-06-01",
                "x-client-request-id": attempt_id,
            },
        )
        usage = reply.json()["usage"]
        return Usage(fresh_input=usage["input_tokens"], output=usage["output_tokens"])


class CheckThenCall(SettleAfterCall):
    """Asks only if the budget is not spent yet."""

    def __init__(self, cap_nano_usd: int) -> None:
        super().__init__()
        self._cap = cap_nano_usd

    async def answer(self, call: Call) -> Outcome:
        query = "SELECT coalesce(sum(settled_nano_usd), 0) FROM attempts"
        (spent,) = self._books.execute(query).fetchone()
        if spent >= self._cap:
            return Failure(model=_MODEL, kind="over_budget", message="the budget is spent")
        return await super().answer(call)
