"""JSON documents of the ledger's rows; what is not as expected is as good as absent."""

import json
from collections.abc import Mapping
from typing import Any, cast

Document = Mapping[str, Any]


def read(text: object) -> Document:
    """Return a document; one that is no object is empty."""
    try:
        return _object(json.loads(str(text or "{}")))
    except ValueError:
        return {}


def part(document: Document, name: str) -> Document:
    """Return an object within a document; empty where there is none."""
    return _object(document.get(name))


def _object(found: object) -> Document:
    return cast("Document", found) if isinstance(found, dict) else {}
