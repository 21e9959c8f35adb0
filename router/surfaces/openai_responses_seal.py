"""What a provider wants to see again, in the `encrypted_content` of OpenAI's reasoning items.

Clients carry it unread. It is not encrypted: whoever may read it has made it or was sent it.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from pydantic_core import from_json

from router.surfaces.writing import encode
from tercet.catalog import ProviderName
from tercet.content import JsonObject, JsonValue, Thought

_VERSION = 1
_PROVIDERS: Mapping[str, ProviderName] = {name: name for name in get_args(ProviderName)}


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSignature:
    """The signature of a tool use, whose own item has no place for it."""

    call_id: str
    signature: str
    by: ProviderName


def seal(told: Thought | CallSignature) -> str:
    """Return base64url of a JSON object."""
    value: JsonObject = {"v": _VERSION, "by": told.by, "signature": told.signature}
    match told:
        case CallSignature():
            value["tool"] = told.call_id
        case Thought():
            value |= {"text": told.text, "redacted": told.is_redacted}
    return base64.urlsafe_b64encode(encode(value)).decode()


def unseal(content: str) -> Thought | CallSignature | None:
    """Return what `seal` sealed; `None` if it was another gateway's, or tampered with."""
    try:
        value: JsonValue = from_json(base64.urlsafe_b64decode(content), allow_inf_nan=False)
        return _read(value) if isinstance(value, dict) else None
    except ValueError:
        return None


def _read(value: JsonObject) -> Thought | CallSignature | None:
    by = _PROVIDERS.get(str(value.get("by")))
    signature, text, call_id = value.get("signature"), value.get("text"), value.get("tool")
    if value.get("v") != _VERSION or by is None or not isinstance(signature, str) or not signature:
        return None
    if by == "google":  # whose SDK wants bytes, written in either alphabet
        base64.b64decode(signature, altchars=b"-_", validate=True)
    if isinstance(call_id, str):
        return CallSignature(call_id=call_id, signature=signature, by=by)
    if not isinstance(text, str):
        return None
    is_redacted = value.get("redacted") is True
    return Thought(text=text, signature=signature, by=by, is_redacted=is_redacted)
