"""Connects to sockets of the host's processes: abstract ones, which need no file, and ones in folders."""

import json
import socket
from pathlib import Path

LAYER = "network"
EXPECTED = "ok"

TARGETS = json.loads(Path("/sandbox/inputs/targets.json").read_text())
ADDRESSES = (
    TARGETS["abstract"],
    TARGETS["named"],
    "/run/dbus/system_bus_socket",
    "/run/docker.sock",
    "\0/tmp/.X11-unix/X0",
)


def unlearning(net, retain, forget, validation):
    loot = []
    for address in ADDRESSES:
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(0.2)
                client.connect(address)
                loot.append(address)
        except OSError:
            continue
    return loot
