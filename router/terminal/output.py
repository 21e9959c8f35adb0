"""What commands print: for people or for programs, and nothing that steers a terminal."""

import json
import sys
from collections.abc import Mapping, Sequence

_CONTROLS = {code: None for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}


def tell(text: str, document: Mapping[str, object] | Sequence[object], *, as_json: bool) -> None:
    """Print one or the other on standard output."""
    sys.stdout.write(f"{json.dumps(document)}\n" if as_json else text)


def harmless(text: str) -> str:
    """Leave out control characters: a model's text must not move the cursor or set a title."""
    return text.translate(_CONTROLS)


def on_one_line(text: str) -> str:
    """Return the same with its spaces and line ends as single spaces."""
    return harmless(" ".join(text.split()))
