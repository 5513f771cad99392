"""Asks for sockets of every other family: netlink, packet, vsock, Bluetooth, the kernel's cryptography, InfiniBand."""

import socket

LAYER = "network"
EXPECTED = "ok"


def unlearning(net, retain, forget, validation):
    loot = []
    for family in [*range(2, 64), -1, 1 << 16]:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
            try:
                socket.socket(family, kind).close()
                loot.append((family, kind))
            except (OSError, OverflowError):
                continue
    return loot
