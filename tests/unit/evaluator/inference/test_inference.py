"""Claimed weights become outputs, or the participant's fault; the child can be killed and comes back."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save, save_file

from lethe.evaluator.artifacts.outputs import read_outputs
from lethe.evaluator.contract.faults import FaultCode
from lethe.evaluator.inference.child import outputs_of
from lethe.evaluator.inference.claims import ClaimRefused, read_claimed_state
from lethe.evaluator.inference.service import InferenceCancelled, InferenceService, InferenceSetting, WeightsRefused
from lethe.evaluator.models import build_model

pytestmark = pytest.mark.slow

CLASSES = 3
GOES_ON = threading.Event()


@pytest.fixture
def net() -> torch.nn.Module:
    torch.manual_seed(0)
    return build_model("resnet-small", CLASSES)


def evaluation() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    arrays = {}
    for part in ("forget", "test", "retain_sample", "validation"):
        arrays[f"{part}.images"] = torch.randint(0, 256, (5, 3, 32, 32), dtype=torch.uint8, generator=generator)
        arrays[f"{part}.labels"] = torch.arange(5) % CLASSES
    return arrays


def changed(net: torch.nn.Module, **changes: torch.Tensor | None) -> bytes:
    state = dict(net.state_dict())
    for name, tensor in changes.items():
        key = name.replace("__", ".")
        if tensor is None:
            del state[key]
        else:
            state[key] = tensor
    return save(state)


def test_good_weights_give_finite_outputs(net: torch.nn.Module) -> None:
    outputs = read_outputs(outputs_of(save(net.state_dict()), build_model("resnet-small", CLASSES), evaluation(), 4))
    assert outputs.logits["forget"].shape == (5, CLASSES)
    payload = save(net.state_dict())
    assert outputs_of(payload, net, evaluation(), 4) == outputs_of(payload, net, evaluation(), 4)


BAD = {
    "missing": ({"fc__bias": None}, FaultCode.WRONG_ARCHITECTURE, "lacks 'fc.bias'"),
    "extra": ({"extra": torch.ones(1)}, FaultCode.WRONG_ARCHITECTURE, "adds 'extra'"),
    "shape": ({"fc__bias": torch.ones(7)}, FaultCode.WRONG_ARCHITECTURE, r"shape \[7\], not \[3\]"),
    "kind": ({"fc__bias": torch.ones(3, dtype=torch.int32)}, FaultCode.WRONG_ARCHITECTURE, "'I32', not F32"),
    "half": ({"fc__bias": torch.ones(3).half()}, FaultCode.WRONG_ARCHITECTURE, "'F16', not F32"),
    "nan": ({"fc__bias": torch.full((3,), float("nan"))}, FaultCode.NOT_FINITE, "fc.bias"),
    "two": ({"bn1__running_var": None, "fc__bias": torch.ones(3)}, FaultCode.WRONG_ARCHITECTURE, "running_var"),
}


@pytest.mark.parametrize(("changes", "code", "message"), BAD.values(), ids=BAD.keys())
def test_unfitting_weights_are_refused(net: torch.nn.Module, changes, code: FaultCode, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ClaimRefused, match=message) as refusal:
        read_claimed_state(changed(net, **changes), net)
    assert refusal.value.code is code


@pytest.mark.parametrize("payload", [b"", b"\x80\x04pickle", b"\xff" * 64, b"\x02\0\0\0\0\0\0\0{}"])
def test_bytes_that_are_no_state_dict_are_refused(net: torch.nn.Module, payload: bytes) -> None:
    with pytest.raises(ClaimRefused):
        read_claimed_state(payload, net)


def test_infinite_outputs_of_finite_weights_are_refused(net: torch.nn.Module) -> None:
    payload = changed(net, fc__weight=torch.full_like(net.state_dict()["fc.weight"], 3e38))
    with pytest.raises(ClaimRefused, match="outputs are not") as refusal:
        outputs_of(payload, net, evaluation(), 4)
    assert refusal.value.code is FaultCode.NOT_FINITE


@pytest.fixture(scope="module")
def service() -> Iterator[InferenceService]:
    with InferenceService(wall_s=30) as running:
        running.start()
        yield running


@pytest.fixture
def setting(tmp_path: Path) -> InferenceSetting:
    path = tmp_path / "evaluation.safetensors"
    save_file(evaluation(), path)
    return InferenceSetting(architecture="resnet-small", classes=CLASSES, batch_size=4, evaluation=path)


def test_child_answers_as_the_function_does_and_survives_refusals(
    service: InferenceService, setting: InferenceSetting, net: torch.nn.Module
) -> None:
    with pytest.raises(WeightsRefused) as refusal:
        service.compute(b"nonsense", setting, GOES_ON)
    assert refusal.value.code is FaultCode.INVALID_RESULT
    outputs = read_outputs(service.compute(save(net.state_dict()), setting, GOES_ON))
    expected = read_outputs(outputs_of(save(net.state_dict()), net, evaluation(), 4))
    for part in outputs.logits:
        np.testing.assert_allclose(outputs.logits[part], expected.logits[part], rtol=1e-5, atol=1e-5)


def test_stopped_child_is_a_time_out_and_the_next_one_works(setting: InferenceSetting, net: torch.nn.Module) -> None:
    with InferenceService(wall_s=1.0) as service:
        first = service.compute(save(net.state_dict()), setting, GOES_ON)
        child = service._child
        assert child is not None
        os.kill(child.pid, signal.SIGSTOP)
        with pytest.raises(WeightsRefused) as refusal:
            service.compute(save(net.state_dict()), setting, GOES_ON)
        assert refusal.value.code is FaultCode.EVALUATION_TIMEOUT
        assert service.compute(save(net.state_dict()), setting, GOES_ON) == first


def test_cancelled_computation_ends_at_once_and_the_next_one_works(
    setting: InferenceSetting, net: torch.nn.Module
) -> None:
    with InferenceService(wall_s=300.0) as service:
        first = service.compute(save(net.state_dict()), setting, GOES_ON)
        assert service._child is not None
        os.kill(service._child.pid, signal.SIGSTOP)  # as weights that take for ever would
        cancel = threading.Event()
        threading.Timer(0.3, cancel.set).start()
        started = time.monotonic()
        with pytest.raises(InferenceCancelled):
            service.compute(save(net.state_dict()), setting, cancel)
        assert time.monotonic() - started < 60
        assert service.compute(save(net.state_dict()), setting, GOES_ON) == first
