"""`tercet gpu` as it is typed, on the fake cloud."""

import getpass
import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml
from fakes.renting import Estate, as_node, estate

from cluster.doorstep import Doorstep
from cluster.rentals.rentals import BOOT
from cluster.vps_1.boot import head_of, say
from router.cli import main
from router.plan.offers import load_offers
from tercet.config import PROJECT, environment
from tercet.rental_rules import HeadAddress
from tercet.renting import MachineSpec

Tercet = Callable[..., tuple[int, str, str]]


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Estate]:
    folder = tmp_path / "site"
    monkeypatch.setenv("TERCET_LEDGER", str(folder / "ledger.sqlite3"))
    monkeypatch.setenv("TERCET_STATE", str(folder))
    with estate(folder) as made:
        made.clock.later_s = 0.0  # commands have the real one
        yield made


@pytest.fixture
def tercet(there: Estate, capsys: pytest.CaptureFixture[str]) -> Tercet:
    def call(verb: str, *arguments: str) -> tuple[int, str, str]:
        status = main(["gpu", verb, "--config", str(there.config), *arguments])
        said = capsys.readouterr()
        return status, said.out, said.err

    return call


def create(there: Estate, label: str) -> str:
    """Rent something behind the ledger's back."""
    [offer, *_] = there.run(there.site.provider.search(there.site.rules.want))
    spec = MachineSpec(label=label, image="i", disk_gb=80, environment={}, command=BOOT)
    made = there.run(there.site.provider.create(offer, spec))
    there.cloud.until(lambda: there.cloud.phase(made.instance_id) == "running")
    return made.instance_id


def ended(there: Estate) -> str:
    """Return a lease that has ended."""
    lease_id = there.rent().lease_id
    there.run(there.again().destroy(lease_id, "a test"))
    return lease_id


