"""Files in memory: guests see and map no others, and no run can tell from them what another did."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lethe.attacks.plants import jailed_processes
from lethe.sandbox import Backend, Policy, RunResult, Sandbox, SandboxUnavailable, Setup, Status, image, open_sandbox

pytestmark = pytest.mark.component("bubblewrap")

Run = Callable[..., RunResult]
RunIn = Callable[..., RunResult]

# Touches page n of a large file when bit n of `seed` is set, as a hidden run would; `read` asks with the page faults.
NOTEBOOK = """
    import mmap, os, resource
    FILE = max((os.path.join(folder, name) for folder, _, names in os.walk("/usr/lib") for name in names),
               key=lambda path: os.path.getsize(path))
    def book():
        fd = os.open(FILE, os.O_RDONLY)
        pages = mmap.mmap(fd, 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
        pages.madvise(1)
        return pages, os.fstat(fd), os.fstatvfs(fd)
    def f(context, seed):
        pages, status, volume = book()
        if seed:
            for bit in range(24):
                if seed >> bit & 1:
                    pages[(bit * 4 + 2) * 65536]
            return b"written"
        faults = []
        for bit in range(24):
            before = resource.getrusage(resource.RUSAGE_SELF)
            pages[(bit * 4 + 2) * 65536]
            after = resource.getrusage(resource.RUSAGE_SELF)
            faults.append((after.ru_minflt - before.ru_minflt, after.ru_majflt - before.ru_majflt, after.ru_inblock))
        return repr((faults, status, volume)).encode()
    """


def read_notebook(run: Run) -> bytes:
    result = run(NOTEBOOK, seed=0)
    assert result.status is Status.OK, result
    assert result.payload is not None
    return result.payload


def test_pages_that_one_run_read_do_not_show_in_another(run: Run) -> None:
    before = read_notebook(run)
    for marks in (0xFFFFFF, 0x5A5A5A, 1):
        assert run(NOTEBOOK, seed=marks).payload == b"written"
        assert read_notebook(run) == before
    assert b"(1, 0, 0)" in before  # a minor fault, no major one, nothing read from a disk


def test_pages_that_one_jail_read_do_not_show_in_another(run: Run, tiny_setup: Setup, run_in: RunIn) -> None:
    with open_sandbox(tiny_setup, Policy(wall_s=10)) as other:
        before = read_notebook(run)
        assert run_in(other, NOTEBOOK, seed=0xABCDEF).payload == b"written"
        assert read_notebook(run) == before


def test_everything_that_a_guest_can_open_is_in_memory(run: Run) -> None:
    """No block device, and the devices that there are are few: image, own files, root, scratch, /proc and /dev."""
    source = """
        import os
        def f(context, seed):
            found = {}
            for folder, names, files in os.walk("/"):
                for name in [".", *files]:
                    status = os.lstat(os.path.join(folder, name))
                    found.setdefault(status.st_dev, os.path.join(folder, name))
            print(found)
            return b""
        """
    result = run(source)
    assert result.status is Status.OK, result
    found = eval(result.stdout)  # noqa: S307 - a dict that our own source printed
    assert len(found) <= 7, found
    hosts = {Path(path).stat().st_dev for path in ("/usr", "/", sys.prefix)}
    for device, path in found.items():
        assert os.major(device) == 0, path
        assert device not in hosts, path


def test_everything_that_a_guest_has_mapped_is_in_memory(sandbox: Sandbox, run_in: RunIn) -> None:
    before = jailed_processes()
    source = "import time\ndef f(context, seed):\n    time.sleep(3)\n    return b''\n"
    thread = threading.Thread(target=run_in, args=(sandbox, source))
    thread.start()
    try:
        deadline = time.monotonic() + 30
        mapped: dict[str, str] = {}
        while not mapped and time.monotonic() < deadline:
            for pid in jailed_processes() - before:
                for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
                    _, _, _, device, inode, *path = line.split(maxsplit=5)
                    if inode != "0":
                        mapped[path[0]] = device
            time.sleep(0.05)
    finally:
        thread.join()
    assert any("libc.so" in path for path in mapped)
    assert {path: device for path, device in mapped.items() if not device.startswith("00:")} == {}


def test_nothing_of_the_image_can_be_written_to_or_made_writable(run: Run) -> None:
    source = """
        import os
        def attempt(action):
            try:
                action()
            except OSError as error:
                return error.errno
            return 0
        def f(context, seed):
            file = os.__file__
            print([attempt(lambda: os.chmod(file, 0o666)), attempt(lambda: os.utime(file, (1, 1))),
                   attempt(lambda: os.unlink(file)), attempt(lambda: os.link(file, "/usr/lib/other")),
                   attempt(lambda: os.chmod("/sandbox/inputs", 0o777)), attempt(lambda: os.mkdir("/sandbox/new"))])
            return b""
        """
    result = run(source)
    read_only = 30
    assert result.stdout == f"{[read_only] * 6}\n"


def test_an_image_is_shared_by_the_jails_of_a_process_and_gone_with_the_last(
    tiny_setup: Setup, run_in: RunIn, sandbox: Sandbox
) -> None:
    ask = "import os\ndef f(c, s): print(os.stat(os.__file__).st_dev); return b''\n"
    with open_sandbox(tiny_setup, Policy()) as one, open_sandbox(replace(tiny_setup, backend=Backend.FRESH)) as other:
        assert run_in(one, ask).stdout == run_in(other, ask).stdout == run_in(sandbox, ask).stdout
    program = (
        "import sys\nfrom pathlib import Path\nfrom lethe.sandbox import Setup, image, open_sandbox\n"
        "setup = Setup(harness={'tiny.py': Path(sys.argv[1])}, harness_module='tiny', with_packages=False)\n"
        "with open_sandbox(setup): assert len(image._shared) == 1\n"
        "assert not image._shared\n"
    )
    subprocess.run(
        [sys.executable, "-c", program, str(tiny_setup.harness["tiny.py"])],
        check=True,
        cwd=Path(__file__).resolve().parents[3],
    )


def test_too_little_memory_is_said_before_it_is_used(tiny_setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "available_bytes", lambda: 1 << 20)
    monkeypatch.setattr(image, "_shared", {})
    with pytest.raises(SandboxUnavailable, match=r"GiB of memory, and .* are free"), open_sandbox(tiny_setup):
        pytest.fail("it must not open")
