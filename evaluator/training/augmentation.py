"""Random changes of training photographs: mirrored and shifted, drawn anew for every batch."""

import torch
from torch import Tensor, nn

from lethe.evaluator.contract.specification import TrainingSpec


def augment(images: Tensor, recipe: TrainingSpec) -> Tensor:
    """The batch as the recipe changes it, or the same tensor. (B, 3, H, W), any dtype, which stays.

    `flip` mirrors each image left to right with probability 1/2. `crop_padding` = p frames each image with p zeros on
    every side and cuts H × W from a uniformly random place. Draws come from torch's global generator on the CPU: they
    do not depend on the images' device.
    """
    count, _, height, width = images.shape
    if recipe.flip:
        mirrored = torch.rand(count).lt(0.5).to(images.device)
        images = torch.where(mirrored[:, None, None, None], images.flip(-1), images)
    if recipe.crop_padding:
        places = 2 * recipe.crop_padding + 1
        top, left = torch.randint(0, places, (2, count)).to(images.device)
        rows = top[:, None] + torch.arange(height, device=images.device)  # (B, H)
        columns = left[:, None] + torch.arange(width, device=images.device)  # (B, W)
        framed = nn.functional.pad(images, (recipe.crop_padding,) * 4)
        image = torch.arange(count, device=images.device)[:, None, None]
        # Indices around the channel axis put it last: (B, H, W, 3).
        images = framed[image, :, rows[:, :, None], columns[:, None, :]].movedim(-1, 1)
    return images
