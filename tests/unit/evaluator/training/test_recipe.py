"""Training follows the recipe, learns, repeats itself bit for bit and says when it cannot go on."""

import math
from typing import Literal

import pytest
import torch
from torch import Tensor, nn

from lethe.evaluator.contract.specification import TrainingSpec
from lethe.evaluator.data.loaders import class_weights
from lethe.evaluator.models import build_model
from lethe.evaluator.training.outputs import compute_logits
from lethe.evaluator.training.recipe import (
    NoDevice,
    TrainingDiverged,
    fine_tune,
    learning_rate,
    train,
    training_device,
)

pytestmark = pytest.mark.slow

RECIPE = TrainingSpec(epochs=6, batch_size=16, learning_rate=3e-3)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def two_colours(count: int) -> tuple[Tensor, Tensor]:
    """Red or blue pictures with noise: what any working training learns."""
    generator = torch.Generator().manual_seed(0)
    labels = (torch.arange(count) % 3 == 0).long()
    images = torch.randint(0, 120, (count, 3, 16, 16), dtype=torch.uint8, generator=generator)
    images[labels == 0, 0] += 100
    images[labels == 1, 2] += 100
    return images, labels


def fit(recipe: TrainingSpec, seed: int = 5, count: int = 48) -> dict[str, Tensor]:
    images, labels = two_colours(count)
    return train(images, labels, architecture="resnet-small", classes=2, recipe=recipe, seed=seed).state_dict()


def test_fine_tuning_goes_on_from_the_given_weights() -> None:
    images, labels = two_colours(48)
    start = fit(RECIPE)

    def go_on(seed: int, **changes: object) -> dict[str, Tensor]:
        network = build_model("resnet-small", 2)
        network.load_state_dict(start)
        recipe = RECIPE.model_copy(update={"epochs": 1, **changes})
        return fine_tune(network, images, labels, classes=2, recipe=recipe, seed=seed).state_dict()

    once, other = go_on(3), go_on(4)
    assert all(torch.equal(once[name], tensor) for name, tensor in go_on(3).items())
    assert not torch.equal(once["fc.weight"], other["fc.weight"])
    still = go_on(3, learning_rate=1e-30, weight_decay=0.0)
    assert torch.equal(still["fc.weight"], start["fc.weight"])
    assert still["bn1.num_batches_tracked"] == start["bn1.num_batches_tracked"] + 3
    with pytest.raises(ValueError, match="1 images are too few"):
        fine_tune(build_model("resnet-small", 2), images[:1], labels[:1], classes=2, recipe=RECIPE, seed=1)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimizer": "sgd", "learning_rate": 0.05},
        {"schedule": "constant"},
        {"class_weights": True},
        {"optimizer": "adamw"},
        {"flip": True, "crop_padding": 2},
        {"precision": "bf16"},  # on the CPU, where autocast works too
    ],
)
def test_learns(changes: dict[str, object]) -> None:
    images, labels = two_colours(48)
    recipe = RECIPE.model_copy(update=changes)
    network = train(images, labels, architecture="resnet-small", classes=2, recipe=recipe, seed=1)
    assert not network.training
    correct = compute_logits(network, images, 16).argmax(dim=1) == labels
    assert correct.double().mean() > 0.95


def test_same_seed_same_bits_whatever_the_global_generator_held() -> None:
    torch.manual_seed(0)
    first = fit(RECIPE)
    torch.manual_seed(99)
    torch.rand(7)
    second = fit(RECIPE)
    other = fit(RECIPE, seed=6)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["conv1.weight"], other["conv1.weight"])


@pytest.mark.parametrize(("optimizer", "kind"), [("adam", torch.optim.Adam), ("sgd", torch.optim.SGD)])
def test_what_is_done_for_speed_changes_nothing_but_rounding(
    optimizer: Literal["adam", "sgd"], kind: type[torch.optim.Optimizer]
) -> None:
    recipe = TrainingSpec(optimizer=optimizer, momentum=0, schedule="constant", epochs=2, batch_size=16)
    images, labels = two_colours(48)
    torch.manual_seed(5)
    network = build_model("resnet-small", 2)
    plain = kind(network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)  # type: ignore[call-arg]
    for _ in range(recipe.epochs):
        for rows in torch.split(torch.randperm(len(labels)), recipe.batch_size):
            plain.zero_grad()
            nn.functional.cross_entropy(network(images[rows].float()), labels[rows]).backward()
            plain.step()
    found = fit(recipe)
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-3, atol=1e-4)


