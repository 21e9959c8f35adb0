"""Where the clients are kept, and how they get there: by the registries' own clients, once.

They are hundreds of MB and some are under their vendors' terms, so none is part of this repository.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("TERCET_CLIENTS", Path.home() / ".cache" / "tercet-clients"))  # noqa: TID251
WITHIN_S = 1200


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """Clients that are installed together."""

    name: str
    listed_in: Path

    @property
    def at(self) -> Path:
        """The folder that belongs to exactly this list."""
        digest = hashlib.sha256(self.listed_in.read_bytes()).hexdigest()[:12]
        return CACHE / f"{self.name}-{digest}"

    @property
    def done(self) -> Path:
        """There once everything is installed."""
        return self.at / ".installed"

    def commands(self) -> list[list[str]]:
        """Return what installs it."""
        if self.listed_in.suffix == ".json":
            npm = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund"]
            return [[*npm, "--prefix", str(self.at)]]
        pip = [str(self.at / "bin" / "python"), "-m", "pip", "install", "-q"]
        return [
            [sys.executable, "-m", "venv", str(self.at)],
            [*pip, "--disable-pip-version-check", "-r", str(self.listed_in)],
        ]


TOOLS = Bundle(name="tools", listed_in=HERE / "requirements.txt")
AIDER = Bundle(name="aider", listed_in=HERE / "requirements-aider.txt")
NODE = Bundle(name="node", listed_in=HERE / "package.json")
BUNDLES = (TOOLS, AIDER, NODE)


def install(bundle: Bundle) -> None:
    """Install it if it is not there yet; what went wrong is kept for `missing`."""
    if bundle.done.exists():
        return
    shutil.rmtree(bundle.at, ignore_errors=True)
    bundle.at.mkdir(parents=True)
    print(f"installing {bundle.listed_in.name} into {bundle.at}", flush=True)
    if bundle.listed_in.suffix == ".json":
        shutil.copy(bundle.listed_in, bundle.at)
    try:
        for command in bundle.commands():
            subprocess.run(command, check=True, timeout=WITHIN_S, capture_output=True, text=True)
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or str(error)
        (bundle.at / ".failed").write_text(str(said).strip().splitlines()[-1])
    else:
        bundle.done.touch()


def missing(bundle: Bundle) -> str | None:
    """Return why a bundle cannot be used, or `None` if it can."""
    if bundle.done.exists():
        return None
    failed = bundle.at / ".failed"
    why = failed.read_text() if failed.exists() else "run `make clients`"
    return f"{bundle.listed_in.name} is not installed: {why}"


def claude_code() -> Path:
    """Return Claude Code's program: the package is little more than this one file."""
    return next((NODE.at / "node_modules" / "@anthropic-ai").glob("claude-code-*/claude"))


def codex() -> Path:
    """Return Codex's program."""
    return NODE.at / "node_modules" / ".bin" / "codex"
