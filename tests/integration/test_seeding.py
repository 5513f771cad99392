"""Seeding in processes of its own: two at once, and killed again and again."""

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from lethe.evaluator.artifacts import ArtifactStore, open_store
from lethe.evaluator.artifacts.oracles import ModelRecord, identity_key, read_record, trained_indices
from lethe.evaluator.contract.data_sources import SyntheticFacesSpec
from lethe.evaluator.contract.prepared_competition import PreparedCompetition
from lethe.evaluator.contract.specification import (
    CompetitionSpec,
    EvaluationSpec,
    PracticeSpec,
    SplitSpec,
    TrainingSpec,
)
from lethe.evaluator.preparation import prepare
from lethe.server.competitions import service
from lethe.server.context import Context, create_context
from lethe.server.database.migration import migrate
from lethe.server.hosting import creation as competitions
from lethe.server.hosting import oracle_status, oracles
from lethe.server.hosting.artifact_references import refs_in
from lethe.server.models import ModelOrder
from lethe.server.settings import Settings

SPEC = CompetitionSpec(
    slug="tiny",
    title="Tiny",
    data=SyntheticFacesSpec(seed=0, identities=16, images_per_identity=5, image_size=16, classes=2),
    split=SplitSpec(seed=0, retain_sample=8),
    training=TrainingSpec(epochs=8, batch_size=16),
    practice=PracticeSpec(identities=8, oracles=0),
    evaluation=EvaluationSpec(runs=8, oracles=8, ceiling_oracles=8),
)
COUNT = 16

FORKS = get_context("forkserver")  # the server that trainers are forked from has torch already


def seed_here(settings: Settings, jobs: int, told: Connection) -> None:
    """What a seeder's process does; it says when it starts, so that kills fall into the work and not into imports."""
    told.send("ready")
    oracles.seed(create_context(settings), SPEC.slug, count=None, jobs=jobs, distributed=False, progress=lambda _: None)


class Seeder:
    """A process that seeds, to be killed."""

    def __init__(self, settings: Settings, jobs: int) -> None:
        self._told, telling = FORKS.Pipe(duplex=False)
        self.process = FORKS.Process(target=seed_here, args=(settings, jobs, telling))
        self.process.start()
        telling.close()
        assert self._told.recv() == "ready"

    def kill(self) -> None:
        self.process.kill()
        self.process.join()
        self._told.close()


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[PreparedCompetition, ArtifactStore]:
    store = open_store(tmp_path_factory.mktemp("store").as_uri())
    return prepare(SPEC, store, jobs=2), store


@dataclass
class Host:
    """A competition that is created and not seeded, with its own database and store."""

    context: Context
    prepared_competition: PreparedCompetition

    def start(self) -> Seeder:
        """A seeder whose orders are soon free again when it is killed."""
        return Seeder(self.context.settings.model_copy(update={"lease_s": 2.0}), jobs=2)

    def seed(self, **changes: Any) -> oracles.Seeded:
        given = {"count": None, "jobs": 2, "distributed": False, "progress": lambda _: None} | changes
        return oracles.seed(self.context, SPEC.slug, **given)

    def records(self) -> list[ModelRecord]:
        digest = self.prepared_competition.public.bank_digest
        return [read_record(self.context.artifacts, digest, index) for index in trained_indices(self.store, digest)]

    @property
    def store(self) -> ArtifactStore:
        return self.context.artifacts


@pytest.fixture
def make_host(prepared: tuple[PreparedCompetition, ArtifactStore], tmp_path: Path) -> Callable[[str], Host]:
    def make(database_url: str) -> Host:
        prepared_competition, source = prepared
        folder = tmp_path / f"store-{len(list(tmp_path.iterdir()))}"
        store = open_store(folder.as_uri())
        public = prepared_competition.public
        practice = [ref.key for ref in refs_in(prepared_competition.practice.model_dump(mode="json"))]
        for key in (public.visible.key, public.evaluation.key, identity_key(public.bank_digest), *practice):
            store.put(key, source.get(key))
        settings = Settings(home=tmp_path / "home", database_url=database_url, artifacts_url=folder.as_uri())
        context = create_context(settings)
        migrate(context.database)
        with context.database.write() as session:
            service.create(session, SPEC, prepared_competition)
        return Host(context, prepared_competition)

    return make


def contents(records: list[ModelRecord]) -> list[tuple[int, int, str, str]]:
    """Everything of a bank that must not depend on how it was made; wall times do."""
    return [(one.index, one.seed, one.checkpoint.sha256, one.outputs.sha256) for one in records]


