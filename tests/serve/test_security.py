"""`tercet doctor --security` against a system that runs, and a start that is refused."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from fakes.running import KEY, Running, descendants, environment, free_port, running

from router.doctor.probing import Origin, Request, ask

pytestmark = [pytest.mark.serve, pytest.mark.timeout(900)]

ADMIN = "canary-of-the-admin"
LISTENING = "0A"
BUILDING = """
import ray, sys
from ray import serve
from ray.serve.config import HTTPOptions
from router.app import Arguments, build
ray.init(address="local", include_dashboard=False, _node_ip_address="127.0.0.1",
         object_store_memory=100_000_000, num_cpus=1, log_to_driver=False, _temp_dir=sys.argv[1])
# No proxy is started, so nothing listens there; Serve says it all the same.
serve.start(proxy_location="Disabled", http_options=HTTPOptions(host="0.0.0.0"))
try:
    print(type(build(Arguments())).__name__)
except Exception as error:
    print(f"{type(error).__name__}: {error}")
"""
OPEN = """
import json, ray, sys, urllib.request
from ray import serve
from router.doctor.doors import look_at_port

@serve.deployment
class Answering:
    def __call__(self):
        return 1

def told(path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as reply:
        return json.load(reply)

port = int(sys.argv[2])
ray.init(address="local", dashboard_host="127.0.0.1", dashboard_port=port, num_cpus=1,
         include_dashboard=True, _node_ip_address="127.0.0.1", object_store_memory=100_000_000,
         log_to_driver=False, _temp_dir=sys.argv[1])
serve.start(proxy_location="Disabled")
serve.run(Answering.options(ray_actor_options={"num_cpus": 0}).bind(), route_prefix=None)
found = look_at_port("127.0.0.1", port)
jobs = [job["type"] for job in told("/api/jobs/")]
applications = told("/api/serve/applications/")["applications"].values()
print(json.dumps([found.verdict, found.found, jobs, [one["status"] for one in applications]]))
"""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """Return a system with the admin's and the callers' key in files."""
    home = tmp_path_factory.mktemp("guarded")
    admin, callers = home / "admin", home / "callers"
    for file, key in ((admin, ADMIN), (callers, KEY)):
        file.touch(mode=0o600)
        file.write_text(f"{key}\n")
    files = {"TERCET_ADMIN_KEY_FILE": str(admin), "TERCET_API_KEY_FILE": str(callers)}
    with running(home, TERCET_API_KEY="", **files) as started:
        yield started


def ports_of(root: int) -> set[int]:
    """Return every port that a process and its children listen on."""
    inodes: set[str] = set()
    for pid in descendants(root):
        try:
            inodes |= {str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir()}
        except OSError:
            continue
    rows = [
        row.split()
        for table in ("tcp", "tcp6")
        for row in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    ]
    return {
        int(row[1].rsplit(":", 1)[1], 16)
        for row in rows
        if row[3] == LISTENING and f"socket:[{row[9]}]" in inodes
    }


def looked_at(system: Running, *more: str) -> tuple[int, list[dict[str, str]]]:
    ports = ",".join(map(str, sorted(ports_of(system.process.pid))))
    done = subprocess.run(
        [
            Path(sys.executable).parent / "tercet", "doctor", "--security", "--json",
            "--url", system.url, "--ports", ports, *more,
        ],
        env=environment(
            HOME=str(system.home),
            TERCET_LEDGER=str(system.ledger),
            TERCET_ADMIN_KEY_FILE=str(system.home / "admin"),
        ),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )  # fmt: skip
    return done.returncode, json.loads(done.stdout)


def test_every_door_of_a_running_system_is_shut(guarded) -> None:
    status, findings = looked_at(guarded)
    doors = [one for one in findings if one["what"].startswith("port ")]

    assert len(doors) > 20
    assert [one for one in findings if one["verdict"] != "shut"] == []
    assert status == 0
    dashboard = re.search(r"dashboard  http://127.0.0.1:(\d+)", guarded.banner)[1]
    told = {one["what"]: one["found"] for one in doors}
    assert told[f"port {dashboard}, Ray's dashboard"] == "answers, lets nothing in"
    assert "lets in GET /metrics" in told.values()


def test_a_header_that_nobody_drops_is_seen_to_pass(guarded) -> None:
    """Ask a replica directly: HAProxy, which drops them, is not in between."""
    told = (Path(f"/proc/{pid}/environ") for pid in descendants(guarded.process.pid))
    text = b"\0".join(file.read_bytes() for file in told)
    first, last = (
        int(re.search(rb"RAY_SERVE_DIRECT_INGRESS_%s_HTTP_PORT=(\d+)" % end, text)[1])
        for end in (b"MIN", b"MAX")
    )
    replicas = [port for port in ports_of(guarded.process.pid) if first <= port <= last]
    odd = Request(method="GET", path="/healthz", headers={"x-request-id": b"\xff"})
    plain = Request(method="GET", path="/healthz")

    statuses = set()
    for port in replicas:
        origin = Origin(host="127.0.0.1", port=port)
        if ask(origin, plain).status == 200:
            statuses.add(ask(origin, odd).status)
    assert statuses == {500}


def test_keys_of_files_open_their_doors_and_are_in_no_environment(guarded) -> None:
    page = {"origin": guarded.url}
    with guarded.http() as http:
        signed = http.post("/console/login", data={"key": ADMIN}, headers=page)
        wrong = http.post("/console/login", data={"key": KEY}, headers=page)
        called = http.get("/v1/models")
    told = [Path(f"/proc/{pid}/environ").read_bytes() for pid in descendants(guarded.process.pid)]

    assert (signed.status_code, wrong.status_code, called.status_code) == (303, 401, 200)
    assert len(told) > 10
    assert [it for it in told if ADMIN.encode() in it or KEY.encode() in it] == []
    assert ADMIN not in guarded.banner
    assert ADMIN not in (guarded.home / "stderr").read_text()


def ran(script: str, folder: Path, *arguments: str, **extra: str) -> subprocess.CompletedProcess:
    """Run a script with a Ray of its own on loopback."""
    return subprocess.run(
        [sys.executable, "-c", script, str(folder), *arguments],
        env=environment(
            RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER="0",
            RAY_USAGE_STATS_ENABLED="0",
            RAY_agent_register_timeout_ms="120000",
            TERCET_LEDGER=str(folder / "ledger.sqlite3"),
            **extra,
        ),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ({}, "ConfigError: the gateway would listen on 0.0.0.0 of 127.0.0.1, and nobody has a key"),
        ({"TERCET_API_KEY": "callers"}, "Application"),
    ],
)
def test_serve_knows_where_it_listens_and_without_a_key_nothing_is_built(
    key, said, tmp_path_factory
) -> None:
    folder = tmp_path_factory.mktemp("r")  # short, for Ray's sockets
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "x" * 48}
    done = ran(BUILDING, folder, **token, **key)

    assert done.stdout.startswith(said), done.stdout + done.stderr[-2000:]


def test_a_ray_without_a_token_is_found_open_and_left_as_it_was(tmp_path_factory) -> None:
    folder = tmp_path_factory.mktemp("r")
    done = ran(OPEN, folder, str(free_port()), RAY_AUTH_MODE="disabled")

    assert done.returncode == 0, done.stderr[-2000:]
    verdict, found, jobs, applications = json.loads(done.stdout.strip().splitlines()[-1])
    assert verdict == "open"
    assert found.startswith("lets in GET /api/serve/applications/, POST /api/jobs/")
    assert (jobs, applications) == (["DRIVER"], ["RUNNING"])
