"""What an attempt cost, from the best evidence there is: the provider's count, else an estimate."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal

from deployments.prices import PriceBook
from deployments.provider import Ended, Failed, Metered
from tercet.call import Delta, Prompt
from tercet.catalog import Model
from tercet.ledger import Flag, Reservation, Sent, Settlement, UsageSource
from tercet.usage import Usage

MESSAGE_OVERHEAD_TOKENS = 32
"""Most tokens a provider adds around one message, the system prompt counted as one."""
BYTES_PER_TOKEN = 4
"""For estimates of what a broken answer had generated; bounds count one token a byte."""


@dataclass(slots=True, kw_only=True)
class Heard:
    """What an attempt has heard so far."""

    model: Model
    prompt: Prompt
    sent_at: float
    texts: list[str] = field(default_factory=list[str])
    metered: Metered | None = None
    is_doubtful: bool = False
    first_token_s: float | None = None

    @property
    def text(self) -> str:
        """What was said, joined."""
        return "".join(self.texts)

    def say(self, delta: Delta, now: float) -> None:
        """Take a piece of the answer."""
        if self.first_token_s is None:
            self.first_token_s = max(now - self.sent_at, 0.0)
        self.texts.append(delta.text)

    def meter(self, count: Metered) -> None:
        """Take the provider's count so far: it is cumulative, so output that shrinks is wrong."""
        self.is_doubtful |= count.is_doubtful
        if self.metered is not None and count.usage.output < self.metered.usage.output:
            self.is_doubtful = True
            usage = replace(count.usage, output=self.metered.usage.output)
            count = replace(count, usage=usage)
        self.metered = count


def most_input_tokens(prompt: Prompt) -> int:
    """Return a bound no tokenizer exceeds: one token a byte, and each message's overhead."""
    texts = [prompt.system, *(message.text for message in prompt.messages)]
    return sum(len(text.encode()) + MESSAGE_OVERHEAD_TOKENS for text in texts)


def opening(row: Reservation, heard: Heard, count: Metered, prices: PriceBook) -> Sent | None:
    """Return the attempt's bound now that its input is counted, with all its output to come."""
    whole = replace(count.usage, output=heard.prompt.max_output_tokens)
    cost = prices.cost_of(
        heard.model, whole, datetime.fromtimestamp(row.at, UTC), count.service_tier
    )
    if cost is None or count.is_doubtful:
        return None
    return Sent(
        attempt_id=row.attempt_id,
        usage=count.usage,
        upstream_id=count.upstream_id,
        bound_nano_usd=cost.nano_usd,
    )


def unsent(row: Reservation, at: float) -> Settlement:
    """Return the settlement of an attempt that was never made."""
    return Settlement(
        attempt_id=row.attempt_id,
        state="void",
        outcome="ledger",
        usage=Usage(),
        usage_source="none",
        settled_nano_usd=0,
        upstream_id=None,
        first_token_s=None,
        latency_s=0.0,
        at=at,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What the provider bills, as far as it is known."""

    state: Literal["settled", "void", "estimated"]
    source: UsageSource
    usage: Usage


def settlement(
    row: Reservation, heard: Heard, ended: Ended | Failed, prices: PriceBook, at: float
) -> Settlement:
    """Book an attempt that is over; what it cost is never clipped to what was reserved."""
    bill = _bill(heard, ended)
    usage, is_impossible = _possible(bill.usage, heard.prompt, heard.model)
    served = heard.metered.service_tier if heard.metered is not None else None
    cost = prices.cost_of(heard.model, usage, datetime.fromtimestamp(row.at, UTC), served)
    reserved = row.ask.bound(heard.prompt.max_output_tokens)
    settled = reserved if cost is None else cost.nano_usd
    return Settlement(
        attempt_id=row.attempt_id,
        state=bill.state,
        outcome="complete" if isinstance(ended, Ended) else ended.kind,
        usage=usage,
        usage_source=bill.source,
        settled_nano_usd=settled,
        price_source=None if cost is None else cost.source,
        upstream_id=heard.metered.upstream_id if heard.metered is not None else None,
        flag=_flag(is_doubtful=heard.is_doubtful or is_impossible, is_over=settled > reserved),
        first_token_s=heard.first_token_s,
        latency_s=max(at - heard.sent_at, 0.0),
        at=at,
    )


def _flag(*, is_doubtful: bool, is_over: bool) -> Flag | None:
    if is_over:
        return "over_reserved"
    return "doubtful_usage" if is_doubtful else None


def _bill(heard: Heard, ended: Ended | Failed) -> Bill:
    if isinstance(ended, Failed) and ended.billed == "no":
        return Bill(state="void", source="none", usage=Usage())
    whole = isinstance(ended, Ended) or ended.billed == "as_metered"
    if heard.metered is not None and whole and not heard.is_doubtful:
        return Bill(state="settled", source="provider", usage=heard.metered.usage)
    counted = heard.metered.usage if heard.metered is not None else Usage()
    if counted.input == 0:
        counted = replace(counted, fresh_input=_estimated_input(heard.prompt))
    output = max(counted.output, _estimated_tokens(heard.text))
    usage = replace(counted, output=output)
    return Bill(state="estimated", source="estimated", usage=usage)


def _possible(usage: Usage, prompt: Prompt, model: Model) -> tuple[Usage, bool]:
    """Clamp a count to what the model can read and write; say whether it had to be."""
    most_input = max(most_input_tokens(prompt), model.window_tokens)
    if usage.input <= most_input and usage.output <= model.max_output_tokens:
        return usage, False
    output = min(usage.output, model.max_output_tokens)
    if usage.input <= most_input:
        return replace(usage, output=output, thinking=min(usage.thinking, output)), True
    read = Usage(fresh_input=most_input_tokens(prompt))
    return replace(read, output=output, thinking=min(usage.thinking, output)), True


def _estimated_input(prompt: Prompt) -> int:
    texts = [prompt.system, *(message.text for message in prompt.messages)]
    return _estimated_tokens("".join(texts))


def _estimated_tokens(text: str) -> int:
    return -(-len(text.encode()) // BYTES_PER_TOKEN)
