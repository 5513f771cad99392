"""Every way in which known submissions read batches and rebuild loaders."""

import copy
import pickle

import pytest
import torch
from torch import Tensor
from torch.utils.data import ConcatDataset, DataLoader, Dataset, Subset, default_collate

from lethe.evaluator.data.loaders import PARTS, Loaders, PhotographDataset, Sample, make_loaders

SIZES = {"retain": 20, "forget": 7, "validation": 5}


@pytest.fixture
def tensors() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    out: dict[str, Tensor] = {}
    for offset, part in enumerate(PARTS):
        count = SIZES[part]
        out[f"{part}.images"] = torch.randint(0, 256, (count, 3, 8, 8), dtype=torch.uint8, generator=generator)
        out[f"{part}.labels"] = torch.randint(0, 10, (count,), generator=generator)
        out[f"{part}.image_id"] = torch.arange(count) + 100 * offset
        out[f"{part}.person_id"] = torch.arange(count) // 2
        out[f"{part}.age"] = torch.rand(count, generator=generator) * 80
    return out


@pytest.fixture
def loaders(tensors: dict[str, Tensor]) -> Loaders:
    return make_loaders(tensors, batch_size=4)


def assert_two_way(batch: Sample, count: int) -> None:
    inputs, targets = batch
    assert inputs.shape == (count, 3, 8, 8)
    assert inputs.dtype == torch.float32
    assert targets.dtype == torch.int64
    assert batch["image"] is inputs
    assert batch["age_group"] is targets
    assert batch[0] is inputs
    assert batch[-1] is targets
    assert batch["age"].dtype == torch.float32
    assert {batch[key].shape for key in ("age_group", "age", "image_id", "person_id")} == {(count,)}


def test_batches_read_as_pair_and_as_mapping(loaders: Loaders) -> None:
    assert [len(loader) for loader in loaders] == [5, 2, 2]
    assert [loader.batch_size for loader in loaders] == [4, 4, 4]
    for loader, part in zip(loaders, PARTS, strict=True):
        sizes = []
        for batch in loader:
            sizes.append(len(batch["image"]))
            assert_two_way(batch, sizes[-1])
        assert sum(sizes) == SIZES[part] == len(loader.dataset)  # type: ignore[arg-type]


def test_values_are_the_bytes_as_floats(tensors: dict[str, Tensor], loaders: Loaders) -> None:
    for position, (image, label) in enumerate(loaders.forget.dataset):
        assert torch.equal(image, tensors["forget.images"][position].float())
        assert label == int(tensors["forget.labels"][position])
    assert position == SIZES["forget"] - 1


def test_batch_keeps_examples_together(tensors: dict[str, Tensor], loaders: Loaders) -> None:
    for batch in loaders.retain:
        for image, image_id, label in zip(batch["image"], batch["image_id"], batch["age_group"], strict=True):
            assert torch.equal(image, tensors["retain.images"][image_id].float())
            assert label == tensors["retain.labels"][image_id]


def test_passes_are_shuffled_by_the_global_seed(loaders: Loaders) -> None:
    def order() -> list[int]:
        return [int(i) for batch in loaders.retain for i in batch["image_id"]]

    torch.manual_seed(1)
    first, second = order(), order()
    torch.manual_seed(1)
    assert order() == first
    assert first != second
    assert sorted(first) == sorted(second) == list(range(20))


@pytest.mark.parametrize("workers", [0, 2])
def test_rebuilt_loader(loaders: Loaders, workers: int) -> None:
    rebuilt = DataLoader(loaders.retain.dataset, batch_size=10, shuffle=True, num_workers=workers)
    for batch in rebuilt:
        assert_two_way(batch, 10)
        assert isinstance(batch, Sample)


def test_subset_with_a_tensor_of_indices_and_concat(loaders: Loaders) -> None:
    subset: Subset[Sample] = Subset(loaders.retain.dataset, torch.tensor([3, 1, 19]))  # type: ignore[arg-type]
    assert_two_way(next(iter(DataLoader(subset, batch_size=3))), 3)
    joined = ConcatDataset([loaders.forget.dataset, subset])
    assert len(joined) == 10
    assert_two_way(next(iter(DataLoader(joined, batch_size=10, num_workers=1))), 10)


def test_samples_nested_in_a_wrapper(loaders: Loaders) -> None:
    class WithTeacher(Dataset[tuple[Sample, Tensor]]):
        def __len__(self) -> int:
            return SIZES["forget"]

        def __getitem__(self, index: int) -> tuple[Sample, Tensor]:
            return loaders.forget.dataset[index], torch.zeros(10)

    sample, teacher = next(iter(DataLoader(WithTeacher(), batch_size=7)))
    assert_two_way(sample, 7)
    assert teacher.shape == (7, 10)