def test_where_no_machine_is_rented_status_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TERCET_LEDGER", str(tmp_path / "none.sqlite3"))
    assert main(["gpu", "status"]) == 0
    assert capsys.readouterr().out == (
        "no machine is rented: config/rental.yaml names no provider (docs/rental.md)\n"
    )
    assert main(["gpu", "status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"provider": None, "left_alone": []}
    assert list(tmp_path.iterdir()) == []
    for verb in ("watch", "sshd", "head", "offers", "reconcile"):
        assert main(["gpu", verb]) == 2
        assert "names no provider" in capsys.readouterr().err


def test_leases_that_nobody_looks_after_are_told(there: Estate, tercet: Tercet) -> None:
    lease = there.running()
    file = there.config / "rental.yaml"
    told = file.read_text()
    file.write_text(told.replace("provider: fake", "provider: null"))
    status, out, _ = tercet("status")
    assert status == 0
    assert f"nobody looks after {lease.lease_id} at fake, which may still bill" in out
    file.write_text(told)


def test_status_shows_what_is_rented_and_marks_what_is_nobodys(
    there: Estate, tercet: Tercet
) -> None:
    over = ended(there)
    lease = there.rent()
    stray = create(there, over)
    status, out, _ = tercet("status")
    assert status == 0
    lines = [line for line in out.splitlines() if line.strip()]
    assert lines[0] == "fake, bid, RTX 3090 or RTX 4090; ray_worker"
    assert any(line.startswith(f"{lease.lease_id}  ") and " yes " in line for line in lines)
    marked = [line.split()[0] for line in lines if line.endswith("orphan")]
    assert marked == [stray]
    assert any(line.startswith("gpu, USD this month") for line in lines)
    assert any(line.split()[:2] == ["hours", "today"] for line in lines)
    assert lines[-1] == "no alert"
    assert len(there.instances()) == 2  # it only looks


def test_status_for_programs_has_what_is_rented_and_what_is_nobodys(
    there: Estate, tercet: Tercet
) -> None:
    over = ended(there)
    lease = there.rent()
    stray = create(there, over)
    told = json.loads(tercet("status", "--json")[1])
    assert (told["provider"], told["untold"], told["alerts"]) == ("fake", None, [])
    open_now = [one for one in told["leases"] if one["ended_at"] is None]
    assert [(one["lease_id"], one["is_wanted"]) for one in open_now] == [(lease.lease_id, True)]
    assert [one["instance_id"] for one in told["instances"] if one["is_orphan"]] == [stray]
    assert {purse["scope"] for purse in told["purses"]} == {"gpu", "month"}


def test_status_tells_alerts_and_what_a_provider_does_not_say(
    there: Estate, tercet: Tercet
) -> None:
    create(there, ended(there))
    there.look()
    there.cloud.control("garble", kind="html", method="GET", path="/instances", times=1)
    _, out, _ = tercet("status")
    assert "fake does not say what there is: " in out
    there.cloud.control("garble", kind="html", method="GET", path="/instances", times=1)
    told = json.loads(tercet("status", "--json")[1])
    assert told["untold"]
    assert told["instances"] == []
    assert [alert["kind"] for alert in told["alerts"]] == ["orphan"]
    assert "ALERT orphan: instance 7002, labelled " in out


def test_one_round_says_by_its_exit_status_whether_there_is_an_alert(
    there: Estate, tercet: Tercet, caplog: pytest.LogCaptureFixture
) -> None:
    there.running()
    assert tercet("watch", "--once")[0] == 0
    label = there.lease().lease_id
    stray = create(there, label)
    assert tercet("watch", "--once")[0] == 1
    [alert] = [record for record in caplog.records if "ALERT" in record.message]
    assert alert.levelname == "WARNING"
    assert f"ALERT orphan: instance {stray}, labelled {label}" in alert.message
    status, out, _ = tercet("watch", "--once", "--json")
    [told] = json.loads(out)
    assert (status, told["kind"], told["about"]) == (1, "orphan", stray)
    assert [one["phase"] for one in there.cloud.ever()] == ["running", "gone"]


def test_the_watch_is_a_process_that_needs_nobody_and_ends_when_told(there: Estate) -> None:
    lease = there.running()
    command = [sys.executable, "-m", "router.cli", "gpu", "watch", "--config", str(there.config)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=PROJECT) as process:
        there.site.doorstep.dismiss(lease.lease_id)
        late = create(there, lease.lease_id)
        there.cloud.until(lambda: there.cloud.phase(lease.instance_id) == "stopped", 30)
        there.cloud.until(lambda: there.cloud.phase(late) == "gone")
        there.until(lambda: there.lease().state == "stopped")
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=20)[1]
    assert process.returncode == 0
    assert said.count("ALERT orphan") == 1
    assert f"stopping {lease.instance_id}: it is not wanted" in said
    assert f"{lease.lease_id}: instance {lease.instance_id} is stopped at " in said
    assert said.rstrip().endswith("stopped")
    assert "HTTP" not in said


def test_reconcile_prints_what_was_booked_and_charged(there: Estate, tercet: Tercet) -> None:
    lease_id = ended(there)
    stray = create(there, lease_id)
    there.look()
    status, out, _ = tercet("reconcile")
    assert status == 0
    [line] = [line for line in out.splitlines() if line.startswith(lease_id)]
    assert line.endswith("corrected")
    assert out.splitlines()[-1].startswith("total")
    [told] = json.loads(tercet("reconcile", "--json")[1])
    assert (told["lease_id"], told["fate"], told["difference_nano_usd"]) == (lease_id, "agrees", 0)
    _, again, _ = tercet("reconcile")
    [line] = [line for line in again.splitlines() if line.startswith(lease_id)]
    assert line.split()[-1] == "0.000000000"
    assert stray not in again


def test_reconcile_finds_a_charge_of_nobodys(there: Estate, tercet: Tercet) -> None:
    there.strangers.add("somebody-else")
    instance = create(there, "somebody-else")
    there.run(there.site.provider.destroy(instance))
    status, out, _ = tercet("reconcile")
    assert status == 1
    [line] = [line for line in out.splitlines() if line.startswith(f"instance {instance}")]
    assert line.endswith("of no lease")
    assert tercet("watch", "--once")[0] == 1


def test_nothing_rented_is_nothing_to_reconcile(tercet: Tercet) -> None:
    assert tercet("reconcile")[:2] == (0, "nothing was rented this month or the last one\n")


def test_destroy_ends_one_machine_for_good(there: Estate, tercet: Tercet) -> None:
    lease = there.running()
    assert tercet("destroy", lease.lease_id)[:2] == (0, f"{lease.lease_id}: destroyed\n")
    assert there.lease().end == "destroyed"
    assert there.instances() == []
    status, _, err = tercet("destroy", lease.lease_id)
    assert status == 2
    assert f"nothing is rented as {lease.lease_id}; name one of what is: none" in err


def test_destroy_takes_what_the_ledger_does_not_know(there: Estate, tercet: Tercet) -> None:
    lease_id = ended(there)
    create(there, lease_id)
    assert tercet("destroy", lease_id)[0] == 0
    assert there.instances() == []


def test_more_than_one_is_destroyed_by_those_who_are_sure(there: Estate, tercet: Tercet) -> None:
    stray = ended(there)
    lease = there.rent()
    create(there, stray)
    status, _, err = tercet("destroy", "--all")
    assert status == 2
    assert "say --yes if you want that" in err
    assert stray in err
    assert len(there.instances()) == 2
    status, out, _ = tercet("destroy", "--all", "--yes", "--json")
    assert status == 0
    assert [one["is_destroyed"] for one in json.loads(out)] == [True, True]
    assert there.instances() == []
    assert there.run(there.site.ledger.lease(lease.lease_id)).end == "destroyed"


def test_a_destroy_that_is_not_done_says_so(there: Estate, tercet: Tercet) -> None:
    lease = there.running()
    there.cloud.control("garble", kind="html", method="DELETE", path="/instances", times=9)
    status, out, err = tercet("destroy", lease.lease_id)
    assert status == 1
    assert out == f"{lease.lease_id}: not done yet\n"
    assert "`tercet gpu watch`" in err
    there.cloud.control("garble", kind="html", method="none", path="none", times=1)
    while there.lease().ended_at is None:
        there.run(there.again().destroy(lease.lease_id, "a test"))


def test_offers_are_printed_and_kept_for_the_plan(
    there: Estate, tercet: Tercet, tmp_path: Path
) -> None:
    file = tmp_path / "live.yaml"
    status, out, _ = tercet("offers", "--save", str(file))
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()] == ["offer", "102", "101"]
    kept = load_offers(file)
    assert [quote.offer.offer_id for quote in kept] == ["102", "101"]
    assert kept[0].source == "the API of fake"

    _, out, _ = tercet("offers", "--json")
    [first, _] = json.loads(out)
    assert first["hourly_nano_usd"] == kept[0].offer.hourly_nano_usd
    assert there.leases() == []

    for number in (101, 102):
        there.cloud.control("machine", offer_id=number, taken=True)
    assert tercet("offers")[0] == 1


