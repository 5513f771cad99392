"""Notebooks become the Python that their code cells hold; what only IPython understands is left out, and named."""

import json
from pathlib import Path
from typing import Any

import pytest

from lethe.server.submissions.static_check import NOTEBOOK_BYTES, RefusedFile, check_file, reading_limit

LIMIT = 128 * 2**10
SAMPLE = Path(__file__).parents[3] / "submissions/notebook.ipynb"
UNLEARNING = "def unlearning(net, retain, forget, validation):\n    return net"


def notebook(*cells: str, **changes: Any) -> bytes:
    body = [{"cell_type": "code", "source": cell.splitlines(keepends=True), "outputs": []} for cell in cells]
    return json.dumps({"nbformat": 4, "metadata": {}, "cells": body, **changes}).encode()


def source_of(data: bytes) -> str:
    return check_file(data, filename="mine.ipynb", limit_bytes=LIMIT).source.decode()


def test_code_cells_in_order_without_magics() -> None:
    checked = check_file(SAMPLE.read_bytes(), filename="Mine.IPYNB", limit_bytes=LIMIT)
    source = checked.source.decode()
    assert "this is text" not in source
    assert "\n    pass  # !nvidia-smi\n" in source
    assert "\n# rm -r *" in source
    assert "\n%d epochs\n!not a shell line\n'''\nSHARE = (7\n% 3)\npass  # files = !ls\n" in source
    assert source.index("import torch") < source.index("def unlearning")
    left_out = ["!pip install", "timm", "%matplotlib", "!nvidia-smi", "%%bash", "%%time", "files = !ls", "nn.Linear?"]
    assert len(checked.notes) == len(left_out)
    for note, line in zip(checked.notes, left_out, strict=True):
        assert line in note
    assert checked.notes[0].startswith("cell 2: left out ")


def test_script_block_of_a_notebook_counts() -> None:
    block = '# /// script\n# dependencies = ["einops>=0.8"]\n# ///'
    checked = check_file(notebook(block, UNLEARNING), filename="mine.ipynb", limit_bytes=LIMIT)
    assert checked.dependencies == ("einops>=0.8",)


def test_python_files_stay_as_they_are() -> None:
    data = b"x = 1\r\n" + UNLEARNING.encode()
    checked = check_file(data, filename="mine.py", limit_bytes=LIMIT)
    assert (checked.source, checked.notes) == (data, ())


def test_limit_is_one_of_source() -> None:
    outputs = [{"cell_type": "markdown", "source": "x" * (2 * LIMIT)}]
    cells = json.loads(notebook(UNLEARNING))["cells"] + outputs
    assert "unlearning" in source_of(notebook(cells=cells))
    with pytest.raises(RefusedFile) as refusal:
        source_of(notebook(UNLEARNING, "x = '" + "x" * LIMIT + "'"))
    assert refusal.value.code == "file_too_large"
    assert reading_limit("a.ipynb", LIMIT) == NOTEBOOK_BYTES
    assert reading_limit("a.py", LIMIT) == LIMIT


REFUSED = {
    "no JSON": (b"import torch", "invalid_notebook"),
    "a list": (b"[1, 2]", "invalid_notebook"),
    "no cells": (b'{"nbformat": 4}', "invalid_notebook"),
    "old format": (notebook(UNLEARNING, nbformat=3), "invalid_notebook"),
    "another language": (notebook(UNLEARNING, metadata={"kernelspec": {"language": "R"}}), "invalid_notebook"),
    "odd sources": (b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": [1]}]}', "invalid_notebook"),
    "nested brackets": (b"[" * 500_000, "too_complex"),
    "half a character": (notebook(UNLEARNING).replace(b"return net", b"return '\\ud800'"), "not_utf8"),
    "no function": (notebook("x = 1"), "no_unlearning"),
    "a mistake": (notebook("x = = 1"), "syntax_error"),
    "empty": (b" ", "empty_file"),
}


@pytest.mark.parametrize(("data", "code"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_notebook_is_refused(data: bytes, code: str) -> None:
    with pytest.raises(RefusedFile) as refusal:
        source_of(data)
    assert refusal.value.code == code


def test_line_of_a_mistake_is_one_of_the_resulting_file() -> None:
    with pytest.raises(RefusedFile) as refusal:
        source_of(notebook("!ls", "x = = 1"))
    assert refusal.value.line == 7


def test_a_hostile_notebook_is_cut_off() -> None:
    magics = "(\n" * 20_000 + "%x\n" * 2_000
    with pytest.raises(RefusedFile) as refusal:
        source_of(notebook(magics))
    assert refusal.value.code in {"too_complex", "file_too_large", "syntax_error"}
