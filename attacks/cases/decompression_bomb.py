"""Unpacks a few kilobytes into gigabytes."""

import zlib

LAYER = "limits"
EXPECTED = "out_of_memory"


def unlearning(net, retain, forget, validation):
    small = zlib.compress(zlib.compress(bytes(1 << 26), 9) * 40, 9)
    big = [zlib.decompress(small)]
    for _ in range(64):
        big.append(zlib.decompress(big[0]))
