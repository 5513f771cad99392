"""The status of a competition's oracle banks: trained models, trainers, speed and disk space."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from lethe.evaluator.artifacts.oracles import pruned_key, trained_indices
from lethe.server.context import Context
from lethe.server.hosting.oracles import Bank, competition_banks
from lethe.server.models.times import utc_now
from lethe.server.queue import training_queries

RATE_WINDOW = timedelta(hours=1)


@dataclass(frozen=True)
class InHand:
    """A model that is being trained."""

    index: int
    holder: str
    lease_expires_at: datetime


@dataclass(frozen=True)
class BankStatus:
    """One bank. `oracles` and `ceiling` are pairs (trained, wanted); `models_per_hour` is the rate of the last hour, by
    all trainers, None where it is unknown; `waiting` counts orders that nobody has in hand, `offered` the models that
    workers may train.
    """

    split: str
    bank: str
    torch: str
    oracles: tuple[int, int]
    ceiling: tuple[int, int]
    in_progress: list[InHand]
    waiting: int
    failed: list[str]
    offered: int
    models_per_hour: float | None
    disk_bytes: int
    pruned: bool

    @property
    def missing(self) -> int:
        return self.oracles[1] - self.oracles[0] + self.ceiling[1] - self.ceiling[0]

    def as_json(self) -> dict[str, Any]:
        held = [asdict(one) | {"lease_expires_at": one.lease_expires_at.isoformat()} for one in self.in_progress]
        return asdict(self) | {"missing": self.missing, "in_progress": held}


def status(context: Context, slug: str) -> list[BankStatus]:
    """Return the status of every bank of the competition, the public one first."""
    return [_bank_status(context, bank) for bank in competition_banks(context, slug)]


def _bank_status(context: Context, bank: Bank) -> BankStatus:
    trained = trained_indices(context.artifacts, bank.digest)
    first = sum(index < bank.oracles for index in trained)
    second = sum(bank.oracles <= index < bank.wanted for index in trained)
    with context.database.read() as session:
        held = training_queries.orders_in_hand(session, bank.digest)
        failed = training_queries.failure_messages(session, bank.digest)
        offered = training_queries.count_offered(session, bank.digest)
        recent = training_queries.done_since(session, bank.digest, utc_now() - RATE_WINDOW)
        waiting = training_queries.count_open(session, bank.digest) - len(held)
    return BankStatus(
        split=bank.split,
        bank=bank.digest,
        torch=bank.identity.torch,
        oracles=(first, bank.oracles),
        ceiling=(second, bank.ceiling),
        in_progress=[InHand(one.model_index, one.worker or "", one.lease_expires_at or utc_now()) for one in held],
        waiting=waiting,
        failed=[message or "" for message in failed],
        offered=offered,
        models_per_hour=_per_hour(recent),
        disk_bytes=sum(artifact.size_bytes for artifact in context.artifacts.entries(f"banks/{bank.digest}")),
        pruned=context.artifacts.exists(pruned_key(bank.digest)),
    )


def _per_hour(moments: list[datetime]) -> float | None:
    """Models per hour from when they were done: the intervals between the first and the last; None below two."""
    if len(moments) < 2:
        return None
    seconds = (max(moments) - min(moments)).total_seconds()
    return 3600 * (len(moments) - 1) / seconds if seconds > 0 else None
