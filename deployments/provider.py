"""What a provider's adapter says while it answers: the seam between wire formats and attempts."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Literal, Protocol

from tercet.call import Delta, FailureKind, FinishReason, Prompt
from tercet.usage import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Metered:
    """The provider's own count so far; a later one replaces it."""

    usage: Usage
    upstream_id: str | None
    """The provider's id of the request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The terminal marker was seen: the completion is whole and its last `Metered` is final."""

    finish: FinishReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The provider failed, or its answer is unusable."""

    kind: FailureKind
    message: str
    billed: Literal["no", "as_metered", "maybe"]
    """`no`: the provider did not begin to answer. `as_metered`: it answered to the end and counted.
    `maybe`: it may have begun."""
    retry_after_s: float | None = None


ProviderEvent = Delta | Metered | Ended | Failed


class Provider(Protocol):
    """One API. `stream` makes exactly one POST and ends with exactly one `Ended` or `Failed`."""

    def stream(self, model: str, prompt: Prompt) -> AsyncGenerator[ProviderEvent, None]:
        """Ask `model`; never raises for what the provider or the network does."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...
