"""What is stored of a model: logits in evaluation mode and accuracies that agree with them."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lethe.evaluator.models import build_model
from lethe.evaluator.training.outputs import compute_logits, compute_outputs

SIZES = {"forget": 5, "test": 9, "retain_sample": 12, "validation": 4}


@pytest.fixture
def evaluation() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(2)
    bundle: dict[str, Tensor] = {}
    for part, count in SIZES.items():
        bundle[f"{part}.images"] = torch.randint(0, 256, (count, 3, 16, 16), dtype=torch.uint8, generator=generator)
        bundle[f"{part}.labels"] = torch.randint(0, 3, (count,), generator=generator)
    return bundle


def test_outputs_agree_with_the_network(evaluation: dict[str, Tensor]) -> None:
    network = build_model("resnet-small", 3)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    outputs = compute_outputs(network, evaluation, batch_size=4)
    assert not network.training
    assert {part: values.shape for part, values in outputs.logits.items()} == {
        "forget": (5, 3),
        "test": (9, 3),
        "retain": (12, 3),
    }
    for part, stored in {"forget": "forget", "test": "test", "retain": "retain_sample"}.items():
        assert outputs.logits[part].dtype == np.float32
        expected = network(evaluation[f"{stored}.images"].float()).detach().numpy()
        np.testing.assert_allclose(outputs.logits[part], expected, rtol=1e-4, atol=1e-5)
        labels = evaluation[f"{stored}.labels"].numpy()
        assert outputs.accuracy[part] == pytest.approx((expected.argmax(axis=1) == labels).mean())
    assert 0 <= outputs.accuracy["validation"] <= 1
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_copies_are_seen_where_the_bundle_has_them(evaluation: dict[str, Tensor]) -> None:
    network = build_model("resnet-small", 3)
    plain = compute_outputs(network, evaluation, batch_size=4)
    assert plain.copies == {}
    copies = {
        "flipped.images": evaluation["forget.images"].flip(-1),
        "jittered.images": evaluation["forget.images"][:2],
    }
    outputs = compute_outputs(network, evaluation | copies, batch_size=4)
    assert outputs.logits.keys() == plain.logits.keys()
    assert np.array_equal(
        outputs.copies["jittered"], compute_logits(network, evaluation["forget.images"][:2], 4).numpy()
    )
    assert outputs.copies["flipped"].shape == (5, 3)
    assert not np.array_equal(outputs.copies["flipped"], outputs.logits["forget"])


def test_same_outputs_twice(evaluation: dict[str, Tensor]) -> None:
    network = build_model("resnet-small", 3)
    first, second = (compute_outputs(network, evaluation, batch_size=4) for _ in range(2))
    assert all(np.array_equal(first.logits[part], second.logits[part]) for part in first.logits)
    assert first.accuracy == second.accuracy


class Constant(nn.Module):
    """Answers class 0 with a given logit."""

    def __init__(self, value: float, dtype: torch.dtype) -> None:
        super().__init__()
        self.row = nn.Parameter(torch.tensor([value, 0.0, 0.0], dtype=dtype))

    def forward(self, images: Tensor) -> Tensor:
        return self.row.expand(len(images), 3)


def test_half_precision_comes_back_as_float32() -> None:
    logits = compute_logits(Constant(2.0, torch.float16), torch.zeros(5, 3, 4, 4, dtype=torch.uint8), 2)
    assert logits.dtype == torch.float32
    assert logits.tolist() == [[2.0, 0.0, 0.0]] * 5


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_logits_that_are_not_finite_are_reported_and_wrong(evaluation: dict[str, Tensor], value: float) -> None:
    outputs = compute_outputs(Constant(value, torch.float32), evaluation, batch_size=4)
    assert not outputs.finite
    assert set(outputs.accuracy.values()) == {0.0}
