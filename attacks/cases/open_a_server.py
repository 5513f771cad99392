"""Opens a server that somebody on the network could connect to."""

import socket

LAYER = "network"
EXPECTED = "ok"


def unlearning(net, retain, forget, validation):
    loot = []
    for family, address in ((socket.AF_INET, ("0.0.0.0", 0)), (socket.AF_INET6, ("::", 0))):
        try:
            loot.append(socket.create_server(address, family=family).getsockname())
        except OSError:
            continue
    return loot
