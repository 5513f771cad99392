"""The file from which a team computes its score again: margins and accuracies of its runs and of the oracles."""

from collections.abc import Iterable
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import IO
from uuid import UUID

import numpy as np
from anyio import CapacityLimiter, to_thread
from cachetools import LRUCache
from limits import parse
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from lethe.evaluator.artifacts import ArtifactError, ArtifactStore, ArtifactStoreAway
from lethe.evaluator.artifacts.oracles import iterate_pool
from lethe.evaluator.artifacts.outputs import ACCURACIES, Outputs, OutputsInvalid, read_arrays
from lethe.evaluator.contract.oracle_pools import OraclePools, oracle_pools
from lethe.evaluator.contract.parts import part_text
from lethe.evaluator.contract.specification import MetricSpec
from lethe.evaluator.contract.states import Evaluation
from lethe.evaluator.metrics import Pool
from lethe.evaluator.metrics.pools_file import write_pools
from lethe.evaluator.scoring.reference_set import pool_of_logits
from lethe.server.competitions.disclosure import Viewer
from lethe.server.competitions.service import prepared_competition, specification, visibility_of
from lethe.server.context import Context
from lethe.server.errors import NotFound
from lethe.server.http.rate_limit import TooManyRequests
from lethe.server.leaderboard.score_queries import current_score
from lethe.server.logs import get_logger
from lethe.server.models import Competition, User
from lethe.server.scoring.recompute import metric_of_receipt
from lethe.server.scoring.stored_outputs import RunOutputs, RunsUnusable, read_run_arrays, run_outputs
from lethe.server.submissions.queries import final_of
from lethe.server.submissions.service import get_own

log = get_logger(__name__)

PER_ACCOUNT = parse("60 per hour")
AT_ONCE = 1
WAITING = 5
BUSY_S = 10
KEPT = 2
"""Reference margins that are kept: of a full bank they are two pools of 4 MB, from a thousand files."""

_OF_RUNS = ("logits.forget", *(f"accuracy.{part}" for part in ACCURACIES))
_OF_IMAGES = ("forget.labels", "forget.person_id")


class EvidenceHidden(NotFound):
    """Outputs show after the reveal, and only where the specification says so."""

    code = "evidence_hidden"
    title = "Outputs are not shown"


class EvidenceMissing(NotFound):
    """There is no score to compute again, or its outputs can no longer be read."""

    code = "evidence_not_found"
    title = "No outputs"


@dataclass(frozen=True)
class EvidenceInput:
    """A score's outputs, the rule that it was computed with, and what it is against; detached from the database.

    Of a score over several tasks or originals these are of the first part, which `part` names; else it is empty.
    """

    outputs: RunOutputs
    metric: MetricSpec
    against: OraclePools
    part: str


def find_evidence(session: Session, submission_id: UUID, user: User, view: Evaluation) -> EvidenceInput:
    """Return what the file of the team's submission is made of, of its public or its final evaluation.

    Raises SubmissionNotFound for those of others, EvidenceHidden, and EvidenceMissing without a score.
    """
    submission = get_own(session, submission_id, user)
    competition = session.get_one(Competition, submission.competition_id)
    spec = specification(competition)
    if not spec.outputs_after_reveal:
        raise EvidenceHidden("The host alone has the outputs of this competition, as its page says.")
    if not visibility_of(competition, Viewer.TEAM, submission.evaluation).outputs:
        raise EvidenceHidden(
            "Outputs are shown after the host has revealed the final board; those of a benchmark never are."
        )
    evaluated = submission if view is Evaluation.PUBLIC else final_of(session, submission)
    score = None if evaluated is None else current_score(session, evaluated)
    if evaluated is None or score is None:
        raise EvidenceMissing(f"This submission has no {view} score, so there is nothing to compute again.")
    return EvidenceInput(
        outputs=run_outputs(session, evaluated),
        metric=metric_of_receipt(score.receipt, spec.metric),
        against=oracle_pools(spec, prepared_competition(competition), view),
        part=part_text(spec, 0),
    )


