"""Anthropic's token counts, as buckets that never overlap."""

from collections.abc import Mapping

from deployments.provider import Counter, Metered
from tercet.content import JsonObject, JsonValue
from tercet.usage import Usage

_READ, _WRITTEN = "cache_read_input_tokens", "cache_creation_input_tokens"
_SERVED = ("service_tier", "speed")


def metered(message: JsonObject, opened: JsonObject, later: JsonObject) -> Metered:
    """Combine the opening count with the cumulative one: only the opening splits cache writes.

    Args:
        message: what the opening said of the answer.
        opened: its `usage`.
        later: the `usage` of the ending; empty before it.
    """
    counter = Counter()
    counts = {**opened, **{name: count for name, count in later.items() if count is not None}}
    for name in (_READ, _WRITTEN):
        counts[name] = later.get(name) or opened.get(name)
    upstream_id = message.get("id")
    return Metered(
        usage=sum(_compactions(counts, counter), _buckets(counts, counter)),
        upstream_id=upstream_id if isinstance(upstream_id, str) else None,
        is_doubtful=counter.is_doubtful,
        service_tier=_service_tier(counts),
    )


def _compactions(counts: Mapping[str, JsonValue], counter: Counter) -> list[Usage]:
    """Return what compacting the context took, which the API leaves out of its totals."""
    iterations = counts.get("iterations")
    if not isinstance(iterations, list):
        return []
    entries = (entry for entry in iterations if isinstance(entry, dict))
    return [_buckets(entry, counter) for entry in entries if entry.get("type") == "compaction"]


def _buckets(counts: Mapping[str, JsonValue], counter: Counter) -> Usage:
    writes = counter.tokens(counts.get(_WRITTEN))
    hour = counter.tokens(_inner(counts, "cache_creation").get("ephemeral_1h_input_tokens"))
    hour = min(hour, writes)
    details = _inner(counts, "output_tokens_details")
    return Usage(
        fresh_input=counter.tokens(counts.get("input_tokens")),
        cache_read=counter.tokens(counts.get(_READ)),
        cache_write_5m=writes - hour,
        cache_write_1h=hour,
        output=counter.tokens(counts.get("output_tokens")),
        thinking=counter.tokens(details.get("thinking_tokens")),
    )


def _inner(counts: Mapping[str, JsonValue], name: str) -> JsonObject:
    inner = counts.get(name)
    return inner if isinstance(inner, dict) else {}


def _service_tier(counts: Mapping[str, JsonValue]) -> str | None:
    """Return what the reply says of how it was served, in the words of `PriceBook.cost_of`."""
    words = [counts.get(name) for name in _SERVED]
    served = [word for word in words if isinstance(word, str) and word != "standard"]
    if counts.get("inference_geo") == "us":
        served.append("us")
    return " ".join(served) or None
