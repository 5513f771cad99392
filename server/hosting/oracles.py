"""The host's actions on oracle banks: seed, watch, verify, audit, prune. Used by the admin commands, never by `serve`.

Reaches into the evaluator's training side, inside functions only.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

from lethe.evaluator.artifacts.oracles import read_identity, trained_indices
from lethe.evaluator.contract.audits import audit_plan, audited_oracles
from lethe.evaluator.contract.bank import BankIdentity, practice_bank
from lethe.evaluator.contract.parts import task_splits
from lethe.evaluator.contract.prepared_competition import PreparedCompetition
from lethe.evaluator.contract.specification import CompetitionSpec
from lethe.evaluator.contract.states import WorkState
from lethe.server.audit_log.events import record
from lethe.server.competitions import service
from lethe.server.context import Context
from lethe.server.errors import Conflict
from lethe.server.hosting.calibration import missing_oracles
from lethe.server.hosting.database_orders import DatabaseOrders
from lethe.server.hosting.practice_bundles import publish
from lethe.server.queue import training_orders, training_queries
from lethe.server.queue.training_orders import Trainer

if TYPE_CHECKING:
    from lethe.evaluator.banks.audits import BankAudits
    from lethe.evaluator.banks.seeding import Progress
    from lethe.evaluator.banks.verification import Verification

ReportProgress = Callable[["Progress"], None]

LOOK_S = 1.0  # between two looks at the progress of other trainers
MOST_WAKE_UPS = 16
PRACTICE = "practice"
"""The name of the practice oracles' bank, beside those of the splits."""


class BankChanged(Conflict):
    """The bank was made from another configuration than the present one."""

    code = "bank_changed"


class ModelsFailed(Conflict):
    """Some models cannot be trained."""

    code = "models_failed"


@dataclass(frozen=True)
class Bank:
    """One bank of a competition: `oracles` to compare with, and `ceiling` others that are scored against them. The
    first `audits` of each are for audits. `spec` is that of its task.
    """

    split: str
    spec: CompetitionSpec
    identity: BankIdentity
    oracles: int
    ceiling: int
    audits: int

    @property
    def audited(self) -> set[int]:
        """The oracles that audits compare with, and those that are audited: either may be either."""
        return {*range(self.audits), *range(self.oracles, self.oracles + self.audits)}

    @property
    def digest(self) -> str:
        return self.identity.digest

    @property
    def wanted(self) -> int:
        return self.oracles + self.ceiling


@dataclass(frozen=True)
class Seeded:
    """The result of seeding: oracles trained and wanted, how many this command trained, and its seconds."""

    trained: int
    wanted: int
    here: int
    wall_s: float


def competition_banks(context: Context, slug: str) -> list[Bank]:
    """The banks of a competition as they were made, the public one first and that of the practice data last."""
    spec, prepared = _stored(context, slug)
    banks = [
        Bank(
            split=name,
            spec=one.spec,
            identity=read_identity(context.artifacts, one.split.bank_digest),
            oracles=spec.evaluation.oracles,
            ceiling=spec.evaluation.ceiling_oracles,
            audits=spec.audits.runs,
        )
        for name, one in task_splits(spec, prepared).items()
    ]
    if spec.practice.oracles:
        identity = practice_bank(banks[0].identity, prepared.practice)
        own = Bank(
            split=PRACTICE, spec=banks[0].spec, identity=identity, oracles=spec.practice.oracles, ceiling=0, audits=0
        )
        banks.append(own)
    return banks


def seed(
    context: Context,
    slug: str,
    *,
    count: int | None,
    jobs: int | None,
    distributed: bool,
    progress: ReportProgress,
    stop: threading.Event | None = None,
) -> Seeded:
    """Train the oracles that the banks lack: `count` in each, or as many as the specification says.

    In `jobs` processes here (default: see `training_pool`), or, when `distributed`, by the workers, while this only
    watches. Any number of machines may do so at once. Returns when every oracle is there, whoever trained it, or soon
    after `stop` is set. The practice bundle is published with its oracles then. Oracles are audited here, where the
    competition has audits, but not when `distributed`. Raises
    BankChanged before any training when the banks are stale, ModelsFailed when workers cannot train some, and
    TrainingFailed when this process cannot.
    """
    stop = stop or threading.Event()
    banks = competition_banks(context, slug)
    if not distributed:
        require_unchanged(context, slug, banks)
    wanted = {bank.digest: count or bank.wanted for bank in banks}
    with context.database.write() as session:
        for bank in banks:
            training_orders.place(
                session, bank.identity, wanted[bank.digest], trained_indices(context.artifacts, bank.digest)
            )
            if distributed:
                training_queries.offer(session, bank.digest, wanted[bank.digest])
        competition = service.get_competition(session, slug, drafts=True)
        record(session, "oracles.seed", slug, competition=competition, count=count, distributed=distributed)
    watch = _Watch(context, wanted, progress)
    here = 0
    if distributed:
        for _ in range(min(watch.missing(), MOST_WAKE_UPS)):
            context.wake.workers()
    elif watch.missing():
        here = _train(context, wanted, watch, jobs, stop)
    while watch.missing() and not stop.wait(LOOK_S):
        watch.look()
    publish(context, slug)
    if not distributed and not stop.is_set():
        audit(context, slug, jobs=jobs, progress=progress, stop=stop)
    return Seeded(trained=watch.done, wanted=watch.wanted, here=here, wall_s=watch.elapsed_s)


def recall(context: Context, slug: str) -> int:
    """Stop offering the competition's missing oracles to workers; how many are still in hand."""
    banks = [bank.digest for bank in competition_banks(context, slug)]
    with context.database.write() as session:
        for digest in banks:
            training_queries.offer(session, digest, 0)
        record(session, "oracles.recall", slug, competition=service.get_competition(session, slug, drafts=True))
        return training_queries.count_leased(session, banks)


