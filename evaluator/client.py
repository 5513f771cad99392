"""The worker's side of the internal work API, over HTTP with retries."""

import threading
from typing import Any

import httpx
import structlog

from evaluator.contract.base import Contract
from evaluator.contract.training import TrainingBeat, TrainingBeatAnswer, TrainingClaim, TrainingOrders, TrainingReport
from evaluator.contract.work import Claim, Heartbeat, HeartbeatAnswer, Job, Outcome, OutcomeAnswer

log = structlog.stdlib.get_logger(__name__)

FIRST_RETRY_S = 0.5
LONGEST_RETRY_S = 15.0


class ServerRefused(Exception):
    """The server answered with a client error: the key is wrong, or worker and server differ in version."""


class ServerAway(Exception):
    """The server does not answer, or answers with a fault of its own."""


class WorkClient:
    """Claims, heartbeats and outcomes under one worker key."""

    def __init__(self, server_url: str, worker_key: str) -> None:
        self._http = httpx.Client(
            base_url=f"{server_url.rstrip('/')}/internal/v1",
            headers={"Authorization": f"Bearer {worker_key}"},
            timeout=httpx.Timeout(20.0, connect=5.0),
        )

    def close(self) -> None:
        self._http.close()

    def claim(self, claim: Claim) -> Job | None:
        """A leased job, or None when there is nothing to do; raises ServerAway or ServerRefused."""
        answer = self._post("/work/claim", claim)
        return None if answer is None else Job.model_validate(answer)

    def heartbeat(self, beat: Heartbeat) -> HeartbeatAnswer:
        """Whether to go on; raises ServerAway or ServerRefused."""
        return HeartbeatAnswer.model_validate(self._post("/work/heartbeat", beat))

    def report(self, outcome: Outcome, *, give_up: threading.Event) -> OutcomeAnswer | None:
        """The server's answer, after as many tries as it takes; None when `give_up` is set before one succeeds."""
        return self._report("/work/outcome", outcome, give_up)

    def claim_training(self, claim: TrainingClaim) -> TrainingOrders:
        """Leased models to train; raises ServerAway or ServerRefused."""
        return TrainingOrders.model_validate(self._post("/training/claim", claim))

    def keep_training(self, beat: TrainingBeat) -> TrainingBeatAnswer:
        """Which models are lost; raises ServerAway or ServerRefused."""
        return TrainingBeatAnswer.model_validate(self._post("/training/heartbeat", beat))

    def report_training(self, report: TrainingReport, *, give_up: threading.Event) -> OutcomeAnswer | None:
        """As `report`."""
        return self._report("/training/report", report, give_up)

    def _report(self, path: str, body: Contract, give_up: threading.Event) -> OutcomeAnswer | None:
        delay_s = FIRST_RETRY_S
        while True:
            try:
                return OutcomeAnswer.model_validate(self._post(path, body))
            except ServerAway as error:
                log.warning("outcome_not_delivered", error=str(error), retry_s=delay_s)
            if give_up.wait(delay_s):
                return None
            delay_s = min(2 * delay_s, LONGEST_RETRY_S)

    def _post(self, path: str, body: Contract) -> Any:
        try:
            response = self._http.post(
                path, content=body.model_dump_json(), headers={"Content-Type": "application/json"}
            )
        except httpx.HTTPError as error:
            raise ServerAway(f"{type(error).__name__}: {error}") from error
        if response.status_code >= 500:
            raise ServerAway(f"{path} answered {response.status_code}")
        if response.status_code >= 400:
            raise ServerRefused(f"{path} answered {response.status_code}: {response.text[:500]}")
        return None if response.status_code == 204 else response.json()