@pytest.fixture
def undisturbed(make_host: Callable[[str], Host], tmp_path: Path) -> list[ModelRecord]:
    host = make_host(f"sqlite:///{tmp_path / 'undisturbed.db'}")
    assert host.seed() == oracles.Seeded(COUNT, COUNT, COUNT, wall_s=pytest.approx(0, abs=600))
    host.context.database.dispose()
    return host.records()


@pytest.mark.component("postgresql")
def test_two_seeders_at_once_train_no_seed_twice(make_host: Callable[[str], Host], database_url: str) -> None:
    hosts = [make_host(database_url)]
    hosts.append(Host(create_context(hosts[0].context.settings), hosts[0].prepared_competition))
    with ThreadPoolExecutor(2) as threads:
        seeded = list(threads.map(lambda host: host.seed(jobs=1), hosts))
    assert [one.trained for one in seeded] == [COUNT, COUNT]
    assert sum(one.here for one in seeded) == COUNT
    assert all(one.here for one in seeded), "one of them did everything, so nothing was shown"
    host = hosts[0]
    assert len(host.records()) == COUNT
    # A seed that is trained twice on one machine gives the same bits, so its artifacts would not tell; tokens do.
    with host.context.database.read() as session:
        assert session.scalars(select(ModelOrder.token)).all() == [1] * COUNT
    (bank,) = oracle_status.status(host.context, SPEC.slug)
    assert (bank.oracles, bank.ceiling, bank.missing, bank.in_progress) == ((8, 8), (8, 8), 0, [])
    assert host.seed().here == 0


@pytest.mark.timeout(900)
@pytest.mark.parametrize("kills", [2, pytest.param(10, marks=pytest.mark.long)])
def test_killed_seeding_ends_in_the_same_bank(
    make_host: Callable[[str], Host], undisturbed: list[ModelRecord], tmp_path: Path, kills: int
) -> None:
    host = make_host(f"sqlite:///{tmp_path / 'killed.db'}")
    moments = random.Random(kills)  # noqa: S311 - moments, not secrets
    held = 0
    for _ in range(kills):
        seeder = host.start()
        before = len(host.records())
        # Some kills come before the first model, some in the middle of several.
        wanted = before + moments.choice([0, 0, 1, 2])
        wait_until(lambda: len(host.records()) >= wanted, "seeding stands still")  # noqa: B023
        time.sleep(moments.uniform(0, 0.6))
        seeder.kill()
        (bank,) = oracle_status.status(host.context, SPEC.slug)
        held += len(bank.in_progress)
    assert held, "no kill met a model in the middle"
    host.seed()
    assert contents(host.records()) == contents(undisturbed)
    finished = {ref.key for record in host.records() for ref in (record.outputs, record.checkpoint)}
    stored = set(host.store.list(f"banks/{host.prepared_competition.public.bank_digest}"))
    assert {key for key in stored if "/records/" not in key and not key.endswith("identity.json")} == finished


def test_another_torch_is_refused_with_what_changed_and_what_it_costs(
    make_host: Callable[[str], Host], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = make_host(f"sqlite:///{tmp_path / 'changed.db'}")
    monkeypatch.setattr("lethe.evaluator.banks.identity.version", lambda _: "99.0")
    with pytest.raises(oracles.BankChanged, match=r"torch .* → 99.0\. .*17 models to train, about"):
        host.seed()
    assert host.records() == []


def test_a_changed_file_is_named_with_what_it_costs(make_host: Callable[[str], Host], tmp_path: Path) -> None:
    host = make_host(f"sqlite:///{tmp_path / 'file.db'}")

    def create(**changes: Any) -> None:
        spec = SPEC.model_copy(update=changes)
        competitions.create(host.context, spec, jobs=1, progress=lambda _: None)

    with pytest.raises(service.CompetitionExists, match=r"called 'tiny' exists\. Choose another slug"):
        create()
    with pytest.raises(
        service.CompetitionExists, match=r"something else: recipe \w{12} → \w{12}\. .* 18 models to train"
    ):
        create(training=SPEC.training.model_copy(update={"epochs": 9}))


def test_workers_are_watched_and_recalled(make_host: Callable[[str], Host], tmp_path: Path) -> None:
    """A seeder beside stands in for the workers."""
    host = make_host(f"sqlite:///{tmp_path / 'watched.db'}")
    with ThreadPoolExecutor(1) as threads:
        other = threads.submit(host.seed)
        assert host.seed(distributed=True, count=4) == oracles.Seeded(4, 4, 0, wall_s=pytest.approx(0, abs=600))
        (bank,) = oracle_status.status(host.context, SPEC.slug)
        assert bank.offered == 4
        oracles.recall(host.context, SPEC.slug)
        (bank,) = oracle_status.status(host.context, SPEC.slug)
        assert bank.offered == 0
        assert other.result().here == COUNT


def wait_until(condition: Callable[[], object], what: str, limit_s: float = 120) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)
