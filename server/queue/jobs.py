"""Builds the complete job that a worker receives, and derives the seeds of its runs."""

import hashlib
import hmac
import typing
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal
from uuid import UUID

from lethe.evaluator.contract.audits import audit_plan
from lethe.evaluator.contract.batch_counts import batch_note
from lethe.evaluator.contract.hidden_estimates import hidden_scale
from lethe.evaluator.contract.oracle_pools import oracle_pools
from lethe.evaluator.contract.parts import parts as evaluation_parts
from lethe.evaluator.contract.practice import FEWEST_RUNS
from lethe.evaluator.contract.prepared_competition import ArtifactRef, PreparedCompetition
from lethe.evaluator.contract.specification import CompetitionSpec
from lethe.evaluator.contract.states import Evaluation, Stage
from lethe.evaluator.contract.work import Job, PracticeScoring, RunOrder
from lethe.server.errors import PlatformError
from lethe.server.models import Competition, Submission
from lethe.server.queue.estimates import check_run_wall_s


def run_seed(secret: str, *, stage: Stage, epoch: int, index: int, source: str | None = None) -> int:
    """An opaque seed in [0, 2^63), telling nothing of the run's index. `source` is what `seed_source` returns."""
    message = f"{stage}:{epoch}:{index}" if source is None else f"{source}:{stage}:{epoch}:{index}"
    digest = hmac.digest(bytes.fromhex(secret), message.encode(), "sha256")
    return int.from_bytes(digest[:8], "big") >> 1


def seed_source(rule: int, source_sha256: str) -> str | None:
    """Return what the seeds of a submission under the seed rule `rule` take from its source.

    Under rule 1 that was nothing: a file could learn by a few uploads which seeds it would get, and play a quantile for
    each. Since rule 2 every file has seeds of its own, so that nothing learned with one holds for another.
    """
    if rule not in {1, 2}:
        raise PlatformError(f"seed rule {rule} is not one of this version's")
    return None if rule == 1 else source_sha256


def run_secret(evaluation: Evaluation, *, public: str, final: str | None, benchmark: str | None) -> str:
    """The secret that the run seeds of `evaluation` derive from; all but the public one are drawn when they start."""
    secret = {Evaluation.PUBLIC: public, Evaluation.FINAL: final, Evaluation.BENCHMARK: benchmark}[evaluation]
    if secret is None:
        raise PlatformError(f"the {evaluation} evaluation has not started: there are no seeds yet")
    return secret


def run_seeds(competition: Competition, submission: Submission) -> list[int]:
    """The seeds of the submission's hidden runs, in the order of the runs."""
    evaluation = Evaluation(submission.evaluation)
    secret = run_secret(
        evaluation,
        public=competition.secret,
        final=competition.final_secret,
        benchmark=competition.benchmark_secret,
    )
    source = seed_source(submission.seed_rule, submission.upload_sha256 or submission.source_sha256)
    return [
        run_seed(secret, stage=Stage.RUN, epoch=submission.seed_epoch, index=index, source=source)
        for index in range(submission.runs_total)
    ]


def seeds_digest(competition: Competition, submission: Submission) -> str:
    """The SHA-256 of the seeds of the submission's hidden runs, as decimal numbers in their order, one a line."""
    return hashlib.sha256("\n".join(map(str, run_seeds(competition, submission))).encode()).hexdigest()


@dataclass(frozen=True)
class JobParts:
    """The columns of an item, its submission and its competition that make a job: those of `queries.job_columns`.

    The two documents are the stored JSON as text: that of a competition seldom changes, so it is parsed once.
    """

    work_id: UUID
    token: int
    attempt: int
    stage: str
    chunk: int
    worker: str
    first_run: int
    run_count: int
    part: int
    finished: dict[str, Any]
    submission_id: UUID
    generation: int
    submission_state: str
    request_id: str | None
    evaluation: str
    source_key: str
    source_sha256: str
    upload_sha256: str | None
    filename: str
    seed_rule: int
    seed_epoch: int
    packages: list[str] | None
    secret: str
    final_secret: str | None
    benchmark_secret: str | None
    specification_text: str
    prepared_text: str

    @property
    def specification(self) -> CompetitionSpec:
        return _specification(self.specification_text)

    @property
    def prepared(self) -> PreparedCompetition:
        return _prepared(self.prepared_text)


