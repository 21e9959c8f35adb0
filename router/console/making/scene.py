"""What every view is made from."""

from collections.abc import Mapping
from dataclasses import dataclass

from deployments.ledger.viewing import View
from router.console.reader import Books
from tercet.config import Config


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One moment."""

    config: Config
    books: Books
    view: View
    now: float
    """Unix seconds."""
    local: Mapping[str, object] | None
    """What the gateway says of the local model (`GET /v1/local`); `None`: it does not answer."""

    @property
    def month(self) -> str:
        """The month by the ledger's own clock, as `2026-11`."""
        return self.books.spending.month

    @property
    def now_ns(self) -> int:
        """The moment in Unix nanoseconds."""
        return round(self.now * 1e9)
