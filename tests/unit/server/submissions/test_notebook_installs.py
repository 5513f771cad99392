"""Lines of a notebook that install packages become a script block where the host allows these packages."""

import pytest

from lethe.evaluator.contract.specification import DependenciesSpec
from lethe.server.submissions.static_check import CheckedFile, check_file
from tests.unit.server.submissions.test_notebooks import LIMIT, UNLEARNING, notebook

ALLOWED = DependenciesSpec(allowed=("timm", "einops", "pytorch-ignite"))


def checked(*cells: str, spec: DependenciesSpec = ALLOWED) -> CheckedFile:
    data = notebook(*cells, UNLEARNING)
    return check_file(data, filename="mine.ipynb", limit_bytes=LIMIT, dependencies=spec)


TAKEN = {
    "!pip install timm": ("timm",),
    "%pip install -q -U 'einops>=0.8' pytorch_ignite": ("einops>=0.8", "pytorch-ignite"),
    "!python -m pip install timm==0.9 torch==1.13 tqdm > /dev/null": ("timm==0.9",),
    "pip3 install timm && echo done": ("timm",),
}


@pytest.mark.parametrize(("line", "packages"), TAKEN.items(), ids=TAKEN.keys())
def test_allowed_packages_are_dependencies(line: str, packages: tuple[str, ...]) -> None:
    found = checked("from __future__ import annotations", line)
    assert found.dependencies == packages
    assert found.notes[0].startswith("cell 2: left out ")
    assert "; it counts as a script block with " in found.notes[0]
    compile(found.source, "submission.py", "exec", dont_inherit=True)


HINTS = [
    "!pip install timm unheard-of",
    "!pip install -r requirements.txt",
    "!pip install git+https://example.org/timm.git",
    "!pip install --index-url https://example.org timm",
    "!conda install timm",
    "!pip install timm=1",
    "if 1:\n    !pip install timm",
]


@pytest.mark.parametrize("line", HINTS)
def test_everything_else_stays_a_hint(line: str) -> None:
    found = checked(line)
    assert found.dependencies == ()
    assert "name packages in a script block" in found.notes[0]


def test_what_is_installed_needs_nothing() -> None:
    found = checked("!pip install -q torch==1.13 scikit_learn")
    assert (found.dependencies, found.source.decode().count("///")) == ((), 0)
    assert found.notes[0].endswith("; the worker's own is used")


def test_a_block_of_the_author_s_own_counts_alone() -> None:
    block = '# /// script\n# dependencies = ["einops"]\n# ///'
    assert checked(block, "!pip install timm").dependencies == ("einops",)


@pytest.mark.parametrize(
    ("spec", "packages"),
    [
        (ALLOWED.model_copy(update={"notebook_installs": False}), ()),
        (ALLOWED.model_copy(update={"mode": "none"}), ()),
        (ALLOWED.model_copy(update={"mode": "any"}), ("unheard-of",)),
    ],
)
def test_the_host_decides(spec: DependenciesSpec, packages: tuple[str, ...]) -> None:
    assert checked("!pip install unheard-of", spec=spec).dependencies == packages
