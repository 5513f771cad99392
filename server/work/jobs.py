"""Builds the complete job that a worker receives, and derives the seeds of its runs."""

import hashlib
import hmac
from typing import Literal, cast

from evaluator.contract.dossier import ArtifactRef
from evaluator.contract.specification import CompetitionSpec
from evaluator.contract.states import Evaluation, Stage
from evaluator.contract.work import Job, RunOrder
from server.competitions.measures import measure
from server.competitions.service import dossier
from server.errors import PlatformError
from server.models import Competition, Submission, WorkItem
from server.work.duration import check_run_wall_s


def run_seed(secret: str, *, stage: Stage, epoch: int, index: int) -> int:
    """An opaque seed in [0, 2^63): the same for every submission, and telling nothing of the run's index."""
    message = f"{stage}:{epoch}:{index}".encode()
    digest = hmac.digest(bytes.fromhex(secret), message, "sha256")
    return int.from_bytes(digest[:8], "big") >> 1


def run_secret(competition: Competition, evaluation: Evaluation) -> str:
    """What the run seeds of `evaluation` derive from; that of the finals is drawn when they start."""
    if evaluation is Evaluation.PUBLIC:
        return competition.secret
    if competition.final_secret is None:
        raise PlatformError(f"the final evaluation of {competition.slug} has not started: there are no seeds yet")
    return competition.final_secret


def seeds_digest(competition: Competition, submission: Submission) -> str:
    """The SHA-256 of the seeds of the submission's hidden runs, as decimal numbers in their order, one a line."""
    secret = run_secret(competition, Evaluation(submission.evaluation))
    seeds = (
        run_seed(secret, stage=Stage.RUN, epoch=submission.seed_epoch, index=index)
        for index in range(submission.runs_total)
    )
    return hashlib.sha256("\n".join(map(str, seeds)).encode()).hexdigest()


def build_job(
    item: WorkItem,
    submission: Submission,
    competition: Competition,
    spec: CompetitionSpec,
    *,
    lease_s: float,
    wall_left_s: float | None,
) -> Job:
    """The job of a leased check or run item; runs that are finished already are left out."""
    prepared = dossier(competition)
    stage = cast(Literal[Stage.CHECK, Stage.RUN], Stage(item.stage))
    is_hidden = stage is Stage.RUN
    evaluation = Evaluation(submission.evaluation)
    data = measure(spec, prepared, evaluation).split if is_hidden else prepared.practice
    secret = run_secret(competition, evaluation)
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
                seed=run_seed(secret, stage=stage, epoch=submission.seed_epoch, index=index),
            )
            for index in indices
            if str(index) not in item.finished
        ),
        wall_left_s=wall_left_s,
    )
