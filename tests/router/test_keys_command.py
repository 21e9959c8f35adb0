import asyncio
import json
import re
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from deployments.ledger import Ledger
from router.cli import main
from router.keyring import Keyring
from router.turnstile import Turnstile
from router.watch import Watch
from tercet.config import load
from tercet.keys import Key, sha256

KEY = re.compile(r"tct_[a-z2-7]{8}_[A-Za-z0-9_-]{43}\n")


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite3"


@pytest.fixture
def keys(ledger: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[str, str]]:
    def run(*arguments: str, status: int = 0) -> tuple[str, str]:
        """Return what was printed, and what was said about it."""
        assert main(["keys", *arguments, "--ledger", str(ledger)]) == status
        captured = capsys.readouterr()
        return captured.out, captured.err

    return run


@pytest.fixture
def refused(ledger: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def run(*arguments: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main(["keys", *arguments, "--ledger", str(ledger)])
        assert ended.value.code == 2
        return capsys.readouterr().err

    return run


def read(ledger: Path) -> list[Key]:
    with closing(Ledger(ledger)) as opened:
        return list(asyncio.run(opened.keys()))


def test_a_key_is_printed_once_and_alone(keys, ledger: Path) -> None:
    printed, said = keys("create", "night-batch")

    assert KEY.fullmatch(printed)
    assert said == "night-batch opens from now on; the key is not shown again\n"
    (key,) = read(ledger)
    assert (key.id, key.sha256) == ("night-batch", sha256(printed.strip().encode()))
    with closing(sqlite3.connect(ledger)) as connection:
        kept = repr(list(connection.execute("SELECT * FROM keys")))
    assert printed[13:30] not in kept


def test_a_key_is_made_with_its_limits(keys, ledger: Path) -> None:
    keys(
        "create", "batch", "--month-usd", "19.99", "--requests-per-minute", "60",
        "--concurrent", "4", "--tier", "tier3", "--tier", "local", "--model", "claude-haiku-5-5",
    )  # fmt: skip

    (key,) = read(ledger)
    assert key.month_cap_nano_usd == 19_990_000_000
    assert (key.requests_per_minute, key.concurrent) == (60, 4)
    assert (key.tiers, key.models) == ({"tier3", "local"}, {"claude-haiku-5-5"})


def test_programs_are_told_in_json(keys) -> None:
    printed, _ = keys("create", "batch", "--month-usd", "5", "--tier", "tier3", "--json")
    made = json.loads(printed)
    assert KEY.fullmatch(f"{made.pop('key')}\n")
    (listed,) = json.loads(keys("list", "--json")[0])
    revoked = json.loads(keys("revoke", "batch", "--json")[0])

    assert made == listed
    assert {name: made[name] for name in ("name", "state", "month_cap_nano_usd", "tiers")} == {
        "name": "batch",
        "state": "active",
        "month_cap_nano_usd": 5_000_000_000,
        "tiers": ["tier3"],
    }
    assert (revoked["state"], revoked["revoked_at"][:2]) == ("revoked", "20")


def test_the_list_shows_what_keys_may_and_nothing_that_opens(keys, ledger: Path) -> None:
    secrets = [keys("create", "one", "--concurrent", "2")[0], keys("create", "two")[0]]
    secrets.append(keys("rotate", "one")[0])
    keys("revoke", "two")

    printed, said = keys("list")

    lines = [line.split() for line in printed.splitlines()[1:]]
    assert [(line[0], line[2]) for line in lines] == [("one", "rotating"), ("two", "revoked")]
    assert lines[0][4:] == ["-", "-", "2", "all", "all"]
    assert said == ""
    for secret in secrets:
        assert secret[13:].strip() not in printed
    for key in read(ledger):
        assert key.sha256 not in printed


def test_a_rotation_keeps_the_public_part_and_for_a_while_the_last_secret(
    keys, ledger: Path
) -> None:
    first, _ = keys("create", "batch")
    second, said = keys("rotate", "batch", "--overlap", "30m")

    (key,) = read(ledger)
    assert first[:13] == second[:13]
    assert key.sha256 == sha256(second.strip().encode())
    assert key.old_sha256 == sha256(first.strip().encode())
    assert re.fullmatch(
        r"the last secret of batch holds until 20\S+Z; the key is not shown again\n", said
    )


def test_a_rotation_without_overlap_ends_the_last_secret_at_once(keys) -> None:
    keys("create", "batch")
    printed, _ = keys("rotate", "batch", "--overlap", "0", "--json")
    assert json.loads(printed)["state"] == "active"


def test_a_name_is_never_given_again(keys) -> None:
    keys("create", "batch")
    keys("revoke", "batch")
    assert keys("create", "batch", status=2) == (
        "",
        "tercet: the name 'batch' is or was another key's; choose another\n",
    )


@pytest.mark.parametrize("verb", ["rotate", "revoke"])
def test_what_is_not_there_or_revoked_is_named(keys, verb: str) -> None:
    keys("create", "gone")
    keys("revoke", "gone")
    for name in ("gone", "nobody", "'; DROP TABLE keys; --"):
        printed, said = keys(verb, name, status=2)
        assert printed == ""
        assert said.startswith("tercet: there is no key ")
        assert said.endswith(", or it is revoked; `tercet keys list` shows them\n")


@pytest.mark.parametrize("arguments", [("list",), ("rotate", "a"), ("revoke", "a")])
def test_no_ledger_is_made_but_for_a_new_key(keys, ledger: Path, arguments) -> None:
    _, said = keys(*arguments, status=2)
    assert "does not exist" in said
    assert not ledger.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--tier", "tier9"), "tercet: there is no tier 'tier9'; there are tier1, tier2, tier3, "),
        (("--model", "gpt-5"), "tercet: there is no model 'gpt-5'; there are "),
    ],
)
def test_a_tier_or_model_that_is_not_there_is_refused(keys, ledger, arguments, said) -> None:
    assert keys("create", "batch", *arguments, status=2)[1].startswith(said)
    assert not ledger.exists()


