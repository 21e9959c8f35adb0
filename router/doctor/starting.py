"""Why the gateway must not be started here: a door to the outside that nothing guards."""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass

TOKEN = "token"  # noqa: S105  a mode, no secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the gateway is about to be started."""

    http_host: str
    """Where Serve's proxies listen."""
    node: str
    """The Ray node's address: its servers listen there, and run what they are sent."""
    auth_mode: str
    """RAY_AUTH_MODE."""


def is_loopback(host: str) -> bool:
    """Say whether only this machine reaches `host`; a name that is no address may lead anywhere."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def needs_key(place: Place) -> bool:
    """Say whether the gateway may be started only if there is a key for callers."""
    return not (is_loopback(place.http_host) and is_loopback(place.node))


def objections(place: Place, *, has_key: bool) -> Iterator[str]:
    """Yield every reason, with its remedy."""
    if needs_key(place) and not has_key:
        yield (
            f"the gateway would listen on {place.http_host} of {place.node}, and nobody has a key: "
            "set TERCET_API_KEY_FILE (or TERCET_API_KEY) in the environment of `ray start`, make a "
            "key with `tercet keys create`, or keep both addresses on loopback"
        )
    if not is_loopback(place.node) and place.auth_mode.lower() != TOKEN:
        yield (
            f"Ray listens on {place.node} and takes orders without a token (RAY_AUTH_MODE is "
            f"{place.auth_mode or 'not set'}): set RAY_AUTH_MODE=token and a token in the "
            "environment of `ray start` on every node; cluster/ray.env has it"
        )
