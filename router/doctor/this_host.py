"""The files of this host that only we may read, and its environment."""

import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from router.doctor.doors import Finding
from tercet.environment import KEY_FILES

SHUT = "shut to other users"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A file that other users of this host must not get at."""

    what: str
    path: Path
    is_named: bool = False
    """By a variable: then it has to be there."""
    is_ledger: bool = False
    """The same rows are in its journal and its log, beside it."""

    @property
    def files(self) -> Sequence[Path]:
        """All that is looked at."""
        beside = self.path.parent.glob(f"{self.path.name}?*") if self.is_ledger else ()
        return [self.path, *beside]

    @property
    def remedy(self) -> str:
        """What shuts it; SQLite makes files anew, so the ledger's folder is shut."""
        return f"chmod 700 {self.path.parent}" if self.is_ledger else f"chmod o= {self.path}"


def look_at_host(env: Mapping[str, str], ledger: str, places: Mapping[str, Path]) -> list[Finding]:
    """Look at what is here; what need not be here, and is not, is not in the list.

    Args:
        env: the environment.
        ledger: its file or URL.
        places: other files that nobody else may read, by what they are.
    """
    kept = [
        Kept(what=name, path=Path(env[name]), is_named=True)
        for name in KEY_FILES.values()
        if env.get(name)
    ]
    kept += [Kept(what=what, path=path) for what, path in places.items()]
    if "://" not in ledger:
        kept.append(Kept(what="the ledger", path=Path(ledger), is_ledger=True))
    found = [_judged(file) for file in kept]
    return [*(finding for finding in found if finding is not None), *_doubles(env)]


def _judged(kept: Kept) -> Finding | None:
    what = f"{kept.what}, {kept.path}"
    try:
        is_open = any(_is_open(file) for file in kept.files)
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not kept.is_named:
            return None
        return Finding(
            what=what,
            expected=SHUT,
            found=f"cannot be looked at ({error.strerror})",
            verdict="unknown",
            remedy="make it, or run this as the user that runs Ray",
        )
    return Finding(
        what=what,
        expected=SHUT,
        found="open to other users" if is_open else SHUT,
        verdict="open" if is_open else "shut",
        remedy=kept.remedy if is_open else "",
    )


def _is_open(path: Path) -> bool:
    """Say whether others get at it: through every folder above it, links followed."""
    whole = path.resolve()
    may_pass = all(folder.stat().st_mode & stat.S_IXOTH for folder in whole.parents)
    return bool(whole.stat().st_mode & stat.S_IRWXO) and may_pass


def _doubles(env: Mapping[str, str]) -> Iterator[Finding]:
    for name, file in KEY_FILES.items():
        if env.get(file):
            is_double = bool(env.get(name))
            yield Finding(
                what=f"{name} beside {file}",
                expected="not in the environment",
                found="in the environment" if is_double else "not in the environment",
                verdict="open" if is_double else "shut",
                remedy=f"unset {name}; the file counts" if is_double else "",
            )
