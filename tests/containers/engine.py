"""A Docker engine for the tests: the machine's own, or one made from Debian's packages for as long as the tests run.

The made one needs root on Debian or Ubuntu. It lives in a folder, a mount namespace and a network namespace of its own;
when it ends, nothing of it is left: no process, no mount, no interface, no rule of a firewall.
"""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.conftest import require_component

CHECKOUT = Path(__file__).parents[2]
SUITE = "trixie"  # the first Debian with Compose 2
PACKAGES = "docker.io docker-cli docker-compose docker-buildx iptables iproute2 procps ca-certificates"
NAMESPACE = "lethe-tests"
SUBNET = "198.18.76"  # of the range for tests of network devices: no machine has it
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
IP_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")


class Engine:
    """Runs `docker`. What lies in `share`, a folder of this machine, a made engine sees at `inside`.

    `entry` are the words that lead to its namespaces, and `checkout` is where it sees the project.
    """

    def __init__(self, entry: list[str], checkout: Path, share: Path | None = None) -> None:
        self._entry, self.checkout, self.share, self.inside = entry, checkout, share, Path("/share")

    def docker(
        self,
        *words: str,
        folder: Path | None = None,
        stdin: Path | None = None,
        check: bool = True,
        limit_s: int = 1800,
    ) -> str:
        """What `docker WORDS` prints on both streams; AssertionError with that if it fails.

        `folder` is where it runs, as the engine sees it: the checkout by default.
        """
        command = [*self._entry, "env", f"--chdir={folder or self.checkout}", "docker", *words]
        with ExitStack() as stack:
            given = stack.enter_context(stdin.open("rb")) if stdin else subprocess.DEVNULL
            done = subprocess.run(
                command, stdin=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=limit_s
            )
        printed = done.stdout.decode(errors="replace")
        assert not check or done.returncode == 0, f"docker {' '.join(words)}: {done.returncode}\n{printed[-6000:]}"
        return printed


@contextmanager
def running_engine() -> Iterator[Engine]:
    """The machine's engine if it answers and has Compose 2, otherwise one that is made."""
    if _answers(["docker", "info"]) and _answers(["docker", "compose", "version"]):
        yield Engine([], CHECKOUT)
        return
    require_component("debootstrap")
    with tempfile.TemporaryDirectory(prefix="lethe-engine-", dir="/var/tmp") as folder:
        root = Path(folder) / "root"
        _install(root)
        with _network(), _daemon(root) as entry:
            yield Engine(entry, Path("/checkout"), root / "share")


def _answers(command: list[str]) -> bool:
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 0


def _run(*command: str, check: bool = True) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert not check or done.returncode == 0, f"{' '.join(command)}: {done.returncode}\n{done.stdout[-4000:]}"
    return done.stdout


def _install(root: Path) -> None:
    """Debian with the engine in `root`, and what the machine says of names and certificates."""
    _run("debootstrap", "--variant=minbase", SUITE, str(root))
    tar = root.parent / "debian.tar"
    _run("tar", "--create", "--directory", str(root), "--one-file-system", "--file", str(tar), ".")
    shutil.copy("/etc/resolv.conf", root / "etc" / "resolv.conf")
    chroot = ["chroot", str(root), "env", "DEBIAN_FRONTEND=noninteractive"]
    _run(*chroot, "apt-get", "update", "-q")
    _run(*chroot, "apt-get", "install", "-qy", "--no-install-recommends", *PACKAGES.split())
    if CERTIFICATES.exists():
        shutil.copy(CERTIFICATES, root / CERTIFICATES.relative_to("/"))
    (root / "checkout").mkdir()
    (root / "share").mkdir()
    tar.rename(root / "share" / tar.name)


@contextmanager
def _network() -> Iterator[None]:
    """A network namespace that reaches what the machine reaches, by a pair of interfaces and a table of its own."""
    forward = IP_FORWARD.read_text()
    _take_network_down()
    try:
        _run("ip", "netns", "add", NAMESPACE)
        _run("ip", "link", "add", "lethe-host", "type", "veth", "peer", "name", "eth0", "netns", NAMESPACE)
        _run("ip", "address", "add", f"{SUBNET}.1/24", "dev", "lethe-host")
        _run("ip", "link", "set", "lethe-host", "up")
        for words in (f"address add {SUBNET}.2/24 dev eth0", "link set eth0 up", "link set lo up"):
            _run("ip", "-n", NAMESPACE, *words.split())
        _run("ip", "-n", NAMESPACE, "route", "add", "default", "via", f"{SUBNET}.1")
        _run("nft", "add", "table", "ip", NAMESPACE)
        _run("nft", "add", "chain", "ip", NAMESPACE, "out", "{ type nat hook postrouting priority 100; }")
        _run("nft", "add", "rule", "ip", NAMESPACE, "out", "ip", "saddr", f"{SUBNET}.0/24", "masquerade")
        IP_FORWARD.write_text("1")
        yield
    finally:
        IP_FORWARD.write_text(forward)
        _take_network_down()


def _take_network_down() -> None:
    _run("nft", f"delete table ip {NAMESPACE}", check=False)
    _run("ip", "link", "delete", "lethe-host", check=False)
    _run("ip", "netns", "delete", NAMESPACE, check=False)


START = """
set -e
mount --make-rprivate /
mount --bind "$1" "$1"
mount --rbind /dev "$1/dev"
mount -t proc proc "$1/proc"
mount --rbind /sys "$1/sys"
mount -t tmpfs tmpfs "$1/run"
mount --bind "$2" "$1/checkout"
cd "$1"
mkdir -p old
pivot_root . old
umount -l /old
exec dockerd --data-root /var/lib/docker >/var/log/dockerd 2>&1
"""


@contextmanager
def _daemon(root: Path) -> Iterator[list[str]]:
    """dockerd in `root`; gives the words that start a command beside it."""
    network = f"--net=/run/netns/{NAMESPACE}"
    process = subprocess.Popen(
        ["nsenter", network, "unshare", "--mount", "bash", "-c", START, "start", str(root), str(CHECKOUT)],
        stdout=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    entry = ["nsenter", network, f"--mount=/proc/{process.pid}/ns/mnt"]
    try:
        deadline = time.monotonic() + 120
        while not _answers([*entry, "docker", "info"]):
            log = root / "var" / "log" / "dockerd"
            assert process.poll() is None, log.read_text() if log.exists() else "dockerd did not start"
            assert time.monotonic() < deadline, "dockerd does not answer"
            time.sleep(0.5)
        yield entry
    finally:
        containers = subprocess.run([*entry, "docker", "ps", "-q"], capture_output=True, text=True, check=False)
        if containers.stdout.split():
            subprocess.run([*entry, "docker", "kill", *containers.stdout.split()], capture_output=True, check=False)
        process.terminate()
        process.wait(timeout=120)
        _remove_cgroups()


def _remove_cgroups() -> None:
    """The empty control groups that an engine leaves behind."""
    for folder in [*sorted(Path("/sys/fs/cgroup").glob("*/docker")), Path("/sys/fs/cgroup/docker")]:
        for group in sorted(folder.rglob("*"), reverse=True):
            if group.is_dir():
                group.rmdir()
        if folder.is_dir():
            folder.rmdir()
