"""`tercet run` as a process: its sockets, its signals, its ports."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
from fakes.running import KEY, descendants, environment, free_port, running, start, wait_until

pytestmark = [pytest.mark.serve, pytest.mark.timeout(900)]

LISTENING = "0A"
LOOPBACK = re.compile(
    r"^(0100007F|00000000000000000000000001000000|0000000000000000FFFF00000100007F)$"
)


def sockets_of(pids: set[int]) -> set[str]:
    """Return the inodes of the sockets these processes hold."""
    found: set[str] = set()
    for pid in pids:
        try:
            links = [str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir()]
        except OSError:
            continue
        found |= {link[8:-1] for link in links if link.startswith("socket:[")}
    return found


def listening(pids: set[int]) -> dict[str, list[str]]:
    """Return the local addresses (hex) these processes listen on, by table."""
    inodes = sockets_of(pids)
    found: dict[str, list[str]] = {}
    for table in ("tcp", "tcp6"):
        rows = [row.split() for row in Path(f"/proc/net/{table}").read_text().splitlines()[1:]]
        found[table] = [
            row[1].split(":")[0] for row in rows if row[3] == LISTENING and row[9] in inodes
        ]
    return found


def test_every_process_listens_on_loopback_only(system) -> None:
    found = listening(descendants(system.process.pid))

    assert len(found["tcp"]) > 5
    assert [a for addresses in found.values() for a in addresses if not LOOPBACK.match(a)] == []


def test_no_process_holds_a_udp_port(system) -> None:
    inodes = sockets_of(descendants(system.process.pid))
    rows = [
        row.split()
        for table in ("udp", "udp6")
        for row in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    ]

    assert [row[1] for row in rows if row[9] in inodes] == []


def test_a_busy_port_is_named_with_the_remedy(system) -> None:
    port = system.url.rsplit(":", 1)[1]

    second = subprocess.run(
        [Path(os.sys.executable).parent / "tercet", "run"],
        env=environment(PORT=port, TERCET_API_KEY=KEY),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert second.returncode == 2
    assert f"port {port} is in use" in second.stderr
    assert "PORT" in second.stderr


def test_two_systems_run_side_by_side_and_stopping_one_leaves_the_other(
    system, tmp_path: Path
) -> None:
    with running(tmp_path) as other:
        pids = descendants(other.process.pid)
        for one in (system, other):
            with one.http() as http:
                assert http.get("/readyz").status_code == 200

    assert other.process.returncode == 0
    assert wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
    with system.http() as http:
        assert http.get("/readyz").status_code == 200


def test_a_killed_run_leaves_no_process_behind(tmp_path: Path) -> None:
    process = start(tmp_path, free_port())
    pids = descendants(process.pid)

    process.send_signal(signal.SIGKILL)
    process.wait(30)
    process.stdout.close()

    assert wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), 120)


def test_one_missing_key_degrades_the_routes_instead_of_failing_them(
    system, tmp_path: Path
) -> None:
    keys = {"GEMINI_API_KEY": "x", "GOOGLE_GEMINI_BASE_URL": system.upstream()}
    with running(tmp_path, **keys) as other, other.http() as http:
        for model in ("tier1", "tier2", "tier3"):
            body = {"model": model, "messages": [{"role": "user", "content": "What is 2 + 2?"}]}
            reply = http.post("/v1/chat/completions", json=body)
            assert reply.status_code == 200, reply.text
            assert reply.headers["x-tercet-degraded"].endswith(":no_key")
            assert reply.headers["x-tercet-models"].startswith("gemini-")
