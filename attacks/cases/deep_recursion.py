"""Recurses until the stack is gone."""

import sys

LAYER = "limits"
EXPECTED = ("killed", "exception", "out_of_memory", "timeout")


def unlearning(net, retain, forget, validation):
    sys.setrecursionlimit(1 << 30)

    def deeper(depth):
        return [deeper(depth + 1)]

    return deeper(0)
