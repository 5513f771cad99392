"""Sends datagrams, which need no answer: to a listener, to a name server, to everybody on the network."""

import json
import socket
from pathlib import Path

LAYER = "network"
EXPECTED = "ok"

TARGETS = json.loads(Path("/sandbox/inputs/targets.json").read_text())


def unlearning(net, retain, forget, validation):
    loot = []
    for address in (("127.0.0.1", TARGETS["udp"]), ("192.0.2.53", 53), ("255.255.255.255", 9)):
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
                sender.sendto(b"labels", address)
                loot.append(address)
        except OSError:
            continue
    return loot
