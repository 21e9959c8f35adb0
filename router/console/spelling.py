"""A view as a JSON document: beside each amount in nano-USD stands the same in dollars."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any, cast

from tercet.usage import usd

_NANO = "nano_usd"


def document(value: object) -> Any:  # noqa: ANN401  JSON
    """Return a view, or a part of one, as what `json` takes."""
    if is_dataclass(value) and not isinstance(value, type):
        return document(asdict(value))
    if isinstance(value, Mapping):
        return _object(cast("Mapping[object, object]", value))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [document(one) for one in cast("Sequence[object]", value)]
    return value


def _object(found: Mapping[object, object]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for name, value in found.items():
        told[str(name)] = document(value)
        if str(name).endswith(_NANO):
            told[str(name).removesuffix(_NANO) + "usd"] = _dollars(value)
    return told


def _dollars(value: object) -> Any:  # noqa: ANN401  JSON
    if isinstance(value, Mapping):
        amounts = cast("Mapping[str, object]", value)
        return {name: _dollars(one) for name, one in amounts.items()}
    return usd(value) if isinstance(value, int) else None
