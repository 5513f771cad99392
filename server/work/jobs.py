"""Builds the complete job that a worker receives, and derives the seeds of its runs."""

import hashlib
import hmac
from typing import Literal, cast

from evaluator.contract.dossier import ArtifactRef
from evaluator.contract.states import Stage
from evaluator.contract.work import Job, RunOrder
from server.competitions.service import dossier, specification
from server.models import Competition, Submission, WorkItem
from server.work.duration import check_run_wall_s


def run_seed(secret: str, *, stage: Stage, epoch: int, index: int) -> int:
    """An opaque seed in [0, 2^63): the same for every submission, and telling nothing of the run's index."""
    message = f"{stage}:{epoch}:{index}".encode()
    digest = hmac.new(bytes.fromhex(secret), message, hashlib.sha256).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def build_job(
    item: WorkItem, submission: Submission, competition: Competition, *, lease_s: float, wall_left_s: float | None
) -> Job:
    """The job of a leased check or run item; runs that are finished already are left out."""
    spec, prepared = specification(competition), dossier(competition)
    stage = cast(Literal[Stage.CHECK, Stage.RUN], Stage(item.stage))
    is_hidden = stage is Stage.RUN
    data = prepared.public if is_hidden else prepared.practice
    indices = range(item.first_run, item.first_run + item.run_count)
    return Job(
        work_id=item.id,
        token=item.token,
        lease_s=lease_s,
        submission_id=submission.id,
        request_id=submission.request_id,
        generation=submission.generation,
        stage=stage,
        source=ArtifactRef(key=submission.source_key, sha256=submission.source_sha256),
        visible=data.visible,
        original=data.original,
        evaluation=data.evaluation,
        architecture=spec.model.architecture,
        classes=prepared.public.counts.classes,
        batch_size=spec.evaluation.batch_size,
        limits=spec.limits if is_hidden else spec.limits.model_copy(update={"run_wall_s": check_run_wall_s(spec)}),
        dependencies=spec.dependencies,
        packages=(submission.check_report or {}).get("packages") if is_hidden else None,
        runs=tuple(
            RunOrder(
                index=index,
                seed=run_seed(competition.secret, stage=stage, epoch=submission.seed_epoch, index=index),
            )
            for index in indices
            if str(index) not in item.finished
        ),
        wall_left_s=wall_left_s,
    )
