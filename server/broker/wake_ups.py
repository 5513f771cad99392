"""The server's Celery app, and the wake-ups that it sends after a commit."""

from celery import Celery
from kombu.exceptions import OperationalError

from lethe.evaluator.contract.tasks import (
    CONTROL_QUEUE,
    EVALUATE_QUEUE,
    WAKE_CONTROL_TASK,
    WAKE_EVALUATE_TASK,
    celery_configuration,
)
from lethe.server.logs import get_logger

log = get_logger(__name__)

WOKEN_AT_MOST = 16  # by one event; the other workers poll within seconds


def create_celery(broker_url: str) -> Celery:
    """Create a Celery app on `broker_url`; it connects on first use."""
    app = Celery("lethe-server", set_as_current=False)
    app.conf.update(celery_configuration(broker_url))
    return app


class Waker:
    """Tells processes that there may be work. A lost message delays work by one polling interval and loses none."""

    def __init__(self, celery: Celery) -> None:
        self._celery = celery

    def workers(self, items: int = 1) -> None:
        """Wake an evaluation worker for each item, up to WOKEN_AT_MOST."""
        for _ in range(min(items, WOKEN_AT_MOST)):
            self._send(WAKE_EVALUATE_TASK, EVALUATE_QUEUE)

    def control(self) -> None:
        """Wake the control process."""
        self._send(WAKE_CONTROL_TASK, CONTROL_QUEUE)

    def is_reachable(self) -> bool:
        """Whether the broker answers now."""
        try:
            with self._celery.connection_for_write() as connection:
                connection.ensure_connection(max_retries=1, interval_start=0, timeout=2)
        except (OperationalError, OSError):
            return False
        return True

    def _send(self, task: str, queue: str) -> None:
        try:
            self._celery.send_task(task, queue=queue, retry=False, ignore_result=True)
        except (OperationalError, OSError) as error:
            log.warning("wake_up_lost", task=task, error=str(error))
