"""Checks of foreign JSON that every surface makes: each returns the value, or refuses by its path.

A surface calls these inside one `try` and turns the `RefusedError` into its refusal there.
"""

import binascii
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Never, TypeVar, get_args
from urllib.parse import urlsplit

from router.surfaces.refusal import Refusal
from router.surfaces.surface import Resolve
from tercet.content import CacheFor, JsonObject, JsonValue, Media
from tercet.task import Hints, TaskKind

# Ours: the first four bound the work of one request, the fifth fits 32 bits.
MOST_MESSAGES = 2_000
MOST_PARTS = 10_000
MOST_TOOLS = 256
MOST_STOPS = 16
MOST_TOKENS = 2**31 - 1
MOST_NAME_CHARS = 256
MOST_URL_CHARS = 8_192

_MOST_ECHOED_CHARS = 100
_MOST_IGNORED = 32
_HEADER_SAFE = re.compile(r"[A-Za-z0-9_.-]{1,64}")

# OpenAI's, for `metadata`.
_MOST_PAIRS = 16
_MOST_KEY_CHARS = 64
_MOST_VALUE_CHARS = 512

_TIERS = ("tier1", "tier2", "tier3", "local")
_HINTS = frozenset(field.name for field in fields(Hints))
_CACHE_TIMES: tuple[CacheFor, ...] = get_args(CacheFor)

# What every provider with eyes takes.
_IMAGES: Mapping[str, str] = {
    "image/png": "image/png",
    "image/jpeg": "image/jpeg",
    "image/jpg": "image/jpeg",
    "image/gif": "image/gif",
    "image/webp": "image/webp",
}
_PDF = "application/pdf"

# A last label that begins with a letter cannot be part of an IPv4 address in any spelling.
_HOST = re.compile(r"(?:[A-Za-z0-9_-]+\.)+[A-Za-z][A-Za-z0-9-]*\.?")
# The last 32 bits are any IPv4 address; to Python all of it is global.
_NAT64 = IPv6Network("64:ff9b::/96")
_INNER_HOSTS = (".localhost", ".local", ".internal")

Choice = TypeVar("Choice", bound=str)


class RefusedError(Exception):
    """Carries a refusal out of nested checks; it does not leave the surface."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


def refuse(path: str, fault: str, code: str = "invalid_value", status: int = 400) -> Never:
    """Refuse the field at `path`; the fault ends the sentence that begins with it."""
    raise RefusedError(
        Refusal(
            status=status,
            type="not_found_error" if status == 404 else "invalid_request_error",
            code=code,
            message=f"{path} {fault}.",
            param=path,
        )
    )


def echo(text: str) -> str:
    """Return a caller's text as an error may quote it."""
    return repr(text[:_MOST_ECHOED_CHARS])


def instead_of(value: JsonValue) -> str:
    """Return the end of a sentence that says what was given, if that was a string."""
    return f", not {echo(value)}" if isinstance(value, str) else ""


def given(body: JsonObject) -> JsonObject:
    """Return the fields that are not null, which is how clients say "not given"."""
    return {name: value for name, value in body.items() if value is not None}


def an_object(value: JsonValue, path: str, wants: str = "an object") -> JsonObject:
    """Return the value without its null fields."""
    if not isinstance(value, dict):
        refuse(path, f"must be {wants}")
    return given(value)


def a_list(value: JsonValue, path: str, most: int, *, of: str, least: int = 0) -> list[JsonValue]:
    """Return the list, whose items are called `of`."""
    if not isinstance(value, list) or not least <= len(value) <= most:
        refuse(path, f"must be a list of {least} to {most} {of}")
    return value


def a_string(value: JsonValue, path: str) -> str:
    """Return the string."""
    if not isinstance(value, str):
        refuse(path, "must be a string")
    return value


def a_name(value: JsonValue, path: str, pattern: re.Pattern[str] | None = None) -> str:
    """Return a string of a name's length, which `pattern` matches whole."""
    if not isinstance(value, str) or not 1 <= len(value) <= MOST_NAME_CHARS:
        refuse(path, f"must be a string of 1 to {MOST_NAME_CHARS} characters")
    if pattern is not None and pattern.fullmatch(value) is None:
        refuse(path, f"must match {pattern.pattern}{instead_of(value)}")
    return value


def a_flag(value: JsonValue, path: str, *, default: bool = False) -> bool:
    """Return the boolean; null is the default."""
    if value is None:
        return default
    if not isinstance(value, bool):
        refuse(path, "must be true or false")
    return value


