"""Unpacks a few kilobytes into a gigabyte."""

import zlib

LAYER = "limits"
EXPECTED = "out_of_memory"


def unlearning(net, retain, forget, validation):
    small = zlib.compress(bytes(1 << 24), 1)
    return [zlib.decompress(small) for _ in range(64)]
