"""One folder with everything about a competition that an appendix needs, and nothing that is secret or personal."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from evaluator.contract.dossier import ArtifactRef
from evaluator.contract.states import Evaluation
from server.competitions.measures import measure
from server.competitions.service import dossier, get_competition, specification
from server.context import Context
from server.control.yardstick import load_yardstick
from server.exports.evidence import margins_file
from server.leaderboard import service as leaderboards
from server.models import Competition, Score, Submission, Team
from server.storage.outputs import RunOutputs, read_runs, run_outputs

FORMAT = 1

Report = Callable[[int, int], None]

COLUMNS = (
    *("submission", "team", "filename", "evaluation", "state", "fault", "created_at", "finished_at"),
    *("final_score", "interval_low", "interval_high", "forgetting_quality", "retain_ratio", "test_ratio"),
)


@dataclass(frozen=True)
class Exported:
    """A submission with everything to export of it, detached from the database."""

    facts: dict[str, Any]
    source: ArtifactRef
    outputs: RunOutputs | None


def export(context: Context, slug: str, folder: Path, *, margins: bool = True, report: Report | None = None) -> int:
    """Write the archive of `slug` into `folder` and return the number of submissions in it.

    `archive.json` has the specification, the receipts and every number; `submissions.csv` and `leaderboard.csv` the
    tables; `sources/` the files as they ran; `margins/` one NPZ file for each scored submission, unless `margins` is
    false. The competition's secret, e-mail addresses, tokens and photographs stay. Raises CompetitionNotFound,
    FileExistsError when the folder holds something already, and ArtifactError when an artifact is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty; name a new folder")
    with context.database.read() as session:
        competition = get_competition(session, slug, drafts=True)
        board = leaderboards.leaderboard(session, competition)
        facts = _competition(session, competition)
        found = list(submissions(session, competition))
        spec = specification(competition)
        against = measure(spec, dossier(competition), Evaluation.PUBLIC)
    _write(folder / "leaderboard.csv", leaderboards.as_csv(board).encode())
    _write(folder / "submissions.csv", _table(found).encode())
    archive = {"format": FORMAT, "competition": facts, "submissions": [one.facts for one in found]}
    _write(folder / "archive.json", json.dumps(archive, indent=1, sort_keys=True).encode())
    scored = any(one.outputs for one in found)
    yardstick = load_yardstick(context.artifacts, spec.metric, against) if margins and scored else None
    for done, one in enumerate(found):
        if report is not None:
            report(done, len(found))
        name = one.facts["id"]
        _write(folder / "sources" / f"{name}.py", context.artifacts.get(one.source))
        if yardstick is not None and one.outputs is not None:
            unlearned = yardstick.pool(read_runs(context.artifacts, one.outputs))
            _write(folder / "margins" / f"{name}.npz", margins_file(yardstick, unlearned))
    if report is not None:
        report(len(found), len(found))
    return len(found)


def submissions(session: Session, competition: Competition) -> Iterator[Exported]:
    """All submissions of the competition, oldest first."""
    query = (
        select(Submission, Team.name, Score)
        .join(Team, Team.id == Submission.team_id)
        .outerjoin(Score, (Score.submission_id == Submission.id) & (Score.generation == Submission.generation))
        .where(Submission.competition_id == competition.id, Submission.evaluation == Evaluation.PUBLIC)
        .order_by(Submission.created_at, Submission.id)
    )
    for submission, team, score in session.execute(query):
        yield Exported(
            facts=_facts(submission, team, score),
            source=ArtifactRef(key=submission.source_key, sha256=submission.source_sha256),
            outputs=run_outputs(session, submission) if score is not None else None,
        )


def _facts(submission: Submission, team: str, score: Score | None) -> dict[str, Any]:
    return {
        "id": str(submission.id),
        "team": team,
        "filename": submission.filename,
        "source_sha256": submission.source_sha256,
        "state": submission.state,
        "owner": submission.owner,
        "fault": submission.fault_code,
        "generation": submission.generation,
        "runs": submission.runs_total,
        "created_at": submission.created_at.isoformat(),
        "finished_at": None if submission.finished_at is None else submission.finished_at.isoformat(),
        "score": None if score is None else score_facts(score),
    }


def score_facts(score: Score) -> dict[str, Any]:
    """Every number of a score, unrounded, with its receipt."""
    return {
        "final_score": score.final_score,
        "interval": [score.interval_low, score.interval_high],
        "forgetting_quality": score.forgetting_quality,
        "retain_ratio": score.retain_ratio,
        "test_ratio": score.test_ratio,
        "replicates": score.replicates,
        "receipt": score.receipt,
    }


def _competition(session: Session, competition: Competition) -> dict[str, Any]:
    references = session.scalars(
        select(Score).where(
            Score.competition_id == competition.id,
            Score.evaluation == Evaluation.PUBLIC,
            Score.reference.is_not(None),
        )
    )
    return {
        "specification": competition.specification,
        "dossier": competition.dossier,
        "references": {str(score.reference): score_facts(score) for score in references},
    }


def _table(found: list[Exported]) -> str:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for one in found:
        facts, score = one.facts, one.facts["score"]
        row: dict[str, Any] = {column: facts.get(column) for column in COLUMNS} | {"submission": facts["id"]}
        if score is not None:
            low, high = score["interval"]
            row |= {column: score.get(column) for column in COLUMNS[8:]} | {"interval_low": low, "interval_high": high}
        writer.writerow(row)
    return buffer.getvalue()


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
