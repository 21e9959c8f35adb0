"""Who pays for an audit: the key of evidence, which is open while it asks and at no other time."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fakes.gateway import NOW, OPUS, Books, Says, gateway

from deployments.ledger import Ledger
from router import prompts
from router.golden.asking import Gateway
from router.golden.booking import lent
from router.golden.judging import Judge, Opinion
from router.golden.making import client, require_gateway
from router.keyring import Keyring
from router.shadowing.judging import Case
from router.surfaces.refusal import Refusal
from router.turnstile import Turnstile
from tercet.errors import ConfigError
from tercet.keys import Key


def run(folder: Path, scenario: Callable[[Ledger], Awaitable[None]]) -> None:
    async def whole() -> None:
        with closing(Ledger(folder / "ledger.sqlite3")) as ledger:
            await scenario(ledger)

    asyncio.run(whole())


async def found(ledger: Ledger, text: str) -> Key | Refusal:
    """Return whom a gateway that has just begun takes for the key's owner."""
    return await Keyring(None, ledger, Turnstile(), lambda: NOW).find(text.encode())


def now() -> float:
    return NOW


def test_what_is_asked_meanwhile_is_the_evidences_without_limits_of_its_own(tmp_path) -> None:
    async def scenario(ledger: Ledger) -> None:
        async with lent(ledger, now) as text:
            owner = await found(ledger, text)
            assert isinstance(owner, Key)
            assert (owner.id, owner.tiers, owner.models) == ("evidence", None, None)
            assert (owner.month_cap_nano_usd, owner.concurrent) == (None, None)
            async with client("http://127.0.0.1", text) as http:
                assert http.headers["authorization"] == f"Bearer {text}"

    run(tmp_path, scenario)


@dataclass
class Named(Books):
    """Books in memory whose keys are a ledger's."""

    ledger: Any = None

    async def keys(self) -> Sequence[Key]:
        return await self.ledger.keys()

    async def key(self, handle: str) -> Key | None:
        return await self.ledger.key(handle)


def test_a_gateway_books_every_question_of_an_audit_as_evidence(tmp_path) -> None:
    says = Says(words=(json.dumps({"why": "w", "a": 1, "b": 1, "better": "same"}),))
    books = Named()

    async def scenario(ledger: Ledger) -> None:
        books.ledger = ledger
        async with gateway(says, books) as site, lent(ledger, now) as text:
            site.http.headers["authorization"] = f"Bearer {text}"
            await require_gateway(site.http)
            judge = Judge(model=OPUS, ask=Gateway(site.http).ask, texts=prompts.load())
            said = await judge(Case(id="a", request="Q?", first="1", second="2"))
            assert isinstance(said, Opinion)

    run(tmp_path, scenario)
    assert [row.key_id for row in books.opened] == ["evidence"] * 2
    assert [call.key_id for call in says.calls] == ["evidence"] * 2


def test_a_gateway_of_another_ledger_is_told_from_one_that_is_away(tmp_path) -> None:
    async def scenario(ledger: Ledger) -> None:
        async with gateway(Says()) as site, lent(ledger, now) as text:
            site.http.headers["authorization"] = f"Bearer {text}"
            with pytest.raises(ConfigError, match="answers 401; look at --ledger"):
                await require_gateway(site.http, "look at --ledger")

    run(tmp_path, scenario)


def test_afterwards_nobody_has_it_until_it_is_lent_again(tmp_path) -> None:
    async def scenario(ledger: Ledger) -> None:
        lent_once = []
        for _ in range(2):
            with suppress(ZeroDivisionError):
                async with lent(ledger, now) as text:
                    lent_once.append(text)
                    raise ZeroDivisionError
        for text in lent_once:
            assert isinstance(await found(ledger, text), Refusal)
        async with lent(ledger, now) as text:
            assert isinstance(await found(ledger, text), Key)
            assert isinstance(await found(ledger, lent_once[0]), Refusal)
        assert [key.id for key in await ledger.keys()] == ["evidence"]

    run(tmp_path, scenario)


def test_a_gateway_that_knew_it_before_knows_the_new_secret_at_once(tmp_path) -> None:
    async def scenario(ledger: Ledger) -> None:
        keyring = Keyring(None, ledger, Turnstile(), lambda: NOW)
        for _ in range(2):
            async with lent(ledger, now) as text:
                assert isinstance(await keyring.find(text.encode()), Key)

    run(tmp_path, scenario)


def test_a_key_that_was_revoked_is_not_lent(tmp_path) -> None:
    async def scenario(ledger: Ledger) -> None:
        async with lent(ledger, now):
            pass
        await ledger.revoke_key("evidence", NOW)
        with pytest.raises(ConfigError, match="'evidence', which pays for judges, was revoked"):
            async with lent(ledger, now):
                pass

    run(tmp_path, scenario)
