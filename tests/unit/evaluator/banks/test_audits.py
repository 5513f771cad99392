"""Oracles are audited as if each were a run, once; their records and those of runs are read back as arrays."""

import shutil
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lethe.evaluator.artifacts import ArtifactStore, open_store
from lethe.evaluator.artifacts.audits import ORIGINAL, Audits, bank_audit_key, load_audits
from lethe.evaluator.artifacts.oracles import read_identity, read_record
from lethe.evaluator.banks import audits
from lethe.evaluator.banks.audits import BankAudits, audit_bank, audit_original
from lethe.evaluator.banks.seeding import fill_banks
from lethe.evaluator.banks.training_jobs import training_pool
from lethe.evaluator.banks.verification import prunable_checkpoints, prune_bank, verify_bank
from lethe.evaluator.contract.audits import AuditPlan, AuditQuantity, AuditRecord, audit_plan, audited_oracles
from lethe.evaluator.contract.prepared_competition import ArtifactRef, PreparedCompetition, PreparedSplit
from lethe.evaluator.contract.specification import AuditsSpec, EvaluationSpec
from lethe.evaluator.inference.audit_order import audit_order
from lethe.evaluator.inference.service import InferenceService
from tests.unit.evaluator.banks.conftest import SPEC as TINY

pytestmark = pytest.mark.slow

SPEC = TINY.model_copy(
    update={
        "evaluation": EvaluationSpec(runs=8, oracles=8, ceiling_oracles=8),
        "audits": AuditsSpec(runs=2),
    }
)
REFERENCES, AUDITED = (0, 1), (8, 9)
Q = AuditQuantity


@pytest.fixture(scope="module")
def seeded(
    prepared: tuple[PreparedCompetition, ArtifactStore], tmp_path_factory: pytest.TempPathFactory
) -> tuple[PreparedSplit, ArtifactStore]:
    """A store of its own, with the oracles that audits need and one more."""
    split, source = prepared[0].public, prepared[1]
    folder = tmp_path_factory.mktemp("audits") / "store"
    shutil.copytree(source.url.removeprefix("file://"), folder)
    store = open_store(folder.as_uri())
    bank = read_identity(store, split.bank_digest)
    with training_pool(jobs=2) as pool:
        fill_banks([(bank, index) for index in (*REFERENCES, 2, *AUDITED)], store, pool, stage="oracles")
    return split, store


@pytest.fixture(scope="module")
def plan(seeded: tuple[PreparedSplit, ArtifactStore]) -> AuditPlan:
    made = audit_plan(SPEC, seeded[0])
    assert made is not None
    assert (made.references, tuple(audited_oracles(SPEC))) == (REFERENCES, AUDITED)
    return made


@pytest.fixture(scope="module")
def audited(seeded: tuple[PreparedSplit, ArtifactStore], plan: AuditPlan) -> BankAudits:
    return audit_bank(plan, AUDITED, seeded[1], jobs=2)


def test_an_oracle_that_were_a_run_reads_as_the_oracle_does(
    seeded: tuple[PreparedSplit, ArtifactStore], plan: AuditPlan, audited: BankAudits, tmp_path: Path
) -> None:
    """And the original as what leaves it as it is: no distance, no barrier, all of it known."""
    split, store = seeded
    assert (audited.missing, [record.missing for record in audited.records]) == ({}, ["", "", ""])
    assert audited.mean_wall_s == pytest.approx(np.mean([record.wall_s for record in audited.records]))
    refs = []
    with InferenceService(wall_s=60) as service:
        for place, checkpoint in enumerate(
            (read_record(store, plan.bank_digest, AUDITED[0]).checkpoint, split.original)
        ):
            order = audit_order(plan, place, store, tmp_path)
            record = service.audit(store.get(checkpoint), order, threading.Event())
            refs.append(store.put(f"submissions/1/0/audits/{place}.json", record.model_dump_json().encode()))
    found = load_audits(store, SPEC, split, refs)
    assert found.missing == ()
    assert {len(values) for values in (*found.runs.values(), *found.oracles.values())} == {2}
    assert {len(values) for values in found.original.values()} == {1}
    assert set(found.runs) == set(found.oracles) == set(found.original) == set(Q)
    for quantity in Q:
        assert found.runs[quantity][0] == found.oracles[quantity][0]
    assert found.runs[Q.DISTANCE_TO_ORIGINAL][1] == found.original[Q.DISTANCE_TO_ORIGINAL][0] == 0
    assert found.runs[Q.CKA_WITH_ORIGINAL][1] == found.original[Q.CKA_WITH_ORIGINAL][0] == pytest.approx(1)
    assert found.original[Q.BARRIER_TO_ORIGINAL][0] == 0
    first, second = found.oracles[Q.DISTANCE_TO_ORIGINAL]
    assert first == pytest.approx(second, rel=0.05)
    assert (found.oracles[Q.CKA_WITH_ORIGINAL] < 0.99).all()
    assert (found.oracles[Q.FORGET_MARGIN] < found.original[Q.FORGET_MARGIN]).all()
    assert (found.oracles[Q.RELEARNED_FORGET_MARGIN] < found.original[Q.RELEARNED_FORGET_MARGIN]).all()


def test_what_is_audited_is_not_audited_again(
    seeded: tuple[PreparedSplit, ArtifactStore], plan: AuditPlan, audited: BankAudits
) -> None:
    assert audit_bank(plan, AUDITED, seeded[1], jobs=1) == audited  # seconds included
    assert audit_original(plan, seeded[1]).quantities == audited.records[-1].quantities


