"""A bare machine to install on: systemd as the first process of namespaces of its own.

Its root is this machine's, with whatever is changed kept in memory; it has a network of its own,
and an outsider is at the other end of it. What `apt-get` would fetch is laid into its cache, and
the environment of a release leads to this one's packages: both take minutes otherwise.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cluster.rehearsal.place import entered
from tercet.config import PROJECT

ADDRESS = "10.78.0.1"
NAME = "tercet.test"
CHECKOUT = Path("/srv/checkout")
"""The project as it is copied to the machine."""
VPS_2 = CHECKOUT / "cluster" / "vps_2"
PACKAGES = ("haproxy", "nftables", "python3-venv", "openssh-server", "openssl")
# `deb` is where the fetched packages are.
BOOT = """
set -e
mount --make-rprivate /
mount -t tmpfs -o mode=755,size=4g tmpfs {base}
mkdir {base}/upper {base}/work {base}/root
root={base}/root
mount -t overlay overlay -o lowerdir=/,upperdir={base}/upper,workdir={base}/work $root
mount -t proc proc $root/proc
mount -t sysfs sysfs $root/sys
mount -t cgroup2 cgroup2 $root/sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs $root/run
mount -t tmpfs -o mode=1777 tmpfs $root/tmp
mount -t tmpfs -o mode=755 tmpfs $root/dev
for it in null zero full random urandom tty; do
  touch $root/dev/$it
  mount --bind /dev/$it $root/dev/$it