def test_the_name_of_the_environments_key_is_taken(keys) -> None:
    assert keys("create", "default", status=2)[1] == (
        "tercet: 'default' is the name of TERCET_API_KEY; choose another\n"
    )


def test_the_name_that_evidence_is_charged_to_is_taken(keys) -> None:
    assert keys("create", "evidence", status=2)[1] == (
        "tercet: 'evidence' is what shadow runs and judges are charged to; choose another\n"
    )


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("create", "Night"), "is no name"),
        (("create", ""), "is no name"),
        (("create", "a" * 65), "is no name"),
        (("create", "a b"), "is no name"),
        (("create", "caf\u00e9"), "is no name"),
        (("create", "a", "--month-usd", "-1"), "is no amount"),
        (("create", "a", "--month-usd", "NaN"), "is no amount"),
        (("create", "a", "--concurrent", "0"), "is no number"),
        (("create", "a", "--concurrent", "\u0663"), "is no number"),
        (("create", "a", "--requests-per-minute", "2147483648"), "is no number"),
        (("rotate", "a", "--overlap", "-1h"), "expected one argument"),
        (("rotate", "a", "--overlap", "1w"), "is no time"),
    ],
)
def test_what_cannot_be_is_refused_with_the_remedy(refused, arguments, what: str) -> None:
    assert what in refused(*arguments)


def test_the_ledger_shows_the_caps_of_keys(keys, ledger: Path, capsys) -> None:
    keys("create", "batch", "--month-usd", "5")
    assert main(["ledger", "show", "--json", "--ledger", str(ledger)]) == 0
    scopes = json.loads(capsys.readouterr().out)["scopes"]
    assert scopes["key:batch"]["cap_nano_usd"] == 5_000_000_000


def test_a_gateway_that_runs_learns_of_every_change_by_its_next_look(keys, ledger: Path) -> None:
    with closing(Ledger(ledger)) as books:
        ring = Keyring(None, books, Turnstile())
        watch = Watch(books, load().budget, time.time, ring.replace)

        def opens(presented: str) -> bool:
            return isinstance(asyncio.run(ring.find(presented.strip().encode())), Key)

        asyncio.run(watch.look())
        first, _ = keys("create", "batch")
        told = [opens(first)]
        second, _ = keys("rotate", "batch", "--overlap", "0")
        told += [opens(second), opens(first)]
        keys("revoke", "batch")
        asyncio.run(watch.look())
        told += [opens(second), opens(first)]

    assert told == [True, True, False, False, False]
