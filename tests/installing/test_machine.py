"""VPS_2 from a bare machine to a rolled release: systemd, Debian's HAProxy and nftables, real Ray.

The tests follow each other on one machine. Providers are the simulated upstreams.
"""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from installing.callers import PUBLISHED, Caller, open_ports
from installing.machine import (
    ADDRESS,
    CHECKOUT,
    NAME,
    VPS_2,
    Machine,
    fetch,
    machine,
    until,
    why_not,
)

from cluster import tunnel
from cluster.rehearsal.place import entered
from tercet.config import PROJECT

pytestmark = [pytest.mark.serve, pytest.mark.timeout(900)]

UNITS = ("firewall", "head", "deploy", "edge", "backup")
RAYS = (6379, 7401, 7402, 8000, 8001, 8080, 8265, 8404, 8500, 9101, 10001, 20000, 44217, 44227)
RAYS += tuple(range(52365, 52368)) + tuple(range(7403, 7408)) + tuple(range(7420, 7480))
SITE = """\
TERCET_LEDGER=/var/lib/tercet/ledger.sqlite3
TERCET_STATE=/var/lib/tercet
TERCET_BACKUPS=/var/lib/tercet/backups
TERCET_EDGE_HTTPS=:::443
TERCET_EDGE_HTTP=:::80
TERCET_EDGE_INSIDE=127.0.0.1:8001
TERCET_EDGE_TLS=/etc/tercet/tls/site.pem
TERCET_SIMULATED=1
ANTHROPIC_BASE_URL=http://127.0.0.1:9400
GOOGLE_GEMINI_BASE_URL=http://127.0.0.1:9400
"""
BACK_WITHIN_S = 90
PROVIDER = "canary-key-of-a-provider"
# Stands in for certbot, which finds no Let's Encrypt here: makes one, and starts the hook.
LIVE = f"/etc/letsencrypt/live/{NAME}"
CERTBOT = f"""\
#!/bin/sh -e
mkdir -p {LIVE}
openssl req -x509 -newkey rsa:2048 -nodes -subj /CN={NAME} -addext subjectAltName=DNS:{NAME} \\
  -keyout {LIVE}/privkey.pem -out {LIVE}/fullchain.pem
while [ "$1" != --deploy-hook ]; do shift; done
RENEWED_LINEAGE={LIVE} exec "$2"
"""
ENVIRONMENTS = "for it in $(pgrep -u tercet); do cat /proc/$it/environ; done"


@dataclass(frozen=True, kw_only=True)
class Site:
    """VPS_2 as it was installed, and somebody who calls it."""

    machine: Machine
    caller: Caller
    release: str

    def release_that_runs(self) -> str:
        return self.machine.said("readlink", "-f", "/opt/tercet/current")

    def settled(self) -> list[str]:
        """Return the ledger's rows of attempts that are over."""
        read = (
            "import sqlite3, sys; ledger = sqlite3.connect(sys.argv[1]); "
            "print(*ledger.execute('SELECT * FROM attempts WHERE settled_at_ns > 0'), sep='\\n')"
        )
        python = "/opt/tercet/current/venv/bin/python"
        # As its user: what SQLite makes beside the file must not be root's.
        command = ["runuser", "-u", "tercet", "--", python, "-c", read]
        return self.machine.said(*command, "/var/lib/tercet/ledger.sqlite3").splitlines()


@pytest.fixture(scope="module")
def site() -> Generator[Site]:
    if (why := why_not()) is not None:
        pytest.skip(why)
    folder = Path(tempfile.mkdtemp(prefix="t-"))
    (folder / "deb").mkdir()
    if (why := fetch(folder / "deb")) is not None:
        pytest.skip(why)
    with ExitStack() as stack:
        try:
            bare = stack.enter_context(machine(folder))
        except (AssertionError, OSError, subprocess.CalledProcessError) as error:
            # Nothing of ours is on it yet: this kernel or container gives no such machine.
            pytest.skip(f"no bare machine runs here: {error}")
        bare.check_out()
        bare.run("mkdir", "-p", "/etc/tercet/keys")
        bare.run("tee", "/etc/tercet/site.env", given=SITE)
        for key in ("anthropic", "gemini"):
            bare.run("tee", f"/etc/tercet/keys/{key}", given=PROVIDER)
        release = bare.make_release()
        simulated = ["-m", "deployments.simulated", "--port", "9400", "--bill", "/run/bill"]
        bare.run("systemd-run", "-q", f"{release}/venv/bin/python", *simulated)
        bare.run(str(VPS_2 / "install.sh"), NAME)
        pem = bare.run("openssl", "x509", "-in", "/etc/tercet/tls/site.pem").stdout
        (folder / "pem").write_text(pem)
        key = bare.said("cat", "/etc/tercet/keys/api")
        yield Site(machine=bare, caller=Caller(bare, key, folder / "pem"), release=release)
    shutil.rmtree(folder, ignore_errors=True)


