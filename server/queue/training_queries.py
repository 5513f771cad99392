"""SQL of oracle banks and of the training orders of their models."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Row, false, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from lethe.evaluator.contract.bank import BankIdentity
from lethe.evaluator.contract.states import OPEN_WORK_STATES, WorkState
from lethe.server.lifecycle.work import waits
from lethe.server.models import ModelOrder, OracleBank
from lethe.server.models.times import utc_now

# Training orders


def add_orders(session: Session, bank: BankIdentity, count: int) -> None:
    """Store the bank and orders of its first `count` models; those that are stored already stay as they are."""
    insert = (sqlite if session.get_bind().dialect.name == "sqlite" else postgresql).insert
    row = {"digest": bank.digest, "identity": bank.model_dump(mode="json"), "created_at": utc_now()}
    row |= {"torch": bank.torch, "needs_gpu": bank.needs_gpu, "offered": 0}
    session.execute(insert(OracleBank).values(**row).on_conflict_do_nothing())
    new = [{"bank_digest": bank.digest, "model_index": index} for index in range(count)]
    session.execute(insert(ModelOrder).on_conflict_do_nothing(), new)


def lock_orders(session: Session, bank_digest: str, count: int) -> Sequence[ModelOrder]:
    """Return the orders of the bank's first `count` models, locked."""
    # Rows are always locked in the order of their key, so that two transactions cannot wait for each other.
    placed = select(ModelOrder).where(ModelOrder.bank_digest == bank_digest, ModelOrder.model_index < count)
    return session.scalars(placed.order_by(ModelOrder.model_index).with_for_update()).all()


def lock_waiting(
    session: Session, *, torch: str, gpu: bool, count: int, wanted: Mapping[str, int] | None
) -> Sequence[Row[ModelOrder, OracleBank]]:
    """Return up to `count` waiting orders, locked, with their banks; those of the oldest bank first.

    Their banks need this torch, and no GPU unless there is a `gpu`. They are among the first `wanted[digest]` models of
    each bank, or among those offered to workers if it is None.
    """
    query = (
        select(ModelOrder, OracleBank)
        .join(OracleBank, OracleBank.digest == ModelOrder.bank_digest)
        .where(waits(ModelOrder), OracleBank.torch == torch)
        .order_by(OracleBank.created_at, OracleBank.digest, ModelOrder.model_index)
        .limit(count)
        .with_for_update(skip_locked=True, of=ModelOrder)
    )
    if wanted is None:
        query = query.where(ModelOrder.model_index < OracleBank.offered)
    else:
        parts = ((OracleBank.digest == digest) & (ModelOrder.model_index < most) for digest, most in wanted.items())
        query = query.where(or_(false(), *parts))
    if not gpu:
        query = query.where(OracleBank.needs_gpu.is_(False))
    return session.execute(query, {"now": utc_now()}).all()


def offer(session: Session, bank_digest: str, count: int) -> None:
    """Let workers train the first `count` models of the bank; at 0 they only finish what they have in hand."""
    session.execute(update(OracleBank).where(OracleBank.digest == bank_digest).values(offered=count))


# The status of banks


def orders_in_hand(session: Session, bank_digest: str) -> Sequence[ModelOrder]:
    """Return the bank's orders under a lease that has not expired, in the order of the models."""
    return session.scalars(
        select(ModelOrder)
        .where(
            ModelOrder.bank_digest == bank_digest,
            ModelOrder.state == WorkState.LEASED,
            ModelOrder.lease_expires_at >= utc_now(),
        )
        .order_by(ModelOrder.model_index)
    ).all()


def count_open(session: Session, bank_digest: str) -> int:
    """Return how many of the bank's orders wait or are under a lease, expired or not."""
    is_open = ModelOrder.state.in_(OPEN_WORK_STATES)
    return session.scalar(select(func.count()).where(ModelOrder.bank_digest == bank_digest, is_open)) or 0


def failure_messages(session: Session, bank_digest: str) -> Sequence[str | None]:
    """Return the messages of the bank's orders that have failed."""
    is_failed = ModelOrder.state == WorkState.FAILED
    return session.scalars(select(ModelOrder.message).where(ModelOrder.bank_digest == bank_digest, is_failed)).all()


def count_offered(session: Session, bank_digest: str) -> int:
    """Return how many of the bank's models workers may train; zero for a bank without orders."""
    return session.scalar(select(OracleBank.offered).where(OracleBank.digest == bank_digest)) or 0


def done_since(session: Session, bank_digest: str, since: datetime) -> list[datetime]:
    """Return when each of the bank's models was done that was done after `since`."""
    is_recent = ModelOrder.done_at > since
    found = session.scalars(select(ModelOrder.done_at).where(ModelOrder.bank_digest == bank_digest, is_recent)).all()
    return [moment for moment in found if moment is not None]


# Seeding


def count_leased(session: Session, bank_digests: Collection[str]) -> int:
    """Return how many orders of these banks are under a lease, expired or not."""
    is_leased = ModelOrder.state == WorkState.LEASED
    return session.scalar(select(func.count()).where(ModelOrder.bank_digest.in_(bank_digests), is_leased)) or 0


def count_by_state(session: Session, bank_digest: str, count: int) -> dict[str, int]:
    """Return how many of the bank's first `count` models have an order in each state; zeros are left out."""
    counted = (
        select(ModelOrder.state, func.count())
        .where(ModelOrder.bank_digest == bank_digest, ModelOrder.model_index < count)
        .group_by(ModelOrder.state)
    )
    return dict(session.execute(counted).all())


def find_failure(session: Session, bank_digest: str, count: int) -> str | None:
    """Return the message of a failed order among those of the bank's first `count` models, or None."""
    return session.scalar(
        select(ModelOrder.message).where(
            ModelOrder.bank_digest == bank_digest,
            ModelOrder.model_index < count,
            ModelOrder.state == WorkState.FAILED,
        )
    )