def a_choice(value: JsonValue, path: str, choices: Iterable[Choice]) -> Choice:
    """Return the one of the choices that the value is."""
    names = tuple(choices)
    choice = next((name for name in names if name == value), None)
    if choice is None:
        refuse(path, f"must be one of {', '.join(names)}{instead_of(value)}")
    return choice


def a_model(value: JsonValue, resolve: Resolve) -> str:
    """Return the model that the field `model` names, as we know it."""
    if value is None:
        refuse("model", "is missing; name a model, or auto", "missing_required_parameter")
    name = a_name(value, "model")
    model = resolve(name)
    if model is None:
        fault = f"{echo(name)} does not exist; GET /v1/models lists those that do"
        refuse("model", fault, "model_not_found", status=404)
    return model


def a_limit(value: JsonValue, path: str) -> int | None:
    """Return a number of tokens, from 1; null is no limit."""
    if value is None:
        return None
    if not isinstance(value, int) or not is_number(value, 1, MOST_TOKENS):
        refuse(path, f"must be an integer from 1 to {MOST_TOKENS}")
    return value


def stops(value: JsonValue, path: str) -> tuple[str, ...]:
    """Return stop sequences, none of them empty."""
    texts = a_list(value, path, MOST_STOPS, of="non-empty strings")
    return tuple(_stop(text, f"{path}[{at}]") for at, text in enumerate(texts))


def _stop(value: JsonValue, path: str) -> str:
    if not isinstance(value, str) or not value:
        refuse(path, "must be a non-empty string")
    return value


def a_cache(value: JsonValue, path: str) -> CacheFor | None:
    """Read a `cache_control`, in Anthropic's words, which other formats' clients use as well."""
    if value is None:
        return None
    control = an_object(value, path)
    a_choice(control.get("type"), f"{path}.type", ("ephemeral",))
    return a_choice(control.get("ttl", "5m"), f"{path}.ttl", _CACHE_TIMES)


def base64_media(mime: JsonValue, data: JsonValue, path: str) -> Media:
    """Return an image or a PDF given as base64, which is checked to its end."""
    known = mime.lower() if isinstance(mime, str) else ""
    if known not in _IMAGES and known != _PDF:
        refuse(path, f"must be one of {', '.join(_IMAGES)}, {_PDF}{instead_of(mime)}")
    if not isinstance(data, str) or not data or not _is_base64(data):
        refuse(path, "must have data in standard base64, padded and without line ends")
    if known == _PDF:
        return Media(kind="document", mime=_PDF, data=data)
    return Media(kind="image", mime=_IMAGES[known], data=data)


def _is_base64(data: str) -> bool:
    if len(data) % 4:  # The decoder lets too much padding pass.
        return False
    try:
        binascii.a2b_base64(data, strict_mode=True)
    except ValueError:
        return False
    return True


def data_url(url: str, path: str) -> Media:
    """Return what a `data:` URL holds: an image or a PDF."""
    head, _, data = url.partition(",")
    scheme, _, mime = head[:MOST_NAME_CHARS].lower().partition(":")
    if scheme != "data" or not mime.endswith(";base64"):
        refuse(path, "must be a data: URL in base64, such as data:image/png;base64,...")
    return base64_media(mime.partition(";")[0], data, path)


def public_url(value: JsonValue, path: str) -> str:
    """Return an https URL of a public host. The provider may fetch it, we never do."""
    if not isinstance(value, str) or not 1 <= len(value) <= MOST_URL_CHARS:
        refuse(path, f"must be a URL of 1 to {MOST_URL_CHARS} characters")
    # URL parsers disagree about these, so that one could see another host than we do.
    if not value.isascii() or not value.isprintable() or " " in value or "\\" in value:
        refuse(path, "must be an https URL in plain ASCII, the rest percent-encoded")
    try:
        parts = urlsplit(value)
        host, named = parts.hostname or "", parts.username is not None
        _ = parts.port
    except ValueError:
        refuse(path, "is not a URL")
    if parts.scheme != "https" or named or not _is_public(host):
        refuse(path, "must be an https URL of a public host, without a user's name")
    return value


def _is_public(host: str) -> bool:
    try:
        address = ip_address(host.rstrip("."))
    except ValueError:
        inner = host.rstrip(".").endswith(_INNER_HOSTS)
        return _HOST.fullmatch(host) is not None and not inner
    if isinstance(address, IPv6Address):
        if address in _NAT64:
            return False
        address = address.ipv4_mapped or address.sixtofour or address
    return address.is_global and not address.is_multicast


