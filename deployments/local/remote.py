"""vLLM's own OpenAI server, asked as the engine of the cluster is asked.

It runs on a machine that is not trusted: whatever it says may be nonsense, and as long as it likes.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Mapping
from contextlib import aclosing
from typing import Any, TypeVar, cast

import httpx2
from pydantic_core import from_json

QUIET_S = 2.0
"""After so long without a word the server is asked whether it is there: a tunnel that was cut is as
silent as a long prompt is."""
WITHIN_S = 4.0
"""How long it may take to say so."""
MOST_BYTES = 1 << 20
"""Of a line, or of an error."""
UNAUTHORIZED = 401
ALWAYS = {"stream": True, "stream_options": {"include_usage": True}}
Result = TypeVar("Result")


class LostError(Exception):
    """The server does not answer, or is none; the message says how."""


class Remote:
    """One server, for as long as its machine is rented."""

    def __init__(
        self, url: str, key: str, *, quiet_s: float = QUIET_S, within_s: float = WITHIN_S
    ) -> None:
        """Ask nothing yet; `key` is the lease's own."""
        self._quiet_s = quiet_s
        self._within_s = within_s
        self._http = httpx2.AsyncClient(
            base_url=url,
            headers={"authorization": f"Bearer {key}", "accept-encoding": "identity"},
            timeout=httpx2.Timeout(None, connect=within_s),
            limits=httpx2.Limits(max_connections=None),
            trust_env=False,  # the tunnel ends on this host, and no proxy leads there
        )

    async def stream(
        self, request: Mapping[str, Any], headers: Mapping[str, str]
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Yield the chunks of an answer, or one error. Closing it ends the work.

        Raises:
            LostError: it broke.
        """
        sent = self._http.build_request(
            "POST", "/v1/chat/completions", json={**request, **ALWAYS}, headers=dict(headers)
        )
        try:
            response = await self._attended(self._http.send(sent, stream=True))
            async with aclosing(response), aclosing(_lines(response)) as lines:
                if not response.is_success:
                    yield _refusal(response.status_code, await self._attended(anext(lines, b"")))
                    return
                while (line := await self._attended(anext(lines, None))) is not None:
                    for chunk in _chunks(line):
                        yield chunk
        except httpx2.HTTPError as error:
            raise LostError(f"the machine's server broke off: {type(error).__name__}") from None

    async def check(self) -> None:
        """Raise unless the server and its engine answer.

        Raises:
            LostError: they do not.
        """
        await self._get("/health")

    async def version(self) -> str:
        """Return vLLM's.

        Raises:
            LostError: it does not say.
        """
        told = _parsed((await self._get("/version")).content[:MOST_BYTES])
        return str(told.get("version"))

    async def close(self) -> None:
        """Close connections; what is under way ends."""
        await self._http.aclose()

    async def _get(self, path: str) -> httpx2.Response:
        try:
            async with asyncio.timeout(self._within_s):
                response = await self._http.get(path)
        except (httpx2.HTTPError, TimeoutError) as error:
            why = f"the machine's server does not answer: {type(error).__name__}"
            raise LostError(why) from None
        if not response.is_success:
            raise LostError(f"the machine's server answers {response.status_code} to {path}")
        return response

    async def _attended(self, step: Awaitable[Result]) -> Result:
        """Wait for a step as long as the server is there."""
        task = asyncio.ensure_future(step)
        try:
            while not (await asyncio.wait({task}, timeout=self._quiet_s))[0]:
                await self.check()
            return task.result()
        finally:
            if task.cancel():
                await asyncio.wait({task})


async def _lines(response: httpx2.Response) -> AsyncGenerator[bytes, None]:
    rest = b""
    async for piece in response.aiter_raw():
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield line
        if len(rest) > MOST_BYTES:
            raise LostError(f"the machine's server sent a line of more than {MOST_BYTES} bytes")
    if rest:
        yield rest


def _chunks(line: bytes) -> list[dict[str, Any]]:
    data = line.removeprefix(b"data: ").strip()
    if data == line.strip() or data == b"[DONE]":
        return []
    chunk = _parsed(data)
    return [_error(chunk["error"], 500) if "error" in chunk else chunk]


def _parsed(data: bytes) -> dict[str, Any]:
    try:
        told: object = from_json(data)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise LostError("the machine's server says what cannot be read")
    return cast("dict[str, Any]", told)


def _refusal(status: int, body: bytes) -> dict[str, Any]:
    if status == UNAUTHORIZED:
        raise LostError("the machine's server does not know this lease's key")
    try:
        told = _parsed(body).get("error")
    except LostError:  # of something in front of vLLM
        told = None
    return _error(told, status)


def _error(told: object, status: int) -> dict[str, Any]:
    """Return an error as `deployments.local.engine` spells it."""
    row = cast("dict[str, object]", told) if isinstance(told, dict) else {}
    code = row.get("code")
    return {
        "error": {
            "code": code if isinstance(code, int) else status,
            "message": str(row.get("message", "it gives no reason")),
            "type": str(row.get("type", f"HTTP {status}")),
        }
    }
