"""The notebook to start a competition with: practise, improve, submit."""

import json
from typing import Any

from lethe.server.pages.snippets import STARTER

NOTEBOOK = "submission.ipynb"

_TITLE = """\
# Practise for {slug}

Score your function at home, improve it, and submit it. This needs Linux and Lethe with its extra `worker`, and for
submitting a login (`lethe login`). The practice data show other people than the hidden data, so compare practice scores
with each other only.
"""

_DATA = """\
import lethe

COMPETITION = {slug!r}
SERVER = {server!r}

practice = lethe.practice(COMPETITION, server=SERVER)  # downloaded once, then kept
print(practice)
"""

_IMAGES = """\
import matplotlib.pyplot as plt

inputs, targets = next(iter(practice.forget))
names = practice.facts.class_names or [f"class {number}" for number in range(practice.facts.classes)]
figure, places = plt.subplots(1, 6, figsize=(9, 1.8))
for image, target, place in zip(inputs, targets, places, strict=False):
    place.imshow(image.permute(1, 2, 0).numpy() / 255)
    place.set(title=names[target], xticks=[], yticks=[])
plt.show()
"""

_FUNCTION = """\
## The function

This is what you submit. Change it, run its cell and the cells below again. It may use functions, classes, imports and
plain values of other cells.
"""

_SCORE = """\
## Its score

Beside the floor, the score of doing nothing. More runs give a narrower interval (8 to 64).
"""

_FLOOR = """\
RUNS = 16


def nothing(net, retain, forget, validation):
    return net


floor = practice.score(nothing, runs=RUNS)
print(floor)
"""

_OWN = """\
score = practice.score(unlearning, runs=RUNS)
score
"""

_PLOT_TEXT = """\
## What was forgotten

Epsilon says, for each forget image, how well an attack can tell the networks of your runs from networks that never saw
it: 0 means not at all.
"""

_PLOT = """\
axes = floor.plot(label="nothing")
score.plot(axes, label="unlearning")
axes.legend()
plt.show()
"""

_SUBMIT_TEXT = """\
## Submit

`submission.py` is what `score` ran. Uploading it counts against the day's quota, so it waits for `SUBMIT = True`. This
notebook can be uploaded as it is, too: the server leaves out what cannot run there.
"""

_SUBMIT = """\
from pathlib import Path

SUBMIT = False

file = Path("submission.py")
file.write_text(practice.source(unlearning), encoding="utf-8")
if SUBMIT:
    with lethe.connect(SERVER) as client:
        sent = client.submit(COMPETITION, file)
        print(client.wait(sent.id).score)
"""


def starter_notebook(slug: str, server: str) -> str:
    """Return a Jupyter notebook (format 4) for the competition `slug` of the server at this address, as JSON."""
    cells = [
        _text("title", _TITLE.format(slug=slug)),
        _code("data", _DATA.format(slug=slug, server=server.rstrip("/"))),
        _code("images", _IMAGES),
        _text("function", _FUNCTION),
        _code("unlearning", STARTER),
        _text("score", _SCORE),
        _code("floor", _FLOOR),
        _code("own", _OWN),
        _text("epsilon", _PLOT_TEXT),
        _code("plot", _PLOT),
        _text("submitting", _SUBMIT_TEXT),
        _code("submit", _SUBMIT),
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return json.dumps(
        {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}, indent=1
    )


def _text(name: str, text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": _lines(text)}


def _code(name: str, text: str) -> dict[str, Any]:
    cell: dict[str, Any] = {"cell_type": "code", "execution_count": None, "id": name, "metadata": {}, "outputs": []}
    return {**cell, "source": _lines(text)}


def _lines(text: str) -> list[str]:
    return text.rstrip("\n").splitlines(keepends=True)
