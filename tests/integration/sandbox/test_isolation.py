"""What a guest can see, reach and leave behind: nothing but its inputs, and nothing."""

import ast
import os
import platform
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lethe.sandbox import Policy, RunResult, Sandbox, Setup, Status, open_sandbox

pytestmark = pytest.mark.component("bubblewrap")

Run = Callable[..., RunResult]
X86_ONLY = pytest.mark.skipif(platform.machine() != "x86_64", reason="numbers of system calls are x86-64's")
ENOSYS, EAFNOSUPPORT = 38, 97


def seen(result: RunResult) -> Any:
    """What the guest printed, read as a Python literal."""
    assert result.status is Status.OK, result
    return ast.literal_eval(result.stdout)


def test_the_host_is_not_there(run: Run) -> None:
    paths = [
        "/etc/shadow",
        "/etc/hostname",
        "/etc/resolv.conf",
        "/root",
        "/home",
        "/var",
        "/run",
        "/sys",
        "/opt",
        "/srv",
    ]
    paths += ["/proc/1/environ", "/proc/self/mem", "/proc/self/maps", "/proc/self/fd", "/dev/mem", "/dev/kmsg"]
    paths += ["/dev/tty", "/dev/ptmx", "/dev/fuse", "/boot", "/mnt", "/lost+found"]
    look = f"import os\ndef f(c, s): print([p for p in {paths} if os.path.lexists(p)]); return b''\n"
    assert seen(run(look)) == []


def test_files_of_the_host_are_not_there(run: Run, outside_file: Path) -> None:
    checkout = Path(__file__).resolve().parents[3]
    for path in (outside_file, Path(__file__), checkout / "pyproject.toml", checkout / ".git", checkout / "server"):
        assert path.exists() or path.name == ".git"
        assert seen(run(f"import os\ndef f(c, s): print(os.path.lexists({str(path)!r})); return b''\n")) is False


