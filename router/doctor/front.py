"""The gateway's own address as a stranger sees it: no key, a wrong one, odd headers."""

import ssl
from collections.abc import Callable, Iterator

from router.doctor.doors import REFUSED, Finding, Verdict, look_inside
from router.doctor.probing import Greeting, Origin, Reply, Request, ask, greet
from router.doctor.starting import is_loopback

DAYS = 14
"""A certificate that ends sooner should have been renewed: Let's Encrypt's are 30 days before."""
TLS = frozenset({"TLSv1.2", "TLSv1.3"})
STEERING = ("x-request-timeout-seconds", "x-session-id", "x-request-id")
_HEALTH = Request(method="GET", path="/healthz")
_STRANGERS = (
    (Request(method="GET", path="/v1/models"), "without a key"),
    # An empty body asks nothing, if the key should be taken for a good one.
    (
        Request(
            method="POST",
            path="/v1/chat/completions",
            headers={"authorization": b"Bearer not-a-key", "content-type": b"application/json"},
        ),
        "with a wrong key",
    ),
)
_CONSOLE = Request(method="GET", path="/console", headers={"accept": b"text/html"})
_STRANGE = "another program answers there, or it is no release of Tercet: look what runs"


def look_at_front(origin: Origin, now: float, trust: ssl.SSLContext | None = None) -> list[Finding]:
    """Knock at the gateway's address; see `greet` for `now` and `trust`."""

    def asked(request: Request) -> Reply | None:
        return ask(origin, request)

    findings = [_tls(origin, greet(origin, now, trust) if origin.is_tls else None)]
    healthy = asked(_HEALTH)
    if healthy is None or healthy.status != 200:
        found = "nobody answers" if healthy is None else f"answers {healthy.status}"
        what, remedy = f"{_HEALTH}", "start it, or give its address with --url"
        return [*findings, _unknown(what, f"{found} at {origin}", remedy)]
    return [*findings, *_strangers(asked), _console(asked), _rays_own(asked), *_steering(asked)]


def _tls(origin: Origin, greeted: Greeting | str | None) -> Finding:
    verdict: Verdict
    match greeted:
        case None if is_loopback(origin.host):
            found, verdict, remedy = "no TLS, on this machine alone", "shut", ""
        case None:
            found, verdict, remedy = (
                "no TLS: keys travel in clear",
                "open",
                "put a TLS proxy before",
            )
        case str():
            found, verdict, remedy = greeted, "open", "renew the certificate of the TLS proxy"
        case Greeting(version, days):
            is_well = version in TLS and days >= DAYS
            found, verdict = f"{version}, {days:.0f} days", "shut" if is_well else "open"
            remedy = "" if is_well else "renew the certificate; allow TLS 1.2 and 1.3 alone"
    return Finding(
        what=str(origin),
        expected=f"TLS 1.2 or 1.3, a certificate for {DAYS} days",
        found=found,
        verdict=verdict,
        remedy=remedy,
    )


def _strangers(asked: Callable[[Request], Reply | None]) -> Iterator[Finding]:
    for request, how in _STRANGERS:
        what = f"{request} {how}"
        yield _judged(what, "401", asked(request), REFUSED, _STRANGE)


def _console(asked: Callable[[Request], Reply | None]) -> Finding:
    remedy = "shut that path in the proxy, and look what answers there: the console asks for a key"
    # 404: the proxy does not pass it on.
    fine = REFUSED | {302, 303, 307, 404}
    return _judged("GET /console without sign-in", "the sign-in", asked(_CONSOLE), fine, remedy)


def _rays_own(asked: Callable[[Request], Reply | None]) -> Finding:
    seen = look_inside(asked)
    is_open = seen.has_metrics or bool(seen.let_in)
    return Finding(
        what="Ray's own paths at this address",
        expected="refused",
        found=str(seen),
        verdict="open" if is_open else "shut",
        remedy="have the proxy pass nothing on but to Serve's own port" if is_open else "",
    )


def _steering(asked: Callable[[Request], Reply | None]) -> Iterator[Finding]:
    """Send bytes that are not UTF-8: where Serve sees the header, it fails before our code."""
    for name in STEERING:
        reply = asked(Request(method="GET", path="/healthz", headers={name: b"\xff"}))
        remedy = f"have the proxy drop {name}; `make run` does it in cluster/haproxy"
        fine = frozenset(range(200, 500))
        yield _judged(f"{name} of a client", "dropped, or refused", reply, fine, remedy)


def _judged(
    what: str, expected: str, reply: Reply | None, fine: frozenset[int], remedy: str
) -> Finding:
    if reply is None:
        return _unknown(what, "no answer", "ask again; the gateway answered a moment ago")
    is_fine = reply.status in fine
    return Finding(
        what=what,
        expected=expected,
        found=str(reply.status),
        verdict="shut" if is_fine else "open",
        remedy="" if is_fine else remedy,
    )


def _unknown(what: str, found: str, remedy: str) -> Finding:
    return Finding(what=what, expected="answers", found=found, verdict="unknown", remedy=remedy)
