"""The composition root of the application `console` in `serve_config.yaml`."""

import asyncio
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import httpx2
from pydantic import BaseModel, ConfigDict
from ray.serve import Application
from starlette.types import ASGIApp

from deployments.ledger.page import Row
from deployments.ledger.viewing import Viewer
from deployments.serve import deploy_http
from router.console.local_watch import LocalWatch
from router.console.playground import Playground
from router.console.reader import Reader
from router.console.rendering import Renderer
from router.console.sessions import Sessions
from router.console.site import Site
from tercet.config import Config, load, settings

NO_KEY = "the gateway cannot be asked from here: set TERCET_API_KEY where the console runs"
GATEWAY_WITHIN_S = 600.0
ENDS_WITHIN_S = 5.0


class Arguments(BaseModel):
    """`args` of the application in `serve_config.yaml`."""

    model_config = ConfigDict(extra="forbid")

    config: Path | None = None
    """Folder of the configuration; the project's own `config/` if left out."""
    gateway: str = "http://127.0.0.1:8000"
    """Where the gateway is, as this process reaches it."""
    dashboard: str | None = None
    """Where Ray's dashboard is, as whoever looks reaches it."""


class Console:
    """Reads the ledger and shows it. It holds nothing that the ledger has not."""

    def __init__(self, config: Config, args: Arguments) -> None:
        """Begin to read; needs an event loop.

        Raises:
            ConfigError: a file with a key cannot be used.
            LedgerError: the ledger's address is none.
        """
        chosen = settings()
        self._viewer = Viewer(chosen.ledger)
        self._client = httpx2.AsyncClient(
            base_url=args.gateway,
            headers={"authorization": f"Bearer {chosen.api_key}"} if chosen.api_key else {},
            timeout=GATEWAY_WITHIN_S,
            trust_env=False,  # a proxy in the environment must not take what stays on this host
        )
        reader = Reader(self._viewer, config.budget)
        watch = LocalWatch(self._client)
        self._site = Site(
            config=config,
            viewer=self._viewer,
            reader=reader,
            sessions=Sessions(chosen.admin_key or chosen.api_key, time.time),
            playground=Playground(self._client, self._find),
            renderer=Renderer(time.time),
            local=lambda: watch.said,
            clock=time.time,
            dashboard=args.dashboard,
            is_simulated=chosen.simulated,
            playground_problem="" if chosen.api_key else NO_KEY,
        )
        self._reader, self._stopped = reader, threading.Event()
        self._thread = threading.Thread(target=reader.run, args=(self._stopped,), daemon=True)
        self._thread.start()
        self._job = asyncio.create_task(watch.run())

    def __serve_build_asgi_app__(self) -> ASGIApp:
        """Return the ASGI application."""
        return self._site.app()

    async def _find(self, task_id: str) -> tuple[Row, Sequence[Row]] | None:
        return await asyncio.to_thread(self._viewer.task, task_id)

    async def close(self) -> None:
        """Stop reading."""
        self._stopped.set()
        self._reader.wake()
        self._job.cancel()
        await asyncio.wait({self._job})
        await asyncio.to_thread(self._thread.join, ENDS_WITHIN_S)
        await self._client.aclose()
        self._viewer.close()


def build(args: Arguments) -> Application:
    """Build the console.

    Raises:
        ConfigError: the configuration cannot be run.
    """
    return deploy_http(Console, "Console", load(args.config), args)
