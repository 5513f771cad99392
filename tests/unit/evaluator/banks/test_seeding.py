"""Banks are seeded in parallel, resume after a SIGKILL with the same bits, and are never mixed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest

from evaluator.artifacts import ArtifactStore, open_store
from evaluator.artifacts.oracles import ModelRecord, load_pool, trained_indices
from evaluator.banks.identity import BankMismatch, bank_identity
from evaluator.banks.seeding import Progress, seed_bank
from evaluator.banks.training_jobs import TrainingFailed
from evaluator.contract.dossier import Dossier
from evaluator.contract.specification import CompetitionSpec, DataSpec, SplitSpec, TrainingSpec
from evaluator.preparation import FIRST_ORACLES, prepare

SPEC = CompetitionSpec(
    slug="tiny",
    title="Tiny",
    data=DataSpec(identities=16, images_per_identity=5, image_size=16, classes=2),
    split=SplitSpec(retain_sample=8),
    training=TrainingSpec(epochs=8, batch_size=16),
)
COUNT = 8


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dossier, ArtifactStore]:
    store = open_store(tmp_path_factory.mktemp("store").as_uri())
    return prepare(SPEC, store, jobs=2), store


@pytest.fixture(scope="module")
def undisturbed(prepared: tuple[Dossier, ArtifactStore]) -> tuple[list[ModelRecord], list[Progress]]:
    dossier, store = prepared
    reports: list[Progress] = []
    return seed_bank(SPEC, dossier, store, count=COUNT, jobs=2, progress=reports.append), reports


def contents(records: list[ModelRecord]) -> list[tuple[int, int, str, str]]:
    """Everything of a bank that must not depend on how it was made; wall times do."""
    return [(one.index, one.seed, one.checkpoint.sha256, one.outputs.sha256) for one in records]


def test_seeding_trains_what_is_missing_and_reports(
    prepared: tuple[Dossier, ArtifactStore], undisturbed: tuple[list[ModelRecord], list[Progress]]
) -> None:
    dossier, store = prepared
    records, reports = undisturbed
    assert [record.index for record in records] == list(range(COUNT))
    assert len({record.seed for record in records}) == COUNT
    assert len({record.outputs.sha256 for record in records}) == COUNT
    assert [report.done for report in reports] == list(range(FIRST_ORACLES, COUNT + 1))
    assert {(report.stage, report.total) for report in reports} == {("oracles", COUNT)}
    assert reports[0].eta_s is None
    assert reports[-1].eta_s == 0
    assert reports[-1].fresh == COUNT - FIRST_ORACLES
    assert load_pool(store, dossier.public.bank_digest, range(COUNT)).logits["forget"].shape == (COUNT, 10, 2)


def test_seeding_again_trains_nothing(
    prepared: tuple[Dossier, ArtifactStore], undisturbed: tuple[list[ModelRecord], list[Progress]]
) -> None:
    dossier, store = prepared
    reports: list[Progress] = []
    again = seed_bank(SPEC, dossier, store, count=COUNT, jobs=1, progress=reports.append)
    assert again == undisturbed[0]
    assert [(report.done, report.fresh) for report in reports] == [(COUNT, 0)]


SEED = """
import sys
from evaluator.artifacts import open_store
from evaluator.banks.seeding import seed_bank
from evaluator.contract.dossier import Dossier
from evaluator.contract.specification import CompetitionSpec
url, spec, dossier, count = sys.argv[1:]
seed_bank(CompetitionSpec.model_validate_json(spec), Dossier.model_validate_json(dossier), open_store(url),
          count=int(count), jobs=2)
"""


def descendants(pid: int) -> set[int]:
    """The processes below `pid`: the fork server, its trainers and multiprocessing's resource tracker."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue  # it ended meanwhile
        children.setdefault(int(fields[1]), []).append(int(folder.name))
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        found.update(below)
        waiting.extend(below)
    return found


