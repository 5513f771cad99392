"""Notebooks become the Python that their code cells hold; what only IPython understands is left out, and named."""

import io
import json
import time
import tokenize
from pathlib import Path
from typing import Any

import pytest

from lethe.server.submissions.convert_notebook import _Before, _without_magics, run
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


MAGICS = {
    "%time f()": "f()",
    "    %time f()": "    f()",
    "x = %time f(1)": "x = f(1)",
    "%timeit f()": "f()",
    "%timeit -n 10 -r3 f()": "f()",
    "%time": "pass  # %time",
    "x = %timeit f()": "pass  # x = %timeit f()",
    "files = !ls": "pass  # files = !ls",
    "pip install timm": "pass  # pip install timm",
}


@pytest.mark.parametrize(("line", "wanted"), MAGICS.items(), ids=MAGICS.keys())
def test_magics_around_a_statement_leave_the_statement(line: str, wanted: str) -> None:
    head = "if 1:\n" if line.startswith(" ") else ""
    source = source_of(notebook(head + line, UNLEARNING))
    assert source.split("# Cell 1\n")[1].removeprefix(head).split("\n")[0] == wanted


def test_a_cell_magic_may_end_with_a_tab() -> None:
    assert "\nx = 1\n" in source_of(notebook("%%time\t\nx = 1", UNLEARNING))


def test_installing_becomes_a_hint() -> None:
    data = notebook("!pip install -q timm 'einops>=0.8' torchmetrics==1.4", UNLEARNING)
    (note,) = check_file(data, filename="mine.ipynb", limit_bytes=LIMIT).notes
    assert '# dependencies = ["timm", "torchmetrics==1.4"]' in note


def test_future_imports_come_first() -> None:
    source = source_of(notebook("x = 1", "from __future__ import annotations  # new\ny: int | None = None", UNLEARNING))
    assert source.split("\n")[1] == "from __future__ import annotations"
    assert "\npass  # from __future__ import annotations  # new\n" in source


def test_a_written_file_is_written_and_a_written_submission_is_used() -> None:
    helper = source_of(notebook("%%writefile helper.py\ndef g(): return '%'", "from helper import g", UNLEARNING))
    assert "with open('helper.py', 'w', encoding='utf-8') as _file: _file.write(\"def g(): return '%'\")" in helper
    whole = source_of(
        notebook("%%writefile submission.py\nimport torch\n" + UNLEARNING, "!zip submission.zip submission.py")
    )
    assert "\nimport torch\ndef unlearning" in whole
    both = source_of(notebook(UNLEARNING, "%%writefile -a old.py\ndef unlearning(net): pass"))
    assert "'old.py', 'a'" in both
    outside = check_file(notebook("%%writefile ../x.py\ny = 1", UNLEARNING), filename="a.ipynb", limit_bytes=LIMIT)
    assert "%%writefile ../x.py" in outside.notes[0]


LANGUAGES = [
    {"kernelspec": None},
    {"kernelspec": {"language": "Python"}, "language_info": None},
    {"kernelspec": {}, "language_info": {"name": "ipython"}},
    {"language_info": {"name": "python"}},
]


@pytest.mark.parametrize("metadata", [None, *LANGUAGES])
def test_languages_that_are_python(metadata: Any) -> None:
    assert "unlearning" in source_of(notebook(UNLEARNING, metadata=metadata))


def test_format_3() -> None:
    cells = [
        {"cell_type": "code", "input": UNLEARNING.splitlines(keepends=True)},
        {"cell_type": "heading", "source": "x"},
    ]
    data = json.dumps({"nbformat": 3, "metadata": {}, "worksheets": [{"cells": cells}]}).encode()
    assert UNLEARNING in source_of(data)


def test_top_level_await_is_no_mistake_in_a_notebook() -> None:
    assert "await" in source_of(notebook("import asyncio\nawait asyncio.sleep(0)", UNLEARNING))
    with pytest.raises(RefusedFile) as refusal:
        check_file(b"await x\n" + UNLEARNING.encode(), filename="mine.py", limit_bytes=LIMIT)
    assert refusal.value.code == "syntax_error"


def test_a_mistake_is_found_by_cell_and_line() -> None:
    with pytest.raises(RefusedFile, match=r"\(Cell 2, line 3: "):
        source_of(notebook("x = 1", "y = 2\n\nx = = 1"))
    with pytest.raises(RefusedFile, match=r"\(Cell 1, line 1: it takes"):
        source_of(notebook("def unlearning(net, seed, device, datasets): pass"))


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


@pytest.mark.parametrize(
    "cell",
    [
        "x = (\n)\n%m\n" + "".join(f"%m{i}\n" for i in range(60_000)),
        "(\n" * 60_000 + "%x\n" * 2_000,
        "x = (\n" + "%m\n" * 60_000,
        "'''\n" + "%m\n" * 60_000,
        "%m\\\n" * 60_000,
        "?" * 500_000,
        '"\\' * 200_000,
    ],
    ids=["magics", "brackets", "in a bracket", "in a string", "joined", "one line", "quotes"],
)
def test_conversion_is_linear(cell: str) -> None:
    """Each line is read once: half a megabyte takes well under the two seconds of a parser process."""
    converted = run(json.dumps({"nbformat": 4, "cells": [{"cell_type": "code", "source": cell}]}).encode(), {})
    assert "source" in converted or converted["code"] == "too_complex"
    half = cell[: len(cell) // 2]
    times = []
    for text in (half, cell):
        began = time.process_time()
        for _ in range(3):
            _without_magics(text + "x")
        times.append(time.process_time() - began)
    assert times[1] < 8 * times[0] + 0.5


def goes_on_by_tokens(before: str) -> bool:
    """What Python's own tokenizer says: whether a line after these continues a string, a bracket or a joined line."""
    try:
        for _ in tokenize.generate_tokens(io.StringIO(f"{before}\n").readline):
            pass
    except tokenize.TokenError as error:
        return "multi-line" in str(error)
    return before.endswith("\\")


ODD = "x = '''a\n\"\"\" # ' (\n''' + \"(#\" + f'{x}' # )\ny = [r'\\'\\\n, \"\\\"[\"\n]\nz = 1 + \\\n2 # x\n"


@pytest.mark.parametrize("path", [None, *sorted((Path(__file__).parents[3] / "submissions").glob("*.py"))])
def test_what_goes_on_is_what_python_says(path: Path | None) -> None:
    lines = (ODD if path is None else path.read_text()).split("\n")
    before = _Before()
    for index, line in enumerate(lines):
        before.add(line)
        expected = goes_on_by_tokens("\n".join(lines[: index + 1]))
        assert before.goes_on == expected, (index, line)
