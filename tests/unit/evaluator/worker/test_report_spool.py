"""What a worker keeps on disk survives it: finished runs, outcomes, and its identity."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from lethe.evaluator.contract.prepared_competition import ArtifactRef
from lethe.evaluator.contract.specification import DependenciesSpec, LimitsSpec
from lethe.evaluator.contract.states import Stage
from lethe.evaluator.contract.work import Job, Outcome, RunOrder, RunRecord
from lethe.evaluator.worker.report_spool import ReportSpool
from lethe.evaluator.worker.worker_identity import take_identity

REF = ArtifactRef(key="k", sha256="0" * 64)


def make_job(token: int = 1) -> Job:
    return Job(
        work_id=uuid4(), token=token, lease_s=60, submission_id=uuid4(), request_id=None, generation=0,
        stage=Stage.RUN, source=REF, visible=REF, original=REF, evaluation=REF, architecture="resnet-small", classes=2,
        batch_size=4, limits=LimitsSpec(), dependencies=DependenciesSpec(), packages=(),
        runs=tuple(RunOrder(index=index, seed=index) for index in range(3)),
    )  # fmt: skip


def record(job: Job, index: int) -> RunRecord:
    return RunRecord(index=index, outputs=ArtifactRef(key=job.outputs_key(index), sha256="0" * 64), wall_s=0.5)


def outcome(job: Job) -> Outcome:
    return Outcome(work_id=job.work_id, token=job.token, sandbox_mode="m", finished=(record(job, 0),))


def test_finished_runs_are_found_by_the_next_process(tmp_path: Path) -> None:
    spool, job = ReportSpool(tmp_path), make_job(token=7)
    spool.begin(job)
    spool.add(job, record(job, 0))
    spool.add(job, record(job, 2))
    (beat,) = ReportSpool(tmp_path).unfinished()
    assert (beat.work_id, beat.token) == (job.work_id, 7)
    assert beat.finished == (record(job, 0), record(job, 2))


def test_a_run_that_was_audited_is_found_once_with_its_audit(tmp_path: Path) -> None:
    spool, job = ReportSpool(tmp_path), make_job()
    audited = record(job, 0).model_copy(update={"audit": REF})
    for one in (record(job, 0), record(job, 1), audited):
        spool.add(job, one)
    (beat,) = spool.unfinished()
    assert beat.finished == (audited, record(job, 1))


def test_a_line_cut_short_is_no_record(tmp_path: Path) -> None:
    spool, job = ReportSpool(tmp_path), make_job()
    spool.add(job, record(job, 0))
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes() + record(job, 1).model_dump_json().encode()[:-5])
    assert [len(beat.finished) for beat in spool.unfinished()] == [1]


def test_the_outcome_takes_the_place_of_the_runs_and_goes_when_confirmed(tmp_path: Path) -> None:
    spool, job = ReportSpool(tmp_path), make_job()
    spool.begin(job)
    spool.finish(outcome(job))
    again = ReportSpool(tmp_path)
    assert again.outcomes() == [outcome(job)]
    assert again.unfinished() == []
    again.forget(job.work_id, job.token)
    assert list(tmp_path.iterdir()) == []


def test_an_outcome_of_another_version_is_dropped(tmp_path: Path) -> None:
    (tmp_path / f"{uuid4()}_1.outcome").write_text('{"format": 99}')
    assert ReportSpool(tmp_path).outcomes() == []
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_an_error_and_leaves_no_outcome(tmp_path: Path) -> None:
    spool, job = ReportSpool(tmp_path), make_job()
    partial = tmp_path / f"{job.work_id}_{job.token}.partial"
    partial.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        spool.finish(outcome(job))
    partial.unlink()
    assert spool.outcomes() == []


def test_workers_of_one_machine_have_different_seats_and_keep_their_names(tmp_path: Path) -> None:
    first, second = take_identity(tmp_path), take_identity(tmp_path)
    assert first.name != second.name
    first.leave()
    again = take_identity(tmp_path)
    assert (again.name, again.folder) == (first.name, first.folder)
    again.leave()
    second.leave()


def test_a_killed_worker_leaves_its_identity_to_the_next(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from lethe.evaluator.worker.worker_identity import take_identity; "
        "print(take_identity(Path(sys.argv[1])).name, flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        name = worker.stdout.readline().strip()
        other = take_identity(tmp_path)
        assert other.name != name
        os.kill(worker.pid, signal.SIGKILL)
    mine = take_identity(tmp_path)
    assert mine.name == name
    mine.leave()
    other.leave()
