"""How the Messages API says no, as a response and inside a stream."""

from collections.abc import Mapping
from dataclasses import dataclass

from deployments.simulated.script import Frame, Json, Problem, Script, encoded

_CONTEXT = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Error:
    status: int
    type: str
    message: str
    details: Json | None = None


_RATE = _Error(status=429, type="rate_limit_error", message="Rate limit exceeded.")
_BUSY = _Error(status=529, type="overloaded_error", message="Overloaded")
_INTERNAL = _Error(status=500, type="api_error", message="Internal server error")

_ERRORS: Mapping[str, _Error] = {
    "bad-request": _Error(status=400, type="invalid_request_error", message="Invalid request."),
    "unknown-model": _Error(status=404, type="not_found_error", message="Not found."),
    "no-key": _Error(status=401, type="authentication_error", message="x-api-key is required"),
    "bad-key": _Error(status=401, type="authentication_error", message="invalid x-api-key"),
    "rate": _RATE,
    "rate-once": _RATE,
    "spend-limit": _Error(
        status=429,
        type="rate_limit_error",
        message="Your organization has reached its monthly spending limit.",
        details={"error_code": "enforced_spend_limit_reached"},
    ),
    "payment": _Error(status=402, type="billing_error", message="Your credit balance is too low."),
    "overloaded": _BUSY,
    "early-error": _BUSY,
    "mid-error": _BUSY,
    "e500": _INTERNAL,
    "leaky": _INTERNAL,
    "e503": _Error(status=503, type="api_error", message="Service unavailable"),
    "e504": _Error(status=504, type="timeout_error", message="Request timed out"),
    "too-long": _Error(
        status=400,
        type="invalid_request_error",
        message=f"prompt is too long: {_CONTEXT + 1} tokens > {_CONTEXT} maximum",
    ),
}


def error_script(problem: Problem, request_id: str) -> Script:
    """Return an error response."""
    told = _ERRORS[problem.name]
    headers = {"content-type": "application/json", "request-id": request_id}
    if problem.value is not None:
        headers["retry-after"] = problem.value
    body = encoded(_body(told, problem.message or told.message, request_id))
    headers["content-length"] = str(len(body))
    outcome = f"failed:{problem.name}"
    return Script(status=told.status, headers=headers, frames=[Frame(data=body)], outcome=outcome)


def error_body(name: str, request_id: str) -> Json:
    """Return what an error event carries."""
    told = _ERRORS[name]
    return _body(told, told.message, request_id)


def _body(told: _Error, message: str, request_id: str) -> Json:
    about: dict[str, object] = {"type": told.type, "message": message}
    if told.details is not None:
        about["details"] = told.details
    return {"type": "error", "error": about, "request_id": request_id}
