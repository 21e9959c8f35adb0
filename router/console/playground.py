"""The playground: a question asked of the gateway, and what its ledger says meanwhile, live."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from itertools import count

import httpx2
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from deployments.ledger import LedgerError
from router.console.playground_events import (
    Question,
    event,
    problem,
    read_question,
    refusal,
    told,
)
from router.receipts import Row, receipt
from router.streaming import STREAM_HEADERS

MOST_BODY_BYTES = 200_000
LOOK_EVERY_S = 0.25
LAST_LOOKS = 20
"""How often the ledger is looked at after the answer, until nothing of it is under way."""

Find = Callable[[str], Awaitable[tuple[Row, Sequence[Row]] | None]]
"""Returns a task's row of the ledger and those of its attempts."""

Tell = Callable[[bytes | None], None]
"""Takes an event for the page; `None` after the last."""


class Playground:
    """Asks the gateway as any caller does, and reads the rows of what it asked."""

    def __init__(
        self, gateway: httpx2.AsyncClient, find: Find, *, every_s: float = LOOK_EVERY_S
    ) -> None:
        """Take a client that knows the gateway's address and key, and is closed by its owner."""
        self._gateway = gateway
        self._find = find
        self._every_s = every_s

    async def ask(self, request: Request) -> Response:
        """Answer a posted question with events, until its receipt is whole or the caller leaves."""
        raw = await request.body()
        if len(raw) > MOST_BODY_BYTES:
            return JSONResponse({"problem": f"at most {MOST_BODY_BYTES} bytes are taken"}, 413)
        question = read_question(raw)
        if isinstance(question, str):
            return JSONResponse({"problem": question}, 422)
        return StreamingResponse(
            self.events(question), headers=STREAM_HEADERS, media_type="text/event-stream"
        )

    async def events(self, question: Question) -> AsyncGenerator[bytes, None]:
        """Yield the events of one question; closing this ends it."""
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        job = asyncio.create_task(self._play(question, queue.put_nowait))
        try:
            while (told_next := await queue.get()) is not None:
                if told_next:
                    yield told_next
            await job
        finally:
            job.cancel()
            await asyncio.wait({job})

    async def _play(self, question: Question, tell: Tell) -> None:
        try:
            async with self._gateway.stream(
                "POST", "/v1/chat/completions", json=question.body
            ) as response:
                await self._follow(response, tell)
        except httpx2.HTTPError as error:
            tell(problem(f"the gateway broke off or does not answer: {type(error).__name__}"))
        finally:
            tell(event("end"))
            tell(None)

    async def _follow(self, response: httpx2.Response, tell: Tell) -> None:
        """Tell the answer as it comes, and what the ledger has of it beside and after it."""
        look = _Look(self._find, response.headers.get("x-tercet-request-id"), tell)
        watching = asyncio.create_task(self._watch(look, count()))
        try:
            if response.is_success:
                async for line in response.aiter_lines():
                    tell(told(line))
            else:
                tell(refusal(response.status_code, await response.aread()))
        finally:
            watching.cancel()
            await asyncio.wait({watching})
        await self._watch(look, range(LAST_LOOKS))

    async def _watch(self, look: "_Look", times: Iterable[int]) -> None:
        for _ in times:
            if await look.once():
                return
            await asyncio.sleep(self._every_s)


class _Look:
    """What the page was last told of a task's rows."""

    def __init__(self, find: Find, task_id: str | None, tell: Tell) -> None:
        self._find = find
        self._task_id = task_id
        self._tell = tell
        self._last: Mapping[str, object] = {}

    async def once(self) -> bool:
        """Tell the receipt where it has changed; say whether it will not change any more."""
        if self._task_id is None:
            return True
        try:
            found = await self._find(self._task_id)
        except LedgerError:
            return False  # the answer goes on without its rows, and the next look may find them
        if found is None:
            return False
        document = receipt(*found)
        if document != self._last:
            self._last = document
            self._tell(event("receipt", **document))
        is_open = any(row["state"] in ("reserved", "sent") for row in found[1])
        return found[0]["outcome"] is not None and not is_open
