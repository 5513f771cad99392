"""Stores a worker's finished runs and outcomes on disk until the server has confirmed them."""

import os
from pathlib import Path
from uuid import UUID

import structlog
from pydantic import ValidationError

from lethe.evaluator.contract.work import Heartbeat, Job, Outcome, RunRecord

log = structlog.stdlib.get_logger(__name__)

_RUNS = ".runs"
_OUTCOME = ".outcome"
_PARTIAL = ".partial"


class ReportSpool:
    """A folder with one file per job: a line for each finished run, another when it is audited, then the outcome in
    their place.

    Everything is on the disk before a method returns. After a crash the next process of the same worker reports the
    finished runs, so that only runs in flight are repeated. Methods raise OSError when the disk fails.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder

    def begin(self, job: Job) -> None:
        """Record that work on `job` has begun."""
        self._path(job.work_id, job.token, _RUNS).touch(mode=0o600)

    def add(self, job: Job, record: RunRecord) -> None:
        """Record a finished run of `job`."""
        with self._path(job.work_id, job.token, _RUNS).open("ab") as file:
            file.write(record.model_dump_json().encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def finish(self, outcome: Outcome) -> None:
        """Record the outcome of a job."""
        path = self._path(outcome.work_id, outcome.token, _OUTCOME)
        partial = path.with_suffix(_PARTIAL)
        with partial.open("wb") as file:
            file.write(outcome.model_dump_json().encode())
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        self._sync_folder()
        self._path(outcome.work_id, outcome.token, _RUNS).unlink(missing_ok=True)

    def forget(self, work_id: UUID, token: int) -> None:
        """Delete the records of a job that the server has confirmed or refused."""
        for suffix in (_RUNS, _OUTCOME):
            self._path(work_id, token, suffix).unlink(missing_ok=True)

    def outcomes(self) -> list[Outcome]:
        """The unconfirmed outcomes, oldest first; unreadable files are deleted."""
        found = []
        for path in self._files(_OUTCOME):
            try:
                found.append(Outcome.model_validate_json(path.read_bytes()))
            except ValidationError as error:  # of another version of Lethe
                log.warning("spooled_outcome_dropped", file=path.name, error=str(error))
                path.unlink(missing_ok=True)
        return found

    def unfinished(self) -> list[Heartbeat]:
        """Jobs that a killed process left, with their finished runs. A line cut short is no record."""
        found = []
        for path in self._files(_RUNS):
            work_id, _, token = path.stem.rpartition("_")
            records: dict[int, RunRecord] = {}
            for line in path.read_bytes().splitlines():
                try:
                    record = RunRecord.model_validate_json(line)
                except ValidationError:
                    log.warning("spooled_run_dropped", file=path.name)
                    continue
                records[record.index] = record
            found.append(Heartbeat(work_id=UUID(work_id), token=int(token), finished=tuple(records.values())))
        return found

    def _files(self, suffix: str) -> list[Path]:
        return sorted(self._folder.glob(f"*{suffix}"), key=lambda path: path.stat().st_mtime)

    def _path(self, work_id: UUID, token: int, suffix: str) -> Path:
        return self._folder / f"{work_id}_{token}{suffix}"

    def _sync_folder(self) -> None:
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
