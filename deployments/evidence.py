"""What an attempt cost, from the best evidence there is: the provider's count, else an estimate."""

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal

from deployments.assembling import Assembly
from deployments.prices import PriceBook
from deployments.provider import Ended, Failed, Metered
from tercet.call import Piece, Prompt, Raw
from tercet.catalog import Model
from tercet.content import Controls, Media, Part, Said, Text, Thought, ToolResult, ToolUse, media_in
from tercet.ledger import Flag, Reservation, Sent, Settlement, UsageSource
from tercet.usage import Usage

MESSAGE_OVERHEAD_TOKENS = 32
"""Most tokens a provider adds around one message, the system prompt counted as one."""
TOOLS_OVERHEAD_TOKENS = 1_000
"""Most tokens of the instructions a provider adds when tools or a format are given: Anthropic's
pages name up to 804."""
VERBATIM_OVERHEAD_TOKENS = 4_000
"""The same for what only a verbatim request may hold: server tools bring longer ones."""
IMAGE_TOKENS = 6_000
"""Most tokens of one image: Anthropic's high resolution takes up to 4,784, Gemini's up to 2,240."""
PDF_TOKENS = 600_000
"""Most tokens of one PDF: 100 pages with at most 3,000 of text and 3,000 of picture each."""
BYTES_PER_TOKEN = 4
"""For estimates of what a broken answer had generated; bounds count one token a byte."""
ESTIMATED_MEDIA_TOKENS = 1_600
"""For estimates: a picture of a megapixel."""


@dataclass(slots=True, kw_only=True)
class Heard:
    """What an attempt has heard so far."""

    model: Model
    prompt: Prompt
    sent_at: float
    said: Assembly = field(init=False)
    metered: Metered | None = None
    is_doubtful: bool = False
    first_token_s: float | None = None
    is_raw: bool = False
    """It is told in the provider's own bytes."""

    def __post_init__(self) -> None:
        """Begin with nothing said."""
        self.said = Assembly(by=self.model.provider)

    @property
    def parts(self) -> tuple[Said, ...]:
        """What was said."""
        return self.said.parts

    def say(self, piece: Piece, now: float) -> None:
        """Take a piece of the answer."""
        if self.first_token_s is None:
            self.first_token_s = max(now - self.sent_at, 0.0)
        self.is_raw |= isinstance(piece, Raw)
        self.said.add(piece)

    def meter(self, count: Metered) -> None:
        """Take the provider's count so far: it is cumulative, so output that shrinks is wrong."""
        self.is_doubtful |= count.is_doubtful
        if self.metered is not None and count.usage.output < self.metered.usage.output:
            self.is_doubtful = True
            usage = replace(count.usage, output=self.metered.usage.output)
            count = replace(count, usage=usage)
        self.metered = count


def most_input_tokens(prompt: Prompt, model: Model) -> int:
    """Return a bound no tokenizer exceeds: one token a byte, and each part's overhead.

    Images and PDFs are bounded by rule, and nothing by more than the model can read: the rest is
    refused by its provider. What only a verbatim request holds counts by its bytes.
    """
    parts = [part for message in prompt.messages for part in message.parts]
    own = MESSAGE_OVERHEAD_TOKENS + len(prompt.system.encode()) + _controls_bytes(prompt.controls)
    own += sum(_part_tokens(part) for part in parts) + MESSAGE_OVERHEAD_TOKENS * len(
        prompt.messages
    )
    if prompt.verbatim is not None:
        media = [part for part in media_in(parts) if part.data is not None]
        shown = sum(len(part.data or "") for part in media)
        raw = len(prompt.verbatim.body) - shown + sum(map(_part_tokens, media))
        own = max(own, raw + VERBATIM_OVERHEAD_TOKENS)
    return min(own, model.window_tokens)


def _part_tokens(part: Part) -> int:
    match part:
        case Text() | Thought():
            return len(part.text.encode()) + len(getattr(part, "signature", None) or "")
        case Media():
            return PDF_TOKENS if part.kind == "document" else IMAGE_TOKENS
        case ToolUse():
            size = len(part.name.encode()) + len(part.arguments.encode()) + len(part.id)
            return size + len(part.signature or "") + MESSAGE_OVERHEAD_TOKENS
        case ToolResult():
            return sum(map(_part_tokens, part.parts)) + len(part.id) + MESSAGE_OVERHEAD_TOKENS


def _controls_bytes(controls: Controls) -> int:
    """Return a bound for what tools and a wanted format add to the prompt."""
    tools = [
        (tool.name, tool.description, json.dumps(dict(tool.schema))) for tool in controls.tools
    ]
    size = sum(len("".join(texts).encode()) + MESSAGE_OVERHEAD_TOKENS for texts in tools)
    if controls.tools:
        size += TOOLS_OVERHEAD_TOKENS
    if controls.output is not None:
        size += len(json.dumps(dict(controls.output.schema or {}))) + TOOLS_OVERHEAD_TOKENS
    return size


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
    output = max(counted.output, _estimated_tokens(heard.said.text))
    usage = replace(counted, output=output)
    return Bill(state="estimated", source="estimated", usage=usage)


def _possible(usage: Usage, prompt: Prompt, model: Model) -> tuple[Usage, bool]:
    """Clamp a count to what the model can read and write; say whether it had to be."""
    most_input = max(most_input_tokens(prompt, model), model.window_tokens)
    if usage.input <= most_input and usage.output <= model.max_output_tokens:
        return usage, False
    output = min(usage.output, model.max_output_tokens)
    if usage.input <= most_input:
        return replace(usage, output=output, thinking=min(usage.thinking, output)), True
    read = Usage(fresh_input=most_input_tokens(prompt, model))
    return replace(read, output=output, thinking=min(usage.thinking, output)), True


def _estimated_input(prompt: Prompt) -> int:
    parts = [part for message in prompt.messages for part in message.parts]
    media = len(media_in(parts)) * ESTIMATED_MEDIA_TOKENS
    written = sum(_part_tokens(part) for part in parts if not isinstance(part, Media))
    written += len(prompt.system.encode()) + _controls_bytes(prompt.controls)
    return -(-written // BYTES_PER_TOKEN) + media


def _estimated_tokens(text: str) -> int:
    return -(-len(text.encode()) // BYTES_PER_TOKEN)
