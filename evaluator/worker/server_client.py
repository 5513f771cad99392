"""The worker's side of the internal work API, over HTTP."""

import threading
from typing import Any

import httpx
import structlog
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_when_event_set,
    wait_exponential,
)

from lethe.evaluator.contract.base import Contract
from lethe.evaluator.contract.training import (
    TrainingClaim,
    TrainingHeartbeat,
    TrainingHeartbeatAnswer,
    TrainingOrders,
    TrainingReport,
)
from lethe.evaluator.contract.work import (
    Capabilities,
    Claim,
    Heartbeat,
    HeartbeatAnswer,
    Job,
    Leave,
    Outcome,
    OutcomeAnswer,
    Registration,
    RegistrationAnswer,
)
from lethe.evaluator.errors import EvaluatorError

log = structlog.stdlib.get_logger(__name__)

FIRST_RETRY_S = 0.5
LONGEST_RETRY_S = 15.0


class ServerRefused(EvaluatorError):
    """The server answered with a client error: worker and server differ in version."""


class KeyRefused(ServerRefused):
    """The worker key is unknown, or the server does not admit this worker."""


class WorkerUnknown(ServerRefused):
    """The server does not know this worker; it has to register."""


class WorkerQuarantined(ServerRefused):
    """The server gives this worker nothing until it reports that it has passed its self-test."""


class ServerAway(EvaluatorError):
    """The server does not answer, or answers with an error of its own."""


_CONFLICTS: dict[str, type[ServerRefused]] = {
    "worker_unknown": WorkerUnknown,
    "worker_quarantined": WorkerQuarantined,
}


class WorkClient:
    """Calls under one worker key and one worker name. Every method raises ServerAway or ServerRefused."""

    def __init__(self, server_url: str, worker_key: str, worker: str) -> None:
        self._worker = worker
        self._http = httpx.Client(
            base_url=f"{server_url.rstrip('/')}/internal/v1",
            headers={"Authorization": f"Bearer {worker_key}", "Accept-Encoding": "identity"},  # answers are short
            timeout=httpx.Timeout(20.0, connect=5.0),
        )

    def close(self) -> None:
        self._http.close()

    def register(self, capabilities: Capabilities, *, passed_self_test: bool = False) -> RegistrationAnswer:
        """Register this worker, which ends the leases of its predecessor, and after a self-test its quarantine."""
        registration = Registration(worker=self._worker, capabilities=capabilities, passed_self_test=passed_self_test)
        return RegistrationAnswer.model_validate(self._post("/work/register", registration))

    def leave(self) -> None:
        """Say that this worker stops."""
        self._post("/work/leave", Leave(worker=self._worker))

    def claim(self) -> Job | None:
        """Lease a job, or return None when there is nothing to do.

        Raises WorkerUnknown before the worker registers, WorkerQuarantined until it has passed its self-test.
        """
        answer = self._post("/work/claim", Claim(worker=self._worker))
        return None if answer is None else Job.model_validate(answer)

    def heartbeat(self, beat: Heartbeat) -> HeartbeatAnswer:
        """Renew a lease, report finished runs, and learn whether to go on."""
        return HeartbeatAnswer.model_validate(self._post("/work/heartbeat", beat))

    def report(self, outcome: Outcome) -> OutcomeAnswer:
        """Report an outcome, once: whether it changed anything or not, it need not be sent again."""
        return OutcomeAnswer.model_validate(self._post("/work/outcome", outcome))

    def claim_training(self, claim: TrainingClaim) -> TrainingOrders:
        """Lease models to train."""
        return TrainingOrders.model_validate(self._post("/training/claim", claim))

    def renew_training(self, beat: TrainingHeartbeat) -> TrainingHeartbeatAnswer:
        """Renew leases and return the lost ones."""
        return TrainingHeartbeatAnswer.model_validate(self._post("/training/heartbeat", beat))

    def report_training(self, report: TrainingReport, *, give_up: threading.Event) -> OutcomeAnswer | None:
        """Report, and try again until the server answers; None if `give_up` is set first."""
        return self._report("/training/report", report, give_up)

    def _report(self, path: str, body: Contract, give_up: threading.Event) -> OutcomeAnswer | None:
        retrying = Retrying(
            retry=retry_if_exception_type(ServerAway),
            stop=stop_when_event_set(give_up),
            wait=wait_exponential(multiplier=FIRST_RETRY_S, max=LONGEST_RETRY_S),
            sleep=sleep_using_event(give_up),
            before_sleep=_log_undelivered,
            retry_error_callback=lambda _: None,
        )
        return retrying(lambda: OutcomeAnswer.model_validate(self._post(path, body)))

    def _post(self, path: str, body: Contract) -> Any:
        try:
            response = self._http.post(
                path, content=body.model_dump_json(), headers={"Content-Type": "application/json"}
            )
        except httpx.HTTPError as error:
            raise ServerAway(f"{type(error).__name__}: {error}") from error
        if response.status_code >= 500 or response.status_code in {408, 429}:
            raise ServerAway(f"{path} answered {response.status_code}")
        if response.status_code >= 400:
            raise _refusal(response)(f"{path} answered {response.status_code}: {_reason(response)}")
        return None if response.status_code == 204 else response.json()


def _log_undelivered(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome is not None else None
    log.warning("outcome_not_delivered", error=str(error), retry_s=state.upcoming_sleep)


def _reason(response: httpx.Response) -> str:
    """The sentence of a problem document; what else answered, a proxy say, as it is."""
    try:
        return str(response.json()["detail"])
    except (ValueError, LookupError, TypeError):
        return response.text[:500]


def _refusal(response: httpx.Response) -> type[ServerRefused]:
    if response.status_code in {401, 403}:
        return KeyRefused
    if response.status_code == 409:
        return next((refusal for code, refusal in _CONFLICTS.items() if code in response.text), ServerRefused)
    return ServerRefused
