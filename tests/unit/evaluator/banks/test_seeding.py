"""Banks are filled in parallel, say what they are made from, and are never mixed."""

import pytest

from lethe.evaluator.artifacts import ArtifactStore
from lethe.evaluator.artifacts.oracles import load_pool, read_identity
from lethe.evaluator.banks.identity import bank_identity, differences
from lethe.evaluator.banks.seeding import FIRST_ORACLES, Progress, fill_banks
from lethe.evaluator.banks.training_jobs import training_pool
from lethe.evaluator.contract.bank import BankIdentity
from lethe.evaluator.contract.prepared_competition import PreparedCompetition
from tests.unit.evaluator.banks.conftest import SPEC

pytestmark = pytest.mark.slow

COUNT = 5


def test_filling_trains_what_is_missing_and_reports(prepared: tuple[PreparedCompetition, ArtifactStore]) -> None:
    prepared_competition, store = prepared
    bank = read_identity(store, prepared_competition.public.bank_digest)
    wanted = [(bank, index) for index in range(COUNT)]
    reports: list[Progress] = []
    with training_pool(jobs=2) as pool:
        records = fill_banks(wanted, store, pool, stage="oracles", progress=reports.append)
        again: list[Progress] = []
        assert fill_banks(wanted, store, pool, stage="oracles", progress=again.append) == records
    assert [record.index for record in records] == list(range(COUNT))
    assert [record.seed for record in records] == [bank.training_seed(index) for index in range(COUNT)]
    assert len({record.outputs.sha256 for record in records}) == COUNT
    assert [report.done for report in reports] == list(range(FIRST_ORACLES, COUNT + 1))
    assert {(report.stage, report.total) for report in reports} == {("oracles", COUNT)}
    assert (reports[0].eta_s, reports[-1].eta_s, reports[-1].fresh) == (None, 0, COUNT - FIRST_ORACLES)
    assert [(report.done, report.fresh) for report in again] == [(COUNT, 0)]
    assert load_pool(store, prepared_competition.public.bank_digest, range(COUNT)).logits["forget"].shape == (
        COUNT,
        10,
        2,
    )


def identity(prepared: tuple[PreparedCompetition, ArtifactStore]) -> BankIdentity:
    prepared_competition, _ = prepared
    return bank_identity(SPEC, prepared_competition.public.visible, prepared_competition.public.evaluation)


def test_a_bank_says_what_it_is_made_from(prepared: tuple[PreparedCompetition, ArtifactStore]) -> None:
    prepared_competition, store = prepared
    assert identity(prepared).digest == prepared_competition.public.bank_digest
    assert read_identity(store, prepared_competition.public.bank_digest) == identity(prepared)


def test_what_changed_is_named(prepared: tuple[PreparedCompetition, ArtifactStore]) -> None:
    prepared_competition, _ = prepared
    base = identity(prepared)
    visible = base.visible
    changes: dict[str, dict[str, object]] = {
        "data split": {"visible": prepared_competition.practice.visible},
        "split": {"visible": visible.model_copy(update={"sha256": "0" * 64})},
        "architecture": {"architecture": "resnet18"},
        "data": {"classes": 3},
        "recipe": {"recipe": SPEC.training.model_copy(update={"weight_decay": 0.1})},
        "evaluation batch size": {"batch_size": 32},
        "torch": {"torch": "1.0"},
        "bank format": {"format": 99},
    }
    assert differences(base, base) == []
    for names, change in changes.items():
        found = differences(base, base.model_copy(update=change))
        assert " ".join(line.rsplit(" ", 3)[0] for line in found) == names
    assert differences(base, base.model_copy(update={"torch": "1.0"})) == [f"torch {base.torch[:12]} → 1.0"]


def test_identity_depends_on_everything_that_changes_an_oracle(
    prepared: tuple[PreparedCompetition, ArtifactStore],
) -> None:
    prepared_competition, _ = prepared
    base = identity(prepared)
    changes: list[dict[str, object]] = [
        {"visible": prepared_competition.practice.visible},
        {"evaluation": prepared_competition.practice.evaluation},
        {"parts": ("retain", "forget")},
        {"architecture": "resnet18"},
        {"classes": 3},
        {"recipe": SPEC.training.model_copy(update={"weight_decay": 0.1})},
        {"batch_size": 32},
        {"torch": "1.0"},
        {"format": 99},
    ]
    others = [base.model_copy(update=change) for change in changes]
    assert len({one.digest for one in others} | {base.digest}) == len(changes) + 1
    assert set(base.model_dump()) == {name for change in changes for name in change}
    assert all(differences(base, other) for other in others)  # whatever makes another bank can be named


def test_seeds_are_63_bit_and_differ_between_banks(prepared: tuple[PreparedCompetition, ArtifactStore]) -> None:
    bank = identity(prepared)
    other = bank.model_copy(update={"format": 99})
    seeds = {bank.training_seed(index) for index in range(100)} | {other.training_seed(index) for index in range(100)}
    assert len(seeds) == 200
    assert 2**60 < max(seeds) < 2**63
