"""Anthropic Messages: what any provider thought and signed, as thinking blocks and back.

Messages clients send thinking blocks back as they came, so what another provider wants to see again
travels in them, marked with its name. To Anthropic such a block would be a forgery: `is_foreign`
tells it.
"""

import re
from dataclasses import dataclass
from typing import get_args

from router.surfaces.checking import a_choice, a_string, refuse
from tercet.catalog import ProviderName
from tercet.content import JsonObject, Thought, ToolUse

_MARK = "tercet:"
_TOOL = "tool:"
_PROVIDERS: tuple[ProviderName, ...] = get_args(ProviderName)

# Google's SDK writes bytes in either alphabet; Anthropic's signatures are only ever compared.
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/_-]{4})*(?:[A-Za-z0-9+/_-]{2}==|[A-Za-z0-9+/_-]{3}=)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSignature:
    """The signature of the tool use that follows."""

    by: ProviderName
    signature: str


def seal(by: ProviderName, signature: str | None) -> str:
    """Return a thought's signature as clients are sent it."""
    return signature or "" if by == "anthropic" else f"{_MARK}{by}:{signature or ''}"


def thinking_block(thought: Thought) -> JsonObject:
    """Return a thought as a block."""
    sealed = seal(thought.by, thought.signature)
    if thought.is_redacted:
        return {"type": "redacted_thinking", "data": sealed}
    return {"type": "thinking", "thinking": thought.text, "signature": sealed}


def tool_signature_block(use: ToolUse) -> JsonObject | None:
    """Return the block to put before a tool use that is signed."""
    if use.signature is None or use.by is None:
        return None
    return {"type": "redacted_thinking", "data": f"{_MARK}{use.by}:{_TOOL}{use.signature}"}


def is_foreign(block: JsonObject) -> bool:
    """Tell whether a block of the assistant's holds what we put there for another provider."""
    values = (block.get(name) for name in ("signature", "data", "id"))
    return any(isinstance(value, str) and value.startswith(_MARK) for value in values)


def read_thinking(block: JsonObject, path: str) -> tuple[Thought, ...]:
    """Read a `thinking` block; nothing, if it is empty."""
    text = a_string(block.get("thinking"), f"{path}.thinking")
    sealed = a_string(block.get("signature", ""), f"{path}.signature")
    by, signature = _opened(sealed, f"{path}.signature")
    if not text and not signature:
        return ()
    signed = _checked(by, signature, f"{path}.signature")
    return (Thought(text=text, signature=signed or None, by=by),)


def read_redacted(block: JsonObject, path: str) -> tuple[Thought | ToolSignature, ...]:
    """Read a `redacted_thinking` block."""
    path = f"{path}.data"
    by, signature = _opened(a_string(block.get("data"), path), path)
    is_of_tool = by != "anthropic" and signature.startswith(_TOOL)
    signature = _checked(by, signature.removeprefix(_TOOL) if is_of_tool else signature, path)
    if not signature:
        refuse(path, "must not be empty")
    if is_of_tool:
        return (ToolSignature(by=by, signature=signature),)
    return (Thought(text="", signature=signature, by=by, is_redacted=True),)


def _opened(sealed: str, path: str) -> tuple[ProviderName, str]:
    if not sealed.startswith(_MARK):
        return "anthropic", sealed
    name, _, signature = sealed.removeprefix(_MARK).partition(":")
    return a_choice(name, path, _PROVIDERS), signature


def _checked(by: ProviderName, signature: str, path: str) -> str:
    if by == "google" and _BASE64.fullmatch(signature) is None:
        refuse(path, "must be as it was sent: its signature is not base64")
    return signature
