"""What install.sh, upgrade.sh, head.py and deploy.py would do; nothing is started."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from cluster.vps_2 import deploy, head
from tercet.config import PROJECT, environment
from tercet.errors import ConfigError

VPS_2 = PROJECT / "cluster" / "vps_2"
CHANGED = ("/etc/tercet", "/opt/tercet", "/var/lib/tercet", "/etc/systemd/system/tercet.target")
SERVE = (PROJECT / "serve_config.yaml").read_text(encoding="utf-8")


def script(name: str, *arguments: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(VPS_2 / name), *arguments],
        capture_output=True,
        text=True,
        env={**environment(), **({} if path is None else {"PATH": path})},
        check=False,
    )


def there() -> list[str]:
    return [it for it in CHANGED if Path(it).exists()]


@pytest.mark.skipif(there() != [], reason="Tercet is installed here")
def test_a_dry_run_says_what_it_would_change_and_changes_nothing() -> None:
    done = script("install.sh", "--dry-run", "tercet.example.org")

    assert done.returncode == 0, done.stderr
    for said in (
        "useradd --system --user-group --home-dir /var/lib/tercet",
        "install -d -m 700 -o root -g root /etc/tercet/keys",
        "write /etc/tercet/keys/api (400 root:root)",
        "write /etc/tercet/firewall.nft",
        "an environment from requirements.lock (1 GB, hashes checked)",
        "write /etc/systemd/system/tercet-head.service",
        "systemctl enable -q tercet.target",
    ):
        assert f"{said}" in done.stdout
    assert "No provider's key is in /etc/tercet/keys" in done.stdout
    assert there() == []
    assert subprocess.run(["id", "tercet-edge"], capture_output=True, check=False).returncode == 1


def test_a_dry_run_of_the_removal_keeps_keys_and_ledger() -> None:
    done = script("install.sh", "--dry-run", "--uninstall")

    assert "/etc/tercet and /var/lib/tercet are kept" in done.stdout
    removed = [line for line in done.stdout.splitlines() if line.startswith("+ rm")]
    assert len(removed) == 1
    assert "/var/lib" not in removed[0]
    assert "/etc/tercet" not in removed[0]


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("install.sh", ["--dry-run"], "say the name callers use"),
        ("install.sh", ["--dry-run", "a/b"], "say the name callers use"),
        ("install.sh", ["--quickly", "a"], "there is no option --quickly"),
        ("upgrade.sh", ["--dry-run", "now"], "there is no option now"),
    ],
)
def test_what_cannot_be_done_is_refused(name: str, arguments: list[str], says: str) -> None:
    done = script(name, *arguments)

    assert done.returncode == 1
    assert says in done.stderr


def test_the_last_five_releases_stay_and_the_one_that_answers_a_rented_machine(
    tmp_path: Path,
) -> None:
    for number in range(8):
        (tmp_path / "releases" / str(number)).mkdir(parents=True)
        os.utime(tmp_path / "releases" / str(number), (number, number))
    (tmp_path / "rental").mkdir()
    line = f"restrict,command=\"'{tmp_path}/releases/1/venv/bin/python' '-IS'\" ssh-ed25519 AAAA\n"
    (tmp_path / "rental" / "authorized_keys").write_text(line)
    pruned = '. "${0%/*}/steps.sh"; opt=$1 state=$1; prune'
    subprocess.run(["bash", "-c", pruned, str(VPS_2 / "upgrade.sh"), str(tmp_path)], check=True)

    left = sorted(it.name for it in (tmp_path / "releases").iterdir())
    assert left == ["1", "3", "4", "5", "6", "7"]


def folders(tmp_path: Path, *keys: str) -> head.Folders:
    for key in keys:
        (tmp_path / f"key_{key}").write_text("secret-of-a-test")
    (tmp_path / "token").write_text("token-of-a-test\n")
    return head.Folders(state=tmp_path, run=tmp_path, keys=tmp_path, token=tmp_path / "token")


def test_the_head_has_the_names_of_the_key_files_that_are_there_and_no_key(tmp_path: Path) -> None:
    given = head.variables("loopback", folders(tmp_path, "api", "gemini"))

    assert {name for name in given if name.endswith("_FILE")} == {
        "TERCET_API_KEY_FILE",
        "GEMINI_API_KEY_FILE",
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE",
    }
    assert not [value for value in given.values() if "secret-of" in value or "token-of" in value]


def test_a_stream_outlives_a_reload_of_serves_haproxy(tmp_path: Path) -> None:
    given = head.variables("loopback", folders(tmp_path))

    assert given["RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S"] == "630"


def test_on_loopback_nothing_is_bound_elsewhere(tmp_path: Path) -> None:
    given = head.variables("loopback", folders(tmp_path))
    line = head.command("loopback", Path("/venv/bin"), folders(tmp_path))

    assert given["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] == "0"
    assert line[:3] == ["/venv/bin/ray", "start", "--head"]
    assert "--node-ip-address=127.0.0.1" in line
    assert "--port=7401" in line
    assert "--dashboard-host=127.0.0.1" in line


def test_a_head_that_machines_join_is_that_of_tercet_gpu(tmp_path: Path) -> None:
    given = head.variables("tunnel", folders(tmp_path))
    line = head.command("tunnel", Path("/venv/bin"), folders(tmp_path))

    assert "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER" not in given
    assert given["RAY_AUTH_TOKEN"] == "token-of-a-test"
    assert line[:4] == ["/venv/bin/tercet", "gpu", "head", "--"]


@pytest.mark.parametrize(
    ("env", "says"),
    [({"TERCET_HEAD": "public"}, "loopback or tunnel"), ({}, "systemctl start tercet-head")],
)
def test_the_head_says_what_is_not_set(env: Mapping[str, str], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        (head.kind_of if env else head.folders_of)(env)


def test_logs_of_long_ago_go_and_those_of_the_session_before_stay(tmp_path: Path) -> None:
    old, latest = tmp_path / "session_2026-01-01", tmp_path / "session_2026-01-02"
    for session in (old, latest):
        session.mkdir()
        os.utime(session, (1.0, 1.0))
    (tmp_path / "session_latest").symlink_to(latest)
    (tmp_path / "ray_current_cluster").write_text("127.0.0.1:7401")

    head.tidy(tmp_path, now=1.0 + 8 * 86400)

    assert sorted(it.name for it in tmp_path.iterdir()) == [latest.name, "session_latest"]


def test_a_release_has_its_own_python_but_for_the_local_model() -> None:
    config = deploy.stamped(SERVE, "abc-1", Path("/r/venv/bin/python"))

    found = {it["name"]: it.get("runtime_env") for it in config["applications"]}
    theirs = {"py_executable": "/r/venv/bin/python", "env_vars": {"TERCET_RELEASE": "abc-1"}}
    assert found == {"tercet": theirs, "local": None, "console": theirs}


def test_the_configuration_is_part_of_the_stamp(tmp_path: Path) -> None:
    (tmp_path / "budget.yaml").write_text("caps: 1")
    before = deploy.stamp_of("abc", tmp_path)
    (tmp_path / "budget.yaml").write_text("caps: 2")

    assert before.startswith("abc-")
    assert deploy.stamp_of("abc", tmp_path) != before


def told(status: str, stamp: str) -> Mapping[str, object]:
    return {
        "status": status,
        "message": "no model of this tier has a provider key",
        "deployments": {},
        "deployed_app_config": {"runtime_env": {"env_vars": {"TERCET_RELEASE": stamp}}},
    }


@pytest.mark.parametrize(
    ("applications", "state"),
    [
        ({}, (False, None)),
        ({"tercet": told("RUNNING", "new"), "console": told("RUNNING", "new")}, (True, None)),
        ({"tercet": told("RUNNING", "old")}, (False, None)),
        ({"tercet": told("RUNNING", "new"), "console": told("DEPLOYING", "new")}, (False, None)),
        ({"tercet": told("RUNNING", "new"), "local": told("DEPLOY_FAILED", "")}, (True, None)),
        (
            {"tercet": told("DEPLOY_FAILED", "new")},
            (False, "tercet: no model of this tier has a provider key"),
        ),
    ],
)
def test_a_release_runs_when_every_application_of_its_stamp_does(
    applications: Mapping[str, object], state: tuple[bool, str | None]
) -> None:
    assert deploy.state_of({"applications": applications}, "new") == state


@pytest.mark.parametrize("name", ["install.sh", "upgrade.sh"])
def test_the_scripts_say_what_they_take(name: str) -> None:
    done = script(name, "--help")

    assert done.returncode == 0, done.stderr
    assert f"cluster/vps_2/{name} [--dry-run]" in done.stdout
    assert "docs/operating.md" in done.stdout
