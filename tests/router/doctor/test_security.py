"""`tercet doctor --security` as a command."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes.doors import GATEWAY, OPEN_DASHBOARD, SHUT_DASHBOARD, serving
from fakes.running import free_port

from router.cli import main
from router.doctor.doors import Finding
from router.doctor.security import as_lines, ports_of
from tercet.config import environment
from tercet.environment import KEY_FILES

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run it with a home and a ledger of the test's own, where nothing is."""
    for name in environment():
        if name in KEY_FILES or name in KEY_FILES.values():
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TERCET_LEDGER", str(tmp_path / "ledger.sqlite3"))

    def ask(*arguments: str) -> tuple[int, str]:
        status = main(["doctor", "--security", *arguments])
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    return ask


def url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def test_a_system_that_is_shut_ends_with_status_0(run: Run) -> None:
    with serving(GATEWAY) as gateway, serving(SHUT_DASHBOARD) as dashboard:
        status, said = run("--url", url(gateway.port), "--ports", f"{dashboard.port}")

    assert said.endswith("\n\neverything is shut\n")
    assert status == 0


def test_an_open_dashboard_is_named_with_its_remedy_and_ends_with_status_1(run: Run) -> None:
    with serving(GATEWAY) as gateway, serving(OPEN_DASHBOARD) as dashboard:
        status, said = run("--url", url(gateway.port), "--ports", f"{dashboard.port}")

    assert status == 1
    assert (
        f"\nopen: port {dashboard.port}, Ray's dashboard: set RAY_AUTH_MODE=token and a token in "
        "the environment of `ray start` on every node\n1 of "
    ) in said
    assert "lets in GET /api/serve/applications/, POST /api/jobs/" in said


def test_a_gateway_that_does_not_answer_ends_with_status_2(run: Run) -> None:
    status, said = run("--url", url(free_port()), "--ports", f"{free_port()}")

    assert status == 2
    assert "\nunknown: GET /healthz: start it, or give its address with --url\n" in said


def test_for_programs_it_is_json(run: Run) -> None:
    with serving(GATEWAY) as gateway, serving(OPEN_DASHBOARD) as dashboard:
        status, said = run("--url", url(gateway.port), "--ports", f"{dashboard.port}", "--json")
    findings = json.loads(said)

    assert status == 1
    assert {frozenset(finding) for finding in findings} == {
        frozenset({"what", "expected", "found", "verdict", "remedy"})
    }
    assert [one["what"] for one in findings if one["verdict"] == "open"] == [
        f"port {dashboard.port}, Ray's dashboard"
    ]


def test_the_gateways_own_port_is_no_door_but_another_hosts_is(run: Run) -> None:
    with serving(GATEWAY) as gateway:
        ports = ("--url", url(gateway.port), "--ports", f"{gateway.port}", "--json")
        here, there = run(*ports), run(*ports, "--host", "127.1")

    assert f"port {gateway.port}" not in here[1]
    assert here[0] == 0
    assert f"port {gateway.port}" in there[1]
    assert there[0] == 1


def test_the_files_of_this_host_are_looked_at_too(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TERCET_ADMIN_KEY_FILE", str(tmp_path / "none"))
    with serving(GATEWAY) as gateway:
        status, said = run("--url", url(gateway.port), "--ports", f"{free_port()}")

    assert status == 2
    assert f"unknown: TERCET_ADMIN_KEY_FILE, {tmp_path / 'none'}: make it" in said


def test_an_address_that_is_none_is_refused(run: Run) -> None:
    assert run("--url", "tercet.example") == (
        2,
        "tercet: 'tercet.example' is no address; write one as https://tercet.example\n",
    )


@pytest.mark.parametrize(
    ("text", "ports"), [("80", (80,)), ("1,80-82,81", (1, 80, 81, 82)), ("65535", (65_535,))]
)
def test_ports_are_read(text: str, ports: tuple[int, ...]) -> None:
    assert ports_of(text) == ports


@pytest.mark.parametrize("text", ["", "0", "65536", "80-", "-80", "9-8", "http", "1,,2", "1-2-3"])
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"write them as 8265,52365-52367"):
        ports_of(text)


def test_too_many_ports_are_refused() -> None:
    assert len(ports_of("1-1000")) == 1000
    with pytest.raises(argparse.ArgumentTypeError, match="at most 1000"):
        ports_of("1-65535")


def test_the_table_stands_in_columns_and_wraps_what_was_found() -> None:
    shut = Finding(what="a", expected="401", found="401", verdict="shut")
    wide = Finding(
        what="port 1", expected="shut", found="lets in " * 10, verdict="open", remedy="do"
    )

    assert list(as_lines([shut, wide], 80)) == [
        "      what    expected  found",
        "shut  a       401       401",
        "open  port 1  shut      lets in lets in lets in lets in lets in lets in lets in lets",
        "                        in lets in lets in",
        "",
        "open: port 1: do",
        "1 of 2 not shut",
    ]
