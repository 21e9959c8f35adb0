"""Why a caller gets no answer, as a value that every surface can spell."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from tercet.call import Failure, FailureKind
from tercet.ledger import month_end
from tercet.route import Refused

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
LEDGER_RETRY_S = 5.0
"""When to ask again while the ledger cannot be written."""
LOCAL_RETRY_S = 60.0
"""When to ask again where the local model alone may answer: it loads for minutes."""

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
    """The soonest it is worth asking again, as far as that is known."""
    reset_at: float | None = None
    """Unix seconds at which the budget that is spent begins anew."""
    is_final: bool = False
    """A client that repeated the request by itself would only multiply what we have tried."""


LEDGER_UNAVAILABLE = Refusal(
    status=503,
    type="server_error",
    code="ledger_unavailable",
    message="The ledger cannot be reached, and nothing is paid for without a record; retry later.",
    retry_after_s=LEDGER_RETRY_S,
)


def refusal_headers(refusal: Refusal) -> Mapping[str, str]:
    """Return what a refusal says in headers, whatever the surface."""
    headers: dict[str, str] = {}
    if refusal.retry_after_s is not None:
        headers["retry-after"] = str(max(1, round(refusal.retry_after_s)))
    if refusal.is_final:
        headers["x-should-retry"] = "false"
    return headers


def policy_refusal(refused: Refused, at: float) -> Refusal:
    """Return what the caller is told when no route was allowed; `at` is Unix seconds."""
    if refused.resets_at is not None:
        return _spent(refused.reason, refused.resets_at, at)
    if refused.is_passing:
        return Refusal(
            status=503,
            type="server_error",
            code="local_unavailable",
            message=refused.reason[:MESSAGE_CHARS],
            retry_after_s=LOCAL_RETRY_S,
        )
    return Refusal(
        status=403,
        type="permission_error",
        code="model_not_allowed",
        message=refused.reason[:MESSAGE_CHARS],
    )


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
        kinds=("over_budget",),
        status=429,
        type="rate_limit_error",
        code="insufficient_quota",
        summary="The budget has no room for this request; retry once running calls have ended.",
    ),
    _Verdict(
        kinds=("ledger",),
        status=LEDGER_UNAVAILABLE.status,
        type=LEDGER_UNAVAILABLE.type,
        code=LEDGER_UNAVAILABLE.code,
        summary=LEDGER_UNAVAILABLE.message,
    ),
    _Verdict(
        kinds=("unauthorised", "exhausted", "unpriced", "ledger", "over_budget"),
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
# Nothing was tried: room in the budget and a ledger that can be written come back by themselves.
_PASSING = ({"over_budget"}, {"ledger"})
_UNSETTLED = _Verdict(
    kinds=(),
    status=502,
    type="server_error",
    code="no_answer",
    summary="No model of the route answered; retry.",
)


def failure_refusal(failures: tuple[Failure, ...], at: float) -> Refusal:
    """Return what the caller is told when every seat that may answer failed.

    The time, in Unix seconds, is what a month's end is counted from.
    """
    kinds = {failure.kind for failure in failures}
    fitting = (verdict for verdict in _VERDICTS if kinds and kinds.issubset(verdict.kinds))
    verdict = next(fitting, _UNSETTLED)
    causes = "; ".join(_cause(failure) for failure in failures)
    waits = [failure.retry_after_s for failure in failures if failure.retry_after_s is not None]
    if kinds == {"over_budget"} and not waits:
        return _spent(f"The budget is spent. {causes}", month_end(at), at)
    if kinds == {"ledger"}:
        waits = [LEDGER_RETRY_S]
    return Refusal(
        status=verdict.status,
        type=verdict.type,
        code=verdict.code,
        message=f"{verdict.summary} {causes}".strip()[:MESSAGE_CHARS],
        retry_after_s=min(waits, default=None),
        is_final=kinds not in _PASSING,
    )


def _spent(reason: str, reset_at: float, at: float) -> Refusal:
    return Refusal(
        status=429,
        type="rate_limit_error",
        code="insufficient_quota",
        message=reason[:MESSAGE_CHARS],
        retry_after_s=reset_at - at,
        reset_at=reset_at,
        is_final=True,
    )


def utc(at: float) -> str:
    """Return a Unix time as callers are told it: ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _cause(failure: Failure) -> str:
    said = _PRIVATE.sub("[removed]", failure.message[:MESSAGE_CHARS])
    return f"{failure.model} ({failure.kind}): {said}"
