import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from fakes.doors import GATEWAY, serving
from fakes.running import free_port

from router.doctor.doors import Finding
from router.doctor.front import look_at_front
from router.doctor.probing import Origin, origin_of
from tercet.errors import ConfigError

HOST = "127.0.0.1"
NOW = time.time()
DAY_S = 24 * 3600


def seen(port: int, host: str = HOST) -> dict[str, Finding]:
    return {one.what: one for one in look_at_front(Origin(host=host, port=port), NOW)}


def open_doors(found: Mapping[str, Finding]) -> dict[str, str]:
    return {what: one.found for what, one in found.items() if one.verdict != "shut"}


def test_a_gateway_that_asks_for_its_key_is_shut() -> None:
    with serving(GATEWAY) as served:
        found = seen(served.port)

    assert open_doors(found) == {}
    assert found["GET /v1/models without a key"].found == "401"
    assert found["POST /v1/chat/completions with a wrong key"].found == "401"
    assert found["GET /console without sign-in"].found == "303"
    assert "x-session-id of a client" in found


def test_the_wrong_key_comes_with_a_body_that_asks_nothing() -> None:
    with serving(GATEWAY) as served:
        seen(served.port)

    bodies = {body for request, _, body in served.asked if "/v1/" in request}
    assert bodies == {b""}


@pytest.mark.parametrize(
    ("request_", "what"),
    [
        ("GET /v1/models", "GET /v1/models without a key"),
        ("POST /v1/chat/completions", "POST /v1/chat/completions with a wrong key"),
        ("GET /console", "GET /console without sign-in"),
    ],
)
def test_what_answers_a_stranger_is_open(request_: str, what: str) -> None:
    with serving({**GATEWAY, request_: (200, "{}")}) as served:
        found = seen(served.port)

    assert open_doors(found) == {what: "200"}
    assert found[what].remedy


def test_a_key_that_is_not_looked_at_before_the_body_is_open() -> None:
    with serving({**GATEWAY, "POST /v1/chat/completions": (400, "no JSON")}) as served:
        assert open_doors(seen(served.port)) == {
            "POST /v1/chat/completions with a wrong key": "400"
        }


def test_a_proxy_need_not_pass_the_console_on() -> None:
    with serving({**GATEWAY, "GET /console": (404, "")}) as served:
        assert open_doors(seen(served.port)) == {}


@pytest.mark.parametrize("name", ["x-request-timeout-seconds", "x-session-id", "x-request-id"])
def test_a_header_that_serve_sees_is_found_and_named(name: str) -> None:
    with serving(GATEWAY, fails_on=lambda headers: headers.get(name) == "\xff") as served:
        found = seen(served.port)

    assert open_doors(found) == {f"{name} of a client": "500"}
    assert found[f"{name} of a client"].remedy.startswith(f"have the proxy drop {name}")


@pytest.mark.parametrize(
    ("request_", "answer", "let_in"),
    [
        ("GET /metrics", (200, "# TYPE ray_tasks gauge"), "lets in GET /metrics"),
        (
            "GET /api/serve/applications/",
            (200, '{"applications": {}}'),
            "lets in GET /api/serve/applications/",
        ),
    ],
)
def test_a_proxy_that_passes_rays_own_paths_on_is_open(
    request_: str, answer: tuple[int, str], let_in: str
) -> None:
    with serving({**GATEWAY, request_: answer}) as served:
        found = open_doors(seen(served.port))

    assert found == {"Ray's own paths at this address": let_in}


def test_a_gateway_that_does_not_answer_is_unknown_and_not_shut() -> None:
    (tls, health) = look_at_front(Origin(host=HOST, port=free_port()), NOW)

    assert tls.verdict == "shut"
    assert health.verdict == "unknown"
    assert health.found.startswith("nobody answers at http://127.0.0.1:")
    with serving({**GATEWAY, "GET /healthz": (503, "")}) as served:
        assert seen(served.port)["GET /healthz"].found.startswith("answers 503 at ")


def test_without_tls_keys_travel_in_clear_but_on_this_machine() -> None:
    with serving(GATEWAY) as served:
        outside = seen(served.port, "127.1")
        inside = seen(served.port)

    assert open_doors(outside) == {f"http://127.1:{served.port}": "no TLS: keys travel in clear"}
    assert inside[f"http://127.0.0.1:{served.port}"].found == "no TLS, on this machine alone"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a certificate for 30 days, with its key, signed by itself."""
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    subprocess.run(
        [
            str(shutil.which("openssl")), "req", "-x509", "-newkey", "ec",
            "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
            "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
            "-keyout", file, "-out", file.with_suffix(".crt"),
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    file.write_text(file.read_text() + file.with_suffix(".crt").read_text())
    return file


@pytest.fixture
def https(certificate: Path) -> Iterator[Origin]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with serving(GATEWAY, tls=context) as served:
        yield Origin(host=HOST, port=served.port, is_tls=True)


def test_a_certificate_is_good_as_long_as_it_lasts(https: Origin, certificate: Path) -> None:
    trust = ssl.create_default_context(cafile=certificate)
    fresh, late = (
        look_at_front(https, at, trust)[0] for at in (time.time(), time.time() + 17 * DAY_S)
    )

    assert (fresh.found, fresh.verdict, fresh.what) == ("TLSv1.3, 30 days", "shut", str(https))
    assert (late.found, late.verdict) == ("TLSv1.3, 13 days", "open")
    assert "renew the certificate" in late.remedy


def test_a_certificate_nobody_trusts_is_open_and_the_rest_is_looked_at_all_the_same(
    https: Origin,
) -> None:
    found = look_at_front(https, NOW)

    assert (found[0].found, found[0].verdict) == ("self-signed certificate", "open")
    assert [one.verdict for one in found[1:]] == ["shut"] * 7


def test_what_speaks_no_tls_is_open() -> None:
    with serving(GATEWAY) as served:
        first, *_ = look_at_front(Origin(host=HOST, port=served.port, is_tls=True), NOW)

    assert first.verdict == "open"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://tercet.example", "https://tercet.example:443"),
        ("http://tercet.example/v1", "http://tercet.example:80"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_an_address_is_read_with_its_port(url: str, said: str) -> None:
    assert str(origin_of(url)) == said


@pytest.mark.parametrize("url", ["", "tercet.example", "ftp://x", "http://", "http://x:99999"])
def test_what_is_no_address_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(ConfigError, match=r"is no address; write one as https://tercet\.example"):
        origin_of(url)
