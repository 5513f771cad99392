"""Sends the results of a sweep to MLflow, one MLflow run for each row."""

from collections.abc import Sequence

from lethe.evaluator.bench.tables import Row
from lethe.evaluator.errors import EvaluatorError


class TrackingUnavailable(EvaluatorError):
    """MLflow is not installed; the message says how to get it."""


def require_mlflow() -> None:
    """Raise TrackingUnavailable unless MLflow can be imported; call it before the work."""
    try:
        import mlflow  # noqa: F401
    except ModuleNotFoundError as error:
        raise TrackingUnavailable("--mlflow needs MLflow: pip install mlflow-skinny") from error


def log_rows(rows: Sequence[Row], *, uri: str, experiment: str) -> None:
    """Log each row that has results: constants as parameters, values and both ends of their intervals as metrics.

    Raises TrackingUnavailable without MLflow, and what MLflow raises when `uri` cannot be written.
    """
    require_mlflow()
    import mlflow

    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment(experiment)
    for row in rows:
        if row.score is None:
            continue
        with mlflow.start_run(run_name=row.name):
            mlflow.log_params({"method": row.name, "runs": row.runs, "rule": row.score.rule, **row.constants})
            for name, found in row.measures.items():
                ends = {f"{name}_low": found.low, f"{name}_high": found.high}
                mlflow.log_metrics({name: found.value} | {end: at for end, at in ends.items() if at is not None})
