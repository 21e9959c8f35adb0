"""How the Gemini API says no, as a response and inside a stream."""

from collections.abc import Mapping
from dataclasses import dataclass

from deployments.simulated.script import Frame, Json, Problem, Script, encoded

CONTEXT = 1_048_576
_RPC = "type.googleapis.com/google.rpc."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Error:
    code: int
    status: str
    message: str
    details: tuple[Json, ...] = ()


_QUOTA = _Error(code=429, status="RESOURCE_EXHAUSTED", message="You exceeded your current quota.")
_BUSY = _Error(code=503, status="UNAVAILABLE", message="The model is overloaded. Try again later.")
_INTERNAL = _Error(code=500, status="INTERNAL", message="An internal error has occurred.")

_ERRORS: Mapping[str, _Error] = {
    "bad-request": _Error(code=400, status="INVALID_ARGUMENT", message="Invalid request."),
    "unknown-model": _Error(code=404, status="NOT_FOUND", message="Not found."),
    "no-key": _Error(
        code=403,
        status="PERMISSION_DENIED",
        message="Method doesn't allow unregistered callers. Please use API Key.",
    ),
    "bad-key": _Error(
        code=400,
        status="INVALID_ARGUMENT",
        message="API key not valid. Please pass a valid API key.",
        details=({"@type": f"{_RPC}ErrorInfo", "reason": "API_KEY_INVALID"},),
    ),
    "rate": _QUOTA,
    "rate-once": _QUOTA,
    "spend-limit": _Error(
        code=429,
        status="RESOURCE_EXHAUSTED",
        message="Your project has exceeded its monthly spending cap.",
        details=(
            {
                "@type": f"{_RPC}ErrorInfo",
                "reason": "SPENDING_CAP_EXCEEDED",
                "metadata": {"error_code": "enforced_spend_limit_reached"},
            },
        ),
    ),
    "payment": _Error(
        code=403,
        status="PERMISSION_DENIED",
        message="This API method requires billing to be enabled.",
        details=({"@type": f"{_RPC}ErrorInfo", "reason": "BILLING_DISABLED"},),
    ),
    "overloaded": _BUSY,
    "early-error": _BUSY,
    "mid-error": _BUSY,
    "e500": _INTERNAL,
    "leaky": _INTERNAL,
    "e503": _Error(code=503, status="UNAVAILABLE", message="The service is unavailable."),
    "e504": _Error(code=504, status="DEADLINE_EXCEEDED", message="Deadline expired."),
    "too-long": _Error(
        code=400,
        status="INVALID_ARGUMENT",
        message=f"The input token count ({CONTEXT + 1}) exceeds the maximum number of tokens"
        f" allowed ({CONTEXT}).",
    ),
}


def error_script(problem: Problem, _request_id: str) -> Script:
    """Return an error response."""
    told = _ERRORS[problem.name]
    headers = {"content-type": "application/json; charset=UTF-8"}
    details = told.details
    if problem.value is not None:
        headers["retry-after"] = problem.value
        details = (*details, {"@type": f"{_RPC}RetryInfo", "retryDelay": f"{problem.value}s"})
    body = encoded(_body(told, problem.message or told.message, details))
    headers["content-length"] = str(len(body))
    outcome = f"failed:{problem.name}"
    return Script(status=told.code, headers=headers, frames=[Frame(data=body)], outcome=outcome)


def error_body(name: str) -> Json:
    """Return what an error chunk carries."""
    told = _ERRORS[name]
    return _body(told, told.message, told.details)


def _body(told: _Error, message: str, details: tuple[Json, ...]) -> Json:
    about: dict[str, object] = {"code": told.code, "message": message, "status": told.status}
    if details:
        about["details"] = details
    return {"error": about}
