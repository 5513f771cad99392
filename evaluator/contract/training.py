"""The internal training protocol, as frozen values: trainers claim, renew and report orders of bank models."""

from enum import StrEnum

from pydantic import Field

from lethe.evaluator.contract.bank import BankIdentity
from lethe.evaluator.contract.base import Contract
from lethe.evaluator.contract.work import WorkerName

MOST_ORDERS = 64


class TrainingClaim(Contract):
    """A trainer can train `count` more models."""

    worker: WorkerName
    count: int = Field(ge=1, le=MOST_ORDERS)
    torch: str = Field(max_length=64, description="Version: a bank's models are all trained by one")
    gpu: bool = Field(description="Whether it has one; some recipes need it")


class OrderRef(Contract):
    """One claimed order; the token fences off earlier holders."""

    bank_digest: str
    index: int = Field(ge=0)
    token: int


class TrainingOrder(Contract):
    """One model to train. A trainer needs nothing else but the artifact store."""

    bank: BankIdentity
    index: int = Field(ge=0)
    token: int

    @property
    def ref(self) -> OrderRef:
        return OrderRef(bank_digest=self.bank.digest, index=self.index, token=self.token)


class TrainingOrders(Contract):
    """The answer to a claim: at most as many as asked for; none if nothing waits or submissions go first."""

    orders: tuple[TrainingOrder, ...] = ()
    lease_s: float


class TrainingHeartbeat(Contract):
    """A trainer is alive and renews its leases of these orders."""

    worker: WorkerName
    held: tuple[OrderRef, ...] = Field(max_length=MOST_ORDERS)


class TrainingHeartbeatAnswer(Contract):
    """The orders whose leases this trainer has lost; it drops them."""

    lost: tuple[OrderRef, ...] = ()


class OrderEnd(StrEnum):
    """How an order ended. `broken`: its process died, which may pass; `failed`: it cannot be trained as it is."""

    TRAINED = "trained"
    HANDED_BACK = "handed-back"
    BROKEN = "broken"
    FAILED = "failed"


class TrainingReport(Contract):
    """How an order ended; `trained` means that its record is in the store."""

    order: OrderRef
    end: OrderEnd
    message: str = Field(default="", max_length=2000)
