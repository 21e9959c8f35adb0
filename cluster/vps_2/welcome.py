"""What a rented machine hears at the other end of its tunnel: welcome.py NODES LEASE.

The forced command of its SSH key; `join` and `beat` are all it may say. Needs the standard library
alone, and starts in 30 ms: every machine says `beat` again and again.
"""

import json
import os
import re
import sys
import time
from collections.abc import Mapping
from pathlib import Path


def answer(nodes: Path, lease: str, said: str) -> str:
    """Return what the head tells a machine, as JSON; `{}`: it is not wanted any more.

    Args:
        nodes: the folder with one file for each machine that is wanted.
        lease: whose key opened the connection.
        said: `join`: tell all. `beat`: tell whether it is wanted.
    """
    if re.fullmatch(r"[a-z0-9-]+", lease) is None:
        return "{}"
    file = nodes / f"{lease}.json"
    try:
        told = file.read_text(encoding="utf-8")
        if not is_held(file, json.loads(told)):
            return "{}"
    except FileNotFoundError:
        return "{}"
    (nodes / f"{lease}.beat").touch()
    return told if said == "join" else json.dumps({"wanted": True})


def is_held(file: Path, node: Mapping[str, object]) -> bool:
    """Say whether a machine's file still says that it is wanted.

    Raises:
        FileNotFoundError: it was taken away meanwhile.
    """
    lasts_s = node.get("lasts_s")
    return not isinstance(lasts_s, int | float) or time.time() - file.stat().st_mtime <= lasts_s


if __name__ == "__main__":
    sys.stdout.write(
        answer(Path(sys.argv[1]), sys.argv[2], os.environ.get("SSH_ORIGINAL_COMMAND", ""))  # noqa: TID251
    )
