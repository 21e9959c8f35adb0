import pytest
from fakes.doors import GATEWAY, OPEN_DASHBOARD, SHUT_DASHBOARD, serving, speechless
from fakes.running import free_port

from router.doctor.doors import PORTS, Finding, look_at_port, look_inside
from router.doctor.probing import Origin, Reply, Request, ask

HOST = "127.0.0.1"
IN_TURN = [
    "GET /api/serve/applications/",
    "POST /api/jobs/",
    "POST /api/job_agent/jobs/",
    "DELETE /api/serve/applications/no-application",
]


def test_an_open_dashboard_is_found_and_named_on_any_port() -> None:
    with serving(OPEN_DASHBOARD) as served:
        found = look_at_port(HOST, served.port)

    assert found == Finding(
        what=f"port {served.port}, Ray's dashboard",
        expected="nobody, or asks for the token",
        found=f"lets in {', '.join(IN_TURN)}",
        verdict="open",
        remedy="set RAY_AUTH_MODE=token and a token in the environment of `ray start` on every "
        "node",
    )


def test_what_is_sent_starts_and_ends_nothing() -> None:
    with serving(OPEN_DASHBOARD) as served:
        look_at_port(HOST, served.port)

    changing = {
        request: body for request, _, body in served.asked if not request.startswith("GET ")
    }
    assert changing == {
        "POST /api/jobs/": b"{}",
        "POST /api/job_agent/jobs/": b"{}",
        "DELETE /api/serve/applications/no-application": b"",
    }
    sent = {name.lower() for _, headers, _ in served.asked for name in headers}
    assert sent <= {"host", "accept-encoding", "content-length", "content-type"}


def test_a_dashboard_that_asks_for_the_token_is_shut_on_this_machine() -> None:
    with serving(SHUT_DASHBOARD) as served:
        found = look_at_port(HOST, served.port)

    assert (found.verdict, found.found, found.remedy) == ("shut", "answers, lets nothing in", "")
    assert found.what.endswith("Ray's dashboard")


@pytest.mark.parametrize("request_", IN_TURN)
def test_one_attack_that_is_let_in_is_enough(request_: str) -> None:
    with serving({**SHUT_DASHBOARD, request_: (404, "Not Found")}) as served:
        found = look_at_port(HOST, served.port)

    assert (found.verdict, found.found) == ("open", f"lets in {request_}")


def test_an_agent_that_takes_jobs_is_open_though_it_is_no_dashboard() -> None:
    taken = (400, "TypeError: missing 1 required positional argument: 'entrypoint'")
    with serving({"POST /api/job_agent/jobs/": taken, "*": (404, "")}) as served:
        found = look_at_port(HOST, served.port)

    assert (found.verdict, found.found) == ("open", "lets in POST /api/job_agent/jobs/")
    assert found.what == f"port {served.port}"


@pytest.mark.parametrize("others", [(404, ""), (405, ""), (500, ""), (503, ""), (200, "<html>")])
def test_another_server_lets_nothing_in_whatever_it_answers(others: tuple[int, str]) -> None:
    with serving({"*": others}) as served:
        assert look_at_port(HOST, served.port).verdict == "shut"


def test_metrics_are_told_and_are_no_attack() -> None:
    told = {**GATEWAY, "GET /metrics": (200, "# TYPE ray_tasks gauge\n")}
    with serving(told) as served:
        found = look_at_port(HOST, served.port)

    assert (found.verdict, found.found) == ("shut", "lets in GET /metrics")


def test_a_port_of_another_protocol_answers_and_one_of_nobody_does_not() -> None:
    with speechless() as port:
        assert look_at_port(HOST, port).found == "answers, not in HTTP"
    found = look_at_port(HOST, free_port())
    assert (found.found, found.verdict) == ("nobody answers", "shut")


def test_from_outside_every_answer_is_an_open_door() -> None:
    # This spelling is no address to us, so it is taken for one outside.
    with speechless() as port, serving(SHUT_DASHBOARD) as served:
        dumb, asking = (look_at_port("127.1", each) for each in (port, served.port))

    assert (dumb.verdict, asking.verdict) == ("open", "open")
    assert dumb.expected == "nobody answers"
    assert "firewall" in dumb.remedy
    assert "RAY_AUTH_MODE" not in asking.remedy


def test_the_known_ports_are_those_that_ray_serve_and_haproxy_open() -> None:
    wanted = {6379, 8000, 8080, 8265, 8404, 8500, 9101, 10001, 44217, 44227, 52365, 52366, 52367}

    assert wanted <= set(PORTS)


def test_nothing_more_is_asked_of_who_speaks_no_http() -> None:
    asked: list[Request] = []

    def silent(request: Request) -> Reply | None:
        asked.append(request)
        return None

    assert str(look_inside(silent)) == "answers, not in HTTP"
    assert len(asked) == 1


def test_redirects_are_not_followed() -> None:
    with serving({"*": (307, "")}) as served:
        reply = ask(Origin(host=HOST, port=served.port), Request(method="GET", path="/x"))

    assert reply == Reply(307, "")
    assert served.requests == ["GET /x"]
