"""Registers code for the end of the process, after the result was sent: exit handlers, finalizers, threads."""

import atexit
import os
import threading
import weakref

LAYER = "pipes"
EXPECTED = "ok"


class Held:
    pass


HELD = Held()


def late():
    os.write(4, b"more result")


def unlearning(net, retain, forget, validation):
    atexit.register(late)
    weakref.finalize(HELD, late)
    threading._register_atexit(late)
