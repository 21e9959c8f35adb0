"""What a provider's adapter says while it answers: the seam between wire formats and attempts."""

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from math import inf
from typing import Literal, Protocol

from pydantic_core import from_json

from tercet.call import FailureKind, FinishReason, Piece, Prompt
from tercet.content import JsonObject, JsonValue
from tercet.usage import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Metered:
    """The provider's own count so far; a later one replaces it."""

    usage: Usage
    upstream_id: str | None
    """The provider's id of the request."""
    is_doubtful: bool = False
    """Some count was impossible and stands as 0."""
    service_tier: str | None = None
    """How the request was served, where the reply names something other than the standard."""


@dataclass(frozen=True, slots=True)
class Alive:
    """The model is at work on something that is not shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The terminal marker was seen: the completion is whole and its last `Metered` is final."""

    finish: FinishReason
    stop_sequence: str | None = None
    """The caller's stop sequence that ended it, where the provider says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The provider failed, or its answer is unusable."""

    kind: FailureKind
    message: str
    billed: Literal["no", "as_metered", "maybe"]
    """`no`: the provider did not begin to answer. `as_metered`: it answered to the end and counted.
    `maybe`: it may have begun."""
    retry_after_s: float | None = None


ProviderEvent = Piece | Metered | Alive | Ended | Failed
"""Of a request sent verbatim, the bytes come as `Raw`, from the first content on so that a failure
before it leaves nothing behind, and each is followed by the pieces that were read in it."""


@dataclass(slots=True)
class Counter:
    """Reads a provider's token counts, which no SDK checks."""

    is_doubtful: bool = False
    """A count so far was negative or no whole number."""

    def tokens(self, count: object) -> int:
        """Return a count; an absent one is 0, and so is an impossible one."""
        if count is None:
            return 0
        if isinstance(count, int) and not isinstance(count, bool) and count >= 0:
            return count
        self.is_doubtful = True
        return 0


def json_object(text: str) -> JsonObject | None:
    """Return the JSON object that `text` is; `None` if it is none, or none that JSON can say."""
    try:
        # Half a surrogate pair, which no UTF-8 has, would be a TypeError.
        value: JsonValue = from_json(text.encode(errors="surrogatepass"), allow_inf_nan=False)
        json.dumps(value, allow_nan=False)  # 1e999 is read as infinity
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def seconds_of(header: str | None, now: float) -> float | None:
    """Read a retry-after header: seconds, or an HTTP date; `None` if it is neither.

    Args:
        header: the header's value.
        now: Unix seconds.
    """
    if header is None:
        return None
    try:
        seconds = float(header)
        return seconds if 0 <= seconds < inf else None
    except ValueError:
        pass
    try:
        return max(parsedate_to_datetime(header).timestamp() - now, 0.0)
    except (ValueError, OverflowError):
        return None


class Provider(Protocol):
    """One API. `stream` makes exactly one POST and ends with exactly one `Ended` or `Failed`."""

    def stream(
        self, model: str, prompt: Prompt, attempt_id: str
    ) -> AsyncGenerator[ProviderEvent, None]:
        """Ask `model`; never raises for what the provider or the network does.

        The attempt's id goes along as `x-client-request-id`, for the provider's support and logs.
        """
        ...

    async def count(self, model: str, prompt: Prompt) -> "int | Failed":
        """Return how many tokens `prompt` is to `model`, in one POST that nobody bills."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...
