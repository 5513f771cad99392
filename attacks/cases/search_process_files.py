"""Looks for memory, environment, descriptors and mounts of processes under /proc."""

import json
import os
from pathlib import Path

LAYER = "filesystem"
EXPECTED = "ok"

TARGETS = json.loads(Path("/sandbox/inputs/targets.json").read_text())
FILES = ("environ", "mem", "maps", "cmdline", "fd/0", "fd/3", "cgroup", "mountinfo", "root/etc/shadow", "cwd")


def unlearning(net, retain, forget, validation):
    pids = ["self", "thread-self", "1", "2", str(TARGETS["victim_pid"]), str(TARGETS["host_pid"])]
    pids += [name for name in os.listdir("/proc") if name.isdigit()]
    found = [f"/proc/{pid}/{name}" for pid in pids for name in FILES if os.path.lexists(f"/proc/{pid}/{name}")]
    if TARGETS["gpu"] is not None and "/proc/self/maps" in found:
        found.remove("/proc/self/maps")  # its own, which CUDA needs
    names = ("keys", "kcore", "kallsyms", "sys/kernel/core_pattern", "sysrq-trigger", "net/unix", "mounts")
    return found + [name for name in names if os.path.exists(f"/proc/{name}")]
