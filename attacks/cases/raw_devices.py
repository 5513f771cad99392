"""Opens disks, physical memory, the kernel's log, terminals and accelerators."""

import json
import os
from pathlib import Path

LAYER = "filesystem"
EXPECTED = "ok"

TARGETS = json.loads(Path("/sandbox/inputs/targets.json").read_text())
NAMES = (
    "mem",
    "kmem",
    "port",
    "kmsg",
    "vda",
    "sda",
    "nvme0n1",
    "dm-0",
    "loop-control",
    "loop0",
    "fuse",
    "kvm",
    "net/tun",
)
NAMES += (
    "tty",
    "tty0",
    "console",
    "ptmx",
    "vsock",
    "vhost-net",
    "nvidia0",
    "nvidiactl",
    "dri/card0",
    "snapshot",
    "uinput",
)


def unlearning(net, retain, forget, validation):
    own = () if TARGETS["gpu"] is None else (f"nvidia{TARGETS['gpu']}", "nvidiactl")
    return [name for name in NAMES if os.path.lexists(f"/dev/{name}") and name not in own]
