"""What vLLM's own log says of the phases of a start: its processes tell it nowhere else."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# 0.32.0: model_loader/default_loader.py, v1/engine/core.py, v1/worker/gpu_model_runner.py.
_TOLD = {
    "weights": re.compile(r"Loading weights took ([\d.]+) seconds"),
    "compile": re.compile(r"init engine .* took .*\(compilation: ([\d.]+) s"),
    "graphs": re.compile(r"Graph capturing finished in ([\d.]+) secs"),
}


@dataclass(frozen=True, slots=True)
class Output:
    """This process's standard output from some moment on; vLLM's processes write to it too."""

    file: Path
    begin: int

    def text(self) -> str:
        """Return what was written since."""
        with self.file.open("rb") as output:
            output.seek(self.begin)
            return output.read().decode(errors="replace")


def output_from_now() -> Output | None:
    """Return the output from now on; `None` where it is no file, as in a terminal."""
    file = Path("/proc/self/fd/1").resolve()
    return Output(file, file.stat().st_size) if file.is_file() else None


def phases_of(output: Output | None, engine_s: float) -> Mapping[str, float]:
    """Split the engine's start into the seconds its log tells, and the rest as `engine`."""
    text = "" if output is None else output.text()
    found = {name: told.search(text) for name, told in _TOLD.items()}
    told = {name: float(match[1]) for name, match in found.items() if match is not None}
    return {**told, "engine": max(engine_s - sum(told.values()), 0.0)}