def running(pid: int) -> bool:
    """Whether the process exists and is more than an entry that nobody has collected yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition: Callable[[], object], what: str, limit_s: float = 60) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def test_killed_seeding_resumes_with_the_same_bits(
    prepared: tuple[Dossier, ArtifactStore],
    undisturbed: tuple[list[ModelRecord], list[Progress]],
    tmp_path: Path,
) -> None:
    dossier, source = prepared
    store = open_store(tmp_path.as_uri())
    for ref in (dossier.public.visible, dossier.public.evaluation):
        store.put(ref.key, source.get(ref))
    arguments = [store.url, SPEC.model_dump_json(), dossier.model_dump_json(), str(COUNT)]
    process = subprocess.Popen([sys.executable, "-c", SEED, *arguments])
    try:
        wait_until(lambda: trained_indices(store, dossier.public.bank_digest), "no oracle was trained")
        below = descendants(process.pid)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert len(below) >= 4
    wait_until(lambda: not any(map(running, below)), "training processes outlived the one that was killed", 20)
    kept = trained_indices(store, dossier.public.bank_digest)
    assert 0 < len(kept) < COUNT, "killed too late to show anything"

    reports: list[Progress] = []
    records = seed_bank(SPEC, dossier, store, count=COUNT, jobs=2, progress=reports.append)
    assert reports[0].done == len(kept)
    assert contents(records) == contents(undisturbed[0])
    prefix = f"banks/{dossier.public.bank_digest}"
    finished = {record.outputs.key for record in records} | {record.checkpoint.key for record in records}
    assert {key for key in store.list(prefix) if "/records/" not in key} == finished


def test_another_specification_is_refused_before_training(prepared: tuple[Dossier, ArtifactStore]) -> None:
    dossier, store = prepared
    changed = SPEC.model_copy(update={"training": SPEC.training.model_copy(update={"epochs": 9})})
    with pytest.raises(BankMismatch, match="the bank of 'tiny' was made with torch"):
        seed_bank(changed, dossier, store, count=COUNT)


def test_identity_depends_on_everything_that_changes_an_oracle(prepared: tuple[Dossier, ArtifactStore]) -> None:
    dossier, _ = prepared
    base = bank_identity(SPEC, dossier.public.visible, dossier.public.evaluation)
    assert base.digest == dossier.public.bank_digest
    changes: list[dict[str, object]] = [
        {"visible": dossier.practice.visible},
        {"evaluation": dossier.practice.evaluation},
        {"parts": ("retain", "forget")},
        {"architecture": "resnet18"},
        {"classes": 3},
        {"recipe": SPEC.training.model_copy(update={"weight_decay": 0.1})},
        {"batch_size": 32},
        {"torch": "1.0"},
        {"format": 2},
    ]
    digests = {base.model_copy(update=change).digest for change in changes}
    assert len(digests | {base.digest}) == len(changes) + 1
    assert set(base.model_dump()) == {name for change in changes for name in change}


def test_seeds_are_63_bit_and_differ_between_banks(prepared: tuple[Dossier, ArtifactStore]) -> None:
    dossier, _ = prepared
    bank = bank_identity(SPEC, dossier.public.visible, dossier.public.evaluation)
    other = bank.model_copy(update={"format": 2})
    seeds = {bank.training_seed(index) for index in range(100)} | {other.training_seed(index) for index in range(100)}
    assert len(seeds) == 200
    assert 2**60 < max(seeds) < 2**63


def test_a_killed_training_process_is_a_clear_error(prepared: tuple[Dossier, ArtifactStore], tmp_path: Path) -> None:
    dossier, source = prepared
    store = open_store(tmp_path.as_uri())
    for ref in (dossier.public.visible, dossier.public.evaluation):
        store.put(ref.key, source.get(ref))
    before = descendants(os.getpid())

    def kill_one() -> None:
        wait_until(lambda: trained_indices(store, dossier.public.bank_digest), "no oracle was trained")
        newest = max(descendants(os.getpid()) - before)
        os.kill(newest, signal.SIGKILL)

    killer = Thread(target=kill_one)
    killer.start()
    with pytest.raises(TrainingFailed, match="killed from outside"):
        seed_bank(SPEC, dossier, store, count=200, jobs=1)
    killer.join()
    assert 0 < len(trained_indices(store, dossier.public.bank_digest)) < 200
