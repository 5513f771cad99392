"""Connects to servers of this machine and of the world over IPv4 and IPv6."""

import json
import socket
from pathlib import Path

LAYER = "network"
EXPECTED = "ok"

TARGETS = json.loads(Path("/sandbox/inputs/targets.json").read_text())
PLACES = [(socket.AF_INET, ("127.0.0.1", TARGETS["tcp"])), (socket.AF_INET6, ("::1", TARGETS["tcp6"] or 1))]
PLACES += [(socket.AF_INET, ("169.254.169.254", 80)), (socket.AF_INET, ("192.0.2.1", 443))]


def unlearning(net, retain, forget, validation):
    loot = []
    for family, address in PLACES:
        try:
            with socket.socket(family, socket.SOCK_STREAM) as client:
                client.settimeout(0.2)
                client.connect(address)
                loot.append(address)
        except OSError:
            continue
    return loot
