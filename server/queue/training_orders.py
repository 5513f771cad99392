"""Training orders, one for each model of an oracle bank: placed, offered to workers, claimed, renewed and reported.

Their leases follow `lethe.server.queue.leases`, so no model is trained by two at once as long as renewals arrive. Every
function runs inside one write transaction of its caller.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.orm import Session

from lethe.evaluator.contract.bank import BankIdentity
from lethe.evaluator.contract.states import OPEN_WORK_STATES, WorkState
from lethe.evaluator.contract.training import OrderEnd, OrderRef, TrainingOrder
from lethe.server.lifecycle import work
from lethe.server.lifecycle.transitions import OfTrainingOrder
from lethe.server.models import ModelOrder
from lethe.server.models.times import utc_now
from lethe.server.queue import leases, queries, training_queries

MAX_BREAKDOWNS = 3


@dataclass(frozen=True)
class Trainer:
    """The claimant: its name, what it can train, and its worker key (None: a host's own command)."""

    name: str
    torch: str
    gpu: bool
    worker_key_id: UUID | None = None


def place(session: Session, bank: BankIdentity, count: int, trained: Collection[int]) -> None:
    """Order the models 0 … count−1 of the bank; `trained` are those with a record, whatever their orders say.

    Open orders stay as they are; a failed order is opened again.
    """
    training_queries.add_orders(session, bank, count)
    for order in training_queries.lock_orders(session, bank.digest, count):
        if order.model_index in trained:
            work.move(order, OfTrainingOrder.FOUND_TRAINED)
            order.message = None
        elif order.state in {WorkState.DONE, WorkState.FAILED}:
            work.move(order, OfTrainingOrder.REOPENED)
            order.token += 1
            order.message, order.breakdowns, order.done_at = None, 0, None


def claim(
    session: Session, trainer: Trainer, *, count: int, lease_s: float, wanted: Mapping[str, int] | None = None
) -> list[TrainingOrder]:
    """Lease up to `count` waiting orders that the trainer can do to it, those of the oldest bank first.

    They are among the first `wanted[digest]` models of each bank, or among those offered to workers if it is None.
    """
    expire_leases(session)
    waiting = training_queries.lock_waiting(session, torch=trainer.torch, gpu=trainer.gpu, count=count, wanted=wanted)
    claimed = []
    for order, bank in waiting:
        leases.claim(
            order, OfTrainingOrder.CLAIMED, worker=trainer.name, worker_key_id=trainer.worker_key_id, lease_s=lease_s
        )
        identity = BankIdentity.model_validate(bank.identity)
        claimed.append(TrainingOrder(bank=identity, index=order.model_index, token=order.token))
    return claimed


def submissions_wait(session: Session) -> bool:
    """Whether a check or a run can be claimed: workers do that first."""
    return queries.waiting_check_or_run.rows(session, now=utc_now()).first() is not None


def renew(session: Session, held: Iterable[OrderRef], worker_key_id: UUID | None, *, lease_s: float) -> list[OrderRef]:
    """Renew the leases of `held` and return those that this trainer has lost."""
    lost = []
    for ref in sorted(held, key=lambda ref: (ref.bank_digest, ref.index)):
        order = _held(session, ref, worker_key_id)
        if order is None:
            lost.append(ref)
        else:
            leases.renew(order, OfTrainingOrder.RENEWED, lease_s=lease_s)
    return lost


def report(session: Session, ref: OrderRef, worker_key_id: UUID | None, end: OrderEnd, message: str) -> bool:
    """Apply how an order ended; False, with nothing changed, for an old token."""
    order = _held(session, ref, worker_key_id)
    if order is None:
        return False
    order.message = message or None
    if end is OrderEnd.TRAINED:
        leases.close(order, OfTrainingOrder.DONE)
    elif end is OrderEnd.HANDED_BACK:
        leases.release(order, OfTrainingOrder.HANDED_BACK)
    else:
        order.breakdowns += 1
        if end is OrderEnd.FAILED or order.breakdowns >= MAX_BREAKDOWNS:
            work.move(order, OfTrainingOrder.FAILED, message=message)
        else:
            leases.release(order, OfTrainingOrder.BROKEN, message=message)
    return True


def expire_leases(session: Session) -> None:
    """Expire the leases of silent trainers. A killed trainer is not the model's fault: this may happen often."""
    for order in queries.lock_expired(session, ModelOrder, ModelOrder.bank_digest, ModelOrder.model_index):
        work.move(order, OfTrainingOrder.EXPIRED, holder=order.worker)


def _held(session: Session, ref: OrderRef, worker_key_id: UUID | None) -> ModelOrder | None:
    """Return the order, locked, if the claim that `ref` names is its last one, expired or not; None if it has ended."""
    order = session.get(ModelOrder, (ref.bank_digest, ref.index), with_for_update=True)
    if order is None or (order.token, order.worker_key_id) != (ref.token, worker_key_id):
        return None
    return order if order.state in OPEN_WORK_STATES else None
