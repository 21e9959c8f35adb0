"""The usage object of the OpenAI protocol, made disjoint: what vLLM and its like count."""

from collections.abc import Mapping
from typing import cast

from deployments.provider import Counter
from tercet.usage import Usage


def usage_of(counted: Mapping[str, object], counter: Counter) -> Usage:
    """Return the buckets of a `usage` object.

    `prompt_tokens` includes what was read from the cache and written to it; `completion_tokens`
    includes reasoning. Details by modality (image, audio) overlap those and have no bucket. Where
    the parts exceed their whole, all of them stand and the count is doubtful.
    """
    prompt = counter.tokens(counted.get("prompt_tokens"))
    output = counter.tokens(counted.get("completion_tokens"))
    of_prompt = _details(counted.get("prompt_tokens_details"), counter)
    of_output = _details(counted.get("completion_tokens_details"), counter)
    read = counter.tokens(of_prompt.get("cached_tokens"))
    written = counter.tokens(of_prompt.get("cache_write_tokens"))
    thinking = counter.tokens(of_output.get("reasoning_tokens"))
    if read + written > prompt or thinking > output:
        counter.is_doubtful = True
    return Usage(
        fresh_input=max(prompt - read - written, 0),
        cache_read=read,
        cache_write_5m=written,
        output=max(output, thinking),
        thinking=thinking,
    )


def _details(value: object, counter: Counter) -> Mapping[str, object]:
    if isinstance(value, Mapping):
        return cast("Mapping[str, object]", value)
    counter.is_doubtful |= value is not None
    return {}
