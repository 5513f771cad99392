"""One task gives the same model in any process, and a task that fails says which and why."""

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, load_file, save_file
from torch import Tensor

from lethe.evaluator.artifacts.outputs import read_outputs
from lethe.evaluator.banks.training_jobs import TrainingFailed, TrainingTask, train_model, training_pool
from lethe.evaluator.contract.specification import TrainingSpec
from lethe.evaluator.models import build_model

pytestmark = pytest.mark.slow


@pytest.fixture
def task(tmp_path: Path) -> TrainingTask:
    generator = torch.Generator().manual_seed(0)

    def part(count: int) -> tuple[Tensor, Tensor]:
        images = torch.randint(0, 256, (count, 3, 16, 16), dtype=torch.uint8, generator=generator)
        return images, torch.arange(count) % 3

    visible, evaluation = {}, {}
    for name, bundle in (("retain", visible), ("forget", visible), ("forget", evaluation), ("test", evaluation)):
        bundle[f"{name}.images"], bundle[f"{name}.labels"] = part(20)
    for name in ("retain_sample", "validation"):
        evaluation[f"{name}.images"], evaluation[f"{name}.labels"] = part(6)
    save_file(visible, tmp_path / "visible")
    save_file(evaluation, tmp_path / "evaluation")
    return TrainingTask(
        name="model 7",
        visible=tmp_path / "visible",
        parts=("retain",),
        evaluation=tmp_path / "evaluation",
        architecture="resnet-small",
        classes=3,
        recipe=TrainingSpec(epochs=2, batch_size=8),
        seed=7,
        batch_size=8,
    )


def changed(task: TrainingTask, **changes: object) -> TrainingTask:
    return TrainingTask(**(task.__dict__ | changes))


def test_pool_gives_the_bits_of_this_process(task: TrainingTask) -> None:
    here = train_model(task)
    more = [changed(task, name=f"model {seed}", seed=seed) for seed in (8, 9)]
    with training_pool(jobs=2) as pool:
        trained = dict(pool.train([task, *more]))
    assert set(trained) == {task, *more}
    assert trained[task].checkpoint == here.checkpoint
    assert trained[task].outputs == here.outputs
    assert len({model.checkpoint for model in trained.values()}) == 3
    build_model("resnet-small", 3).load_state_dict(load(here.checkpoint))
    assert read_outputs(here.outputs).logits["test"].shape == (20, 3)
    assert here.wall_s > 0


def test_parts_decide_what_is_trained_on(task: TrainingTask) -> None:
    assert train_model(changed(task, parts=("retain", "forget"))).checkpoint != train_model(task).checkpoint


def test_classes_may_be_weighed_by_retain_and_forget_together(task: TrainingTask) -> None:
    visible = load_file(task.visible)
    visible["forget.labels"] = torch.zeros(20, dtype=torch.int64)  # other shares than in retain
    save_file(visible, task.visible.with_name("other"))
    other = changed(task, visible=task.visible.with_name("other"))

    def checkpoint(class_weights: bool | str, *parts: str) -> bytes:
        recipe = task.recipe.model_copy(update={"class_weights": class_weights})
        return train_model(changed(other, recipe=recipe, parts=parts)).checkpoint

    assert checkpoint("retain-and-forget", "retain") != checkpoint(True, "retain")
    assert checkpoint("retain-and-forget", "retain", "forget") == checkpoint(True, "retain", "forget")


def test_a_failing_task_is_named(task: TrainingTask) -> None:
    failing = changed(task, recipe=TrainingSpec(optimizer="sgd", learning_rate=1e30, batch_size=8))
    with training_pool(jobs=1) as pool, pytest.raises(TrainingFailed, match="training model 7 failed: the loss is nan"):
        list(pool.train([failing]))


def test_a_folder_that_nobody_may_enter_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may enter any
    with (
        pytest.raises(TrainingFailed, match=r"may not enter the working folder /.+: change to another"),
        training_pool(),
    ):
        pass


def test_no_jobs() -> None:
    with pytest.raises(ValueError, match="at least 1"), training_pool(jobs=0):
        pass
