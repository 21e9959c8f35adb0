"""Dockerfiles, read, and carried out in a folder instead of by Docker."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

SHARED = [Path(it) for it in ("/etc/ssl", "/etc/pip.conf", "/opt/pypi", "/opt/pypi-more")]

# Of the commands that make the mounts: an image's own path need not have them.
OUTER_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Step:
    word: str
    text: str

    @property
    def sources(self) -> list[str]:
        """Of a COPY: what it takes, without options and target."""
        return [part for part in shlex.split(self.text) if not part.startswith("--")][:-1]

    @property
    def target(self) -> str:
        return shlex.split(self.text)[-1]

    @property
    def of_stage(self) -> str | None:
        found = re.match(r"--from=(\S+)", self.text)
        return None if found is None else found[1]


@dataclass(frozen=True, slots=True)
class Stage:
    base: str
    name: str | None
    steps: list[Step] = field(default_factory=list[Step])

    def having(self, word: str) -> list[Step]:
        return [step for step in self.steps if step.word == word]


def parse(text: str) -> tuple[Mapping[str, str], list[Stage]]:
    """Return the arguments before the first stage, and the stages."""
    lines = [line for line in text.splitlines() if not re.match(r"\s*#", line)]
    joined = "\n".join(lines).replace("\\\n", " ")
    arguments: dict[str, str] = {}
    stages: list[Stage] = []
    for line in filter(str.strip, joined.splitlines()):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            stages.append(Stage(base.strip(), name.strip() or None))
        elif stages:
            stages[-1].steps.append(Step(word, rest.strip()))
        else:
            name, _, value = rest.strip().partition("=")
            arguments[name] = value
    return arguments, stages


def assignments(step: Step) -> dict[str, str]:
    """Return what an ENV or LABEL sets."""
    pairs = (part.partition("=") for part in shlex.split(step.text))
    return {name: value for name, _, value in pairs}


class Site:
    """A build of one Dockerfile: a folder for each stage, in place of layers."""

    def __init__(self, context: Path, base: Path, work: Path, outside: Mapping[str, str]) -> None:
        """`outside` is the environment of a RUN that is this machine's: where packages are."""
        self._context = context
        self._base = base
        self._work = work
        self._outside = outside

    def build(self, stages: Sequence[Stage]) -> tuple[Path, Mapping[str, str]]:
        """Carry out the stages; return the last one's root and environment."""
        roots: dict[str | None, Path] = {}
        env: dict[str, str] = {}
        for number, stage in enumerate(stages):
            root = self._work / f"stage{number}"
            root.mkdir()
            subprocess.run(["tar", "xf", str(self._base), "-C", str(root)], check=True)
            shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
            roots[stage.name], env = root, self._carry_out(stage, root, roots)
        return roots[stages[-1].name], env

    def _carry_out(
        self, stage: Stage, root: Path, roots: Mapping[str | None, Path]
    ) -> dict[str, str]:
        env = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"}
        folder = "/"
        for step in stage.steps:
            match step.word:
                case "ENV":
                    env |= assignments(step)
                case "WORKDIR":
                    folder = step.text
                    (root / folder.lstrip("/")).mkdir(parents=True, exist_ok=True)
                case "COPY":
                    origin = self._context if step.of_stage is None else roots[step.of_stage]
                    copy(step, origin, root, folder)
                case "RUN":
                    # A stage's ENV wins, as in Docker, where this machine's does not exist.
                    run = f"cd {folder} && {step.text}"
                    within(root, ["sh", "-ec", run], {**self._outside, **env})
                case _:
                    pass
        return env


def copy(step: Step, origin: Path, root: Path, folder: str) -> None:
    target = root / str(Path(folder, step.target)).lstrip("/")
    is_folder = step.target.endswith("/") or len(step.sources) > 1
    for name in step.sources:
        source = origin / name.lstrip("/")
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True, ignore=ignored)
            continue
        (target if is_folder else target.parent).mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target / source.name if is_folder else target)


def within(
    root: Path, command: Sequence[str], env: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a command in `root`, in mounts of its own."""
    # Where this machine's pip finds packages, also where those are folders of it.
    binds = [bind(path, f"{root}{path}") for path in SHARED if path.exists()]
    mounts = [*binds, f"mount -t proc proc {root}/proc", f"mount --rbind /dev {root}/dev"]
    script = "\n".join(["set -e", *mounts, f'exec chroot {root} "$@"'])
    inner = ["env", f"PATH={env['PATH']}", *command]
    return subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "sh", "-c", script, "sh", *inner],
        env={**env, "PATH": OUTER_PATH}, check=True, text=True, stdout=subprocess.PIPE, timeout=900,
    )  # fmt: skip


def bind(path: Path, target: str) -> str:
    make = "mkdir -p" if path.is_dir() else "touch"
    return f"{make} {target} && mount --bind {path} {target}"
