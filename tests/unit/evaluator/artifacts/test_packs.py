"""Packs hold the outputs of many models bit for bit, and refuse what they cannot have held."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from lethe.evaluator.artifacts.outputs import (
    Outputs,
    OutputsInvalid,
    StackedOutputs,
    array_names,
    pack_arrays,
    read_arrays,
    read_outputs,
    read_pack,
    stack_outputs,
    write_outputs,
    write_pack,
)


def stacked(count: int = 3) -> StackedOutputs:
    random = np.random.default_rng(7)
    logits = [random.normal(size=(5, 4)).astype(np.float32) for _ in range(count)]
    accuracy = {"retain": 1 / 3, "forget": 0.1, "validation": 0.7, "test": 2 / 7}
    models = [Outputs(logits=dict.fromkeys(("forget", "test", "retain"), one), accuracy=accuracy) for one in logits]
    return stack_outputs([read_outputs(write_outputs(model)) for model in models])


def test_a_pack_gives_back_the_same_bits() -> None:
    before = stacked()
    after = read_pack(write_pack(before))
    assert write_pack(after) == write_pack(before)
    for one, other in ((before.logits, after.logits), (before.accuracy, after.accuracy)):
        for part in one:
            assert one[part].tobytes() == other[part].tobytes()
            assert (one[part].dtype, one[part].shape) == (other[part].dtype, other[part].shape)


def test_spoiled_packs_are_refused() -> None:
    good = stacked()
    nan = good.logits | {"test": np.full_like(good.logits["test"], np.nan)}
    flat = good.logits | {"test": good.logits["test"][0]}
    fewer = good.accuracy | {"test": good.accuracy["test"][:2]}
    double = good.logits | {"test": good.logits["test"].astype(np.float64)}
    for changes in ({"logits": nan}, {"logits": flat}, {"accuracy": fewer}, {"logits": double}, {"logits": {}}):
        with pytest.raises(OutputsInvalid):
            write_pack(dataclasses.replace(good, **changes))  # type: ignore[arg-type]
    for data in (b"", b"not safetensors", write_pack(good)[:-1], write_outputs(read_one())):
        with pytest.raises(OutputsInvalid):
            read_pack(data)


def test_copies_are_kept_where_every_model_has_them() -> None:
    plain = read_one()
    copies = {kind: np.full((2, 4), value, np.float32) for kind, value in (("flipped", 1), ("jittered", 2))}
    copied = dataclasses.replace(plain, copies=copies)
    again = read_outputs(write_outputs(copied))
    assert {kind: values.tolist() for kind, values in again.copies.items()} == {
        "flipped": [[1] * 4] * 2,
        "jittered": [[2] * 4] * 2,
    }
    pack = read_pack(write_pack(stack_outputs([copied, again])))
    assert {kind: values.shape for kind, values in pack.copies.items()} == {"flipped": (2, 2, 4), "jittered": (2, 2, 4)}
    # A worker of the version before stores none: what all have is compared.
    older = dataclasses.replace(plain, copies={"jittered": copies["jittered"]})
    assert stack_outputs([copied, older]).copies.keys() == {"jittered"}
    assert stack_outputs([copied, plain]).copies == {}
    for wrong in (
        {"blurred": copies["flipped"]},
        {"flipped": copies["flipped"] * np.nan},
        {"flipped": np.zeros((2, 5), np.float32)},
    ):
        with pytest.raises(OutputsInvalid):
            write_outputs(dataclasses.replace(plain, copies=wrong))
    with pytest.raises(OutputsInvalid, match="copies"):
        stack_outputs([copied, dataclasses.replace(plain, copies={"flipped": np.zeros((3, 4), np.float32)})])


def read_one() -> Outputs:
    one = np.zeros((5, 4), np.float32)
    accuracy = {"retain": 1.0, "forget": 0.0, "validation": 0.5, "test": 0.5}
    return Outputs(logits=dict.fromkeys(("forget", "test", "retain"), one), accuracy=accuracy)


def test_the_arrays_of_a_pack_come_one_by_one(tmp_path: Path) -> None:
    pack = stacked()
    (tmp_path / "pack").write_bytes(write_pack(pack))
    expected = pack_arrays(pack)
    found = dict(read_arrays(tmp_path / "pack"))
    assert found.keys() == expected.keys() == array_names(tmp_path / "pack")
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, strict=True)
    assert list(dict(read_arrays(tmp_path / "pack", ["accuracy.test"]))) == ["accuracy.test"]
    with pytest.raises(OutputsInvalid, match="not the arrays"):
        list(read_arrays(tmp_path / "pack", ["logits.nothing"]))
    (tmp_path / "text").write_text("no pack")
    for read in (array_names, lambda path: list(read_arrays(path))):
        with pytest.raises(OutputsInvalid):
            read(tmp_path / "text")