done
mkdir $root/dev/shm $root/dev/pts
mount -t tmpfs -o mode=1777 tmpfs $root/dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts $root/dev/pts
ln -s pts/ptmx $root/dev/ptmx
echo 00000000000000000000000000000001 > $root/etc/machine-id
echo '127.0.0.1 localhost' > $root/etc/hosts
rm -f $root/etc/resolv.conf $root/usr/sbin/policy-rc.d
: > $root/etc/resolv.conf
rm -rf $root/etc/systemd/system/*.wants $root/etc/tercet $root/opt/tercet
cp {deb}/*.deb $root/var/cache/apt/archives/ 2> /dev/null || true
# systemd makes credentials in a namespace of their own, and they have to come out of it.
mount --make-rshared /
cd $root
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot $root /lib/systemd/systemd \
  --show-status=no --log-target=console --log-level=notice systemd.unit=multi-user.target
"""
# A release as install.sh makes it, but for the environment, whose packages are those of this one.
RELEASE = """
set -e
. {steps}
name_release
install -d -m 755 $release
packed | tar -C $release -xf -
/usr/bin/python3 -m venv --without-pip $release/venv
printf '%s\\n' $release {packages} > $release/venv/lib/python3.11/site-packages/tercet.pth
for it in ray:ray.scripts.scripts tercet:router.cli; do
  printf '#!%s\\nimport sys\\nfrom %s import main\\nsys.exit(main())\\n' \
    $release/venv/bin/python ${{it#*:}} > $release/venv/bin/${{it%%:*}}
  chmod 755 $release/venv/bin/${{it%%:*}}
done
touch $release/.made
echo $release
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A machine that runs."""

    pid: int
    """Of its first process."""
    namespace: str
    """Of the outsider at the other end of its network."""

    def run(
        self, *command: str, given: str | None = None, check: bool = True, within_s: float = 600
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on it, as root."""
        done = subprocess.run(
            ["nsenter", "-t", str(self.pid), "-a", "-r", "-w", *command],
            input=given,
            capture_output=True,
            text=True,
            timeout=within_s,
            check=False,
        )
        assert not check or done.returncode == 0, (
            command,
            done.stdout[-3000:],
            done.stderr[-3000:],
        )
        return done

    def said(self, *command: str) -> str:
        return self.run(*command).stdout.strip()

    def is_active(self, unit: str) -> bool:
        return self.run("systemctl", "is-active", "-q", unit, check=False).returncode == 0

    def check_out(self) -> None:
        """Copy the project to the machine."""
        parts = (PROJECT / "cluster" / "vps_2" / "steps.sh").read_text().split("parts=(")[1]
        pack = (
            f"tar -C {PROJECT} --exclude=__pycache__ -cf - {' '.join(parts.split(')')[0].split())}"
        )
        self.run("sh", "-c", f"mkdir {CHECKOUT} && {pack} | tar -C {CHECKOUT} -xf -")

    def make_release(self) -> str:
        """Make the release of the checkout, and return its folder."""
        script = RELEASE.format(steps=VPS_2 / "steps.sh", packages=sysconfig.get_path("purelib"))
        # steps.sh finds its checkout by the name of the program that sources it.
        return self.said("bash", "-c", script, str(VPS_2 / "install.sh"))


def why_not() -> str | None:
    """Return why no machine can be had here, or `None`."""
    if os.geteuid() != 0:
        return "namespaces and systemd need root"
    if sys.version_info[:2] != (3, 11):
        return "the machine's Python is Debian's 3.11, and shares this one's packages"
    homes = (
        "/root",
        "/home",
    )  # the units see none (`ProtectHome`), and the machine runs our packages
    hidden = [it for it in ("/tmp", "/run", "/dev", *homes) if PROJECT.is_relative_to(it)]  # noqa: S108
    if hidden:
        return f"this checkout is in {hidden[0]}, which the machine has for itself"
    programs = ("ip", "unshare", "nsenter", "/lib/systemd/systemd", "/usr/bin/python3")
    missing = [it for it in programs if shutil.which(it, path=f"{os.defpath}:/usr/sbin") is None]
    return f"{missing} are missing" if missing else None


def fetch(folder: Path) -> str | None:
    """Fetch the packages install.sh asks for that are not here; return why it cannot be done."""
    command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", "--download-only"]
    cache = ["-o", f"Dir::Cache::archives={folder}", "-o", "APT::Sandbox::User=root"]
    done = subprocess.run(
        [*command, *cache, *PACKAGES], capture_output=True, text=True, check=False
    )
    return None if done.returncode == 0 else f"no packages: {done.stderr.strip()[-200:]}"


@contextmanager
def machine(folder: Path) -> Generator[Machine]:
    """Have a machine, and take it away with everything on it."""
    mark = f"t{os.getpid()}"
    with ExitStack() as stack:
        inner, outer = stack.enter_context(network(mark))
        group = stack.enter_context(_group(mark))
        (folder / "base").mkdir()
        (folder / "boot.sh").write_text(BOOT.format(base=folder / "base", deb=folder / "deb"))
        begin = f"echo $$ > {group}/cgroup.procs; exec unshare --mount --pid --uts --ipc --cgroup "
        begin += f"--fork --kill-child sh {folder}/boot.sh"
        log = stack.enter_context((folder / "boot.log").open("w"))
        process = subprocess.Popen(
            ["ip", "netns", "exec", inner, "sh", "-c", begin], stdout=log, stderr=log
        )
        stack.callback(process.wait)
        stack.callback(process.kill)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        until(lambda: _program(children.read_text()) == "systemd", 30, "systemd runs")
        found = Machine(pid=int(children.read_text()), namespace=outer)
        until(lambda: found.is_active("multi-user.target"), 60, "it is up")
        yield found


def until(holds: Callable[[], object], within_s: float, what: str) -> None:
    """Wait; fail with `what` was never seen."""
    give_up_at = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < give_up_at, f"never seen: {what}"
        time.sleep(0.2)


def outside(found: Machine, do: Callable[[], object]) -> object:
    """Return what `do` finds where the outsider is."""
    with entered(found.namespace):
        return do()


def _program(pids: str) -> str:
    with suppress(OSError, ValueError):
        return Path(f"/proc/{int(pids)}/comm").read_text().strip()
    return ""


@contextmanager
def network(mark: str) -> Generator[tuple[str, str]]:
    """Yield the machine's namespace and the outsider's."""
    inner, outer = f"{mark}-vps", f"{mark}-out"
    commands = [
        f"ip netns add {inner}",
        f"ip netns add {outer}",
        f"ip -n {inner} link add {mark}i type veth peer name {mark}o",
        f"ip -n {inner} link set {mark}o netns {outer}",
        f"ip -n {inner} addr add {ADDRESS}/30 dev {mark}i",
        f"ip -n {outer} addr add 10.78.0.2/30 dev {mark}o",
        f"ip -n {inner} link set {mark}i up",
        f"ip -n {outer} link set {mark}o up",
        f"ip -n {inner} link set lo up",
        f"ip -n {outer} link set lo up",
    ]
    try:
        for command in commands:
            subprocess.run(command.split(), check=True, capture_output=True)
        yield inner, outer
    finally:
        for name in (inner, outer):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


@contextmanager
def _group(mark: str) -> Generator[Path]:
    """Yield a group of the second kind of control groups, wherever that is mounted."""
    mounted = Path("/sys/fs/cgroup")
    is_ours = not (mounted / "cgroup.controllers").exists()
    if is_ours:
        mounted = Path("/run") / f"{mark}-cgroup"
        mounted.mkdir()
        subprocess.run(["mount", "-t", "cgroup2", "cgroup2", str(mounted)], check=True)
    group = mounted / mark
    try:
        group.mkdir()
        yield group
    finally:
        until(lambda: _is_removed(group), 30, "the group is empty")
        if is_ours:
            subprocess.run(["umount", str(mounted)], check=False)
            mounted.rmdir()


def _is_removed(group: Path) -> bool:
    """Remove it, which takes until the last process of it has ended."""
    children = [it for it in group.rglob("*") if it.is_dir()]
    try:
        for child in (*sorted(children, key=lambda it: -len(it.parts)), group):
            child.rmdir()
    except OSError:
        return False
    return True
