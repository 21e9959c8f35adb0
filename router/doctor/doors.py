"""The ports of a system that nobody outside may reach, and what whoever reaches one may do there.

The requests are the published ones against exposed Ray, made harmless: where one is let in, it
fails for what it lacks. Ray asks for its token before it looks at anything else, so a refusal that
is not 401 or 403 shows that it asked for none.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from router.doctor.probing import Origin, Reply, Request, answers, ask
from router.doctor.starting import is_loopback

Verdict = Literal["shut", "open", "unknown"]
Asked = Callable[[Request], Reply | None]

PORTS: Mapping[int, str] = {
    6379: "Ray's GCS, or Redis",
    8000: "Serve without TLS",
    8080: "metrics of a Ray node",
    8265: "Ray's dashboard",
    8404: "HAProxy's statistics",
    8500: "Serve's fallback proxy",
    9101: "HAProxy's metrics",
    10001: "Ray's client server",
    **dict.fromkeys(range(30000, 30004), "a replica of Serve"),
    44217: "metrics of Ray's autoscaler",
    44227: "metrics of Ray's dashboard",
    **dict.fromkeys(range(52365, 52368), "an agent of a Ray node"),
}
REFUSED = frozenset({401, 403})
_JSON = {"content-type": b"application/json"}
_PAGE = Request(method="GET", path="/")
_MODE = Request(method="GET", path="/api/authentication_mode")
_METRICS = Request(method="GET", path="/metrics")
KEEP_OUT = "bind it to loopback or close the port in the firewall; only Ray's nodes may reach it"
TOKEN = "set RAY_AUTH_MODE=token and a token in the environment of `ray start` on every node"  # noqa: S105


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    what: str
    expected: str
    found: str
    verdict: Verdict
    remedy: str = ""
    """What to do; empty where nothing is."""


@dataclass(frozen=True, slots=True)
class Attack:
    """What nobody may tell Ray without its token, and the word by which its answer is known."""

    request: Request
    mark: str


ATTACKS = (
    Attack(Request(method="GET", path="/api/serve/applications/"), '"applications"'),
    # Without an entrypoint it is no job: Ray answers 400 and names what is missing.
    Attack(Request(method="POST", path="/api/jobs/", headers=_JSON, body=b"{}"), "entrypoint"),
    Attack(
        Request(method="POST", path="/api/job_agent/jobs/", headers=_JSON, body=b"{}"),
        "entrypoint",
    ),
    # The published path ends before the last name, and shuts Serve down; this one does not exist.
    Attack(Request(method="DELETE", path="/api/serve/applications/no-application"), ""),
)


def look_at_port(host: str, port: int) -> Finding:
    """Knock; where somebody answers, ask what the published attacks ask."""
    what = f"port {port}" + (f", {PORTS[port]}" if port in PORTS else "")
    is_outside = not is_loopback(host)
    expected = "nobody answers" if is_outside else "nobody, or asks for the token"
    if not answers(host, port):
        return Finding(what=what, expected=expected, found="nobody answers", verdict="shut")
    origin = Origin(host=host, port=port)
    seen = look_inside(lambda request: ask(origin, request))
    if seen.is_ray and "Ray" not in what:
        what += ", Ray's dashboard"
    is_open = is_outside or bool(seen.let_in)
    remedies = [TOKEN] * bool(seen.let_in) + [KEEP_OUT] * is_outside
    return Finding(
        what=what,
        expected=expected,
        found=str(seen),
        verdict="open" if is_open else "shut",
        remedy="; ".join(remedies),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """What somebody without a token finds at a port."""

    is_http: bool
    is_ray: bool
    """Ray's dashboard, whatever the port is."""
    has_metrics: bool
    let_in: tuple[str, ...]

    def __str__(self) -> str:
        """Say it in a line."""
        if not self.is_http:
            return "answers, not in HTTP"
        seen = [*["GET /metrics"] * self.has_metrics, *self.let_in]
        return f"lets in {', '.join(seen)}" if seen else "answers, lets nothing in"


def look_inside(asked: Asked) -> Inside:
    """Ask everything that is published; nothing of it changes anything."""
    page = asked(_PAGE)
    if page is None:
        return Inside(is_http=False, is_ray=False, has_metrics=False, let_in=())
    is_ray = _says(asked(_MODE), '"authentication_mode"') or _says(page, "Ray Dashboard")
    replies = [(attack, asked(attack.request)) for attack in ATTACKS]
    return Inside(
        is_http=True,
        is_ray=is_ray,
        has_metrics=_says(asked(_METRICS), "# TYPE "),
        let_in=tuple(
            str(attack.request)
            for attack, reply in replies
            if reply is not None and _is_let_in(attack, reply, is_ray=is_ray)
        ),
    )


def _is_let_in(attack: Attack, reply: Reply, *, is_ray: bool) -> bool:
    if reply.status in REFUSED:
        return False
    return is_ray or bool(attack.mark and attack.mark in reply.body)


def _says(reply: Reply | None, mark: str) -> bool:
    return reply is not None and reply.status == 200 and mark in reply.body
