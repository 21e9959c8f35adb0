"""Whether the gateway is built; what it is built of, `tests/serve` tells."""

import asyncio
from pathlib import Path

import pytest

from deployments.ledger import Ledger
from router.app import require_shut
from router.doctor.starting import Place
from tercet.config import settings
from tercet.errors import ConfigError
from tercet.keys import Key

OPEN = Place(http_host="0.0.0.0", node="10.0.0.1", auth_mode="token")  # noqa: S104
SHUT = Place(http_host="127.0.0.1", node="127.0.0.1", auth_mode="")


def opened_by(key: Key, path: Path) -> None:
    async def create() -> None:
        ledger = Ledger(str(path))
        await ledger.create_key(key)
        if key.revoked_at is not None:
            await ledger.revoke_key(key.id, key.revoked_at)
        ledger.close()

    asyncio.run(create())


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {"TERCET_LEDGER": str(tmp_path / "ledger.sqlite3")}


def test_a_key_of_the_environment_or_of_a_file_opens_the_address(
    env: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "key"
    file.touch(mode=0o600)
    file.write_text("callers")

    require_shut(OPEN, settings({**env, "TERCET_API_KEY": "callers"}))
    require_shut(OPEN, settings({**env, "TERCET_API_KEY_FILE": str(file)}))


def test_without_a_key_it_is_refused_whether_or_not_a_ledger_is_there(
    env: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"nobody has a key: set TERCET_API_KEY_FILE"):
        require_shut(OPEN, settings(env))
    opened_by(
        Key(id="gone", sha256="a" * 64, handle="h", revoked_at=2.0), Path(env["TERCET_LEDGER"])
    )
    with pytest.raises(ConfigError, match="nobody has a key"):
        require_shut(OPEN, settings(env))
    require_shut(SHUT, settings(env))


def test_a_key_of_the_ledger_is_enough(env: dict[str, str]) -> None:
    opened_by(Key(id="night", sha256="a" * 64, handle="h"), Path(env["TERCET_LEDGER"]))

    require_shut(OPEN, settings(env))


def test_a_key_file_that_cannot_be_used_is_the_reason(env: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="none cannot be read"):
        require_shut(OPEN, settings({**env, "TERCET_API_KEY_FILE": str(tmp_path / "none")}))