def count_request(context: Context, user: User) -> None:
    """Count a file of the account; raises TooManyRequests when it has had as many in this hour as it may."""
    wait_s = context.rates.wait_s(PER_ACCOUNT, "evidence", user.id.hex)
    if wait_s is not None:
        raise TooManyRequests("This account has asked for too many files with outputs.", wait_s)


class EvidenceFiles:
    """Makes one file at a time: of 512 runs and 1,000 images it is 12 MB, from 20 MB of logits a pool."""

    def __init__(self, context: Context) -> None:
        self._artifacts = context.artifacts
        self._limiter = CapacityLimiter(AT_ONCE)
        self._kept: LRUCache[str, _Reference] = LRUCache(maxsize=KEPT)

    async def make(self, order: EvidenceInput) -> IO[bytes]:
        """Return the file, unnamed and at its start; its space is free again once it is closed.

        Raises TooManyRequests while `WAITING` others wait, EvidenceMissing for outputs that cannot be read, and
        ArtifactStoreAway.
        """
        if self._limiter.statistics().tasks_waiting >= WAITING:
            raise TooManyRequests("The files of others are being made.", BUSY_S)
        return await to_thread.run_sync(self._write, order, limiter=self._limiter)

    def _write(self, order: EvidenceInput) -> IO[bytes]:
        file = TemporaryFile()  # noqa: SIM115 - whoever sends it closes it
        try:
            reference, unlearned = self._read(order)
            write_pools(
                file,
                unlearned=unlearned,
                retrained=reference.retrained,
                ceiling=reference.others,
                labels=reference.labels,
                identities=reference.person_id,
                rule=order.metric.rule,
                cap_ratios=order.metric.cap_ratios,
                part=order.part,
            )
            file.seek(0)
        except BaseException:
            file.close()
            raise
        return file

    def _read(self, order: EvidenceInput) -> "tuple[_Reference, Pool]":
        key = f"{order.against.split.bank_digest} {order.against.oracles} {order.against.others}"
        try:
            if key not in self._kept:
                self._kept[key] = _read_reference(self._artifacts, order.against)
            reference = self._kept[key]
            runs = dict(read_run_arrays(self._artifacts, order.outputs, _OF_RUNS))
            return reference, _pool(runs, reference.labels)
        except ArtifactStoreAway:
            raise
        except (ArtifactError, OutputsInvalid, RunsUnusable) as error:
            log.warning("evidence_unreadable", submission_id=str(order.outputs.submission_id), error=str(error))
            raise EvidenceMissing("The outputs of this submission cannot be read any more; tell the host.") from error


@dataclass(frozen=True, eq=False)
class _Reference:
    """Labels and person_id (E,) int64 of the forget images, and both pools of oracles."""

    labels: NDArray[np.int64]
    person_id: NDArray[np.int64]
    retrained: Pool
    others: Pool


def _read_reference(artifacts: ArtifactStore, against: OraclePools) -> _Reference:
    """Keep of each oracle no more than is needed; the photographs beside the labels are not read."""
    with artifacts.unnamed_copy(against.split.evaluation) as bundle:
        images = dict(read_arrays(bundle, _OF_IMAGES))
    labels = images["forget.labels"].astype(np.int64)
    retrained, others = (
        _pool(_stacked(iterate_pool(artifacts, against.split.bank_digest, indices)), labels)
        for indices in (against.oracles, against.others)
    )
    return _Reference(labels, images["forget.person_id"].astype(np.int64), retrained, others)


def _stacked(oracles: Iterable[Outputs]) -> dict[str, NDArray[np.generic]]:
    """Return the arrays that `_OF_RUNS` names, of one model after the other."""
    logits, accuracy = [], []
    for one in oracles:
        logits.append(one.logits["forget"])
        accuracy.append([one.accuracy[part] for part in ACCURACIES])
    columns = zip(ACCURACIES, np.array(accuracy).T, strict=True)
    return {"logits.forget": np.stack(logits), **{f"accuracy.{part}": values for part, values in columns}}


def _pool(arrays: dict[str, NDArray[np.generic]], labels: NDArray[np.int64]) -> Pool:
    accuracy = {part: arrays[f"accuracy.{part}"].astype(np.float64) for part in ACCURACIES}
    return pool_of_logits(arrays["logits.forget"].astype(np.float32, copy=False), accuracy, labels)
