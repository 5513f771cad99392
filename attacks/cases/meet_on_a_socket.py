"""Meets the run beside it on an abstract socket and tells it what it has seen."""

import socket
import time

LAYER = "isolation-between-runs"
EXPECTED = "ok"
RUNS = 2
AT_ONCE = True


def unlearning(net, retain, forget, validation):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as meeting:
        try:
            meeting.bind("\0meeting")
        except OSError:
            return ["another run is there"]
        time.sleep(0.4)
    return []
