"""Sends the results of a sweep to MLflow, one MLflow run for each row, once."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lethe.evaluator.artifacts.mlflow_target import open_experiment
from lethe.evaluator.bench.rows import Row

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

ROW = "lethe.row"
FINISHED = "FINISHED"


def log_rows(rows: Sequence[Row], *, target: str, experiment: str, provenance: dict[str, Any]) -> None:
    """Log each row that has results: constants as parameters, values and both ends of their intervals as metrics.

    What was logged before is not logged again, and what a killed call left unfinished is replaced. Raises
    TrackingUnavailable, and what MLflow raises when it can no longer write.
    """
    client, identity = open_experiment(target, experiment)
    for row in rows:
        if row.score is not None and not _is_logged(client, identity, row):
            _log(client, identity, row, provenance)


def _is_logged(client: "MlflowClient", experiment: str, row: Row) -> bool:
    """Whether there is a finished run of the row; unfinished ones are deleted."""
    runs = client.search_runs([experiment], filter_string=f"tags.`{ROW}` = '{row.key}'")
    for run in runs:
        if run.info.status != FINISHED:
            client.delete_run(run.info.run_id)
    return any(run.info.status == FINISHED for run in runs)


def _log(client: "MlflowClient", experiment: str, row: Row, provenance: dict[str, Any]) -> None:
    run = client.create_run(experiment, run_name=row.name, tags={ROW: row.key}).info.run_id
    rule = "" if row.score is None else row.score.rule
    for name, value in {"method": row.name, "runs": row.runs, "rule": rule, **row.constants}.items():
        client.log_param(run, name, value)
    for name, found in row.measures.items():
        ends = {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high, f"{name}_se": found.error}
        for key, number in ends.items():
            if number is not None:
                client.log_metric(run, key, number)
    client.log_dict(run, provenance, "provenance.json")
    client.set_terminated(run, FINISHED)
