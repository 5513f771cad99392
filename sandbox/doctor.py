"""Audits this machine: what the sandbox needs, whether it is there, and the command that fixes it."""

import os
import platform
import pwd
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lethe.sandbox.cgroups import CgroupTree
from lethe.sandbox.errors import SandboxError, SandboxUnavailable
from lethe.sandbox.identity import Identity, blocking_path, identity_arguments, identity_of
from lethe.sandbox.interpreter import find_interpreter
from lethe.sandbox.jail import find_bwrap
from lethe.sandbox.policy import Policy
from lethe.sandbox.result import Status
from lethe.sandbox.sandbox import mode_of, open_sandbox
from lethe.sandbox.seccomp import compile_filter, supported
from lethe.sandbox.setup import DEFAULT_UID, Backend, Setup

_TRIVIAL_HARNESS = """
from lethe.sandbox.guest import define

def load(inputs):
    return None

def run(context, source, filename, function, seed):
    return define(source, filename, function)()
"""
_TRIVIAL_SUBMISSION = b"def probe():\n    return b'alive'\n"
_FAST_KERNEL = (6, 1)
_MAX_NAMESPACES = Path("/proc/sys/user/max_user_namespaces")
_UID_MAP = Path("/proc/self/uid_map")
_DEBIAN_SWITCH = Path("/proc/sys/kernel/unprivileged_userns_clone")
_APPARMOR_SWITCH = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
_DELEGATE = (
    "run the worker as root, or as a systemd service with Delegate=yes; without cgroups, memory and CPU are limited "
    "per process only"
)


@dataclass(frozen=True, slots=True)
class HostFinding:
    """One line of the audit. `remedy` is empty when `ok`."""

    name: str
    ok: bool
    required: bool
    detail: str
    remedy: str = ""


def probe(
    uid: int = DEFAULT_UID,
    gid: int | None = None,
    python: Path | None = None,
    backend: Backend = Backend.ZYGOTE,
) -> list[HostFinding]:
    """Return all findings; a requirement comes after those that it depends on. Raises nothing.

    uid, gid: identity of the jail when the caller is root. python: the guest's interpreter, by default this one.
    backend: used for the trial run; the unsafe one is reported as a fault.
    """
    setup = Setup(
        harness={},
        harness_module="trivial",
        python=python if python is not None else Path(sys.executable),
        uid=uid,
        gid=gid if gid is not None else uid,
        backend=backend,
        start_s=30.0,
    )
    identity = identity_of(setup)
    findings = [
        _check_kernel(),
        _check_uid(identity),
        _check_bubblewrap(),
        _check_user_namespaces(identity),
        _check_interpreter(setup, identity),
        _check_temporary_folder(identity),
        _check_seccomp(),
    ]
    if backend is Backend.UNSAFE:
        detail = f"{backend} isolates nothing: submissions may do whatever their user may"
        findings.append(HostFinding("jail", False, True, detail, "unset LETHE_SANDBOX_BACKEND"))
    elif all(finding.ok for finding in findings if finding.required):
        findings.append(_check_jail(setup))
    else:
        findings.append(HostFinding("jail", False, True, "not tried, because of the above", "mend what is above first"))
    return [*findings, _check_cgroups()]


def require(uid: int = DEFAULT_UID, gid: int | None = None, python: Path | None = None) -> None:
    """Raise SandboxUnavailable, naming everything that is missing and its remedy, when untrusted code cannot run."""
    missing = [finding for finding in probe(uid, gid, python) if finding.required and not finding.ok]
    if missing:
        raise SandboxUnavailable("; ".join(f"{each.name}: {each.detail} ({each.remedy})" for each in missing))


def mode(backend: Backend = Backend.ZYGOTE, gpu: int | None = None) -> str:
    """How runs would be isolated and limited here: `bubblewrap-zygote+cgroup1+seccomp`."""
    with CgroupTree.create() as tree:
        return mode_of(backend, tree, gpu)


def _check_kernel() -> HostFinding:
    release = platform.release()
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError as error:
        return HostFinding(
            "kernel", False, True, f"{release} has no pidfd_open ({error.strerror})", "Linux 5.4 or newer"
        )
    if tuple(int(part) for part in re.findall(r"\d+", release)[:2]) < _FAST_KERNEL:
        remedy = "Linux 6.1 or newer makes runs start faster"
        return HostFinding("kernel", False, False, f"{release} cannot put a zygote on huge pages", remedy)
    return HostFinding("kernel", True, True, release)


def _check_uid(identity: Identity) -> HostFinding:
    """Guests need a uid of their own: all processes of a uid share the kernel's quotas."""
    if not identity.drops:
        detail = f"guests run as you, uid {identity.uid}, and share your quotas"
        remedy = "as root they would run under a uid of their own; or start the worker as a user who owns nothing else"
        return HostFinding("uid", False, False, detail, remedy)
    if not any(first <= identity.uid < first + count for first, _, count in _uid_map()):
        detail = f"guests would run as uid {identity.uid}, which this container or user namespace does not have"
        remedy = "start the worker as an ordinary user, or set LETHE_SANDBOX_UID to one of /proc/self/uid_map"
        return HostFinding("uid", False, True, detail, remedy)
    try:
        name = pwd.getpwuid(identity.uid).pw_name
    except KeyError:
        return HostFinding("uid", True, True, f"guests run as {identity.uid}, which is nobody else")
    remedy = "set LETHE_SANDBOX_UID to a number that no account has"
    return HostFinding("uid", False, False, f"guests run as {identity.uid}, which is the account {name}", remedy)


