"""A practice bundle of invented arrays, small enough to be made in a moment."""

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from lethe.evaluator.artifacts.outputs import Outputs, StackedOutputs, stack_outputs
from lethe.evaluator.artifacts.practice_bundle import write_bundle
from lethe.evaluator.contract.practice import practice_facts
from lethe.evaluator.contract.specification import CompetitionSpec, PracticeSpec
from lethe.evaluator.data.bundles import anonymise, evaluation_bundle, visible_bundle
from lethe.evaluator.data.photographs import Photographs
from lethe.evaluator.data.splits import draw_splits

SPEC = CompetitionSpec(slug="faces", title="Faces", practice=PracticeSpec(oracles=8))
ACCURACY = {"retain": 0.9, "forget": 0.5, "validation": 0.6, "test": 0.6}


def photographs() -> Photographs:
    """48 photographs of 12 people."""
    generator = np.random.default_rng(5)
    return Photographs(
        images=generator.integers(256, size=(48, 3, 16, 16), dtype=np.uint8),
        labels=np.arange(48, dtype=np.int64) % 3,
        identities=np.repeat(np.arange(12, dtype=np.int64), 4),
        ages=generator.uniform(1, 80, size=48).astype(np.float32),
        classes=3,
    )


def parts() -> tuple[bytes, bytes, bytes]:
    """Visible bundle, evaluation bundle and weights."""
    people = photographs()
    split = draw_splits(people.identities, people.labels, SPEC.split.model_copy(update={"seed": 1})).public
    names = anonymise(people.identities, 1)
    weights: dict[str, NDArray[np.generic]] = {
        "layer.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
        "norm.num_batches_tracked": np.array(7, dtype=np.int64),
    }
    return visible_bundle(people, split, names), evaluation_bundle(people, split, names, 1), bytes(save(weights))


def oracles(count: int = 8, *, classes: int = 3, forget: int = 5, test: int = 5) -> StackedOutputs:
    """Outputs of models that do not exist."""
    generator = np.random.default_rng(1)
    sizes = {"forget": forget, "test": test, "retain": 5}

    def one() -> Outputs:
        logits = {part: generator.normal(size=(size, classes)).astype(np.float32) for part, size in sizes.items()}
        return Outputs(logits=logits, accuracy=ACCURACY)

    return stack_outputs([one() for _ in range(count)])


def playable(spec: CompetitionSpec = SPEC, *, count: int = 8) -> bytes:
    """The bytes of a bundle to score functions on: its network is real, the oracles' answers are invented."""
    import torch
    from safetensors.torch import save as save_tensors

    from lethe.evaluator.models import build_model

    visible, evaluation, _ = parts()
    torch.manual_seed(0)
    weights = save_tensors(build_model(spec.model.network.text, spec.data.classes).state_dict())
    examples = {part: len(load(evaluation)[f"{part}.labels"]) for part in ("forget", "test")}
    made = oracles(count, classes=spec.data.classes, **examples)
    return write_bundle(practice_facts(spec), visible=visible, evaluation=evaluation, original=weights, oracles=made)


def bundle(spec: CompetitionSpec = SPEC, *, count: int = 8) -> bytes:
    """The bytes of a bundle with so many oracles."""
    visible, evaluation, weights = parts()
    made = oracles(count) if count else None
    return write_bundle(practice_facts(spec), visible=visible, evaluation=evaluation, original=weights, oracles=made)
