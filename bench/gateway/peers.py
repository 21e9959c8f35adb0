"""Other gateways, each in an environment of its own under `.peers/`, before the same upstream.

    .venv/bin/python -m bench.gateway.peers [--install]

Each translates chat completions to Claude's Messages, as Tercet does, in one process. With no
argument, each is started once, asked, and scored.

Not here: Portkey's gateway (npm 1.15.2), which answered every stream with 500 when it was tried in
November 2026, and what does not install from PyPI, npm or Debian.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.gateway.fidelity import faithful
from bench.gateway.systems import (
    CHAT,
    KEY,
    PROJECT,
    SONNET,
    Target,
    await_url,
    environment,
    mark_of,
    process,
    scratch,
    stop_on_term,
    upstream,
)
from cluster.loopback import free_ports

HOME = PROJECT / ".peers"

_LITELLM = """\
model_list:
  - model_name: {model}
    litellm_params:
      model: anthropic/{model}
      api_base: http://127.0.0.1:{behind}
      api_key: bench
general_settings: {{master_key: {key}}}
"""

_SWITCHYARD = """\
schema_version = 1

[llm_clients.claude]
format = "anthropic_messages"
base_url = "http://127.0.0.1:{behind}/v1"
api_key_env = "ANTHROPIC_API_KEY"

[targets.claude]
id = "{model}"
llm_client = "claude"

[routes.claude]
id = "{model}"
type = "passthrough"
target = "claude"
"""
_SERVE_SWITCHYARD = """\
import signal, sys
from switchyard_rust.server import Server
with Server(sys.argv[1], int(sys.argv[2])):
    signal.pause()
"""


@contextmanager
def litellm(behind: int, folder: Path) -> Generator[Target]:
    """Run LiteLLM's proxy: one worker, no database, its price list the one in its wheel."""
    config = folder / "litellm.yaml"
    config.write_text(_LITELLM.format(behind=behind, model=SONNET, key=KEY), encoding="utf-8")
    (port,) = free_ports(1)
    command = [str(HOME / "litellm" / "bin" / "litellm"), "--config", str(config)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    # What its documentation advises for production; and the price list is not fetched.
    env = environment(
        "litellm",
        PYTHONPATH="",
        LITELLM_LOCAL_MODEL_COST_MAP="True",
        LITELLM_MODE="PRODUCTION",
        LITELLM_LOG="ERROR",
    )
    with process(command, env, folder / "litellm.log") as running:
        await_url(f"http://127.0.0.1:{port}/health/liveliness", running)
        yield _target("litellm", port)


@contextmanager
def switchyard(behind: int, folder: Path) -> Generator[Target]:
    """Run NeMo Switchyard's server, which is native code in a process of Python's."""
    config = folder / "switchyard.toml"
    config.write_text(_SWITCHYARD.format(behind=behind, model=SONNET), encoding="utf-8")
    (port,) = free_ports(1)
    python = str(HOME / "nemo-switchyard" / "bin" / "python")
    command = [python, "-c", _SERVE_SWITCHYARD, str(config), str(port)]
    env = environment("switchyard", PYTHONPATH="", ANTHROPIC_API_KEY="bench", RUST_LOG="warn")
    with process(command, env, folder / "switchyard.log") as running:
        await_url(f"http://127.0.0.1:{port}/health", running)
        yield _target("switchyard", port)


def _target(name: str, port: int) -> Target:
    bearer = {"authorization": f"Bearer {KEY}"}
    return Target(name=name, mark=mark_of(name), port=port, path=CHAT, headers=bearer, model=SONNET)


@dataclass(frozen=True, slots=True)
class Peer:
    """What pip is asked for, and how it is run."""

    package: str
    run: Callable[[int, Path], AbstractContextManager[Target]]


# 1.106.2 is the newest whose proxy resolves against what the registry has.
PEERS: Mapping[str, Peer] = {
    "litellm": Peer("litellm[proxy]==1.106.2", litellm),
    "nemo-switchyard": Peer("nemo-switchyard==0.3.0", switchyard),
}


def install() -> None:
    """Make an environment for each; one that is made already is left as it is."""
    for name, peer in PEERS.items():
        python = HOME / name / "bin" / "python"
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", str(HOME / name)], check=True)
        pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        if subprocess.run([*pip, peer.package], check=False).returncode:
            print(f"{name}: {peer.package} does not install here")


def started(behind: int, folder: Path, up: ExitStack) -> list[Target]:
    """Run each peer that is installed until `up` is closed; say why another is not run."""
    found: list[Target] = []
    for name, peer in PEERS.items():
        if not (HOME / name).exists():
            print(f"{name}: left out, not installed: python -m bench.gateway.peers --install")
            continue
        try:
            found.append(up.enter_context(peer.run(behind, folder)))
        except (RuntimeError, OSError) as error:
            print(f"{name}: left out, does not start: {error}; its log is in {folder}")
    return found


def main() -> None:
    """Install the peers, or score those that are installed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--install", action="store_true")
    if parser.parse_args().install:
        install()
        return
    stop_on_term()
    folder = scratch()
    with ExitStack() as up:
        behind = up.enter_context(upstream(folder / "upstream.log"))
        for target in started(behind, folder, up):
            print(target.name, faithful(f"http://127.0.0.1:{target.port}", KEY, target.model))


if __name__ == "__main__":
    main()