def test_mapping_operations_use_the_names(loaders: Loaders) -> None:
    batch = next(iter(loaders.validation))
    names = {"image", "image_id", "age_group", "age", "person_id"}
    moved = {key: value.to("cpu") for key, value in batch.items()}
    assert set(moved) == set(batch.keys()) == set(dict(batch)) == set({**batch}) == names
    assert "image" in batch
    with pytest.raises(KeyError):
        batch["label"]


def test_moving_a_whole_batch(loaders: Loaders) -> None:
    batch = next(iter(loaders.validation))
    moved = batch.to("meta", non_blocking=True)
    assert isinstance(moved, Sample)
    assert {value.device.type for value in moved.values()} == {"meta"}
    sample = loaders.validation.dataset[0].to("meta")
    assert (sample["image"].device.type, sample["age_group"]) == ("meta", loaders.validation.dataset[0][1])


def test_explicit_default_collate(loaders: Loaders) -> None:
    items = [loaders.forget.dataset[i] for i in range(3)]
    assert_two_way(default_collate(items), 3)
    assert torch.equal(torch.stack([image for image, _ in items]), default_collate(items)["image"])


def test_pickling_and_copying(loaders: Loaders) -> None:
    batch = next(iter(loaders.retain))
    again = pickle.loads(pickle.dumps(batch))  # noqa: S301 - its own bytes
    assert_two_way(again, 4)
    assert all(torch.equal(again[key], batch[key]) for key in batch.keys())  # noqa: SIM118 - iteration gives the pair
    dataset = pickle.loads(pickle.dumps(loaders.retain.dataset))  # noqa: S301
    assert torch.equal(dataset[5]["image"], loaders.retain.dataset[5]["image"])


def test_pinning_keeps_the_type(loaders: Loaders, monkeypatch: pytest.MonkeyPatch) -> None:
    from torch.utils.data._utils.pin_memory import pin_memory

    # Pinning itself needs an accelerator; what matters here is how torch walks through the batch.
    monkeypatch.setattr(Tensor, "pin_memory", lambda self, *_: self.clone())
    batch = next(iter(loaders.retain))
    pinned = pin_memory(batch)
    assert isinstance(pinned, Sample)
    assert_two_way(pinned, 4)
    assert pinned["image"] is not batch["image"]


def test_indexing(tensors: dict[str, Tensor]) -> None:
    dataset = PhotographDataset(
        *(tensors[f"retain.{field}"] for field in ("images", "labels", "image_id", "person_id", "age"))
    )
    assert torch.equal(dataset[-1]["image"], dataset[torch.tensor(19)]["image"])
    assert isinstance(dataset[0]["age_group"], int)
    with pytest.raises(IndexError):
        dataset[20]


def test_missing_tensor(tensors: dict[str, Tensor]) -> None:
    del tensors["forget.age"]
    with pytest.raises(KeyError, match=r"forget\.age"):
        make_loaders(tensors, 4)


def test_data_sets_read_like_those_of_torchvision(tensors: dict[str, Tensor]) -> None:
    loader = make_loaders(tensors, 4, 10).retain
    data = loader.dataset
    assert data.classes == [str(number) for number in range(10)]
    assert data.class_to_idx["3"] == 3
    assert data.targets == tensors["retain.labels"].tolist()
    assert data.data.shape == (20, 8, 8, 3)
    assert data.data.dtype.name == "uint8"
    assert (data.data[3].transpose(2, 0, 1) == data[3]["image"].numpy()).all()
    both = ConcatDataset([data, Subset(data, [1, 2])])
    assert len(both) == 22
    assert len(both.datasets[0].targets) == 20


@pytest.mark.parametrize("kind", [list, torch.tensor])
def test_relabelled_copies_give_their_own_labels_and_leave_the_original(tensors: dict[str, Tensor], kind: type) -> None:
    data = make_loaders(tensors, 4).forget.dataset
    before, images = list(data.targets), data.data.copy()
    copied = copy.deepcopy(data)
    copied.targets = kind([9] * 7)
    copied.targets[2] = 5
    copied.data[0] = 7
    assert [copied[place]["age_group"] for place in range(7)] == [9, 9, 5, 9, 9, 9, 9]
    assert type(copied[0]["age_group"]) is int
    assert (copied[0]["image"] == 7).all()
    _, labels = next(iter(DataLoader(copied, batch_size=7)))
    assert labels.tolist() == [9, 9, 5, 9, 9, 9, 9]
    copied.data = images
    assert torch.equal(copied[0]["image"], data[0]["image"])
    assert list(data.targets) == before
    assert (data.data == images).all()
