"""Finds out who else is on the machine by probing every process number."""

import os

LAYER = "namespaces"
EXPECTED = "ok"


def exists(pid):
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return True


def unlearning(net, retain, forget, validation):
    return [pid for pid in range(3, 1 << 17) if exists(pid)] + ([os.getppid()] if os.getppid() else [])
