"""What operators decide about workers and their keys: drain, disable, enable, delete.

Every function runs inside one transaction of its caller.
"""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from lethe.server.errors import NotFound
from lethe.server.lifecycle.transitions import OfTrainingOrder
from lethe.server.models import Admission, Worker
from lethe.server.queue import leases, quarantine, queries, worker_keys, worker_queries


class WorkerNotFound(NotFound):
    """No worker has this name."""

    code = "worker_not_found"
    title = "Worker not found"


def admit(session: Session, name: str, admission: Admission) -> int:
    """Decide what the worker `name` may do from now on; how much work in hand it lost by that.

    `open` also ends a quarantine; `disabled` takes back what the worker has in hand. Raises WorkerNotFound.
    """
    found = worker_queries.lock_workers(session, name)
    if not found:
        names = ", ".join(worker_queries.worker_names(session)) or "none"
        raise WorkerNotFound(f"There is no worker called {name!r}. There are: {names}.")
    for worker in found:
        worker.admission = admission
        if admission is Admission.OPEN:
            quarantine.end(session, worker)
    return _take_back(session, found) if admission is Admission.DISABLED else 0


def delete_worker_key(session: Session, name: str) -> int:
    """Delete the key `name` with its workers; how much work in hand they lost. Raises WorkerKeyNotFound."""
    key = worker_keys.require_worker_key(session, name)
    lost = _take_back(session, worker_queries.workers_of_key(session, key.id))
    worker_queries.delete_worker_key(session, key)
    return lost


def _take_back(session: Session, workers: Sequence[Worker]) -> int:
    """Let others have what these workers have in hand."""
    count = 0
    for worker in workers:
        for item in queries.lock_held(session, worker.worker_key_id, worker.name):
            leases.take_back(session, item)
            count += 1
        for order in queries.lock_held_orders(session, worker.worker_key_id, worker.name):
            leases.release(order, OfTrainingOrder.HANDED_BACK)
            count += 1
    return count