def test_one_command_and_the_first_answer_comes_through_tls(site: Site) -> None:
    active = {it: site.machine.is_active(f"tercet-{it}") for it in UNITS}
    assert active == dict.fromkeys(UNITS, True), site.machine.said("journalctl", "-n", "50")
    assert site.caller.chat() == 200
    assert site.caller.ask("GET", "/v1/models", key="not-a-key") == 401


def test_the_same_command_again_changes_nothing(site: Site) -> None:
    done = site.machine.run(str(VPS_2 / "install.sh"), NAME)

    assert done.stdout.splitlines() == [
        "+ systemctl enable -q tercet.target",
        "+ systemctl start tercet.target",
    ]


def test_the_units_are_whole_and_shut(site: Site) -> None:
    units = [f"/etc/systemd/system/tercet-{it}.service" for it in (*UNITS, "watch", "sshd")]
    done = site.machine.run("systemd-analyze", "verify", "--man=no", *units)
    assert "tercet" not in done.stderr

    table = site.machine.said("systemd-analyze", "security", "--no-pager").splitlines()
    exposure = {row.split()[0]: float(row.split()[1]) for row in table if row.startswith("tercet-")}
    assert {"tercet-head.service", "tercet-edge.service"} <= set(exposure)
    assert max(exposure.values()) < 2.5


def test_keys_are_in_files_of_their_owner_and_in_no_environment(site: Site) -> None:
    look = "cd /etc/tercet; stat -c '%n %a %U' keys keys/* ray-token"
    listing = site.machine.said("sh", "-c", look)
    assert listing.splitlines() == [
        "keys 700 root",
        "keys/admin 400 root",
        "keys/anthropic 400 root",
        "keys/api 400 root",
        "keys/gemini 400 root",
        "ray-token 440 root",
    ]
    seen = site.machine.run("sh", "-c", ENVIRONMENTS).stdout
    token = site.machine.said("cat", "/etc/tercet/ray-token")
    assert "TERCET_STATE" in seen
    assert [it for it in (PROVIDER, site.caller.key, token) if it in seen] == []


def test_from_outside_there_are_two_doors_by_the_firewall_and_without_it(site: Site) -> None:
    listen = ["/usr/bin/python3", "-m", "http.server", "9999"]
    site.machine.run("systemd-run", "-q", "--unit=open", "-p", "WorkingDirectory=/srv", *listen)
    until(lambda: "0.0.0.0:9999" in site.machine.said("ss", "-tln"), 10, "it listens everywhere")
    # Debian starts its sshd where it was not installed before.
    assert [it for it in open_ports(site.machine, range(1, 65536)) if it != 22] == [80, 443]

    site.machine.run("nft", "delete", "table", "inet", "tercet")
    assert open_ports(site.machine, (80, 443, 9999, *RAYS)) == [80, 443, 9999]
    site.machine.run("systemctl", "stop", "open")
    site.machine.run("systemctl", "reload", "tercet-firewall")
    assert "inet tercet" in site.machine.said("nft", "list", "tables")


def test_a_renewed_certificate_is_served_and_cuts_no_stream(site: Site) -> None:
    site.machine.run("tee", "/usr/local/bin/certbot", given=CERTBOT)
    site.machine.run("chmod", "755", "/usr/local/bin/certbot")
    running = site.caller.streams(1, words=40, delay_ms=250)
    time.sleep(2)
    site.machine.run(str(VPS_2 / "install.sh"), "--acme", "me@example.org", NAME)

    site.caller.certificate.write_text(site.machine.said("cat", f"{LIVE}/fullchain.pem"))
    until(lambda: site.caller.chat() == 200, 20, "the renewed certificate is served")
    assert running[0].result(60).is_whole
    mode = site.machine.said("stat", "-c", "%a %U %G", "/etc/tercet/tls/site.pem")
    assert mode == "640 root tercet-edge"


