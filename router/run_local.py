"""VPS_1 on this machine: the second node of `make run`, where there is a local model."""

import subprocess
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tercet.config import PROJECT, environment, settings
from tercet.errors import ConfigError
from tercet.local_file import load_local
from tercet.local_model import LocalModel

VPS_1 = PROJECT / "cluster" / "vps_1"
STOP_S = 20.0
BESIDE: Mapping[str, str] = {
    "PYTHONPATH": str(PROJECT),  # its environment has no package of ours
    # Beside the gateway on one machine, the gateway goes first: vLLM's processes spin while they
    # wait for each other, and would keep every core from it.
    "RAY_worker_niceness": "15",
}
"""What the node has in its environment besides the head's."""


def args_of(model: LocalModel) -> Mapping[str, Any]:
    """Return the `args` of the application `local`."""
    profiles = load_local().profiles
    name = next(name for name, profile in profiles.items() if profile == model)
    idle_s = settings().local_idle_s
    return {"profile": name} | ({} if idle_s is None else {"idle_s": idle_s})


@contextmanager
def joined(model: LocalModel, address: str, say: Callable[[str], None]) -> Generator[None]:
    """Run the node; without its environment there is none, and the model stays asleep.

    Raises:
        ConfigError: the model of the profile for a CPU cannot be made.
    """
    folder = settings().vps_1
    if folder is None:
        yield
        return
    python = folder / "bin" / "python"
    if not python.exists():
        say(f"no VPS_1: there is no {python}; `make vps_1` makes it (2.7 GB)")
        yield
        return
    _make_tiny(model, python, say)
    wants = model.resources
    command = [str(python), str(VPS_1 / "join.py"), address]
    command += ["--cpus", str(max(wants.num_cpus, 1)), "--gpus", str(wants.num_gpus)]
    ours = {**environment(), **BESIDE}
    process = subprocess.Popen(command, env=ours, stdout=subprocess.DEVNULL)  # noqa: S603  our own
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()


def _make_tiny(model: LocalModel, python: Path, say: Callable[[str], None]) -> None:
    """Make the model of the profile for a CPU, once."""
    folder = PROJECT / model.source
    if model.card is not None or (folder / "config.json").exists():
        return
    say(f"making {folder}, a tiny model with random weights ...")
    command = [str(python), str(VPS_1 / "tiny_model.py"), str(folder)]
    if subprocess.run(command, check=False).returncode != 0:  # noqa: S603  our own
        raise ConfigError(f"{folder} could not be made; the error is above")
