"""The data loaders that a submission is given. Copied into the sandbox: imports torch and nothing of the project."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import ConcatDataset, DataLoader, Dataset
from torch.utils.data._utils.collate import default_collate_fn_map

PARTS = ("retain", "forget", "validation")
FIELDS = ("images", "labels", "image_id", "person_id", "age")


class Sample(dict[str, Any]):
    """One photograph, or a batch of them, that reads both ways.

    As a mapping it has `image`, `age_group`, `image_id`, `age` and `person_id`, the keys of the 2023 challenge's
    batches. Iterated, unpacked or indexed by number it is the pair (image, age group) of the challenge's starting kit:
    `inputs, targets = batch`. Iteration is the one place where the two readings differ; use `keys()` for the names.
    """

    def __iter__(self) -> Iterator[Any]:
        return iter((self["image"], self["age_group"]))

    def to(self, device: Any, non_blocking: bool = False) -> "Sample":
        """A batch with all tensors on `device`, the others as they are."""
        moved = {
            key: value.to(device, non_blocking=non_blocking) if isinstance(value, Tensor) else value
            for key, value in self.items()
        }
        return Sample(moved)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, int | slice):
            return (dict.__getitem__(self, "image"), dict.__getitem__(self, "age_group"))[key]
        return dict.__getitem__(self, key)


def collate_samples(samples: list[Sample], *, collate_fn_map: object = None) -> Sample:  # noqa: ARG001 - torch's form
    """A batch of the samples: images (B, 3, H, W) float32, age float32 (B,), the other fields int64 (B,)."""
    ages = torch.tensor([sample["age"] for sample in samples], dtype=torch.float32)
    batch = Sample(image=torch.stack([sample["image"] for sample in samples]))
    for key in ("image_id", "age_group", "age", "person_id"):
        batch[key] = ages if key == "age" else torch.tensor([sample[key] for sample in samples], dtype=torch.int64)
    return batch


# Registered in torch's own table (see torch.utils.data.default_collate), so that loaders which a submission builds
# itself, with any sampler, subset or wrapper, give the same two-way batches.
default_collate_fn_map[Sample] = collate_samples


class PhotographDataset(Dataset[Sample]):
    """Map-style dataset of photographs that are kept as uint8 and converted on access.

    `image` is float32 (3, H, W) with values 0.0 to 255.0, neither scaled nor normalised; `age_group`, `image_id` and
    `person_id` are Python ints, `age` a float in years. Indices may be ints or zero-dimensional tensors; beyond the end
    raises IndexError. `targets`, `data` and `classes` are those of torchvision's data sets; what is written into the
    first two, or assigned to them, is what the data set gives.
    """

    def __init__(self, images: Tensor, labels: Tensor, image_id: Tensor, person_id: Tensor, age: Tensor) -> None:
        self.images = images  # (N, 3, H, W) uint8
        self.classes = [str(number) for number in range(max(labels.tolist(), default=-1) + 1)]
        self.labels = labels.tolist()
        self.image_id = image_id.tolist()
        self.person_id = person_id.tolist()
        self.age = age.tolist()

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int | Tensor) -> Sample:
        position = int(index)
        label = int(self.labels[position])  # raises IndexError first, so that plain iteration ends
        return Sample(
            image=self.images[position].to(torch.float32),
            image_id=self.image_id[position],
            age_group=label,
            age=self.age[position],
            person_id=self.person_id[position],
        )

    @property
    def targets(self) -> Any:
        """The labels: a list of ints, or whatever was assigned."""
        return self.labels

    @targets.setter
    def targets(self, labels: Any) -> None:
        self.labels = labels

    @property
    def data(self) -> Any:
        """The images as an array (N, H, W, 3) of uint8 that shares their memory."""
        return self.images.permute(0, 2, 3, 1).numpy()

    @data.setter
    def data(self, images: Any) -> None:
        self.images = torch.as_tensor(images).permute(0, 3, 1, 2)

    @property
    def class_to_idx(self) -> dict[str, int]:
        """The number of each class."""
        return {name: number for number, name in enumerate(self.classes)}


class Loaders(NamedTuple):
    """The arguments of `unlearning(net, retain, forget, validation)` after the network."""

    retain: DataLoader[Sample]
    forget: DataLoader[Sample]
    validation: DataLoader[Sample]


def make_loaders(tensors: Mapping[str, Tensor], batch_size: int, classes: int = 0) -> Loaders:
    """Shuffled, re-iterable loaders over the participant-visible bundle, without worker processes.

    `tensors` has the keys `{retain,forget,validation}.{images,labels,image_id,person_id,age}`. The order of each pass
    comes from torch's global generator, which the caller seeds. Raises KeyError when a key is missing.
    """
    sets = [PhotographDataset(*(tensors[f"{part}.{field}"] for field in FIELDS)) for part in PARTS]
    for one in sets:
        one.classes = [str(number) for number in range(classes)] or one.classes
    return Loaders(*(DataLoader(one, batch_size=batch_size, shuffle=True) for one in sets))


def joined(first: DataLoader[Sample], second: DataLoader[Sample]) -> DataLoader[Sample]:
    """A shuffled loader over the data of both, with the batch size of the first."""
    return DataLoader(ConcatDataset([first.dataset, second.dataset]), batch_size=first.batch_size, shuffle=True)


def class_weights(labels: Tensor, classes: int) -> Tensor:
    """Weights (classes,) float32 for a cross-entropy loss: 1 / share of the class among `labels`; 0 for absent classes.

    labels: (N,) int64. Up to a factor the weights of the 2023 challenge, whose labels are those of retain and forget
    set together. Raises RuntimeError when there are no labels at all.
    """
    counts = torch.bincount(labels, minlength=classes).to(torch.float32)
    if not counts.sum():
        raise RuntimeError("no labels to weigh")
    return torch.where(counts > 0, counts.sum() / counts.clamp(min=1), 0.0)