def test_oracles_that_cannot_be_audited_are_named(
    seeded: tuple[PreparedSplit, ArtifactStore], plan: AuditPlan, audited: BankAudits
) -> None:
    store = seeded[1]
    again = audit_bank(plan, (8, 7), store, jobs=1)
    assert [record.place for record in again.records] == [0, 0]
    assert list(again.missing) == ["oracle 7"]
    assert "records/00007.json is not in the artifact store" in again.missing["oracle 7"]
    hurried = plan.model_copy(update={"wall_s": 0.01})
    late = audit_bank(hurried, AUDITED, store, jobs=1)
    assert late.records == ()
    assert late.mean_wall_s is None
    assert set(late.missing.values()) == {"the audit took more than 0.01 s"}
    assert not any(store.exists(bank_audit_key(hurried, network)) for network in (*AUDITED, ORIGINAL))


def test_a_machine_without_torch_says_where_to_audit(
    seeded: tuple[PreparedSplit, ArtifactStore], plan: AuditPlan, audited: BankAudits, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hosts calibrate in a container without it."""
    monkeypatch.setattr(audits, "find_spec", lambda _: None)
    assert audit_bank(plan, AUDITED, seeded[1]) == audited  # seeding has audited them
    found = audit_bank(plan.model_copy(update={"wall_s": 1.5}), AUDITED, seeded[1])
    assert (found.records, set(found.missing.values())) == ((), {audits.NO_TORCH})


def test_a_stop_ends_audits_soon(
    seeded: tuple[PreparedSplit, ArtifactStore], plan: AuditPlan, audited: BankAudits
) -> None:
    endless = plan.model_copy(update={"recipe": plan.recipe.model_copy(update={"epochs": 10**6})})
    stop = threading.Event()
    threading.Timer(1.0, stop.set).start()
    started = time.monotonic()
    found = audit_bank(endless, AUDITED, seeded[1], jobs=1, stop=stop)
    assert time.monotonic() - started < 60 < plan.wall_s
    assert (found.records, set(found.missing.values())) == ((), {"interrupted"})


def test_pruning_spares_what_audits_need(
    seeded: tuple[PreparedSplit, ArtifactStore], plan: AuditPlan, audited: BankAudits, tmp_path: Path
) -> None:
    split, source = seeded
    folder = tmp_path / "store"
    shutil.copytree(source.url.removeprefix("file://"), folder)
    store, bank = open_store(folder.as_uri()), split.bank_digest
    kept = {*REFERENCES, *AUDITED}
    (doomed,) = prunable_checkpoints(bank, store, kept)
    assert doomed.key == read_record(store, bank, 2).checkpoint.key
    assert prune_bank(bank, store, kept) == 1
    assert all(store.exists(read_record(store, bank, index).checkpoint) for index in kept)
    found = verify_bank(read_identity(store, bank), store, sample=0, jobs=1, progress=lambda _: None)
    assert (found.sound, found.models, found.pruned) == (True, 5, 1)
    again = plan.model_copy(update={"wall_s": plan.wall_s + 1})  # nothing is stored under this plan
    assert _quantities(audit_bank(again, AUDITED, store, jobs=1)) == _quantities(audited)
    assert prune_bank(bank, store) == 4
    too_late = audit_bank(plan.model_copy(update={"wall_s": plan.wall_s + 2}), AUDITED, store, jobs=1)
    assert list(too_late.missing) == ["oracle 8", "oracle 9", ORIGINAL]
    assert all("/checkpoints/00000-" in reason for reason in too_late.missing.values())


def _quantities(found: BankAudits) -> list[dict[AuditQuantity, float]]:
    return [record.quantities for record in found.records]


def record(place: int, missing: str = "", **quantities: float) -> bytes:
    made = AuditRecord(place=place, quantities=quantities, missing=missing, wall_s=1.0)  # type: ignore[arg-type]
    return made.model_dump_json().encode()


def load(store: ArtifactStore, split: PreparedSplit, *refs: ArtifactRef) -> Audits:
    return load_audits(store, SPEC, split, refs)


def lists(found: Mapping[AuditQuantity, NDArray[np.float64]]) -> dict[str, list[float]]:
    return {str(quantity): values.tolist() for quantity, values in found.items()}


def test_what_is_missing_is_left_out_and_named(prepared: tuple[PreparedCompetition, ArtifactStore]) -> None:
    split, store = prepared[0].public, open_store("memory://")
    second = store.put("1", record(1, forget_accuracy=0.5, forget_margin=1.0))
    first = store.put("0", record(0, "relearning diverged", forget_accuracy=0.25))
    plan = audit_plan(SPEC, split)
    assert plan is not None
    store.put(bank_audit_key(plan, 8), b"not a record")
    store.put(bank_audit_key(plan, 9), record(1, forget_margin=-1.0))
    found = load(store, split, second, first)
    assert lists(found.runs) == {"forget_accuracy": [0.25, 0.5], "forget_margin": [1.0]}
    assert lists(found.oracles) == {"forget_margin": [-1.0]}
    assert lists(found.original) == {}
    run, damaged, original = found.missing
    assert run == "a run (0): relearning diverged"
    assert damaged == "oracle 8: 1 validation error for AuditRecord"
    assert original == "the original: there is no record"
    gone = ArtifactRef(key="gone", sha256="0" * 64)
    changed = first.model_copy(update={"sha256": "0" * 64})
    assert load(store, split, gone, changed).runs == {}
    assert load(store, split).missing[0] == "2 of 2 runs: there is no record"
    assert load(store, split, gone).missing[0] == "a run: there is no record"


def test_a_competition_without_audits_has_none(prepared: tuple[PreparedCompetition, ArtifactStore]) -> None:
    split = prepared[0].public
    assert audit_plan(TINY, split) is None
    found = load_audits(open_store("memory://"), TINY, split, ())
    assert (found.runs, found.oracles, found.original) == ({}, {}, {})
    assert found.missing == ("the competition has no audits",)
