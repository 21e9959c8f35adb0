"""A gateway over HTTP with a scripted stage and books in memory: no Ray, no file, no clock."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import httpx2
from fakes.script import stage_of

from deployments.ledger import LedgerError
from router.answering import Answering
from router.choices import Choices
from router.exchange import Office
from router.gateway import Gateway
from router.keyring import Keyring
from router.local_feed import LocalFeed
from router.policies import route_by_complexity
from router.turnstile import Turnstile
from router.watch import Watch
from tercet.budget import Balance
from tercet.call import Completion, Delta, Failure
from tercet.config import load, settings
from tercet.content import Text
from tercet.keys import Key, sha256
from tercet.ledger import Claim, Claimed, InProgress, Kept, Mismatch, Spending
from tercet.rules import Fleet
from tercet.usage import Usage

CONFIG = load(chosen=settings({}))
WITH_LOCAL = load(chosen=settings({"TERCET_LOCAL": "cpu"}))
NOW = 1_795_424_400.0
"""2026-11-23 09:00 UTC."""
OPUS = "claude-opus-5-5"
KEYS = {
    "default": "key-of-default",
    "team": f"tct_teamteam_{'t' * 43}",
    "junior": f"tct_juniorjr_{'j' * 43}",
}
TEAM = Key(id="team", handle="teamteam", sha256=sha256(KEYS["team"].encode()))
JUNIOR = Key(
    id="junior",
    handle="juniorjr",
    sha256=sha256(KEYS["junior"].encode()),
    tiers=frozenset({"tier3"}),
)
CAPS = {"month": 180_000_000_000, "key:team": 20_000_000_000}
USD = 1_000_000_000


@dataclass
class Books:
    """A ledger in memory; as slow or as broken as a test wants it."""

    down: bool = False
    known: list = field(default_factory=lambda: [TEAM, JUNIOR])
    looked_up: list = field(default_factory=list)
    spent: Spending = field(default_factory=lambda: Spending(month="2026-11"))
    opened: list = field(default_factory=list)
    closed: list = field(default_factory=list)
    claims: dict = field(default_factory=dict)
    memories: dict = field(default_factory=dict)
    claiming: asyncio.Event = field(default_factory=asyncio.Event)
    read: asyncio.Event = field(default_factory=asyncio.Event)

    def open_request(self, row) -> None:
        self.opened.append(row)

    def close_request(self, row) -> None:
        self.closed.append(row)

    async def task(self, task_id):
        await self._answers()
        rows = [row for row in self.opened if row.task_id == task_id]
        if not rows:
            return None
        found = {"asked_model": "m", "opened_at_ns": 0, "closed_at_ns": None, "outcome": None}
        texts = {"profile": "{}", "route": "{}", "answer": None}
        return {"task_id": task_id, "key_id": rows[0].key_id, **found, **texts}, []

    async def claim(self, claim: Claim):
        self.claiming.set()
        await self._answers()
        name = (claim.key_id, claim.idempotency_key)
        held, document = self.claims.setdefault(name, (claim, None))
        if held is claim:
            return Claimed()
        if held.fingerprint != claim.fingerprint:
            return Mismatch()
        if document is None:
            return InProgress()
        return Kept(task_id=held.task_id, document=document)

    async def keep(self, claim: Claim, document) -> None:
        await self._answers()
        self.claims[claim.key_id, claim.idempotency_key] = (claim, document)

    async def release(self, claim: Claim) -> None:
        await self._answers()
        del self.claims[claim.key_id, claim.idempotency_key]

    async def spending(self, _at) -> Spending:
        await self._answers()
        self.read.set()
        return self.spent

    async def keys(self):
        await self._answers()
        return self.known

    async def key(self, handle):
        self.looked_up.append(handle)
        await self._answers()
        return next((key for key in self.known if key.handle == handle), None)

    async def remember(self, answer_id, key_id, document, _at) -> None:
        await self._answers()
        self.memories[answer_id, key_id] = document

    async def recall(self, answer_id, key_id):
        await self._answers()
        return self.memories.get((answer_id, key_id))

    async def forget(self, answer_id, key_id) -> bool:
        await self._answers()
        return self.memories.pop((answer_id, key_id), None) is not None

    async def _answers(self) -> None:
        await asyncio.sleep(0)
        if self.down:
            raise LedgerError("scripted")


@dataclass
class Says:
    """A `CallModel` that says its words to everybody, or fails; it may be made to wait."""

    words: tuple[str, ...] = ("It", " is", " 391.")
    failure: Failure | None = None
    gate: asyncio.Event | None = None
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    calls: list = field(default_factory=list)

    async def __call__(self, call, /) -> AsyncGenerator:
        self.calls.append(call)
        self.asked.set()
        if call.wants_deltas and self.failure is None:
            yield Delta(self.words[0])
        if self.gate is not None:
            await self.gate.wait()
        if self.failure is not None:
            yield replace(self.failure, model=call.model)
            return
        for word in self.words[1:] if call.wants_deltas else ():
            yield Delta(word)
        yield Completion(
            attempt_id=f"att_{len(self.calls)}",
            model=call.model,
            parts=(Text("".join(self.words)),),
            finish="stop",
            usage=Usage(fresh_input=10, output=3),
            cost_nano_usd=1_000,
            first_token_s=0.1,
            latency_s=0.2,
        )


def failing(kind, cost_nano_usd=0, message="scripted", retry_after_s=None) -> Says:
    """Return a model that fails in one way."""
    failure = Failure(
        model="",
        kind=kind,
        message=message,
        cost_nano_usd=cost_nano_usd,
        retry_after_s=retry_after_s,
    )
    return Says(failure=failure)


@dataclass
class Site:
    """A gateway under test, and what is behind it."""

    http: httpx2.AsyncClient
    books: Books
    watch: Watch
    office: Office
    routes: list

    async def ask(self, content="What is 17 * 23?", key="default", idempotency=None, **fields):
        headers = {"authorization": f"Bearer {KEYS[key]}"}
        if idempotency is not None:
            headers["idempotency-key"] = idempotency
        body = {"model": OPUS, "messages": [{"role": "user", "content": content}], **fields}
        return await self.http.post("/v1/chat/completions", json=body, headers=headers)

    async def get(self, path, key="default"):
        return await self.http.get(path, headers={"authorization": f"Bearer {KEYS[key]}"})

    async def idle(self) -> None:
        """Wait until nothing is under way."""
        while self.office.jobs:
            await asyncio.wait(self.office.jobs)


@asynccontextmanager
async def gateway(
    call,
    books: Books | None = None,
    policy=route_by_complexity,
    local: LocalFeed | None = None,
    **feeds,
) -> AsyncGenerator[Site, None]:
    """Serve HTTP on the scripted `call`; with `local` there is a local model.

    `feeds` are those of `Answering`: `learning` and `migrating`.
    """
    books = books or Books()
    site = _site(call, books, policy, local, feeds)
    app = site.app()
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://gateway") as http:
        yield Site(http=http, books=books, watch=site.watch, office=site.office, routes=app.routes)
    await asyncio.sleep(0)


def _site(call, books: Books, policy, local: LocalFeed | None, feeds) -> Gateway:
    config = CONFIG if local is None else WITH_LOCAL
    config = replace(config, budget=replace(config.budget, caps=CAPS))
    fleet = Fleet(providers=frozenset({"anthropic", *(() if local is None else ("local",))}))
    keyring = Keyring(sha256(KEYS["default"].encode()), books, Turnstile(lambda: 1, clock), clock)
    choices = Choices(
        catalog=config.catalog,
        rules=config.rules,
        budget=config.budget,
        fleet=fleet,
        keys=keyring.keys,
    )
    watch = Watch(books, config.budget, clock, keyring.replace)
    answering = Answering(
        policy=policy,
        choices=choices,
        stage=stage_of(call, clock),
        outlook=watch.outlook,
        holding=None if local is None else local.holding,
        **feeds,
    )
    office = Office(answering=answering, records=books, clock=clock, jobs=set())
    return Gateway(
        config=config,
        office=office,
        books=books,
        watch=watch,
        keyring=keyring,
        is_ready=_ready,
        count=_count,
        started_at=int(NOW),
        local=local,
    )


async def _count(call) -> int | Failure:
    text = "".join(message.text for message in call.prompt.messages)
    if "uncountable" in text:
        return Failure(model=call.model, kind="unavailable", message="scripted")
    return len(text)


def clock() -> float:
    return NOW


async def _ready() -> bool:
    return True


def run(scenario: Callable, call=None, **options):
    """Run one coroutine function with a site."""

    async def whole():
        async with gateway(call or Says(), **options) as site:
            return await scenario(site)

    return asyncio.run(whole())


def spent(month_usd: float, key_usd: float = 0.0) -> Spending:
    """Return a month in which so much is spent."""
    balances = {
        "month": Balance(spent=round(month_usd * USD), held=2 * USD),
        "key:team": Balance(spent=round(key_usd * USD), held=USD),
    }
    return Spending(month="2026-11", balances=balances)