def test_every_part_of_the_recipe_matters() -> None:
    base = fit(RECIPE)["fc.weight"]
    for changes in (
        {"learning_rate": 1e-3},
        {"weight_decay": 0.1},
        {"schedule": "constant"},
        {"epochs": 5},
        {"batch_size": 12},
        {"optimizer": "sgd"},
        {"optimizer": "adamw"},
        {"class_weights": True},
        {"flip": True},
        {"crop_padding": 2},
        {"precision": "bf16"},
    ):
        assert not torch.equal(fit(RECIPE.model_copy(update=changes))["fc.weight"], base), changes
    sgd = RECIPE.model_copy(update={"optimizer": "sgd"})
    assert not torch.equal(fit(sgd)["fc.weight"], fit(sgd.model_copy(update={"momentum": 0.0}))["fc.weight"])


def test_the_published_recipe_can_be_said() -> None:
    """ResNet-18 from scratch: Adam 1e-4, weight decay 5e-3, cosine, 30 epochs of batches of 64, weighted loss."""
    recipe = TrainingSpec(
        optimizer="adam", learning_rate=1e-4, weight_decay=5e-3, schedule="cosine", epochs=30, batch_size=64,
        class_weights="retain-and-forget",
    )  # fmt: skip
    images, labels = two_colours(6)
    short = recipe.model_copy(update={"epochs": 1})
    network = train(images, labels, architecture="resnet18", classes=10, recipe=short, seed=0)
    assert network.fc.weight.shape == (10, 512)


@pytest.mark.skipif(torch.cuda.is_available(), reason="says what a machine without a GPU says")
def test_precisions_of_gpus_are_refused_without_one() -> None:
    assert training_device(RECIPE) == torch.device("cpu")
    for precision in ("tf32", "bf16"):
        with pytest.raises(NoDevice, match=rf"{precision}.* needs a GPU"):
            training_device(RECIPE.model_copy(update={"precision": precision}))


def test_weights_are_stored_in_the_plain_layout() -> None:
    assert all(tensor.is_contiguous() for tensor in fit(RECIPE).values())


def test_weights_that_meet_nothing_end_as_zeros_not_as_slow_numbers() -> None:
    """Halved at every step, as SGD with this decay does, they would pass 2⁻¹²⁶ and stay above zero until 2⁻¹⁴⁹."""
    recipe = TrainingSpec(
        optimizer="sgd",
        momentum=0.0,
        learning_rate=0.1,
        weight_decay=5.0,
        schedule="constant",
        epochs=46,
        batch_size=16,
    )
    weight = fit(recipe)["layer4.0.conv2.weight"]  # 138 steps
    assert not weight[:, :, 0, 0].any()
    assert torch.tensor(2.0**-140).mul(2) > 0  # outside of training such numbers are what they are


def test_a_last_batch_of_one_is_left_out() -> None:
    state = fit(RECIPE.model_copy(update={"epochs": 1}), count=33)  # 16 + 16 + 1
    assert state["bn1.num_batches_tracked"].item() == 2


def test_cosine_schedule() -> None:
    recipe = TrainingSpec(learning_rate=0.1, epochs=10)
    rates = [learning_rate(recipe, epoch) for epoch in range(10)]
    assert rates[0] == 0.1
    assert rates[5] == pytest.approx(0.05)
    assert rates[9] == pytest.approx(0.05 * (1 + math.cos(0.9 * math.pi)))
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=10)
    for rate in rates:
        assert optimizer.param_groups[0]["lr"] == pytest.approx(rate)
        optimizer.step()
        schedule.step()
    assert learning_rate(recipe.model_copy(update={"schedule": "constant"}), 9) == 0.1


def test_divergence_is_named() -> None:
    recipe = TrainingSpec(optimizer="sgd", learning_rate=1e30, epochs=3, batch_size=16)
    with pytest.raises(TrainingDiverged, match="after epoch"):
        fit(recipe)


def test_too_few_images() -> None:
    with pytest.raises(ValueError, match="1 images are too few"):
        fit(RECIPE, count=1)


def test_class_weights_are_inverse_shares() -> None:
    assert class_weights(torch.tensor([0, 0, 0, 2]), 4).tolist() == pytest.approx([4 / 3, 0, 4, 0])
    with pytest.raises(RuntimeError, match="no labels"):
        class_weights(torch.tensor([], dtype=torch.int64), 2)
