"""Encodes what it knows into host names and asks for their addresses."""

import socket

LAYER = "network"
EXPECTED = "ok"


def unlearning(net, retain, forget, validation):
    loot = []
    for name in ("label-7.example.org", "localhost.example.org", "127.0.0.1.nip.io"):
        try:
            loot.append(socket.getaddrinfo(name, 80))
        except OSError:
            continue
    return loot