@pytest.mark.parametrize(("method", "path"), PUBLISHED)
def test_the_published_requests_to_an_exposed_ray_find_none(
    site: Site, method: str, path: str
) -> None:
    assert site.caller.ask(method, path, {"entrypoint": "id"}) == 404


def test_a_configuration_that_cannot_run_is_not_taken(site: Site) -> None:
    site.machine.run("tee", "/etc/tercet/config/budget.yaml", given="caps: [")
    done = site.machine.run(str(VPS_2 / "upgrade.sh"), check=False)

    assert done.returncode == 1
    assert "nothing was changed" in done.stderr
    assert site.release_that_runs() == site.release
    site.machine.run("rm", "/etc/tercet/config/budget.yaml")
    given = f"{CHECKOUT}/config/budget.yaml"
    site.machine.run("cp", "--remove-destination", given, f"{site.release}/config/budget.yaml")
    assert site.caller.chat() == 200


def test_a_release_that_needs_ray_anew_is_not_slipped_under_it(site: Site) -> None:
    file = f"{CHECKOUT}/cluster/ray.env"
    site.machine.run("sh", "-c", f"echo RAY_another=1 >> {file}")
    site.machine.make_release()
    done = site.machine.run(str(VPS_2 / "upgrade.sh"), check=False)

    assert done.returncode == 1
    assert "(cluster/ray.env is another): add --restart" in done.stderr
    assert site.release_that_runs() == site.release
    site.machine.run("cp", f"{site.release}/cluster/ray.env", file)


def test_a_head_killed_at_once_is_back_within_90_s_and_the_ledger_is_whole(
    site: Site,
) -> None:
    assert site.caller.chat() == 200
    before = site.settled()
    began_at = time.monotonic()
    site.machine.run("sh", "-c", "kill -9 $(pgrep -u tercet)", check=False)
    until(lambda: site.caller.chat() != 200, 20, "the head is gone")
    until(lambda: site.caller.chat() == 200, BACK_WITHIN_S, "the head is back")
    took_s = time.monotonic() - began_at

    after = site.settled()
    assert before != []
    assert [row for row in before if row not in after] == []
    site.machine.run("/usr/local/bin/tercet", "ledger", "verify")
    assert took_s < BACK_WITHIN_S


def test_another_release_cuts_no_stream_and_the_one_before_comes_back(site: Site) -> None:
    site.machine.run("sh", "-c", f"echo '# another' >> {CHECKOUT}/router/app.py")
    new = site.machine.make_release()
    running = site.caller.streams(20, words=250, delay_ms=300)
    with site.caller.steady(0.5) as statuses:
        site.machine.run(str(VPS_2 / "upgrade.sh"))
        rolled_at = time.monotonic()
        ended = [it.result(300) for it in running]

    assert site.release_that_runs() == new
    assert [it for it in ended if not it.is_whole] == []
    assert min(it.ended_at for it in ended) > min(rolled_at, ended[0].began_at + 60)
    assert statuses.count(200) > 0.98 * len(statuses)
    replicas = "cat $(pgrep -u tercet -f ServeReplica:tercet | sed 's|.*|/proc/&/environ|')"
    seen = site.machine.said("sh", "-c", replicas)
    assert f"TERCET_RELEASE={new.rsplit('/', 1)[1]}" in seen
    assert f"TERCET_RELEASE={site.release.rsplit('/', 1)[1]}" not in seen
    assert new in site.machine.said("pgrep", "-a", "-u", "tercet", "-f", "ledger backup")


def test_the_release_before_comes_back_with_one_command(site: Site) -> None:
    site.machine.run(str(VPS_2 / "upgrade.sh"), "--rollback")

    assert site.release_that_runs() == site.release
    assert site.caller.chat() == 200


