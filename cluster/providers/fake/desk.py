"""What both faces of the fake cloud share: the cloud, the time, and who may do what."""

from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.requests import Request

from cluster.providers.fake.cloud import Cloud
from cluster.providers.fake.world import Rented

ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks: the account, a key of it with some scopes, or an instance for itself."""

    key: str
    scopes: frozenset[str]
    instance_id: str | None = None

    def may(self, scope: str, one: Rented | None = None) -> bool:
        """Say whether this caller may do that, to that instance."""
        if self.instance_id is not None:
            return one is not None and one.instance_id == self.instance_id
        return bool(self.scopes & {scope, ALL})


@dataclass(slots=True, kw_only=True)
class Desk:
    """One cloud behind HTTP."""

    cloud: Cloud
    clock: Callable[[], float]
    asked_at: dict[tuple[str, str], list[float]] = field(
        default_factory=dict[tuple[str, str], list[float]]
    )
    """When each key asked each endpoint, as long ago as limits reach."""

    def now(self) -> float:
        """Return the time, and let happen what is due by then."""
        now = self.clock()
        self.cloud.advance(now)
        return now

    def caller(self, request: Request) -> Caller | None:
        """Return who asks; `None`: nobody known."""
        key = request.headers.get("authorization", "").removeprefix("Bearer ")
        world = self.cloud.world
        if key == world.account_key:
            return Caller(key=key, scopes=frozenset({ALL}))
        if key in world.scopes:
            return Caller(key=key, scopes=frozenset(world.scopes[key]))
        own = next((one for one in self.cloud.living() if key and one.key == key), None)
        if own is None:
            return None
        return Caller(key=key, scopes=frozenset(), instance_id=own.instance_id)

    def asked(self, key: str, endpoint: str, within_s: float) -> int:
        """Count a request, and return how many there were before it, that long ago at most."""
        now = self.clock()
        kept = [at for at in self.asked_at.get((key, endpoint), []) if at > now - within_s]
        self.asked_at[key, endpoint] = [*kept, now]
        return len(kept)
