"""Each augmentation gives what it says, often enough each way, and nothing else."""

import torch
from torch import nn

from lethe.evaluator.contract.specification import TrainingSpec
from lethe.evaluator.training.augmentation import augment

SIZE = 6


def pictures(count: int) -> torch.Tensor:
    """Copies of one picture in which every pixel is different and none is 0."""
    one = torch.arange(1, 3 * SIZE * SIZE + 1, dtype=torch.uint8).reshape(1, 3, SIZE, SIZE)
    return one.repeat(count, 1, 1, 1)


def test_nothing_asked_nothing_changed() -> None:
    images = pictures(2)
    state = torch.get_rng_state()
    assert augment(images, TrainingSpec()) is images
    assert torch.equal(torch.get_rng_state(), state)


def test_flip_mirrors_about_half() -> None:
    torch.manual_seed(0)
    images = pictures(400)
    changed = augment(images, TrainingSpec(flip=True))
    assert changed.dtype == torch.uint8
    kept = (changed == images).all(dim=(1, 2, 3))
    mirrored = (changed == images.flip(-1)).all(dim=(1, 2, 3))
    assert torch.equal(kept, ~mirrored)
    assert 150 < kept.sum() < 250


def test_crop_gives_every_shift_with_zeros_around() -> None:
    torch.manual_seed(0)
    images = pictures(400)
    changed = augment(images, TrainingSpec(crop_padding=1))
    framed = nn.functional.pad(images[:1], (1, 1, 1, 1))
    shifts = [framed[0, :, top : top + SIZE, left : left + SIZE] for top in range(3) for left in range(3)]
    seen = torch.stack([(changed == shift).all(dim=(1, 2, 3)) for shift in shifts])
    assert torch.equal(seen.sum(dim=0), torch.ones(400, dtype=torch.int64))
    assert seen.sum(dim=1).min() > 20


def test_draws_repeat_with_the_generator() -> None:
    recipe = TrainingSpec(flip=True, crop_padding=2)
    results = []
    for _ in range(2):
        torch.manual_seed(3)
        results.append(augment(pictures(20), recipe))
    assert torch.equal(*results)
