"""Hands an archive to MLflow: one run for each submission, with parameters, metrics and artifacts."""

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lethe.evaluator.artifacts.mlflow_target import open_experiment, require_mlflow, tracking_uri
from lethe.evaluator.measures.measurements import from_document
from lethe.server.hosting.archive import FolderInUse

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

METRICS = ("final_score", "forgetting_quality", "retain_ratio", "test_ratio")
FACTS = ("team", "filename", "evaluation", "generation", "source_sha256", "owner", "fault", "disqualified")
RECEIPT = ("rule", "metric_version", "cap_ratios", "runs", "oracles", "bank_digest", "data_sha256", "seeds_sha256")


def require_target(target: str, slug: str) -> None:
    """Raise TrackingUnavailable or FolderInUse before any work is done for an export that could not end."""
    require_mlflow()
    if "://" not in target and Path(target).exists():
        raise FolderInUse(f"{target} exists already. Name a new folder.")
    open_experiment(target, slug)


def log_archive(archive: Path, target: str) -> str:
    """The tracking URI that got the runs of the archive in the folder `archive`.

    `target` is the URL of a tracking server, or a new folder, which then holds a database and the artifacts. Reference
    rows are runs as well. Raises TrackingUnavailable, and what MLflow raises when it can no longer write.
    """
    facts = json.loads((archive / "archive.json").read_text(encoding="utf-8"))
    client, experiment = open_experiment(target, facts["competition"]["specification"]["slug"])
    for submission in facts["submissions"]:
        _log_submission(client, experiment, archive, submission)
    for name, score in facts["competition"]["references"].items():
        run = client.create_run(experiment, run_name=name, tags={"reference": name}).info.run_id
        _log_score(client, run, score)
        client.set_terminated(run)
    return tracking_uri(target)


def _log_submission(client: "MlflowClient", experiment: str, archive: Path, submission: dict[str, Any]) -> None:
    identifier = submission["id"]
    run = client.create_run(
        experiment,
        start_time=_milliseconds(submission["created_at"]),
        run_name=f"{submission['team']}: {submission['filename']}",
        tags={"submission": identifier, "state": submission["state"]},
    ).info.run_id
    for name in FACTS:
        if submission[name] is not None:
            client.log_param(run, name, submission[name])
    _log_artifact(client, run, archive / "sources" / f"{identifier}.py")
    if submission["score"] is not None:
        _log_score(client, run, submission["score"])
        _log_artifact(client, run, archive / "margins" / f"{identifier}.npz")
        for plot in sorted((archive / "plots" / identifier).glob("*.svg")):
            client.log_artifact(run, str(plot), "plots")
    ended = _milliseconds(submission["finished_at"])
    client.set_terminated(run, "FINISHED" if submission["score"] is not None else "FAILED", end_time=ended)


def _log_score(client: "MlflowClient", run: str, score: dict[str, Any]) -> None:
    for name in METRICS:
        client.log_metric(run, name, score[name])
    for name, value in zip(("interval_low", "interval_high"), score["interval"], strict=True):
        client.log_metric(run, name, value)
    for key, value in from_document(score["measures"]).values.items():
        client.log_metric(run, key, value.value)
    receipt = score["receipt"]
    for name in RECEIPT:
        if name in receipt:
            client.log_param(run, name, receipt[name])
    client.log_dict(run, receipt, "receipt.json")


def _log_artifact(client: "MlflowClient", run: str, path: Path) -> None:
    if path.exists():
        client.log_artifact(run, str(path))


def _milliseconds(moment: str | None) -> int | None:
    return None if moment is None else int(datetime.fromisoformat(moment).timestamp() * 1000)
