"""Raises from a function, a file and a line of source that are named by hidden labels."""

import linecache

LAYER = "leak-policy"
EXPECTED = "exception"
SCENE = "run"


def unlearning(net, retain, forget, validation):
    label = forget[0]
    name = label.replace("-", "_")
    source = f"def {name}():\n    raise RuntimeError  # {label}\n"
    linecache.cache[label] = (len(source), None, source.splitlines(True), label)
    place = {}
    exec(compile(source, label, "exec"), place)
    place[name]()
