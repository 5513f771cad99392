"""Memory of a process tree, measured from outside."""

import os
import signal
import subprocess
import sys

from lethe.sandbox.process_usage import held_bytes, memory_bytes

MIB = 2**20
HOARD = """
import os, time
before = b"1" * (30 << 20)
os.fork()
after = b"2" * (30 << 20)
os.write(1, b"up\\n")
time.sleep(60)
"""


def test_a_tree_counts_together() -> None:
    command = [sys.executable, "-c", HOARD]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process:
        try:
            assert process.stdout is not None
            assert [process.stdout.readline() for _ in range(2)] == [b"up\n"] * 2
            alone = held_bytes(process.pid)
            assert 60 * MIB < alone < 90 * MIB
            assert 120 * MIB < memory_bytes(process.pid) < 180 * MIB
            assert 60 * MIB < memory_bytes(process.pid, inherited_bytes=30 * MIB) < 120 * MIB
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def test_what_is_gone_counts_nothing() -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    assert memory_bytes(process.pid) == 0
    assert held_bytes(process.pid) == 0
