"""Where MLflow runs go: a folder with a database and the artifacts, or a tracking server."""

from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from lethe.evaluator.errors import EvaluatorError

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

DATABASE = "mlflow.db"
ARTIFACTS = "artifacts"
ANSWER_S = 10.0


class TrackingUnavailable(EvaluatorError):
    """MLflow is not installed, or cannot write where it is to; the message says which."""


def require_mlflow() -> None:
    """Raise TrackingUnavailable unless MLflow can be imported."""
    try:
        import mlflow  # noqa: F401
    except ModuleNotFoundError as error:
        raise TrackingUnavailable("--mlflow needs MLflow: pip install mlflow-skinny") from error


def tracking_uri(target: str) -> str:
    """Return the tracking URI of `target`, a folder or already a URI."""
    return target if _is_uri(target) else f"sqlite:///{Path(target).resolve() / DATABASE}"


def open_experiment(target: str, name: str) -> "tuple[MlflowClient, str]":
    """Return a client and the id of the experiment `name`, made where there is none; call it before the work, too.

    `target` is a URI, or a folder that is new, empty or holds what MLflow wrote there. Raises TrackingUnavailable.
    """
    require_mlflow()
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    try:
        location = None if _is_uri(target) else _prepare_folder(Path(target).resolve())
        if target.startswith(("http://", "https://")):
            httpx.get(target, timeout=ANSWER_S)  # MLflow itself would try for minutes
        client = MlflowClient(tracking_uri(target))
        found = client.get_experiment_by_name(name)
        return client, found.experiment_id if found else client.create_experiment(name, artifact_location=location)
    except (MlflowException, httpx.HTTPError, OSError) as error:
        raise TrackingUnavailable(f"--mlflow {target}: {str(error).splitlines()[0]}") from error


def _is_uri(target: str) -> bool:
    return "://" in target


def _prepare_folder(folder: Path) -> str:
    """Make the folder, and return the address of its artifacts."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()) and not (folder / DATABASE).exists():
        raise TrackingUnavailable(f"--mlflow {folder}: it holds something else than MLflow's runs; name a new folder")
    return (folder / ARTIFACTS).as_uri()
