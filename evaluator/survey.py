"""How large a specification's data are and how fast this machine trains on them, before anything is trained."""

import time
from dataclasses import dataclass

import torch

from lethe.evaluator.banks.network_check import check_network, in_process
from lethe.evaluator.banks.training_jobs import training_pool
from lethe.evaluator.contract.prepared_competition import Counts
from lethe.evaluator.contract.specification import CompetitionSpec
from lethe.evaluator.data.disk_space import needed_bytes
from lethe.evaluator.data.sources import Files, load_collection
from lethe.evaluator.models import build_model
from lethe.evaluator.preparation import count_split, draw, network_trial
from lethe.evaluator.training.outputs import compute_logits
from lethe.evaluator.training.recipe import train, training_device

TIMED_BATCHES = 8


@dataclass(frozen=True)
class Survey:
    """The images of each split, the bytes that the bank will take, and seconds of this machine for one model at a time.

    `run_s` is of a run that does one epoch on retain, as many submissions do, with the outputs that it is scored by.
    """

    splits: dict[str, Counts]
    bank_bytes: int
    model_s: float
    run_s: float


def survey(spec: CompetitionSpec, files: Files | None = None) -> Survey:
    """Read and split the data, and time a few batches of the specification's network on random images, in a process
    without this one's environment, because the network may be a module of the host's own.

    Every seed of `spec` must be given. Raises DataError and NetworkRefused as `prepare` does.
    """
    collection = load_collection(spec, files or Files())
    splits = draw(collection.hidden, spec.split, spec, collection)
    counts = {name: count_split(collection.hidden, split) for name, split in splits.named.items()}
    with training_pool(1) as pool:
        network = check_network(network_trial(spec), pool)
        train_s, inference_s = in_process(pool, _seconds_per_image, spec, spec.model.network.name)
    public = counts["public"]
    epoch_s = train_s * public.retain
    scored_s = inference_s * (public.retain + public.forget + public.validation + public.test)
    return Survey(
        splits=counts,
        bank_bytes=needed_bytes(spec, collection.hidden, splits, checkpoint=network.facts.state_bytes),
        model_s=spec.training.epochs * epoch_s + scored_s,
        run_s=epoch_s + scored_s,
    )


def _images(spec: CompetitionSpec, count: int) -> torch.Tensor:
    size = spec.data.image_size
    return torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8)


def _seconds_per_image(spec: CompetitionSpec) -> tuple[float, float]:
    """Return the seconds that an image takes in an epoch of training, and in inference."""
    return _training_per_image(spec), _inference_per_image(spec)


def _training_per_image(spec: CompetitionSpec) -> float:
    """Measured after a batch that warms up."""
    recipe = spec.training.model_copy(update={"epochs": 1})
    device = training_device(recipe)
    seconds = []
    for batches in (1, TIMED_BATCHES):
        count = batches * recipe.batch_size
        labels = torch.arange(count) % spec.data.classes
        started = time.perf_counter()
        train(
            _images(spec, count),
            labels,
            architecture=spec.model.network.text,
            classes=spec.data.classes,
            recipe=recipe,
            seed=0,
            device=device,
        )
        seconds.append((time.perf_counter() - started) / count)
    return seconds[-1]


def _inference_per_image(spec: CompetitionSpec) -> float:
    network = build_model(spec.model.network.text, spec.data.classes).eval()
    images = _images(spec, TIMED_BATCHES * spec.evaluation.batch_size)
    started = time.perf_counter()
    compute_logits(network, images, spec.evaluation.batch_size)
    return (time.perf_counter() - started) / len(images)