def _uid_map() -> Iterator[list[int]]:
    """`[first uid here, first uid outside, how many]` for each range of uids that this process can become."""
    return ([int(number) for number in line.split()] for line in _UID_MAP.read_text(encoding="ascii").splitlines())


def _check_bubblewrap() -> HostFinding:
    try:
        path = find_bwrap()
        answer = subprocess.run([path, "--version"], capture_output=True, text=True, check=True, timeout=10)
    except SandboxUnavailable as error:
        detail, _, remedy = str(error).partition(": ")
        return HostFinding("bubblewrap", False, True, detail, remedy)
    except (OSError, subprocess.SubprocessError) as error:
        return HostFinding("bubblewrap", False, True, str(error), "apt-get install --reinstall bubblewrap")
    return HostFinding("bubblewrap", True, True, f"{answer.stdout.strip()} at {path}")


def _check_user_namespaces(identity: Identity) -> HostFinding:
    try:
        command = [find_bwrap(), "--unshare-user", "--unshare-net", "--ro-bind", "/", "/", "true"]
        answer = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=10, cwd="/", **identity_arguments(identity)
        )
    except (OSError, subprocess.SubprocessError, SandboxUnavailable) as error:
        return HostFinding("user namespaces", False, True, f"cannot be tried: {error}", "mend what is above first")
    if answer.returncode == 0:
        return HostFinding("user namespaces", True, True, f"usable by {identity.label}")
    lines = answer.stderr.strip().splitlines()
    return HostFinding(
        "user namespaces",
        False,
        True,
        f"{identity.label} cannot make one: {lines[-1] if lines else f'exit code {answer.returncode}'}",
        next(_namespace_remedies(), "allow unprivileged user namespaces (in a container: its seccomp profile)"),
    )


def _namespace_remedies() -> Iterator[str]:
    if _setting(_MAX_NAMESPACES) == "0":
        yield "sysctl -w user.max_user_namespaces=15000"
    if _setting(_DEBIAN_SWITCH) == "0":
        yield "sysctl -w kernel.unprivileged_userns_clone=1"
    if _setting(_APPARMOR_SWITCH) == "1":
        yield "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile that lets bwrap do it"


def _check_interpreter(setup: Setup, identity: Identity) -> HostFinding:
    try:
        found = find_interpreter(setup.python, identity)
    except SandboxUnavailable as error:
        detail, dot, remedy = str(error).partition(". ")
        remedy = remedy if dot else "mend what is above first, or make the environment anew"
        return HostFinding("interpreter", False, True, detail, remedy)
    folders = ", ".join(str(folder) for folder in found.folders) or "/usr"
    return HostFinding("interpreter", True, True, f"{setup.python}, readable by {identity.label} (with {folders})")


def _check_temporary_folder(identity: Identity) -> HostFinding:
    folder = Path(tempfile.gettempdir())
    blocked = blocking_path(folder, identity)
    if blocked is None:
        return HostFinding("temporary folder", True, True, f"{folder}, readable by {identity.label}")
    detail = f"{identity.label} cannot reach {folder}: {blocked} is closed to it"
    return HostFinding(
        "temporary folder", False, True, detail, "set TMPDIR to a folder that everybody can read, as /tmp"
    )


def _check_seccomp() -> HostFinding:
    if not supported():
        return HostFinding("seccomp", False, True, "the filter is for x86_64 and aarch64", "use such a machine")
    try:
        program = compile_filter()
    except (SandboxUnavailable, OSError) as error:
        return HostFinding("seccomp", False, True, str(error), "apt-get install libseccomp2")
    return HostFinding("seccomp", True, True, f"filter of {len(program) // 8} instructions")


def _check_cgroups() -> HostFinding:
    with CgroupTree.create() as tree:
        controllers = ", ".join(sorted(tree.controllers)) or "none"
        detail = f"version {tree.version} ({controllers})" if tree.version else "none writable"
        return HostFinding("cgroups", tree.limits_memory, False, detail, "" if tree.limits_memory else _DELEGATE)


def _check_jail(setup: Setup) -> HostFinding:
    try:
        return HostFinding("jail", True, True, f"a run went through: {_run_trivially(setup)}")
    except (SandboxError, OSError) as error:
        return HostFinding("jail", False, True, str(error), "see the message; bwrap and the kernel's log say more")


def _run_trivially(setup: Setup) -> str:
    """The mode of a sandbox in which a trivial run succeeded; raises SandboxError or OSError."""
    with tempfile.TemporaryDirectory(prefix="lethe-doctor-") as folder:
        harness = Path(folder) / "trivial.py"
        harness.write_text(_TRIVIAL_HARNESS, encoding="utf-8")
        trivial = Setup(
            harness={"trivial.py": harness},
            harness_module="trivial",
            python=setup.python,
            uid=setup.uid,
            gid=setup.gid,
            backend=setup.backend,
            start_s=setup.start_s,
        )
        with open_sandbox(trivial, Policy(wall_s=20.0)) as sandbox:
            result = sandbox.run(_TRIVIAL_SUBMISSION, function="probe", seed=0)
            if result.status is not Status.OK or result.payload != b"alive":
                raise SandboxUnavailable(f"a trivial run ended as {result.status}: {result.error}")
            return sandbox.mode


def _setting(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return None