def read_hints(metadata: JsonValue, model: str, kinds: tuple[TaskKind, ...]) -> Hints:
    """Return what the field `metadata` says about the task; other pairs are only checked.

    Args:
        metadata: the field.
        model: what the caller named, which may be a tier.
        kinds: what `metadata.kind` may be.
    """
    if not isinstance(metadata, dict) or len(metadata) > _MOST_PAIRS:
        refuse("metadata", f"must be an object of at most {_MOST_PAIRS} pairs")
    said = {key: _hint(key, value) for key, value in metadata.items()}
    tier = _told(said, "tier", _TIERS)
    if tier is not None and model in _TIERS and model != tier:
        refuse("metadata.tier", f"is {tier} and model is {model}; name one tier, or model auto")
    return Hints(
        tier=tier,
        kind=_told(said, "kind", kinds),
        requires_design=_flag(said, "requires_design"),
        is_critical=_flag(said, "is_critical"),
        requires_implementation=_flag(said, "requires_implementation"),
        is_routine=_flag(said, "is_routine"),
        strict=_flag(said, "strict") is True,
        batch=_flag(said, "batch") is True,
        deadline_s=_seconds(said, "deadline_s"),
    )


def _hint(key: str, value: JsonValue) -> str:
    if len(key) > _MOST_KEY_CHARS:
        refuse("metadata", f"must have keys of at most {_MOST_KEY_CHARS} characters")
    if key in _HINTS and isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str) or len(value) > _MOST_VALUE_CHARS:
        refuse(f"metadata.{key}", f"must be a string of at most {_MOST_VALUE_CHARS} characters")
    return value


def _told(said: Mapping[str, str], name: str, choices: tuple[Choice, ...]) -> Choice | None:
    return a_choice(said[name], f"metadata.{name}", choices) if name in said else None


def _seconds(said: Mapping[str, str], name: str) -> float | None:
    text = said.get(name)
    if text is None:
        return None
    # No sign, exponent or `inf`, and not the digits of other scripts.
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,3})?", text) or float(text) <= 0:
        refuse(f"metadata.{name}", 'must be a number of seconds above 0, such as "120"')
    return float(text)


def _flag(said: Mapping[str, str], name: str) -> bool | None:
    choice = _told(said, name, ("true", "false"))
    return None if choice is None else choice == "true"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a value has to be that is checked and has no effect."""

    accepts: Callable[[JsonValue], bool]
    wants: str
    """Ends the sentence "must be"."""


def is_number(value: JsonValue, low: float, high: float) -> bool:
    """Tell whether the value is a number in the range; to JSON, true is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return low <= value <= high


def number(low: int, high: int) -> Rule:
    """Accept numbers."""
    return Rule(lambda value: is_number(value, low, high), f"a number from {low} to {high}")


def integer(low: int, high: int) -> Rule:
    """Accept whole numbers."""
    return Rule(
        lambda value: isinstance(value, int) and is_number(value, low, high),
        f"an integer from {low} to {high}",
    )


def one_of(*names: str) -> Rule:
    """Accept these strings."""
    return Rule(lambda value: value in names, f"one of {', '.join(names)}")


STRING = Rule(lambda value: isinstance(value, str), "a string")
FLAG = Rule(lambda value: isinstance(value, bool), "true or false")


def check_rules(fields: JsonObject, rules: Mapping[str, Rule]) -> None:
    """Refuse the first field that breaks its rule; one that is not there breaks none."""
    for name, rule in rules.items():
        if name in fields and not rule.accepts(fields[name]):
            refuse(name, f"must be {rule.wants}")


def check_neutral(fields: JsonObject, neutral: Mapping[str, tuple[JsonValue, ...]]) -> None:
    """Refuse the first field that asks for what nobody here can do.

    Args:
        fields: those that are given.
        neutral: the values by which each field asks for nothing; none: it has to be left out.
    """
    for name, values in neutral.items():
        if name in fields and not any(_same(fields[name], value) for value in values):
            wants = " or ".join(map(json.dumps, values)) or "left out"
            refuse(name, f"is not supported: it must be {wants}", "unsupported_parameter")


def _same(one: JsonValue, other: JsonValue) -> bool:
    # To Python, True equals 1.
    return type(one) is type(other) and one == other


def ignored(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of fields without effect, as far as a response header can hold them."""
    return tuple(sorted(filter(_HEADER_SAFE.fullmatch, names))[:_MOST_IGNORED])
