"""The CPU image's steps, carried out in a clean root of Debian's packages, and a pod run in it.

Six minutes and 2 GB, so only where TERCET_CLEAN_ROOT names a folder for it; as root, with
mmdebstrap. The root's Python is Debian's 3.11 instead of the base image's.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from k8s.dockerfiles import OUTER_PATH, Site, parse, within
from k8s.rendering import cluster, of_kind, rendered, service

from tercet.config import PROJECT, environment

FOLDER = environment().get("TERCET_CLEAN_ROOT")
CAN = FOLDER is not None and shutil.which("mmdebstrap") is not None
pytestmark = [
    pytest.mark.skipif(not CAN, reason="TERCET_CLEAN_ROOT names no folder, or no mmdebstrap"),
    pytest.mark.timeout(1500),
]
OUTSIDE = ("PIP_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
KEYS = {
    "api-key": "key-of-a-caller-0123456789abcdef",
    "anthropic": "simulated",
    "gemini": "simulated",
}
"""The secret tercet-keys; it has no `admin`."""
POD = {
    "TERCET_SIMULATED": "1",
    "ANTHROPIC_BASE_URL": "http://127.0.0.1:9400",
    "GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:9400",
    "RAY_AUTH_TOKEN": "token-of-the-test-0123456789abcdef",
}
# A pod's volumes and nothing else that can be written to; its address is on its own loopback. A
# name server that does not answer would hold up each of Ray's processes.
MOUNTS = """
hostname tercet-head
printf '127.0.0.1 localhost\\n10.244.0.7 tercet-head\\n' > {root}/etc/hosts
echo nameserver 127.0.0.1 > {root}/etc/resolv.conf
ip link set lo up
ip addr add 10.244.0.7/32 dev lo
ip route add default dev lo src 10.244.0.7
mount --bind {root} {root}
mkdir -p {root}/var/lib/tercet {root}/mnt {root}/etc/tercet/keys
mount -t tmpfs -o size=3g,mode=1777 tmpfs {root}/tmp
mount -t tmpfs -o size=64m,uid=10001,gid=10001 tmpfs {root}/var/lib/tercet
mount --bind {given} {root}/mnt
mount --bind {root}/mnt/keys {root}/etc/tercet/keys
mount -t proc proc {root}/proc
mount --rbind /dev {root}/dev
mount -t tmpfs -o size=1g,mode=1777 tmpfs {root}/dev/shm
mount -o remount,bind,ro {root}
exec chroot --userspec=10001:10001 {root} "$@"
"""

# The pod's processes end with its first one.
UNSHARE = ("unshare", "--net", "--uts", "--mount", "--pid", "--fork", "--kill-child")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Mapping[str, str]]:
    """Return the image's root and environment."""
    folder = Path(FOLDER or "")
    base = folder / "base.tar"
    if not base.exists():
        wanted = "--include=python3,python3-venv,ca-certificates"
        command = ["mmdebstrap", "--variant=minbase", wanted, "bookworm", str(base)]
        subprocess.run(command, check=True)
    outside = {k: v for k, v in environment().items() if k.startswith(OUTSIDE)}
    _, stages = parse((PROJECT / "k8s" / "Dockerfile.cpu").read_text(encoding="utf-8"))
    work = tmp_path_factory.mktemp("image")
    return Site(PROJECT, base, work, outside).build(stages)


def said(image: tuple[Path, Mapping[str, str]], *command: str) -> str:
    return within(image[0], command, image[1]).stdout


def test_the_environment_is_whole_and_builds_nothing(
    image: tuple[Path, Mapping[str, str]],
) -> None:
    packages = image[0] / "opt/tercet/venv/lib/python3.11/site-packages"
    assert not [it for it in ("pip", "setuptools", "hatchling") if (packages / it).exists()]
    assert said(image, "ray", "--version") == "ray, version 2.60.0\n"
    load = "from tercet.config import load; print(*load().catalog.tiers)"
    assert said(image, "python", "-c", load) == "tier1 tier2 tier3\n"
    assert "HAProxy version" in said(image, "/opt/tercet/bin/haproxy", "-v")


def test_nothing_in_it_belongs_to_the_user_or_is_open_to_all(
    image: tuple[Path, Mapping[str, str]],
) -> None:
    find = ["find", "/opt", "(", "-user", "10001", "-o", "-perm", "/6002", ")", "!", "-type", "l"]
    assert said(image, *find) == ""
    assert said(image, "id", "-u", "tercet") == "10001\n"


def test_a_pod_of_it_answers_and_ends_after_its_last_answer(
    image: tuple[Path, Mapping[str, str]], tmp_path: Path
) -> None:
    root, env = image
    serve = yaml.safe_load(service("cpu-only")["spec"]["serveConfigV2"])
    (tmp_path / "serve.json").write_text(json.dumps(serve))
    mount(KEYS, tmp_path / "keys")
    shutil.copy(Path(__file__).parent / "inside.py", tmp_path)
    script = "set -e\n" + MOUNTS.format(root=root, given=tmp_path)
    command = ["env", f"PATH={env['PATH']}", "python", "/mnt/inside.py", "/mnt/serve.json"]
    tmp_path.chmod(0o755)
    with (tmp_path.parent / "pod.log").open("w") as log:
        done = subprocess.run(
            [*UNSHARE, "sh", "-c", script, "sh", *command],
            env={**settings(), **POD, **env, "PATH": OUTER_PATH},
            text=True,
            stdout=subprocess.PIPE,
            stderr=log,
            timeout=1000,
            check=False,
        )
    assert done.returncode == 0, (tmp_path.parent / "pod.log").read_text()[-3000:]
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen == {
        "proxy": "success",
        "without_token": False,
        "answer": "stop",
        # Outside is the caller's door alone: no console, no statistics and metrics of HAProxy.
        "open": [8000],
        "console": {"http://10.244.0.7:8000": 404, "http://127.0.0.1:8001": 200},
        "drain": {"whole": True, "waited": True, "rc": 0},
    }


def mount(keys: Mapping[str, str], volume: Path) -> None:
    """Make what a kubelet mounts of a secret, with `defaultMode: 0440` and the pod's fsGroup."""
    (volume / "..1").mkdir(parents=True)
    (volume / "..data").symlink_to("..1")
    for name, key in keys.items():
        file = volume / "..1" / name
        file.write_text(key)
        file.chmod(0o440)
        os.chown(file, 0, 10001)
        (volume / name).symlink_to(f"..data/{name}")


def settings() -> dict[str, str]:
    """Return what the pod's ConfigMaps set."""
    made = {it["metadata"]["name"]: it["data"] for it in of_kind(rendered("cpu-only"), "ConfigMap")}
    head = cluster("cpu-only")["headGroupSpec"]["template"]["spec"]["containers"][0]
    told: dict[str, str] = {}
    for it in head["envFrom"]:
        told |= made[it["configMapRef"]["name"]]
    return told