def verify(
    context: Context, slug: str, *, sample: int, jobs: int | None, progress: ReportProgress
) -> dict[str, "Verification"]:
    """Verify each bank and return the findings by the name of its split."""
    from lethe.evaluator.banks.verification import verify_bank

    return {
        bank.split: verify_bank(bank.identity, context.artifacts, sample=sample, jobs=jobs, progress=progress)
        for bank in competition_banks(context, slug)
    }


def checkpoint_bytes(context: Context, slug: str) -> int:
    """Bytes of the checkpoints that `prune` would drop."""
    from lethe.evaluator.banks.verification import prunable_checkpoints

    banks = competition_banks(context, slug)
    found = (prunable_checkpoints(bank.digest, context.artifacts, bank.audited) for bank in banks)
    return sum(artifact.size_bytes for artifacts in found for artifact in artifacts)


def prune(context: Context, slug: str) -> int:
    """Drop all checkpoints but those that audits need, and return their number; outputs and records stay."""
    from lethe.evaluator.banks.verification import prune_bank

    with context.database.write() as session:
        record(session, "oracles.prune", slug, competition=service.get_competition(session, slug, drafts=True))
    return sum(prune_bank(bank.digest, context.artifacts, bank.audited) for bank in competition_banks(context, slug))


def audit(
    context: Context,
    slug: str,
    *,
    jobs: int | None = None,
    progress: ReportProgress | None = None,
    stop: threading.Event | None = None,
) -> dict[str, "BankAudits"]:
    """Audit those oracles, and the original, that audits of submissions are read beside, and return what there is of
    each split. Empty in a competition without audits.

    Only full banks; what was audited before is not audited again. Oracles that cannot be audited hold nothing up.
    """
    from lethe.evaluator.banks.audits import audit_bank

    spec, prepared = _stored(context, slug)
    found = {}
    for name, split in prepared.splits.items():
        plan = audit_plan(spec, split)
        if plan is not None and not missing_oracles(context.artifacts, spec, split):
            found[name] = audit_bank(
                plan, audited_oracles(spec), context.artifacts, jobs=jobs, progress=progress, stop=stop
            )
    return found


def _stored(context: Context, slug: str) -> tuple[CompetitionSpec, PreparedCompetition]:
    with context.database.read() as session:
        competition = service.get_competition(session, slug, drafts=True)
    return service.specification(competition), service.prepared_competition(competition)


def require_unchanged(context: Context, slug: str, banks: Sequence[Bank]) -> None:
    """Raise BankChanged, with what changed and what that costs, unless the banks are what would be made now."""
    from lethe.evaluator.banks.identity import bank_identity, differences

    _, prepared = _stored(context, slug)
    for bank in banks:
        made = bank.identity
        now = bank_identity(bank.spec, made.visible, made.evaluation)
        if now.digest != made.digest:
            models = sum(one.wanted + 1 for one in banks)
            hours = models * prepared.public.figures.retrain_wall_s / 3600 / (os.cpu_count() or 1)
            raise BankChanged(
                f"the {bank.split} bank of '{slug}' was made from something else than what is configured now: "
                f"{'; '.join(differences(made, now))}. It is kept and not mixed with anything. Go back to what it was "
                f"made from, or create the competition anew under another slug: {models} models to train, about "
                f"{hours:.1f} hours on this machine"
            )


def _train(
    context: Context, wanted: Mapping[str, int], watch: "_Watch", jobs: int | None, stop: threading.Event
) -> int:
    """Train here until there are no more or `stop` is set; how many models were trained."""
    from lethe.evaluator.banks.trainer import train_orders
    from lethe.evaluator.banks.training_jobs import training_pool
    from lethe.evaluator.gpus import find_gpus

    trainer = Trainer(
        name=f"{socket.gethostname()}:{os.getpid()}",
        torch=version("torch"),
        gpu=bool(find_gpus()),
    )
    lease_s = context.settings.lease_s
    source = DatabaseOrders(context.database, trainer, wanted, lease_s=lease_s)
    count = 0
    with training_pool(jobs) as pool:
        while True:
            count += train_orders(source, context.artifacts, pool, stop=stop, tick=watch.look)
            watch.look()
            # Other trainers have the rest. When one of them falls silent, its lease ends and the order waits again.
            if not watch.missing() or stop.wait(LOOK_S):
                return count


class _Watch:
    """Counts the trained models in the wanted part of the banks, whoever trained them, and reports progress."""

    def __init__(self, context: Context, wanted: Mapping[str, int], progress: ReportProgress) -> None:
        self.wanted = sum(wanted.values())
        self._context = context
        self._parts = wanted
        self._progress = progress
        self._started = time.monotonic()
        self.done = self._at_start = self._count()
        self._show()

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self._started

    def missing(self) -> int:
        return self.wanted - self.done

    def look(self) -> None:
        """Count again; raises ModelsFailed when an order has failed for good."""
        before, self.done = self.done, self._count()
        if self.done != before:
            self._show()

    def _show(self) -> None:
        from lethe.evaluator.banks.seeding import Progress

        self._progress(Progress("oracles", self.done, self.wanted, self.done - self._at_start, self.elapsed_s))

    def _count(self) -> int:
        done = 0
        with self._context.database.read() as session:
            for digest, count in self._parts.items():
                states = training_queries.count_by_state(session, digest, count)
                done += states.get(WorkState.DONE, 0)
                if states.get(WorkState.FAILED):
                    first = training_queries.find_failure(session, digest, count)
                    raise ModelsFailed(f"{states[WorkState.FAILED]} models cannot be trained, for example: {first}")
        return done
