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
from lethe.sandbox.image import available_bytes, can_be_swapped, needed_bytes
from lethe.sandbox.image_contents import Contents, collect
from lethe.sandbox.interpreter import Interpreter, find_interpreter
from lethe.sandbox.jail import find_bwrap
from lethe.sandbox.policy import Policy
from lethe.sandbox.result import Status
from lethe.sandbox.sandbox import mode_of, open_sandbox
from lethe.sandbox.seccomp import compile_filters, supported
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
_UNCOMPILED_SHARE = 0.1  # some modules of packages are of other versions of Python, and compile nowhere
_MAX_NAMESPACES = Path("/proc/sys/user/max_user_namespaces")
_UID_MAP = Path("/proc/self/uid_map")
_MOUNTS = Path("/proc/self/mountinfo")
_BINFMT = "/proc/sys/fs/binfmt_misc"  # an empty folder of the kernel's, made to be mounted on
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
    gpu: int | None = None,
    shared_image: bool = False,
) -> list[HostFinding]:
    """Return all findings; a requirement comes after those that it depends on. Raises nothing.

    uid, gid: identity of the jail when the caller is root. python: the guest's interpreter, by default this one.
    backend: used for the trial run; the unsafe one is reported as a fault. gpu: of the worker, whose files take memory.
    shared_image: whether another process may hold these files already, so that they need no memory of their own.
    """
    setup = Setup(
        harness={},
        harness_module="trivial",
        python=python if python is not None else Path(sys.executable),
        uid=uid,
        gid=gid if gid is not None else uid,
        backend=backend,
        shared_image=shared_image,
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
        *_check_image(setup, identity, with_gpu=gpu is not None),
    ]
    if backend is Backend.UNSAFE:
        detail = f"{backend} isolates nothing: submissions may do whatever their user may"
        findings.append(HostFinding("jail", False, True, detail, "unset LETHE_SANDBOX_BACKEND"))
    elif all(finding.ok for finding in findings if finding.required):
        findings.append(_check_jail(setup))
    else:
        findings.append(HostFinding("jail", False, True, "not tried, because of the above", "mend what is above first"))
    return [*findings, _check_cgroups()]


def require(
    uid: int = DEFAULT_UID, gid: int | None = None, python: Path | None = None, *, shared_image: bool = False
) -> None:
    """Raise SandboxUnavailable, naming everything that is missing and its remedy, when untrusted code cannot run."""
    found = probe(uid, gid, python, shared_image=shared_image)
    missing = [finding for finding in found if finding.required and not finding.ok]
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
        apart = ["--unshare-user", "--unshare-net", "--unshare-pid"]
        command = [find_bwrap(), *apart, "--ro-bind", "/", "/", "--proc", "/proc", "true"]
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
    masked = _masked_paths()
    if masked:
        yield (
            f"{masked[0]} is masked, as container engines do it, so no jail can have a /proc of its own: start the "
            "container with the security option systempaths=unconfined"
        )
    if _setting(_MAX_NAMESPACES) == "0":
        yield "sysctl -w user.max_user_namespaces=15000"
    if _setting(_DEBIAN_SWITCH) == "0":
        yield "sysctl -w kernel.unprivileged_userns_clone=1"
    if _setting(_APPARMOR_SWITCH) == "1":
        yield "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile that lets bwrap do it"


def _masked_paths() -> list[str]:
    """What is mounted over paths of /proc; the kernel mounts no new /proc in a user namespace while something is."""
    mounts = (line.split()[4] for line in _MOUNTS.read_text(encoding="utf-8").splitlines())
    return sorted(place for place in mounts if place.startswith("/proc/") and place != _BINFMT)


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
        (program,) = compile_filters()
    except (SandboxUnavailable, OSError) as error:
        return HostFinding("seccomp", False, True, str(error), "apt-get install libseccomp2")
    return HostFinding(
        "seccomp", True, True, f"filter of {len(program) // 8} instructions, which lists what guests may call"
    )


def _check_image(setup: Setup, identity: Identity, *, with_gpu: bool) -> Iterator[HostFinding]:
    """What the files are that guests see."""
    try:
        interpreter = find_interpreter(setup.python, identity)
    except SandboxUnavailable:
        detail = "not tried, because of the above"
        yield HostFinding("files in memory", False, True, detail, "mend what is above first")
        return
    contents = collect(interpreter, with_packages=True, with_gpu=with_gpu)
    yield _check_memory(setup, needed_bytes(contents))
    yield _check_bytecode(setup, interpreter, contents)


def _check_bytecode(setup: Setup, interpreter: Interpreter, contents: Contents) -> HostFinding:
    """Jails write no bytecode: what the environment lacks is compiled at every start."""
    modules = [place.rpartition("/") for place in contents.files if place.endswith(".py")]
    missing = sum(
        f"{folder}/__pycache__/{name.removesuffix('.py')}.{interpreter.tag}.pyc" not in contents.files
        for folder, _, name in modules
    )
    detail = f"{missing:,} of {len(modules):,} modules for guests have no bytecode"
    if missing <= _UNCOMPILED_SHARE * len(modules):
        return HostFinding("bytecode", True, False, detail)
    places = " ".join(str(folder) for folder in interpreter.packages)
    remedy = f"{setup.python} -m compileall -q {places}: else each sandbox compiles what it imports"
    return HostFinding("bytecode", False, False, detail, remedy)


def _check_memory(setup: Setup, needed: int) -> HostFinding:
    available = available_bytes()
    detail = (
        f"each worker keeps {needed / 2**30:.1f} GiB of files for guests in memory; {available / 2**30:.1f} are free"
    )
    if needed > available:
        return HostFinding(
            "files in memory", False, not setup.shared_image, detail, "free memory, or install the CPU build of torch"
        )
    if can_be_swapped():
        remedy = "swapoff -a, or a control group with memory.swap.max=0: runs could tell which pages are swapped out"
        return HostFinding("files in memory", False, False, f"{detail}, and this machine swaps", remedy)
    return HostFinding("files in memory", True, True, detail)


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
            with_packages=False,
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
