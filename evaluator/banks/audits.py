"""Audits oracles, as if each were a run, and the original model: what the audits of submissions are read beside."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from lethe.evaluator.artifacts import ArtifactConflict, ArtifactError, ArtifactStore, ArtifactStoreAway
from lethe.evaluator.artifacts.audits import ORIGINAL, bank_audit_key
from lethe.evaluator.artifacts.oracles import read_record
from lethe.evaluator.banks.seeding import Progress, ReportProgress
from lethe.evaluator.banks.training_jobs import default_jobs
from lethe.evaluator.contract.audits import AuditPlan, AuditRecord
from lethe.evaluator.contract.prepared_competition import ArtifactRef
from lethe.evaluator.inference.audit_order import audit_order
from lethe.evaluator.inference.service import InferenceCancelled, InferenceService
from lethe.sandbox.scratch_folders import scratch_folder

NO_TORCH = "torch is not installed here: run lethe admin calibrate where workers run"
TICK_S = 0.5
_OUTPUTS_WALL_S = 1.0  # no outputs are computed here


@dataclass(frozen=True)
class BankAudits:
    """The records of the oracles and of the original that have one, and by name why others have none. `audited` is the
    number of oracles that were asked for.
    """

    audited: int
    records: tuple[AuditRecord, ...]
    missing: dict[str, str]

    @property
    def mean_wall_s(self) -> float | None:
        """Mean seconds of an audit; None without any."""
        return sum(one.wall_s for one in self.records) / len(self.records) if self.records else None


def audit_bank(
    plan: AuditPlan,
    audited: Sequence[int],
    store: ArtifactStore,
    *,
    jobs: int | None = None,
    progress: ReportProgress | None = None,
    stop: threading.Event | None = None,
) -> BankAudits:
    """Audit the oracles `audited` and the original, as far as they have no record yet, `jobs` at once.

    The first record of a network counts, and one without quantities is not stored: the next call tries again. Ends soon
    after `stop` is set. `progress` is called with the stage `audits`. Raises ArtifactStoreAway.
    """
    places: dict[int | str, int] = {index: place for place, index in enumerate(audited)} | {ORIGINAL: 0}
    waiting = [network for network in places if not store.exists(bank_audit_key(plan, network))]
    missing: dict[str, str] = {}
    if find_spec("torch") is None:
        missing, waiting = {_name(network): NO_TORCH for network in waiting}, []
    started = time.monotonic()
    count = max(1, min(default_jobs() if jobs is None else jobs, len(waiting)))
    with ExitStack() as stack:
        cache = stack.enter_context(scratch_folder("lethe-auditing-"))
        services = [stack.enter_context(InferenceService(wall_s=_OUTPUTS_WALL_S)) for _ in range(count)]
        threads = stack.enter_context(ThreadPoolExecutor(count))
        ended = threading.Event()
        stack.callback(ended.set)  # else an error would wait for the audits
        futures = {
            threads.submit(
                _audit, plan, network, places[network], store, cache, services[number % count], ended
            ): network
            for number, network in enumerate(waiting)
        }
        pending = set(futures)
        while pending:
            finished, pending = wait(pending, timeout=TICK_S, return_when=FIRST_COMPLETED)
            if stop is not None and stop.is_set():
                ended.set()
            for future in finished:
                if reason := future.result():
                    missing[_name(futures[future])] = reason
                if progress is not None:
                    done = len(waiting) - len(pending)
                    progress(Progress("audits", done, len(waiting), done, time.monotonic() - started))
    keys = [bank_audit_key(plan, network) for network in places]
    records = [AuditRecord.model_validate_json(store.get(key)) for key in keys if store.exists(key)]
    return BankAudits(len(audited), tuple(records), missing)


def audit_original(plan: AuditPlan, store: ArtifactStore) -> AuditRecord:
    """An audit of the original model that is not stored: it shows what one costs here. Raises as `audit_order` does."""
    with scratch_folder("lethe-auditing-") as folder, InferenceService(wall_s=_OUTPUTS_WALL_S) as service:
        order = audit_order(plan, 0, store, folder)
        return service.audit(store.get(plan.original), order, threading.Event())


def _audit(
    plan: AuditPlan,
    network: int | str,
    place: int,
    store: ArtifactStore,
    cache: Path,
    service: InferenceService,
    stop: threading.Event,
) -> str:
    """Audit one network and store its record; return why there is none, or an empty text."""
    if stop.is_set():
        return "interrupted"
    try:
        order = audit_order(plan, place, store, cache)
        record = service.audit(store.get(_checkpoint(plan, network, store)), order, stop)
        if not record.quantities:
            return record.missing
        with suppress(ArtifactConflict):  # another process has audited it meanwhile
            store.put(bank_audit_key(plan, network), record.model_dump_json().encode())
    except InferenceCancelled:
        return "interrupted"
    except ArtifactStoreAway:
        raise
    except (ArtifactError, ValueError) as error:  # a checkpoint was pruned, or is damaged
        return str(error)
    return ""


def _name(network: int | str) -> str:
    return network if isinstance(network, str) else f"oracle {network}"


def _checkpoint(plan: AuditPlan, network: int | str, store: ArtifactStore) -> ArtifactRef:
    return plan.original if isinstance(network, str) else read_record(store, plan.bank_digest, network).checkpoint