def test_a_head_that_machines_join_is_one_restart_away_and_answers_end_first(site: Site) -> None:
    site.machine.run("systemctl", "start", "tercet-sshd")
    assert not site.machine.is_active("tercet-sshd")

    rented = (PROJECT / "config" / "rental.yaml").read_text(encoding="utf-8")
    image = f"x@sha256:{'0' * 64}"
    for name, value in (("provider", "vast"), ("host", "vps"), ("image", image)):
        rented = rented.replace(f"{name}: null", f"{name}: {value}")
    rented = rented.replace("var/rental.key", "/var/lib/tercet/rental.key")
    site.machine.run("tee", "/etc/tercet/config/rental.yaml", given=rented)
    site.machine.run("tee", "-a", "/etc/tercet/site.env", given="TERCET_HEAD=tunnel\n")
    upgrade = "/opt/tercet/current/cluster/vps_2/upgrade.sh"
    keyless = site.machine.run(upgrade, "--restart", check=False)
    assert "no machine can be rented" in keyless.stderr

    site.machine.run("runuser", "-u", "tercet", "tee", "/var/lib/tercet/rental.key", given="key")
    running = site.caller.streams(3, words=40, delay_ms=250)
    time.sleep(4)
    done = site.machine.run(upgrade, "--restart", check=False)

    assert done.returncode == 0, site.machine.said("journalctl", "-u", "tercet-head", "-n", "60")
    assert [it.result(60) for it in running if not it.result(60).is_whole] == []
    assert site.caller.chat() == 200
    assert "127.77.0.1:7405" in site.machine.said("ss", "-tlnH")
    until(lambda: open_ports(site.machine, (2222,)) == [2222], 30, "sshd listens")
    # Ray listens on every interface now.
    assert open_ports(site.machine, (80, 443, *RAYS)) == [80, 443]


def test_a_rented_machine_comes_in_by_its_key_and_hears_the_head(
    site: Site, tmp_path: Path
) -> None:
    make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "id")]
    subprocess.run(make, check=True)
    release = site.release_that_runs()
    welcome = [f"{release}/venv/bin/python", "-IS", f"{release}/cluster/vps_2/welcome.py"]
    hears = [*welcome, "/var/lib/tercet/rental/nodes", "lease-1"]
    line = tunnel.authorized_key((tmp_path / "id.pub").read_text(), hears, joins_ray=False)
    site.machine.run("tee", "/var/lib/tercet/rental/authorized_keys", given=line)
    ssh = ["ssh", "-p", "2222", "-i", str(tmp_path / "id"), "-o", "StrictHostKeyChecking=no"]
    ssh += ["-o", f"UserKnownHostsFile={tmp_path / 'known'}", f"tercet@{ADDRESS}", "beat"]
    with entered(site.machine.namespace):
        said = subprocess.run(ssh, capture_output=True, text=True, timeout=30, check=False)
    # It is not wanted: there is no such lease.
    assert said.stdout == "{}", said.stderr


def test_a_stop_lets_answers_end_and_keeps_the_ledger(site: Site) -> None:
    running = site.caller.streams(3, words=40, delay_ms=250)
    time.sleep(4)
    site.machine.run("systemctl", "stop", "tercet.target", "tercet-*")

    assert [it.result(60) for it in running if not it.result(60).is_whole] == []
    assert site.settled() != []
    site.machine.run("/usr/local/bin/tercet", "ledger", "verify")
    assert site.machine.run("pgrep", "-u", "tercet", check=False).stdout == ""


def test_an_uninstall_leaves_the_settings_the_keys_and_the_ledger(site: Site) -> None:
    before = site.settled()
    site.machine.run(str(VPS_2 / "install.sh"), "--uninstall")

    units = site.machine.run("systemctl", "list-unit-files", "tercet*", "--no-legend", check=False)
    assert units.stdout == ""
    left = site.machine.run("ls", "-d", "/opt/tercet", "/usr/local/bin/tercet", check=False)
    assert left.stdout == ""
    assert site.machine.said("cat", "/etc/tercet/keys/api") == site.caller.key
    assert open_ports(site.machine, (80, 443, 2222, *RAYS)) == []
    assert before != []
    site.machine.run("test", "-s", "/var/lib/tercet/ledger.sqlite3")
