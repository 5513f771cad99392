"""What a submission finds around it: a script's arguments, its own file, worker processes, and a notebook's names."""

import json

import pytest

from lethe.evaluator.pipeline import WorkerResources
from lethe.server.submissions.static_check import check_file
from tests.integration.evaluation.worker_resources import run

pytestmark = pytest.mark.component("bubblewrap")

METHOD = "def unlearning(net, retain, forget, validation):\n    "
FILES = {
    "arguments": (
        "import argparse, sys\nargs = argparse.ArgumentParser()\nargs.add_argument('--lr', default=1, type=int)\n"
        "args = args.parse_args()\n" + METHOD + "assert (args.lr, sys.argv) == (1, ['submission.py'])"
    ),
    "file": (
        "import os\nHERE = os.path.dirname(os.path.abspath(__file__))\n" + METHOD
        + "import inspect\n    assert 'HERE' in open(os.path.join(HERE, 'submission.py')).read()\n"
        "    assert 'inspect' in inspect.getsource(unlearning)"
    ),
    "main": METHOD + "assert __name__ == 'submission'\nif __name__ == '__main__':\n    raise RuntimeError",
    "written modules": (
        "open('helper.py', 'w').write('ONE = 1')\nfrom helper import ONE\n" + METHOD + "assert ONE == 1"
    ),
    "fork": (
        "from concurrent.futures import ProcessPoolExecutor\ndef double(x): return 2 * x\n" + METHOD
        + "with ProcessPoolExecutor(2) as pool: assert list(pool.map(double, [1, 2])) == [2, 4]"
    ),
    "spawn": (
        "import multiprocessing\nfrom concurrent.futures import ProcessPoolExecutor\ndef double(x): return 2 * x\n"
        + METHOD + "context = multiprocessing.get_context('spawn')\n"
        "    with ProcessPoolExecutor(1, mp_context=context) as pool: assert list(pool.map(double, [1, 2])) == [2, 4]"
    ),
    "forkserver": (
        "import multiprocessing\nfrom concurrent.futures import ProcessPoolExecutor\ndef double(x): return 2 * x\n"
        + METHOD + "context = multiprocessing.get_context('forkserver')\n"
        "    with ProcessPoolExecutor(1, mp_context=context) as pool: assert list(pool.map(double, [1, 2])) == [2, 4]"
    ),
    "loaders": (
        "import torch\nclass Own(torch.utils.data.Dataset):\n    def __len__(self): return 4\n"
        "    def __getitem__(self, i): return torch.tensor(i)\n" + METHOD
        + "for how in ('fork', 'spawn'):\n        loader = torch.utils.data.DataLoader(Own(), num_workers=1, "
        "multiprocessing_context=how)\n        assert [int(x) for x in loader] == [0, 1, 2, 3]"
    ),
    "joblib": (
        "import joblib\ndef double(x): return 2 * x\n" + METHOD
        + "assert joblib.Parallel(2)(joblib.delayed(double)(i) for i in range(3)) == [0, 2, 4]"
    ),
}  # fmt: skip
CELLS = {
    "IPython": (
        "from IPython.display import clear_output, display, HTML\nimport IPython\nfrom IPython import get_ipython as g",
        "g().run_line_magic('matplotlib', 'inline')\nget_ipython().system('ls')\nclear_output(wait=True)",
        "display(HTML('<b>bold</b>'))",
    ),
    "plots": (
        "import IPython\nfrom IPython.display import clear_output, display\nimport matplotlib.pyplot as plt",
        "def show(values):\n    clear_output(wait=True)\n    plt.figure()\n    plt.plot(values)\n"
        "    display(plt.gcf())\n    plt.savefig('curve.png')\n    plt.show()\n    plt.close()",
        "show([1, 2])",
    ),
    "tqdm": ("from tqdm.notebook import tqdm, trange\nfor i in tqdm(range(3)): pass",),
    "await": ("import asyncio\nasync def g(): return 3\nx = await g()\nassert x == 3",),
    "written module": ("%%writefile helper.py\nONE = 1", "from helper import ONE", "assert ONE == 1"),
    "future": (
        "x = 1",
        "from __future__ import annotations\ny: nothing = 1\nassert __annotations__ == {'y': 'nothing'}",
    ),
    "timed": ("%time x = sum(range(4))", "assert x == 6", "y = %time max(1, 2)\nassert y == 2"),
}


@pytest.mark.parametrize("source", FILES.values(), ids=FILES.keys())
def test_scripts(resources: WorkerResources, source: str) -> None:
    done = run(resources, source)
    assert done.check is not None
    assert done.fault is None, done.check.traceback + done.check.stderr


@pytest.mark.parametrize("cells", CELLS.values(), ids=CELLS.keys())
def test_notebooks(resources: WorkerResources, cells: tuple[str, ...]) -> None:
    body = [{"cell_type": "code", "source": cell} for cell in (*cells, METHOD + "pass")]
    data = json.dumps({"nbformat": 4, "metadata": {}, "cells": body}).encode()
    source = check_file(data, filename="mine.ipynb", limit_bytes=2**17).source
    done = run(resources, source)
    assert done.check is not None
    assert done.fault is None, done.check.traceback + done.check.stderr
    assert "IProgress" not in done.check.stderr
