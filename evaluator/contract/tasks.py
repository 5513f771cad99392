"""Names of Celery queues and tasks. A message says "there is work" and nothing else; SQL says which."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

EVALUATE_QUEUE = "evaluate"
CONTROL_QUEUE = "control"
WAKE_EVALUATE_TASK = "lethe.evaluate.wake"
WAKE_CONTROL_TASK = "lethe.control.wake"
WORKER_POLL_S = 10.0
FILESYSTEM_POLL_S = 0.2


def celery_configuration(broker_url: str) -> dict[str, Any]:
    """Celery settings for `broker_url`, alike on both sides: JSON only, no results, acknowledged on receipt.

    `filesystem:///absolute/folder` is Kombu's transport that needs no server; its folders are created here.
    """
    configuration: dict[str, Any] = {
        "broker_url": broker_url,
        "accept_content": ["json"],
        "task_serializer": "json",
        "task_ignore_result": True,
        "worker_enable_remote_control": False,
        "worker_send_task_events": False,
        "worker_prefetch_multiplier": 1,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_transport_options": {"socket_connect_timeout": 2, "socket_timeout": 5},
    }
    parts = urlsplit(broker_url)
    if parts.scheme == "filesystem":
        folder = Path(parts.path)
        for name in ("messages", "control"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        configuration["broker_url"] = "filesystem://localhost"
        configuration["broker_transport_options"] = {
            "data_folder_in": str(folder / "messages"),
            "data_folder_out": str(folder / "messages"),
            "control_folder": str(folder / "control"),
            "polling_interval": FILESYSTEM_POLL_S,
        }
    return configuration
