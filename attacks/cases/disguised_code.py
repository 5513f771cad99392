# -*- coding: utf-7 -*-
"""Declares an encoding in which a comment is code: readers and checks see another program than the one that runs."""

LAYER = "static-check"
EXPECTED = "ok"
HARNESS = "plain"

LOOT = []
# +AAo-LOOT.append("a comment was executed")


def unlearning(net, retain, forget, validation):
    return LOOT
