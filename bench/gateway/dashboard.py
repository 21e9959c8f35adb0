"""Ray's dashboard of a Tercet that runs: what Serve runs in it, and how that is changed."""

import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import requests

WITHIN_S = 240
ASKED_WITHIN_S = 30

Details = Mapping[str, Any]
"""Serve's applications by name, as its REST API tells of them."""


class Dashboard:
    """Serve's REST API."""

    def __init__(self, log: Path) -> None:
        """Read the address and the token from the banner of `tercet run`, and Ray's address."""
        text = log.read_text(errors="replace")
        told = re.search(r"dashboard +(\S+) \(token (\w+)\)\n +ray +(\S+)", text)
        assert told is not None, log  # noqa: S101  the banner was waited for
        self._url = f"{told[1]}/api/serve/applications/"
        self._headers = {"authorization": f"Bearer {told[2]}"}
        self.ray_address = told[3]

    def applications(self) -> Details:
        """Return what is deployed, and how it fares."""
        return self._read()["applications"]

    def change(self, changed: Callable[[list[dict[str, Any]]], None]) -> None:
        """Deploy the applications anew as `changed` leaves their configurations."""
        now = self._read()
        # What is left out is stopped, so the others are said again.
        kept = [one["deployed_app_config"] for one in now["applications"].values()]
        http = {"host": "127.0.0.1", "port": now["http_options"]["port"], "request_timeout_s": 610}
        config = {
            "proxy_location": now["proxy_location"],
            "http_options": http,
            "logging_config": {"encoding": "JSON", "enable_access_log": False},
            "applications": kept,
        }
        changed(kept)
        reply = requests.put(self._url, json=config, headers=self._headers, timeout=ASKED_WITHIN_S)
        reply.raise_for_status()

    def wait(self, is_done: Callable[[Details], bool]) -> None:
        """Wait until what is deployed is as it should be."""
        give_up_at = time.monotonic() + WITHIN_S
        while not is_done(found := self.applications()):
            if time.monotonic() > give_up_at:
                raise RuntimeError(f"Serve does not come to what was deployed: {found}")
            time.sleep(0.2)

    def _read(self) -> dict[str, Any]:
        reply = requests.get(self._url, headers=self._headers, timeout=ASKED_WITHIN_S)
        reply.raise_for_status()
        return reply.json()


def deploy_bare(dashboard: Dashboard, behind: int) -> None:
    """Deploy the bare ingress and child beside Tercet, in the Ray that `tercet run` started."""
    bare = {
        "name": "bare",
        "route_prefix": "/bare",
        "import_path": "bench.gateway.bare:build",
        "args": {"upstream": f"http://127.0.0.1:{behind}"},
    }
    dashboard.change(lambda applications: applications.append(bare))
    dashboard.wait(lambda found: found["bare"]["status"] == "RUNNING")
