"""The life of model orders: placed, claimed under a lease, kept by beats, reported, and free again when a lease ends.

Every function runs inside one write transaction of its caller. The token of an order rises with each claim, so whoever
held it before can change nothing any more: no seed is trained by two at once, as long as beats arrive.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import false, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from evaluator.contract.bank import BankIdentity
from evaluator.contract.states import Stage, SubmissionState, WorkState
from evaluator.contract.training import OrderEnd, OrderRef, TrainingOrder
from server.logs import get_logger
from server.models import ModelOrder, OracleBank, Submission, WorkItem
from server.models.times import utc_now

log = get_logger(__name__)

MAX_BREAKDOWNS = 3


@dataclass(frozen=True)
class Trainer:
    """Who claims: a name for people, what it can train, and the key of a worker (None: a host's own command)."""

    name: str
    torch: str
    gpu: bool
    worker_key_id: UUID | None = None


def place(session: Session, bank: BankIdentity, count: int, trained: Collection[int]) -> None:
    """Order the models 0 … count−1 of the bank; `trained` are those with a record, whatever SQL thought of them.

    Orders of others stay as they are; what failed is free to be tried again.
    """
    insert = (sqlite if session.get_bind().dialect.name == "sqlite" else postgresql).insert
    row = {"digest": bank.digest, "identity": bank.model_dump(mode="json"), "created_at": utc_now()}
    row |= {"torch": bank.torch, "needs_gpu": bank.needs_gpu, "offered": 0}
    session.execute(insert(OracleBank).values(**row).on_conflict_do_nothing())
    new = [
        {"bank_digest": bank.digest, "model_index": index, "state": WorkState.READY, "token": 0, "breakdowns": 0}
        for index in range(count)
    ]
    session.execute(insert(ModelOrder).on_conflict_do_nothing(), new)
    # Rows are always locked in the order of their key, so that two transactions cannot wait for each other.
    placed = select(ModelOrder).where(ModelOrder.bank_digest == bank.digest, ModelOrder.model_index < count)
    for order in session.scalars(placed.order_by(ModelOrder.model_index).with_for_update()):
        if order.model_index in trained:
            order.state, order.message = WorkState.DONE, None
        elif order.state in {WorkState.DONE, WorkState.FAILED}:
            order.state, order.message, order.breakdowns, order.done_at = WorkState.READY, None, 0, None


def claim(
    session: Session, trainer: Trainer, *, count: int, lease_s: float, wanted: Mapping[str, int] | None = None
) -> list[TrainingOrder]:
    """Up to `count` free orders that the trainer can do, leased to it, oldest bank first.

    Of the first `wanted[digest]` models of each bank, or of those that are offered to workers when it is None.
    """
    expire_leases(session)
    query = (
        select(ModelOrder, OracleBank)
        .join(OracleBank, OracleBank.digest == ModelOrder.bank_digest)
        .where(ModelOrder.state == WorkState.READY, OracleBank.torch == trainer.torch)
        .order_by(OracleBank.created_at, OracleBank.digest, ModelOrder.model_index)
        .limit(count)
        .with_for_update(skip_locked=True, of=ModelOrder)
    )
    if wanted is None:
        query = query.where(ModelOrder.model_index < OracleBank.offered)
    else:
        parts = ((OracleBank.digest == digest) & (ModelOrder.model_index < most) for digest, most in wanted.items())
        query = query.where(or_(false(), *parts))
    if not trainer.gpu:
        query = query.where(OracleBank.needs_gpu.is_(False))
    claimed = []
    for order, bank in session.execute(query):
        order.state = WorkState.LEASED
        order.token += 1
        order.holder, order.worker_key_id = trainer.name, trainer.worker_key_id
        order.lease_expires_at = utc_now() + timedelta(seconds=lease_s)
        identity = BankIdentity.model_validate(bank.identity)
        claimed.append(TrainingOrder(bank=identity, index=order.model_index, token=order.token))
    return claimed


def offer(session: Session, bank_digest: str, count: int) -> None:
    """Let workers train the first `count` models of the bank; at 0 they only finish what they have in hand."""
    session.execute(update(OracleBank).where(OracleBank.digest == bank_digest).values(offered=count))


def submissions_wait(session: Session) -> bool:
    """Whether a check or a run is free to be claimed: workers do that first."""
    waiting = (
        select(WorkItem.id)
        .join(Submission, Submission.id == WorkItem.submission_id)
        .where(
            WorkItem.state == WorkState.READY,
            WorkItem.stage.in_((Stage.CHECK, Stage.RUN)),
            WorkItem.generation == Submission.generation,
            Submission.state.in_([state for state in SubmissionState if not state.is_terminal]),
        )
        .limit(1)
    )
    return session.scalar(waiting) is not None


def renew(session: Session, held: Iterable[OrderRef], worker_key_id: UUID | None, *, lease_s: float) -> list[OrderRef]:
    """Prolong the leases of `held`; the ones that do not belong to this trainer any more."""
    lost = []
    for ref in sorted(held, key=lambda ref: (ref.bank_digest, ref.index)):
        order = _held(session, ref, worker_key_id)
        if order is None:
            lost.append(ref)
        else:
            order.lease_expires_at = utc_now() + timedelta(seconds=lease_s)
    return lost


def report(session: Session, ref: OrderRef, worker_key_id: UUID | None, end: OrderEnd, message: str) -> bool:
    """Apply how an order ended; False, and nothing changed, for an old token."""
    order = _held(session, ref, worker_key_id)
    if order is None:
        return False
    order.lease_expires_at = None
    order.message = message or None
    if end is OrderEnd.TRAINED:
        order.state, order.done_at = WorkState.DONE, utc_now()
    elif end is OrderEnd.HANDED_BACK:
        order.state = WorkState.READY
    else:
        order.breakdowns += 1
        final = end is OrderEnd.FAILED or order.breakdowns >= MAX_BREAKDOWNS
        order.state = WorkState.FAILED if final else WorkState.READY
        log.error("training_failed", bank=ref.bank_digest[:12], index=ref.index, message=message)
    return True


def expire_leases(session: Session) -> None:
    """Free the orders whose holder fell silent. A killed trainer is not the model's fault: this may happen often."""
    silent = (
        select(ModelOrder)
        .where(ModelOrder.state == WorkState.LEASED, ModelOrder.lease_expires_at < utc_now())
        .with_for_update(skip_locked=True)
    )
    for order in session.scalars(silent):
        order.state = WorkState.READY
        log.warning("training_lease_expired", bank=order.bank_digest[:12], index=order.model_index, holder=order.holder)


def _held(session: Session, ref: OrderRef, worker_key_id: UUID | None) -> ModelOrder | None:
    order = session.get(ModelOrder, (ref.bank_digest, ref.index), with_for_update=True)
    if order is None or (order.token, order.worker_key_id) != (ref.token, worker_key_id):
        return None
    return order if order.state == WorkState.LEASED else None
