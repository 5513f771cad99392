"""Stored outputs come back as they were, equal ones in equal bytes, and nothing else passes for them."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load, save

from lethe.evaluator.artifacts.outputs import Outputs, OutputsInvalid, read_outputs, stack_outputs, write_outputs

ACCURACY = {"retain": 1.0, "forget": 0.25, "validation": 0.5, "test": 1 / 3}


def outputs(seed: int = 0, forget: int = 5) -> Outputs:
    generator = np.random.default_rng(seed)

    def logits(count: int) -> NDArray[np.float32]:
        return generator.normal(size=(count, 4)).astype(np.float32)

    return Outputs(logits={"forget": logits(forget), "test": logits(7), "retain": logits(3)}, accuracy=ACCURACY)


def test_round_trip() -> None:
    some = outputs()
    again = read_outputs(write_outputs(some))
    assert again.accuracy == some.accuracy
    assert all(np.array_equal(again.logits[part], some.logits[part]) for part in some.logits)
    assert again.finite


def test_keys_and_types_in_the_file() -> None:
    arrays = load(write_outputs(outputs()))
    assert {key: (array.shape, array.dtype.name) for key, array in arrays.items()} == {
        "logits.forget": ((5, 4), "float32"),
        "logits.test": ((7, 4), "float32"),
        "logits.retain": ((3, 4), "float32"),
        **{f"accuracy.{part}": ((1,), "float64") for part in ACCURACY},
    }


def test_equal_outputs_give_equal_bytes_in_another_process() -> None:
    code = (
        "import numpy as np, hashlib; from lethe.evaluator.artifacts.outputs import *;"
        "print(hashlib.sha256(write_outputs(Outputs(logits={p: np.arange(8, dtype=np.float32).reshape(2, 4)"
        " for p in LOGITS}, accuracy=dict.fromkeys(ACCURACIES, 0.5)))).hexdigest())"
    )
    digests = {subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout for _ in range(2)}
    assert len(digests) == 1


def test_views_are_written_in_their_own_order() -> None:
    some = outputs()
    reversed_rows = replace(some, logits=some.logits | {"forget": some.logits["forget"][::-1]})
    assert np.array_equal(read_outputs(write_outputs(reversed_rows)).logits["forget"], some.logits["forget"][::-1])


def test_stacking_keeps_the_order() -> None:
    pool = stack_outputs([outputs(seed) for seed in (3, 1, 2)])
    assert len(pool) == 3
    assert pool.logits["forget"].shape == (3, 5, 4)
    assert pool.accuracy["forget"].tolist() == [0.25] * 3
    assert np.array_equal(pool.logits["test"][1], outputs(1).logits["test"])


def test_stacking_different_data_or_nothing() -> None:
    with pytest.raises(OutputsInvalid, match=r"logits\.forget have different shapes"):
        stack_outputs([outputs(), outputs(forget=6)])
    with pytest.raises(OutputsInvalid, match="no outputs"):
        stack_outputs([])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_not_finite(value: float) -> None:
    some = outputs()
    some.logits["test"][2, 1] = value
    assert not some.finite
    with pytest.raises(OutputsInvalid, match="finite"):
        write_outputs(some)
    arrays = load(write_outputs(outputs()))
    arrays["logits.test"][2, 1] = value
    with pytest.raises(OutputsInvalid, match="finite"):
        read_outputs(save(arrays))


@pytest.mark.parametrize("accuracy", [-0.1, 1.1, float("nan")])
def test_accuracy_out_of_range(accuracy: float) -> None:
    with pytest.raises(OutputsInvalid, match="between 0 and 1"):
        write_outputs(replace(outputs(), accuracy=ACCURACY | {"test": accuracy}))


def test_wrong_bytes() -> None:
    good = load(write_outputs(outputs()))
    with pytest.raises(OutputsInvalid, match="not the outputs"):
        read_outputs(b"nonsense")
    with pytest.raises(OutputsInvalid, match="not the outputs"):
        read_outputs(save({key: array for key, array in good.items() if key != "logits.test"}))
    with pytest.raises(OutputsInvalid, match="float32"):
        read_outputs(save(good | {"logits.test": good["logits.test"].astype(np.float64)}))
    with pytest.raises(OutputsInvalid, match="same number of classes"):
        read_outputs(save(good | {"logits.test": np.zeros((7, 5), dtype=np.float32)}))
    with pytest.raises(OutputsInvalid, match="not the outputs"):
        read_outputs(save(good | {"accuracy.test": np.zeros(2)}))


def test_readers_import_no_torch() -> None:
    code = "import sys, lethe.evaluator.artifacts.oracles; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
