"""Has Serve run the current release, and waits until it does: `tercet-deploy.service`.

The stamp is the release and the configuration: with another one every replica of the gateway is
replaced, with the same one nothing happens. Each release has an environment of its own, so replicas
are told which Python to run. The application `local` gets none: a release does not load the model
anew, and on VPS_1 there is no such environment.
"""

import hashlib
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import requests
import yaml

from cluster import loopback
from tercet.catalog import LOCAL
from tercet.config import PROJECT, environment
from tercet.errors import ConfigError

DASHBOARD = f"http://{loopback.HOST}:8265"
APPLICATIONS = f"{DASHBOARD}/api/serve/applications/"
RELEASE = "TERCET_RELEASE"
UP_WITHIN_S = 180.0
ROLLED_WITHIN_S = 1320.0
"""Serve replaces the replicas in two turns, and each waits for the answers under way."""
GONE_WITHIN_S = 640.0
ANSWER_WITHIN_S = 30.0
LOOK_S = 1.0


@dataclass(frozen=True, slots=True)
class Head:
    """The head's dashboard, which takes nothing without Ray's token."""

    token: str

    def ask(self, method: str, body: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        """Return what it says of its applications.

        Raises:
            ConfigError: it refuses.
            requests.RequestException: it cannot be reached.
        """
        reply = requests.request(
            method,
            APPLICATIONS,
            json=cast("Any", body),
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=ANSWER_WITHIN_S,
        )
        if not reply.ok:
            raise ConfigError(f"Ray's dashboard refused {method}: {reply.text[:2000]}")
        return cast("Mapping[str, Any]", reply.json() if method == "GET" else {})


def stamp_of(release: str, config: Path) -> str:
    """Return what changes with the release and with any file of the configuration."""
    digest = hashlib.sha256()
    for file in sorted(path for path in config.rglob("*") if path.is_file()):
        digest.update(str(file.relative_to(config)).encode() + b"\0" + file.read_bytes() + b"\0")
    return f"{release}-{digest.hexdigest()[:12]}"


def stamped(text: str, stamp: str, python: Path, replicas: str | None = None) -> Mapping[str, Any]:
    """Return `serve_config.yaml` for one release; `replicas`: so many where it has several."""
    config = cast("dict[str, Any]", yaml.safe_load(text))
    for application in config["applications"]:
        if application["name"] == LOCAL:
            continue
        application["runtime_env"] = {
            "py_executable": str(python),
            "env_vars": {RELEASE: stamp},
        }
        for deployment in application["deployments"]:
            if replicas is not None and deployment["num_replicas"] > 1:
                deployment["num_replicas"] = int(replicas)
        if application["name"] == "console":
            application["args"] = {"dashboard": DASHBOARD}
    return config


def state_of(told: Mapping[str, Any], stamp: str) -> tuple[bool, str | None]:
    """Return whether every application of the stamp runs, and why one will not."""
    runs = True
    for name, found in told.get("applications", {}).items():
        if name == LOCAL:
            continue
        asked = cast("dict[str, Any]", found.get("deployed_app_config") or {})
        if asked.get("runtime_env", {}).get("env_vars", {}).get(RELEASE) != stamp:
            runs = False
        elif found["status"] == "DEPLOY_FAILED":
            said = [found["message"], *(it["message"] for it in found["deployments"].values())]
            return False, f"{name}: " + "\n".join(line for line in said if line)[:4000]
        else:
            runs &= found["status"] == "RUNNING"
    return runs and bool(told.get("applications")), None


def until(holds: Callable[[], bool], within_s: float, what: str) -> None:
    """Wait, through a dashboard that is not there yet.

    Raises:
        ConfigError: it never held.
    """
    give_up_at = time.monotonic() + within_s
    last = ""
    while time.monotonic() < give_up_at:
        try:
            if holds():
                return
        except requests.RequestException as error:
            last = f"; the last answer: {type(error).__name__}"
        time.sleep(LOOK_S)
    raise ConfigError(f"{what}: not after {within_s:.0f} s{last}; journalctl -u tercet-head")


def deploy(head: Head, config: Mapping[str, Any], stamp: str) -> None:
    """Hand it over, and wait until it runs.

    Raises:
        ConfigError: it does not.
    """

    def handed_over() -> bool:
        head.ask("PUT", config)
        return True

    def rolled() -> bool:
        runs, problem = state_of(head.ask("GET"), stamp)
        if problem is not None:
            raise ConfigError(problem)
        return runs

    until(handed_over, UP_WITHIN_S, "handing the release to Serve")
    until(rolled, ROLLED_WITHIN_S, f"running {stamp}")


def stop(head: Head) -> None:
    """Have Serve end everything once it has been answered.

    Raises:
        ConfigError: it refuses, or takes too long.
    """
    try:
        head.ask("DELETE")
    except requests.ConnectionError:
        return  # the head is gone, and everything with it
    until(lambda: not head.ask("GET")["applications"], GONE_WITHIN_S, "the end of all answers")


def main(arguments: list[str]) -> None:
    """Do what the unit says.

    Raises:
        ConfigError: it cannot be done.
    """
    env = environment()
    head = Head(Path(env["RAY_AUTH_TOKEN_PATH"]).read_text(encoding="utf-8").strip())
    if arguments == ["--stop"]:
        stop(head)
        return
    stamp = stamp_of(PROJECT.name, PROJECT / "config")
    text = (PROJECT / "serve_config.yaml").read_text(encoding="utf-8")
    python = PROJECT / "venv" / "bin" / "python"
    deploy(head, stamped(text, stamp, python, env.get("TERCET_REPLICAS")), stamp)
    sys.stdout.write(f"running {stamp}\n")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except ConfigError as error:
        sys.exit(f"tercet: {error}")
