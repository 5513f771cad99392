"""Imports a module that is named by a hidden label."""

import importlib

LAYER = "leak-policy"
EXPECTED = "import_error"
SCENE = "run"


def unlearning(net, retain, forget, validation):
    importlib.import_module(forget[0])