def test_head_prints_its_command_and_no_value_of_its_environment(
    there: Estate, tercet: Tercet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "a-secret")
    status, out, err = tercet("head", "--print", "--", "--num-cpus=2")
    assert status == 0
    command, *names = out.splitlines()
    assert "ray start --head --node-ip-address=127.77.0.1 --port=7401" in command
    assert command.endswith("--num-cpus=2 --block")
    assert {"RAY_AUTH_TOKEN", "RAY_AUTH_MODE", "RAY_enable_autoscaler_v2"} <= set(names)
    assert "a-secret" not in out + err
    told = yaml.safe_load((there.site.doorstep.nodes.parent / "cluster.json").read_text())
    assert told["provider"]["tercet_config"] == str(there.config)
    assert told["available_node_types"]["vps_1"]["resources"]["GPU"] == 1


def test_a_head_without_a_token_is_not_started(
    tercet: Tercet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    status, _, err = tercet("head")
    assert status == 2
    assert "RAY_AUTH_TOKEN is not set" in err
    assert "secrets.token_hex(24)" in err


@pytest.mark.skipif(shutil.which("sshd", path="/usr/sbin:/usr/bin") is None, reason="no sshd")
def test_an_sshd_for_nobody_is_not_started(there: Estate, tercet: Tercet) -> None:
    file = there.config / "rental.yaml"
    file.write_text(file.read_text().replace("user: tercet", "user: no-such-user"))
    status, _, err = tercet("sshd")
    assert status == 2
    assert "there is no user no-such-user" in err
    assert "useradd" in err


@pytest.fixture
def at_home() -> Generator[Path]:
    """Return a folder that sshd trusts: nobody else may write above it."""
    folder = Path(tempfile.mkdtemp(prefix=".tercet-test-", dir=Path.home()))
    yield folder
    shutil.rmtree(folder)


@contextmanager
def listening(there: Estate, state: Path) -> Generator[HeadAddress]:
    """Run `tercet gpu sshd` on loopback, with its keys in `state`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        head = HeadAddress(host="127.0.0.1", port=free.getsockname()[1], user=getpass.getuser())
    file = there.config / "rental.yaml"
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | {"head": asdict(head)}))
    command = [sys.executable, "-m", "router.cli", "gpu", "sshd", "--config", str(there.config)]
    with subprocess.Popen(
        [*command, "--address", head.host],
        env={**environment(), "TERCET_STATE": str(state)},
        stderr=subprocess.PIPE,
        text=True,
    ) as sshd:
        try:
            line = sshd.stderr.readline()
            assert f"sshd for {head.user} at 127.0.0.1, port {head.port}; keys in " in line, line
            assert "host key SHA256:" in line
            assert "listening" in sshd.stderr.readline()
            yield head
        finally:
            sshd.terminate()


@pytest.mark.skipif(shutil.which("sshd", path="/usr/sbin:/usr/bin") is None, reason="no sshd")
def test_a_machine_comes_in_by_its_key_and_hears_what_it_is_to_hear(
    there: Estate, at_home: Path, tmp_path: Path
) -> None:
    with listening(there, at_home) as address:
        doorstep = Doorstep(at_home / "rental", address)
        head = head_of(doorstep.admit("a", joins_ray=True), tmp_path / "a")
        doorstep.expect("a", as_node("a", "a-1"))
        welcome = say(head, "join")
        assert welcome is not None
        assert welcome["command"] == ["true"]
        assert say(head, "beat; id") == {"wanted": True}
        assert doorstep.silent_s("a") is not None
        doorstep.dismiss("a")
        with pytest.raises(SystemExit):
            say(head, "beat")
        doorstep.forget("a")
        assert say(head, "beat") is None
