"""What a rented machine hears at the other end of its tunnel: welcome.py NODES LEASE.

The forced command of its SSH key; `join` and `beat` are all it may say. Needs the standard library
alone, and starts in 30 ms: every machine says `beat` again and again.
"""

import json
import os
import re
import sys
from pathlib import Path


def answer(nodes: Path, lease: str, said: str) -> str:
    """Return what the head tells a machine, as JSON; `{}`: it is not wanted any more.

    Args:
        nodes: the folder with one file for each machine that is wanted.
        lease: whose key opened the connection.
        said: `join`: tell all. `beat`: tell whether it is wanted.
    """
    file = nodes / f"{lease}.json"
    if re.fullmatch(r"[a-z0-9-]+", lease) is None or not file.exists():
        return "{}"
    (nodes / f"{lease}.beat").touch()
    if said == "join":
        return file.read_text(encoding="utf-8")
    return json.dumps({"wanted": True})


if __name__ == "__main__":
    sys.stdout.write(
        answer(Path(sys.argv[1]), sys.argv[2], os.environ.get("SSH_ORIGINAL_COMMAND", ""))  # noqa: TID251
    )
