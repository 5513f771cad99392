"""Replaces its standard streams by objects that hang, raise and write into the result when they are flushed."""

import os
import sys

LAYER = "pipes"
EXPECTED = "ok"


class Stream:
    def write(self, text):
        return len(text)

    def flush(self):
        raise RuntimeError("flushed")


def unlearning(net, retain, forget, validation):
    sys.stdout = sys.stderr = Stream()
    os.close(1)
