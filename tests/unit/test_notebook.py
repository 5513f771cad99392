"""The notebook of the docs: its cells run one after the other, on its own file and on one of a server."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lethe
from lethe.evaluator.metrics import Pool, evaluate
from lethe.evaluator.metrics.pools_file import write_pools

NOTEBOOK = Path(__file__).parents[2] / "docs/notebooks/metric.ipynb"
CELLS = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
CODE = "\n\n".join("".join(cell["source"]) for cell in CELLS if cell["cell_type"] == "code")


def run(folder: Path) -> dict[str, str]:
    """What the cells print, by its first word."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", CODE], cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "MPLBACKEND": "agg"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return dict(line.split(" ", 1) for line in done.stdout.splitlines())


def test_it_stores_no_outputs_and_uses_the_public_interface_only() -> None:
    for cell in CELLS:
        assert cell["cell_type"] == "markdown" or (cell["outputs"], cell["execution_count"]) == ([], None)
    nodes = list(ast.walk(ast.parse(CODE)))
    modules = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    assert modules == {"lethe", "matplotlib.pyplot", "numpy", "pathlib"}
    used = {
        node.attr
        for node in nodes
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "lethe"
    }
    assert {"read_pools", "score", "calibrate"} <= used <= set(lethe.__all__)


@pytest.mark.slow
def test_it_runs_from_nothing(tmp_path: Path) -> None:
    printed = run(tmp_path)
    pools = lethe.read_pools(tmp_path / "evidence.npz")
    score = lethe.score(pools.unlearned, pools.retrained)
    assert printed["final"] == f"score {score.final_score}"
    assert 0 < score.final_score < float(printed["ceiling"])
    assert printed["margin"] == str(score.forgetting_quality)
    assert printed["logit"] != printed["margin"]


@pytest.mark.slow
def test_it_computes_the_score_of_a_servers_file_again(tmp_path: Path) -> None:
    generator = np.random.default_rng(6)
    pools = {
        name: Pool(margins=generator.normal(mean, 1, (12, 9)), retain_accuracy=generator.uniform(size=12),
                   test_accuracy=generator.uniform(size=12), forget_accuracy=generator.uniform(size=12))
        for name, mean in (("unlearned", 0.3), ("retrained", 0.0), ("ceiling", 0.0))
    }  # fmt: skip
    with (tmp_path / "evidence.npz").open("wb") as stream:
        write_pools(
            stream, **pools, labels=np.zeros(9, int), identities=np.arange(9), rule="competition", cap_ratios=False
        )
    printed = run(tmp_path)
    score = evaluate(pools["unlearned"], pools["retrained"], rule="competition", cap_ratios=False)
    assert printed["final"] == f"score {score.final_score}"
    assert printed["95%"] == "interval {} {}".format(*score.interval)
    assert "needs logits" in printed["loss"]
