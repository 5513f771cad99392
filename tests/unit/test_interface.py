"""`import lethe`: the public interface, imported when it is used."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lethe
from lethe.evaluator.metrics import evaluate

DOCS = Path(__file__).parents[2] / "docs/python.md"
HEAVY = ("numpy", "scipy", "sklearn", "pydantic", "httpx", "torch", "sqlalchemy", "fastapi", "structlog")


def test_every_public_name_is_there_and_no_other() -> None:
    assert all(getattr(lethe, name) is not None for name in lethe.__all__)
    assert dir(lethe) == sorted(lethe.__all__)
    with pytest.raises(AttributeError, match="Nothing"):
        _ = lethe.Nothing  # type: ignore[attr-defined]


def test_the_page_names_what_is_public() -> None:
    named = set(re.findall(r"`(\w+)`", DOCS.read_text(encoding="utf-8").partition("| name | |")[2]))
    assert named == set(lethe.__all__) - {"__version__"}


def test_importing_it_imports_nothing_else() -> None:
    program = f"import sys, lethe; sys.exit(', '.join(name for name in {HEAVY} if name in sys.modules) or 0)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_score_is_the_metrics(tmp_path: Path) -> None:
    draw = np.random.default_rng(3).normal
    arrays = {"unlearned": draw(0.5, 1, (16, 5)), "retrained": draw(0, 1, (16, 5)), "identities": np.arange(5)}
    np.savez(tmp_path / "outputs.npz", **arrays)  # type: ignore[arg-type]
    pools = lethe.read_pools(tmp_path / "outputs.npz")
    assert pools.ceiling is None
    found = lethe.score(pools.unlearned, pools.retrained, identities=pools.identities)
    pool, oracles = (lethe.Pool(margins=arrays[name]) for name in ("unlearned", "retrained"))
    expected = evaluate(pool, oracles, identities=arrays["identities"])
    assert (found.final_score, found.interval) == (expected.final_score, expected.interval)


def test_a_file_that_cannot_be_scored_says_why(tmp_path: Path) -> None:
    np.savez(tmp_path / "outputs.npz", unlearned=np.zeros((8, 2)))
    with pytest.raises(lethe.PoolsFileError, match="no array retrained; it contains unlearned"):
        lethe.read_pools(tmp_path / "outputs.npz")
