"""What is written for a score is read back to the bit."""

import io
from pathlib import Path

import numpy as np
import pytest

from lethe.evaluator.metrics import Pool, evaluate
from lethe.evaluator.metrics.pools_file import PoolsFileError, read_pools, write_arrays, write_pools

RUNS, EXAMPLES = 12, 5


def drawn(seed: int, *, forget: bool = True) -> Pool:
    generator = np.random.default_rng(seed)
    return Pool(
        margins=generator.normal(size=(RUNS, EXAMPLES)),
        retain_accuracy=generator.uniform(size=RUNS),
        test_accuracy=generator.uniform(size=RUNS),
        forget_accuracy=generator.uniform(size=RUNS) if forget else None,
    )


def written(*, forget: bool = True, part: str = "") -> bytes:
    stream = io.BytesIO()
    write_pools(
        stream,
        unlearned=drawn(1, forget=forget),
        retrained=drawn(2, forget=forget),
        ceiling=drawn(3, forget=forget),
        labels=np.arange(EXAMPLES) % 3,
        identities=np.array([7, 7, 1, 1, 4]),
        rule="competition",
        cap_ratios=False,
        part=part,
    )
    return stream.getvalue()


@pytest.mark.parametrize("forget", [True, False])
def test_pools_come_back_to_the_bit(forget: bool, tmp_path: Path) -> None:
    file = tmp_path / "evidence.npz"
    file.write_bytes(written(forget=forget))
    assert written(forget=forget) == file.read_bytes()
    pools = read_pools(file)
    assert (pools.rule, pools.cap_ratios, pools.ignored) == ("competition", False, ())
    assert pools.ceiling is not None
    for seed, pool in enumerate((pools.unlearned, pools.retrained, pools.ceiling), 1):
        expected = drawn(seed, forget=forget)
        for name in ("margins", "retain_accuracy", "test_accuracy", "forget_accuracy"):
            found, wanted = getattr(pool, name), getattr(expected, name)
            assert wanted is None if found is None else found.tobytes() == wanted.tobytes()
    again, before = evaluate(pools.unlearned, pools.retrained), evaluate(drawn(1), drawn(2))
    assert (again.final_score, again.interval) == (before.final_score, before.interval)


def test_a_file_names_its_part_of_a_combined_score(tmp_path: Path) -> None:
    whole, part = tmp_path / "whole.npz", tmp_path / "part.npz"
    whole.write_bytes(written())
    part.write_bytes(written(part="part 1 of 4: task faces"))
    assert (read_pools(whole).part, read_pools(part).part) == ("", "part 1 of 4: task faces")
    assert "part" not in np.load(whole).files
    np.savez(part, unlearned=drawn(1).margins, retrained=drawn(2).margins, part=np.arange(3))
    with pytest.raises(PoolsFileError, match=r"part must be one text, not \(3,\)"):
        read_pools(part)


def test_numpy_reads_what_is_written(tmp_path: Path) -> None:
    arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array("text"), "c": np.array(True)}
    with (tmp_path / "file.npz").open("wb") as stream:
        write_arrays(stream, iter(arrays.items()))
    with np.load(tmp_path / "file.npz", allow_pickle=False) as found:
        assert set(found.files) == set(arrays)
        for name, values in arrays.items():
            np.testing.assert_array_equal(found[name], values, strict=True)
