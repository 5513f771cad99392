"""The trainer's loop: what it claims it reports, hands back or drops; what is recorded already it does not train."""

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from lethe.evaluator.artifacts import ArtifactStore, open_store
from lethe.evaluator.artifacts.oracles import read_identity, read_record, trained_indices
from lethe.evaluator.banks.trainer import train_orders
from lethe.evaluator.banks.training_jobs import TrainerKilled, TrainingFailed, training_pool
from lethe.evaluator.contract.bank import BankIdentity
from lethe.evaluator.contract.prepared_competition import PreparedCompetition
from lethe.evaluator.contract.training import OrderEnd, OrderRef, TrainingOrder

pytestmark = pytest.mark.slow


class Book:
    """Orders from a list; remembers what it was told."""

    beat_s = 0.0

    def __init__(self, bank: BankIdentity, indices: Sequence[int]) -> None:
        self.waiting = deque(TrainingOrder(bank=bank, index=index, token=1) for index in indices)
        self.ends: dict[int, OrderEnd] = {}
        self.lost: set[int] = set()

    def claim(self, count: int) -> list[TrainingOrder]:
        return [self.waiting.popleft() for _ in range(min(count, len(self.waiting)))]

    def renew(self, held: Sequence[OrderRef]) -> list[OrderRef]:
        return [ref for ref in held if ref.index in self.lost]

    def report(self, order: OrderRef, end: OrderEnd, message: str = "") -> None:
        assert order.index not in self.ends, "reported twice"
        assert bool(message) == (end in {OrderEnd.BROKEN, OrderEnd.FAILED})
        self.ends[order.index] = end


@pytest.fixture
def bank(prepared: tuple[PreparedCompetition, ArtifactStore]) -> BankIdentity:
    prepared_competition, store = prepared
    return read_identity(store, prepared_competition.public.bank_digest)


@pytest.fixture
def store(prepared: tuple[PreparedCompetition, ArtifactStore], tmp_path: Path) -> ArtifactStore:
    """The data of the competition without any model."""
    prepared_competition, source = prepared
    store = open_store(tmp_path.as_uri())
    for ref in (prepared_competition.public.visible, prepared_competition.public.evaluation):
        store.put(ref.key, source.get(ref))
    return store


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


def nothing() -> None:
    pass


def test_everything_claimed_is_trained_once(bank: BankIdentity, store: ArtifactStore, stop: threading.Event) -> None:
    book = Book(bank, range(5))
    with training_pool(jobs=2) as pool:
        assert train_orders(book, store, pool, stop=stop, tick=nothing) == 5
        assert book.ends == dict.fromkeys(range(5), OrderEnd.TRAINED)
        first = read_record(store, bank.digest, 0)
        # The same order again: whoever trained it died between record and report.
        again = Book(bank, [0, 5])
        assert train_orders(again, store, pool, stop=stop, tick=nothing) == 1
    assert again.ends == {0: OrderEnd.TRAINED, 5: OrderEnd.TRAINED}
    assert read_record(store, bank.digest, 0) == first
    assert trained_indices(store, bank.digest) == list(range(6))


def test_a_stop_hands_back_what_is_in_flight(bank: BankIdentity, store: ArtifactStore, stop: threading.Event) -> None:
    book = Book(slow(bank), range(5))
    with training_pool(jobs=2) as pool:
        assert train_orders(book, store, pool, stop=stop, tick=stop.set) == 0
        started = time.monotonic()
    assert time.monotonic() - started < 60  # minutes of training are not waited for
    assert book.ends == dict.fromkeys(range(2), OrderEnd.HANDED_BACK)


def test_a_lost_order_is_dropped(bank: BankIdentity, store: ArtifactStore, stop: threading.Event) -> None:
    book = Book(bank, range(3))
    book.lost = {1}
    with training_pool(jobs=3) as pool:
        assert train_orders(book, store, pool, stop=stop, tick=nothing) == 2
    assert book.ends == {0: OrderEnd.TRAINED, 2: OrderEnd.TRAINED}
    assert trained_indices(store, bank.digest) == [0, 2]


def test_a_model_that_cannot_be_trained(bank: BankIdentity, store: ArtifactStore, stop: threading.Event) -> None:
    recipe = bank.recipe.model_copy(update={"optimizer": "sgd", "learning_rate": 1e30})
    book = Book(bank.model_copy(update={"recipe": recipe}), range(3))
    with training_pool(jobs=1) as pool, pytest.raises(TrainingFailed, match=r"model 0 of bank .* the loss is nan"):
        train_orders(book, store, pool, stop=stop, tick=nothing)
    assert book.ends == {0: OrderEnd.FAILED}


def test_a_killed_process_is_a_clear_error(bank: BankIdentity, store: ArtifactStore, stop: threading.Event) -> None:
    book = Book(slow(bank), range(3))
    before = trainers()

    def kill() -> None:
        for pid in trainers() - before:
            os.kill(pid, signal.SIGKILL)

    with training_pool(jobs=1) as pool, pytest.raises(TrainerKilled, match="killed from outside"):
        train_orders(book, store, pool, stop=stop, tick=kill)
    assert book.ends == {0: OrderEnd.BROKEN}


def slow(bank: BankIdentity) -> BankIdentity:
    return bank.model_copy(update={"recipe": bank.recipe.model_copy(update={"epochs": 100_000})})


def trainers() -> set[int]:
    """This process's grandchildren: the fork server's children."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile
            parents[int(folder.name)] = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
    return {pid for pid, parent in parents.items() if parents.get(parent) == os.getpid()}