def test_the_environment_is_fixed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LETHE_WORKER_KEY", "secret")
    names: list[str] = seen(run("import os\ndef f(c, s): print(list(os.environ)); return b''\n"))
    allowed = {"HOME", "LANG", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PATH", "PWD"}
    allowed |= {"PYTHONHASHSEED", "TMPDIR", "TZ", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"}
    assert set(names) == allowed


def test_open_descriptors_are_the_runs_own(run: Run) -> None:
    source = """
        import os
        def f(context, seed):
            found = {}
            for fd in range(1024):
                try:
                    found[fd] = oct(os.fstat(fd).st_mode & 0o170000)
                except OSError:
                    pass
            print(found)
            return b""
        """
    character_device, pipe = oct(0o020000), oct(0o010000)
    # stdin, stdout, stderr, result, report; the request is closed by the time the submission runs
    assert seen(run(source)) == {0: character_device, 1: pipe, 2: pipe, 4: pipe, 5: pipe}


def test_identity_and_privileges(run: Run) -> None:
    source = """
        import ctypes, os, socket
        def f(context, seed):
            libc = ctypes.CDLL(None, use_errno=True)
            header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
            libc.capget(header, data)
            print([os.getuid(), os.getgid(), os.getgroups(), os.getpid(), os.getppid(), list(data),
                   [libc.prctl(23, n, 0, 0, 0) for n in range(41)].count(0), libc.prctl(39, 0, 0, 0, 0),
                   socket.gethostname(), os.getcwd()])
            return b""
        """
    uid, gid, groups, pid, parent, capabilities, dropped, no_new_privs, host, folder = seen(run(source))
    assert (uid, gid) == (1000, 1000)
    assert set(groups) <= {1000, 65534}
    assert (pid, parent) == (2, 0)
    assert capabilities == [0] * 6
    assert (dropped, no_new_privs) == (41, 1)
    assert (host, folder) == ("sandbox", "/tmp")  # noqa: S108 - the jail's own


def test_there_is_no_network(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind("\0lethe-test-abstract")
        abstract.listen()
        port = listener.getsockname()[1]
        source = f"""
            import socket
            def attempt(family, address):
                try:
                    with socket.socket(family, socket.SOCK_STREAM) as s:
                        s.connect(address)
                except OSError as error:
                    return error.errno
                return 0
            def f(context, seed):
                print([attempt(socket.AF_INET, ("127.0.0.1", {port})), attempt(socket.AF_INET6, ("::1", {port})),
                       attempt(socket.AF_UNIX, "\\0lethe-test-abstract"), attempt(40, (2, 1)), attempt(16, (0, 0))])
                return b""
            """
        inet, inet6, abstract_unix, vsock, netlink = seen(run(source))
    assert (inet, inet6, vsock, netlink) == (EAFNOSUPPORT,) * 4
    assert abstract_unix != 0


@X86_ONLY
def test_forbidden_calls(run: Run) -> None:
    source = """
        import ctypes
        def f(context, seed):
            libc = ctypes.CDLL(None, use_errno=True)
            def call(*words):
                ctypes.set_errno(0)
                return libc.syscall(*[ctypes.c_long(w) for w in words]), ctypes.get_errno()
            print({
                "ptrace": call(101, 0, 0, 0, 0), "process_vm_readv": call(310, 1, 0, 0, 0, 0, 0),
                "mount": call(165, 0, 0, 0, 0, 0), "umount2": call(166, 0, 0), "chroot": call(161, 0),
                "unshare": call(272, 0x10000000), "setns": call(308, 0, 0), "bpf": call(321, 0, 0, 0),
                "clone newuser": call(56, 0x10000000 | 17, 0, 0, 0, 0), "keyctl": call(250, 0, 0, 0, 0, 0),
                "perf": call(298, 0, 0, 0, 0, 0), "userfaultfd": call(323, 0), "io_uring": call(425, 1, 0),
                "shmget": call(29, 0, 4096, 0o1600), "memfd": call(319, 0, 0), "mknod": call(133, 0, 0o600, 0),
                "chmod suid": call(90, 0, 0o4755), "personality": call(135, 0xFFFFFFFF),
                "tiocsti": call(16, 0, 0x5412, 0), "tiocsti high": call(16, 0, 0x100005412, 0),
                "clone3": call(435, 0, 0), "fchmodat2": call(452, 0, 0, 0, 0), "future": call(500),
            })
            return b""
        """
    for name, answer in seen(run(source)).items():
        assert answer == (-1, ENOSYS), name


@X86_ONLY
def test_x32_calls_kill(run: Run) -> None:
    result = run("import ctypes\ndef f(c, s): ctypes.CDLL(None).syscall(ctypes.c_long(0x40000000 + 39))\n")
    assert result.error is not None
    assert (result.status, result.error.type) == (Status.KILLED, "SIGSYS")


@X86_ONLY
def test_foreign_architecture_calls_kill(run: Run) -> None:
    # int 0x80: the 32-bit entry, which the filter's numbers do not describe
    result = run(
        """
        import ctypes, mmap
        def f(context, seed):
            page = mmap.mmap(-1, 4096, prot=7)
            page.write(bytes.fromhex("b814000000cd80c3"))
            ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
            return b"went through"
        """
    )
    assert result.status is Status.KILLED
    assert result.error is not None
    assert result.error.type in {"SIGSYS", "SIGSEGV"}


def test_inputs_and_system_are_read_only(run: Run) -> None:
    source = f"""
        import os
        def attempt(path, flags=os.O_WRONLY | os.O_CREAT):
            try:
                os.close(os.open(path, flags))
            except OSError as error:
                return error.errno
            return 0
        def f(context, seed):
            assert (context["inputs"] / "data.bin").read_bytes() == b"visible"
            paths = ["/sandbox/inputs/data.bin", "/sandbox/inputs/new", "/sandbox/code/tiny.py", "/sandbox/config.json",
                     "/usr/new", "/etc/passwd", "/new", "/dev/new", "/proc/new", "/proc/cpuinfo",
                     {sys.prefix + "/new"!r}, {sys.executable!r}]
            print([path for path in paths if attempt(path) == 0])
            return b""
        """
    assert seen(run(source)) == []


def test_other_processes_are_out_of_reach(run: Run) -> None:
    source = """
        import os, signal
        def f(context, seed):
            answers = []
            for pid in [*range(3, 400), os.getppid() or 99999]:
                try:
                    os.kill(pid, 0)
                    answers.append(pid)
                except ProcessLookupError:
                    pass
            os.kill(1, signal.SIGKILL)
            os.kill(1, signal.SIGTERM)
            os.kill(1, signal.SIGINT)
            print(answers, os.listdir("/proc"))
            return b""
        """
    result = run(source)
    assert result.status is Status.OK
    assert result.stdout == "[] ['cpuinfo']\n"


def test_nothing_is_left_for_the_next_run(run: Run) -> None:
    leave = """
        import builtins, os, sys
        def f(context, seed):
            for folder in ("/tmp", "/dev/shm", "."):
                with open(f"{folder}/left", "w") as file:
                    file.write("x")
            context["history"].append("here")
            os.environ["LEFT"] = "1"
            builtins.left = 1
            sys.modules["left"] = sys
            if os.fork() == 0:
                os.setsid()
                while True:
                    open("/tmp/left", "w")
            return b""
        """
    look = """
        import builtins, os, sys
        def f(context, seed):
            print([os.listdir("/tmp"), os.listdir("/dev/shm"), os.listdir("."), context["history"],
                   "LEFT" in os.environ, hasattr(builtins, "left"), "left" in sys.modules])
            return b""
        """
    assert run(leave).status is Status.OK
    assert seen(run(look)) == [[], [], [], [], False, False, False]


def test_source_and_seed_of_a_run_are_not_in_the_memory_of_the_next(run: Run) -> None:
    marker, seed = "marker-" + os.urandom(12).hex(), int.from_bytes(os.urandom(8)) >> 1
    assert run(f"secret = {marker!r}\ndef f(c, s): return b''\n", seed=seed).status is Status.OK
    # The look itself must not hold what it looks for: it searches backwards for the words spelled backwards.
    words = {"planted": "planted-in-the-zygote"[::-1], "source": marker[::-1], "seed": str(seed)[::-1]}
    look = f"""
        import ctypes, os
        def chunks(ranges):
            libc = ctypes.CDLL(None)
            with open("chunk", "w+b", buffering=0) as file:
                for each in ranges:
                    address, end = (int(part, 16) for part in each.split("-"))
                    while address < end:
                        size = min(end - address, 1 << 20)
                        file.seek(0)
                        file.truncate()
                        if libc.write(file.fileno(), ctypes.c_void_p(address), ctypes.c_size_t(size)) > 0:
                            file.seek(0)
                            yield file.read()[::-1]
                        address += size
        def f(context, seed):
            words = {words!r}
            found = dict.fromkeys(words, False)
            for chunk in chunks(context["writable"]):
                for name, word in words.items():
                    found[name] |= word.encode() in chunk
            print(found)
            return b""
        """
    assert seen(run(look)) == {"planted": True, "source": False, "seed": False}


def test_scratch_is_writable_and_limited(run: Run) -> None:
    source = """
        import errno, os
        def fill(folder):
            written = 0
            try:
                for number in range(64):
                    with open(f"{folder}/{number}", "wb", buffering=0) as file:
                        for _ in range(4):
                            written += file.write(bytes(1 << 20))
            except OSError as error:
                return written >> 20, errno.errorcode[error.errno]
        def f(context, seed):
            print([fill("/tmp"), fill("/dev/shm")])
            return b""
        """
    (scratch, first), (shared, second) = seen(run(source))
    assert (first, second) == ("ENOSPC", "ENOSPC")
    assert 14 <= scratch <= 16
    assert shared == 0  # one limit for both


def test_number_of_scratch_files_is_limited(run: Run) -> None:
    source = """
        def f(context, seed):
            for number in range(100_000):
                open(f"/tmp/{number}", "w").close()
        """
    result = run(source)
    assert result.error is not None
    assert "No space left" in result.error.message


def test_file_size_and_descriptors_are_limited(run: Run) -> None:
    sparse = run("def f(c, s):\n    with open('big', 'wb') as file:\n        file.truncate(1 << 40)\n")
    assert sparse.error is not None
    assert "File too large" in sparse.error.message
    many = run("import os\ndef f(c, s):\n    for _ in range(1000): os.dup(0)\n")
    assert many.error is not None
    assert "Too many open files" in many.error.message


def test_a_daemon_does_not_outlive_its_run(run: Run) -> None:
    marker = f"lethe-daemon-{os.getpid()}-{time.monotonic_ns()}"
    source = f"""
        import os, signal, subprocess
        def f(context, seed):
            for _ in range(3):
                if os.fork() == 0:
                    os.setsid()
                    signal.signal(signal.SIGTERM, signal.SIG_IGN)
                    os.execv("/bin/sh", ["{marker}", "-c", "while :; do sleep 1; done"])
            subprocess.run(["/bin/sleep", "0.2"], check=True)
            return b""
        """
    assert run(source).status is Status.OK
    listing = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert marker not in listing


def test_inputs_do_not_say_when_they_were_made(run: Run) -> None:
    assert seen(run("import os\ndef f(c, s): print(os.stat(c['inputs'] / 'data.bin').st_mtime); return b''\n")) == 0.0


def test_an_extra_path_comes_last(tiny_setup: Setup, tmp_path: Path, run_in: Callable[..., RunResult]) -> None:
    (tmp_path / "layered.py").write_text("VALUE = 7\n", encoding="utf-8")
    (tmp_path / "json.py").write_text("raise RuntimeError('shadowed')\n", encoding="utf-8")
    tmp_path.chmod(0o755)
    for folder in tmp_path.parents:
        if folder.name.startswith(("pytest-", "popen-")):
            folder.chmod(0o755)
    setup = replace(tiny_setup, extra_paths=(tmp_path,))
    source = "import json, layered, sys\ndef f(c, s): print([layered.VALUE, sys.path[-1]]); return b''\n"
    with open_sandbox(setup) as opened:
        assert seen(run_in(opened, source)) == [7, "/sandbox/layers/0"]


def test_the_mode_names_the_means(sandbox: Sandbox) -> None:
    backend, limits, filters = sandbox.mode.split("+")
    assert (backend, filters) == ("bubblewrap-zygote", "seccomp")
    assert limits in {"cgroup2", "cgroup1", "rlimits"}


def test_memory_that_a_run_is_told_is_its_own(run: Run, policy: Policy) -> None:
    source = """
        import os
        def f(context, seed):
            print([os.sysconf(name) for name in ("SC_PHYS_PAGES", "SC_AVPHYS_PAGES", "SC_PAGE_SIZE")])
            return b""
        """
    pages, free, size = seen(run(source))
    assert pages == free == policy.memory_bytes // size


def test_no_run_gets_huge_pages(run: Run) -> None:
    """As many faults as small pages: whether the machine has a huge page left is not to be seen."""
    source = """
        import mmap, resource
        def f(context, seed):
            memory = mmap.mmap(-1, 16 << 20, flags=mmap.MAP_PRIVATE)
            memory.madvise(14)  # HUGEPAGE
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            for place in range(0, 16 << 20, 4096):
                memory[place] = 1
            print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
            return b""
        """
    assert seen(run(source)) >= 4096
