"""Why a caller gets no answer, as a value that every surface can spell."""

import re
from dataclasses import dataclass
from typing import Literal

from tercet.call import Failure, FailureKind

RefusalType = Literal[
    "invalid_request_error",
    "authentication_error",
    "permission_error",
    "not_found_error",
    "rate_limit_error",
    "server_error",
]

MESSAGE_CHARS = 2_000
"""Longest message a caller is sent."""

# Failure messages quote upstreams, whose text is untrusted. The adapters remove keys and addresses;
# this is the second lock.
_PRIVATE = re.compile(
    r"https?://\S+"
    r"|\bBearer\s+\S+"
    r"|\b(?:sk|rk|pk)-[\w-]{8,}"  # Anthropic, OpenAI
    r"|\bAIza[\w-]{8,}|\bAQ\.[\w-]{8,}"  # Google
    r"|api[-_]?key[\"']?\s?[=:]\s?\S+|[?&]key=\S+",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What a caller gets instead of an answer."""

    status: int
    """HTTP status."""
    type: RefusalType
    code: str
    """For programs, in OpenAI's words where it has one: `invalid_json`, `model_not_found`."""
    message: str
    """For people: names the field and the remedy."""
    param: str | None = None
    """JSON path of the field at fault, such as `messages[3].content[0].text`."""
    retry_after_s: float | None = None
    """The soonest a provider said it is worth asking again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verdict:
    """How a set of failures reads to the caller when it holds only these kinds."""

    kinds: tuple[FailureKind, ...]
    status: int
    type: RefusalType
    code: str
    summary: str


# The first row that holds every kind that occurred decides. A mixture belongs to no row: some of
# its causes pass, so it is the retryable 502.
_VERDICTS = (
    _Verdict(
        kinds=("rate_limited",),
        status=429,
        type="rate_limit_error",
        code="rate_limit_exceeded",
        summary="Every model is at its rate limit; retry later.",
    ),
    _Verdict(
        kinds=("too_long",),
        status=400,
        type="invalid_request_error",
        code="context_length_exceeded",
        summary="The conversation is too long for every model of the route; shorten messages.",
    ),
    _Verdict(
        kinds=("too_long", "bad_request"),
        status=400,
        type="invalid_request_error",
        code="invalid_request",
        summary="Every model of the route refused the request as malformed; change messages.",
    ),
    _Verdict(
        kinds=("refused",),
        status=400,
        type="invalid_request_error",
        code="content_filter",
        summary="Every model of the route withheld its answer by policy; change messages.",
    ),
    _Verdict(
        kinds=("unauthorised", "exhausted", "unpriced", "ledger"),
        status=503,
        type="server_error",
        code="service_unavailable",
        summary="The gateway may not call its models; its operator must act.",
    ),
    _Verdict(
        kinds=("timeout",),
        status=504,
        type="server_error",
        code="timeout",
        summary="No model answered before the deadline; retry, or ask for less.",
    ),
)
_UNSETTLED = _Verdict(
    kinds=(),
    status=502,
    type="server_error",
    code="no_answer",
    summary="No model of the route answered; retry.",
)


def failure_refusal(failures: tuple[Failure, ...]) -> Refusal:
    """Return what the caller is told when every seat that may answer failed."""
    kinds = {failure.kind for failure in failures}
    fitting = (verdict for verdict in _VERDICTS if kinds and kinds.issubset(verdict.kinds))
    verdict = next(fitting, _UNSETTLED)
    waits = [failure.retry_after_s for failure in failures if failure.retry_after_s is not None]
    causes = "; ".join(_cause(failure) for failure in failures)
    return Refusal(
        status=verdict.status,
        type=verdict.type,
        code=verdict.code,
        message=f"{verdict.summary} {causes}".strip()[:MESSAGE_CHARS],
        retry_after_s=min(waits, default=None),
    )


def _cause(failure: Failure) -> str:
    said = _PRIVATE.sub("[removed]", failure.message[:MESSAGE_CHARS])
    return f"{failure.model} ({failure.kind}): {said}"