@lru_cache(maxsize=64)
def _specification(text: str) -> CompetitionSpec:
    return CompetitionSpec.model_validate_json(text)


@lru_cache(maxsize=64)
def _prepared(text: str) -> PreparedCompetition:
    return PreparedCompetition.model_validate_json(text)


def build_job(parts: JobParts, *, lease_s: float, wall_left_s: float | None) -> Job:
    """The job of a leased check or run item; runs that are finished already are left out."""
    whole, prepared = parts.specification, parts.prepared
    own = evaluation_parts(whole)[parts.part]
    spec, prepared = own.spec, prepared.tasks[own.task]
    stage = typing.cast(Literal[Stage.CHECK, Stage.RUN], Stage(parts.stage))
    is_hidden = stage is Stage.RUN
    evaluation = Evaluation(parts.evaluation)
    split = oracle_pools(spec, prepared, evaluation).split.with_original(own.original)
    data = split if is_hidden else prepared.practice
    secret = run_secret(evaluation, public=parts.secret, final=parts.final_secret, benchmark=parts.benchmark_secret)
    source = seed_source(parts.seed_rule, parts.upload_sha256 or parts.source_sha256)
    indices = range(parts.first_run, parts.first_run + parts.run_count)

    def order(index: int) -> RunOrder:
        seed = run_seed(secret, stage=stage, epoch=parts.seed_epoch, index=index, source=source)
        return RunOrder(index=index, seed=seed)

    further = tuple(order(index) for index in range(indices.stop, FEWEST_RUNS))
    return Job(
        work_id=parts.work_id,
        token=parts.token,
        attempt=parts.attempt,
        lease_s=lease_s,
        submission_id=parts.submission_id,
        request_id=parts.request_id,
        generation=parts.generation,
        stage=stage,
        source=ArtifactRef(key=parts.source_key, sha256=parts.source_sha256),
        leaves_out=stage is Stage.CHECK
        and parts.upload_sha256 is None  # else it is decided
        and spec.leave_out.applies_to(parts.filename),
        ignores_cuda=spec.ignore_cuda,
        batch_note=batch_note(prepared.practice.counts, prepared.public.counts, spec.evaluation.batch_size),
        is_practice=not is_hidden,
        hidden=None
        if is_hidden
        else hidden_scale(
            prepared.practice.counts,
            prepared.public.counts,
            image_size=spec.data.image_size,
            wall_limit_s=spec.limits.run_wall_s,
        ),
        practice_score=None if is_hidden else _practice_scoring(prepared, further),
        visible=data.visible,
        original=data.original,
        evaluation=data.evaluation,
        architecture=spec.model.network.text,
        classes=prepared.public.counts.classes,
        batch_size=spec.evaluation.batch_size,
        limits=spec.limits if is_hidden else spec.limits.model_copy(update={"run_wall_s": check_run_wall_s(spec)}),
        dependencies=spec.dependencies,
        packages=parts.packages if is_hidden else None,
        runs=tuple(order(index) for index in indices if str(index) not in parts.finished),
        wall_left_s=wall_left_s,
        audit=audit_plan(spec, split) if is_hidden and parts.first_run < whole.audits.runs else None,
    )


def _practice_scoring(prepared: PreparedCompetition, runs: tuple[RunOrder, ...]) -> PracticeScoring | None:
    """Return how a check is scored with these further runs; None until the practice bundle has oracles."""
    bundle = prepared.practice.bundle
    if bundle is None or not bundle.oracles:
        return None
    return PracticeScoring(bundle=bundle.artifact, runs=runs)
