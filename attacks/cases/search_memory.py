"""Searches all of its memory, freed parts too, for what a run before it wrote into its own."""

import ctypes
import os
import re

LAYER = "isolation-between-runs"
EXPECTED = "ok"
RUNS = 2

MARK = "-".join(["written", "by", "a", "run"]) + ":"
HOARD_BYTES = 24 << 20


def unlearning(net, retain, forget, validation):
    own = os.urandom(16).hex()
    pattern = re.compile(MARK.encode() + rb"([0-9a-f]{32})")
    fresh = ctypes.create_string_buffer(HOARD_BYTES)
    found = set(pattern.findall(fresh.raw))
    heap = ctypes.addressof(fresh)
    kept = [(MARK + own).encode() * 8 for _ in range(1000)]
    ctypes.memmove(heap, kept[0], len(kept[0]))
    with open("dump", "w+b", buffering=0) as dump:
        for address in range(id(kept) & ~0xFFF, (id(kept) & ~0xFFF) + (8 << 20), 4096):
            try:
                os.lseek(dump.fileno(), 0, os.SEEK_SET)
                if ctypes.CDLL(None).write(dump.fileno(), ctypes.c_void_p(address), 4096) == 4096:
                    os.lseek(dump.fileno(), 0, os.SEEK_SET)
                    found |= set(pattern.findall(dump.read(4096)))
            except OSError:
                break
    return found - {own.encode()}
