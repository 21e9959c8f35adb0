"""Answers that later requests continue, each for the key that got it."""

from functools import partial

from sqlalchemy import bindparam, delete, select, text

from deployments.ledger.database import Database
from deployments.ledger.operations import Operation, execute, ns
from deployments.ledger.page import Page
from deployments.ledger.schema import answers

KEPT_S = 30 * 24 * 3600.0
"""How long an answer is kept; OpenAI's documents promise as much for stored responses."""

# An error would fail whatever else is written in the same transaction.
_KEEP = text("""
INSERT INTO answers (answer_id, key_id, document, created_at_ns)
VALUES (:answer_id, :key_id, :document, :created_at_ns)
ON CONFLICT (answer_id) DO NOTHING
""")
_MINE = (answers.c.answer_id == bindparam("answer"), answers.c.key_id == bindparam("key"))
_READ = select(answers.c.document).where(*_MINE)
_FORGET = delete(answers).where(*_MINE).returning(answers.c.answer_id)
EXPIRED = delete(answers).where(answers.c.created_at_ns <= bindparam("before_ns"))
"""Deletes what was kept until `before_ns`."""


def remember(answer_id: str, key_id: str, document: str, at: float) -> Operation[None]:
    """Keep a document; an id is given once."""
    values = {
        "answer_id": answer_id,
        "key_id": key_id,
        "document": document,
        "created_at_ns": ns(at),
    }
    return execute(_KEEP, values)


def recall(database: Database, asked: tuple[str, str]) -> str | None:
    """Return the document kept under an answer's id for a key's."""
    answer_id, key_id = asked
    with database.reading() as connection:
        return connection.execute(_READ, {"answer": answer_id, "key": key_id}).scalar()


def forget(answer_id: str, key_id: str) -> Operation[bool]:
    """Delete a document, and say whether it was there."""
    return Operation(apply=partial(_forget, answer_id, key_id))


def _forget(answer_id: str, key_id: str, page: Page) -> bool:
    names = {"answer": answer_id, "key": key_id}
    return page.connection.execute(_FORGET, names).scalar() is not None
