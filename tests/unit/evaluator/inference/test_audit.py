"""What an audit computes, by hand and on a network that is the original; and how it fails without harm."""

import copy
import json
import math
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save, save_file
from torch import nn

from lethe.evaluator.contract.audits import AuditPlan, AuditQuantity
from lethe.evaluator.contract.prepared_competition import ArtifactRef
from lethe.evaluator.contract.specification import TrainingSpec
from lethe.evaluator.inference.audit import audit_network, distance, linear_cka, loss_barrier
from lethe.evaluator.inference.audit_order import AuditOrder
from lethe.evaluator.inference.service import InferenceCancelled, InferenceService, InferenceSetting
from lethe.evaluator.models import build_model

pytestmark = pytest.mark.slow

CLASSES = 3
REF = ArtifactRef(key="none", sha256="none")
GOES_ON = threading.Event()


def network(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return build_model("resnet-small", CLASSES).eval()


def bundle(**sizes: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    arrays = {}
    for part, count in sizes.items():
        arrays[f"{part}.images"] = torch.randint(0, 256, (count, 3, 16, 16), dtype=torch.uint8, generator=generator)
        arrays[f"{part}.labels"] = torch.arange(count) % CLASSES
    return arrays


@pytest.fixture(scope="module")
def order(tmp_path_factory: pytest.TempPathFactory) -> AuditOrder:
    """An audit against two oracles; network(0) is the original, the next ones are the oracles."""
    folder = tmp_path_factory.mktemp("audit")
    save_file(bundle(retain=24), folder / "visible")
    save_file(bundle(forget=9, test=6, retain_sample=12, validation=6), folder / "evaluation")
    for seed in range(3):
        save_file(network(seed).state_dict(), folder / f"network-{seed}")
    plan = AuditPlan(
        visible=REF,
        evaluation=REF,
        original=REF,
        bank_digest="none",
        references=(0, 1),
        architecture="resnet-small",
        classes=CLASSES,
        batch_size=5,
        recipe=TrainingSpec(epochs=2, batch_size=8),
        wall_s=60.0,
    )
    return AuditOrder(
        plan=plan,
        place=1,
        visible=folder / "visible",
        evaluation=folder / "evaluation",
        original=folder / "network-0",
        references=(folder / "network-1", folder / "network-2"),
    )


def changed(order: AuditOrder, **changes: object) -> AuditOrder:
    return order.model_copy(update={"plan": order.plan.model_copy(update=changes)})


def endless(order: AuditOrder) -> AuditOrder:
    return changed(order, recipe=order.plan.recipe.model_copy(update={"epochs": 10**6}))


def test_distance_is_relative_and_of_parameters_only() -> None:
    net = network(0)
    other = copy.deepcopy(net)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(3)
        for buffer in other.buffers():
            buffer.add_(7)
    assert distance(net, net, net) == 0
    assert distance(other, net, net) == pytest.approx(2)
    assert distance(net, other, other) == pytest.approx(2 / 3)


def test_cka_of_linear_features() -> None:
    generator = np.random.default_rng(0)
    features = generator.normal(size=(20, 4))
    turn, _ = np.linalg.qr(generator.normal(size=(4, 4)))
    assert linear_cka(features, features) == pytest.approx(1)
    assert linear_cka(features, -5 * features @ turn + 3) == pytest.approx(1)  # turned, scaled and shifted
    one, other = np.array([[1.0], [-1.0], [1.0], [-1.0]]), np.array([[1.0], [1.0], [-1.0], [-1.0]])
    assert linear_cka(one, other) == 0
    assert linear_cka(one, np.hstack([one, other])) == pytest.approx(1 / math.sqrt(2))  # 16 / (4 · √32)
    assert math.isnan(linear_cka(features, np.ones((20, 2))))


def test_barrier_is_zero_to_itself_positive_to_another_and_changes_nothing(order: AuditOrder) -> None:
    sample = bundle(retain_sample=12)
    images, labels = sample["retain_sample.images"], sample["retain_sample.labels"]
    first, second = network(1), network(2)
    before = copy.deepcopy(first.state_dict())
    assert loss_barrier(first, copy.deepcopy(first), images, labels, 5) == 0
    there, back = (loss_barrier(*ends, images, labels, 5) for ends in ((first, second), (second, first)))
    assert there == pytest.approx(back)
    assert there >= 0
    assert all(torch.equal(before[name], tensor) for name, tensor in first.state_dict().items())
    with pytest.raises(ValueError, match="2 images"):
        loss_barrier(first, second, images[:1], labels[:1], 5)


def test_the_original_is_at_no_distance_from_itself(order: AuditOrder) -> None:
    found, missing = audit_network(network(0), order)
    assert missing == ""
    assert set(found) == set(AuditQuantity)
    assert found[AuditQuantity.DISTANCE_TO_ORIGINAL] == 0
    assert found[AuditQuantity.BARRIER_TO_ORIGINAL] == 0
    assert found[AuditQuantity.CKA_WITH_ORIGINAL] == pytest.approx(1)
    assert found[AuditQuantity.DISTANCE_TO_ORACLES] > 0.5
    assert found[AuditQuantity.CKA_WITH_ORACLES] < 1
    assert audit_network(network(0), order) == (found, "")  # the same bits


def test_the_place_chooses_seed_and_oracle(order: AuditOrder) -> None:
    own, _ = audit_network(network(2), order)
    other, _ = audit_network(network(2), order.model_copy(update={"place": 2}))
    assert own[AuditQuantity.BARRIER_TO_ORACLE] == 0
    different = {quantity for quantity in AuditQuantity if own[quantity] != other[quantity]}
    assert AuditQuantity.RELEARNED_FORGET_MARGIN in different
    assert different <= {
        AuditQuantity.BARRIER_TO_ORACLE,
        AuditQuantity.RELEARNED_FORGET_ACCURACY,
        AuditQuantity.RELEARNED_FORGET_MARGIN,
    }


def test_relearning_that_diverges_leaves_the_other_quantities(order: AuditOrder) -> None:
    whole, _ = audit_network(network(1), order)
    recipe = order.plan.recipe.model_copy(update={"learning_rate": 1e30})
    found, missing = audit_network(network(1), changed(order, recipe=recipe))
    assert missing.startswith("relearning diverged: the loss is")
    relearned = {AuditQuantity.RELEARNED_FORGET_ACCURACY, AuditQuantity.RELEARNED_FORGET_MARGIN}
    assert found == {quantity: value for quantity, value in whole.items() if quantity not in relearned}


def test_features_without_variation_have_no_alignment(order: AuditOrder) -> None:
    silent = network(1)
    with torch.no_grad():
        for parameter in silent.parameters():
            parameter.zero_()
    found, missing = audit_network(silent, order)
    assert missing == "cka_with_original is not finite; cka_with_oracles is not finite"
    assert not {AuditQuantity.CKA_WITH_ORIGINAL, AuditQuantity.CKA_WITH_ORACLES} & set(found)
    assert all(math.isfinite(value) for value in found.values())


@pytest.fixture(scope="module")
def service() -> Iterator[InferenceService]:
    with InferenceService(wall_s=60) as running:
        running.start()
        yield running


@pytest.fixture(scope="module")
def setting(order: AuditOrder) -> InferenceSetting:
    return InferenceSetting(architecture="resnet-small", classes=CLASSES, batch_size=5, evaluation=order.evaluation)


@pytest.fixture(scope="module")
def outputs(service: InferenceService, setting: InferenceSetting) -> bytes:
    """Of network(1), from a child that has audited nothing."""
    return service.compute(save(network(1).state_dict()), setting, GOES_ON)


def test_outputs_after_an_audit_have_the_same_bits(
    service: InferenceService, setting: InferenceSetting, outputs: bytes, order: AuditOrder
) -> None:
    weights = save(network(1).state_dict())
    record = service.audit(weights, order, GOES_ON)
    assert (record.place, record.missing, set(record.quantities)) == (1, "", set(AuditQuantity))
    assert 0 < record.wall_s < order.plan.wall_s
    assert service.compute(weights, setting, GOES_ON) == outputs
    assert service.audit(weights, order, GOES_ON).quantities == record.quantities


def test_an_audit_that_runs_out_of_its_time_leaves_the_next_outputs_alone(
    service: InferenceService, setting: InferenceSetting, outputs: bytes, order: AuditOrder
) -> None:
    weights = save(network(1).state_dict())
    record = service.audit(weights, changed(endless(order), wall_s=0.5), GOES_ON)
    assert (record.quantities, record.missing) == ({}, "the audit took more than 0.5 s")
    assert record.wall_s >= 0.5
    assert service.compute(weights, setting, GOES_ON) == outputs


def test_a_child_that_is_killed_in_an_audit_comes_back(
    service: InferenceService, setting: InferenceSetting, outputs: bytes, order: AuditOrder
) -> None:
    weights = save(network(1).state_dict())
    assert service.compute(weights, setting, GOES_ON) == outputs
    assert service._child is not None
    threading.Timer(1.0, os.kill, (service._child.pid, signal.SIGKILL)).start()
    record = service.audit(weights, endless(order), GOES_ON)
    assert (record.quantities, record.missing) == ({}, "the inference process died (exit code -9)")
    assert service.compute(weights, setting, GOES_ON) == outputs
    assert service.audit(weights, order, GOES_ON).missing == ""


def test_an_audit_ends_soon_after_it_is_cancelled(service: InferenceService, outputs: bytes, order: AuditOrder) -> None:
    cancel = threading.Event()
    threading.Timer(0.3, cancel.set).start()
    started = time.monotonic()
    with pytest.raises(InferenceCancelled):
        service.audit(save(network(1).state_dict()), endless(order), cancel)
    assert time.monotonic() - started < 30


def test_weights_that_cannot_be_read_are_no_disaster(
    service: InferenceService, setting: InferenceSetting, outputs: bytes, order: AuditOrder, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(json.dumps(list(load_file(order.original))).encode())
    record = service.audit(save(network(1).state_dict()), order.model_copy(update={"original": broken}), GOES_ON)
    assert record.quantities == {}
    assert record.missing.startswith("the inference process died")
    assert service.compute(save(network(1).state_dict()), setting, GOES_ON) == outputs
