import asyncio
from contextlib import closing
from pathlib import Path

import pytest

from deployments.ledger import Ledger
from router.books.lift import lift

AT = 1_795_424_400.0  # 2026-11-23 09:00 UTC


def test_a_provider_that_was_exhausted_is_asked_again_once_it_is_lifted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "ledger.sqlite3"
    with closing(Ledger(file)) as ledger:
        asyncio.run(ledger.note_exhausted("anthropic", AT + 600, "no credit", AT))
        asyncio.run(ledger.note_exhausted("google", AT + 600, "no credit", AT))
    assert lift(file, "anthropic", AT + 1) == 0
    with closing(Ledger(file)) as ledger:
        assert asyncio.run(ledger.exhausted(AT + 1)) == {"google": AT + 600}
    assert lift(file, "anthropic", AT + 2) == 0
    assert capsys.readouterr().out == (
        "anthropic is asked again within ten seconds\n"
        "anthropic is not marked as exhausted; nothing was done\n"
    )
