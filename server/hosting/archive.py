"""One folder with everything about a competition that an appendix needs, and nothing that is secret or personal."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from lethe import __version__
from lethe.evaluator.contract.parts import count_parts, part_pools, part_text
from lethe.evaluator.contract.prepared_competition import ArtifactRef
from lethe.evaluator.contract.specification import MetricSpec
from lethe.evaluator.contract.states import Evaluation
from lethe.evaluator.measures.registry import MEASURES_VERSION
from lethe.evaluator.metrics import METRIC_VERSION, Pool
from lethe.evaluator.metrics.pools_file import write_pools
from lethe.evaluator.scoring.reference_set import ReferenceSet, load_reference_set
from lethe.server.competitions.queries import accepted_counts
from lethe.server.competitions.service import get_competition, prepared_once, require_photographs, specification
from lethe.server.context import Context
from lethe.server.errors import ConfigurationError
from lethe.server.hosting import queries
from lethe.server.hosting.archive_outputs import README, write_oracles, write_runs
from lethe.server.hosting.archive_tables import (
    Run,
    mean_accuracies,
    measures_table,
    run_rows,
    runs_table,
    submissions_table,
    teams_table,
)
from lethe.server.leaderboard import service as leaderboards
from lethe.server.leaderboard.schemas import Leaderboard
from lethe.server.models import Competition, FormerScore, Score, Submission
from lethe.server.models.times import utc_now
from lethe.server.plots.run_plots import plot_runs, retraining_wall_s
from lethe.server.plots.submission import Floats
from lethe.server.queue.jobs import run_seeds
from lethe.server.scoring.queries import reference_scores, run_items
from lethe.server.scoring.recompute import metric_of_receipt
from lethe.server.scoring.stored_outputs import RunOutputs, read_runs, run_outputs

FORMAT = 1

ReportProgress = Callable[[int, int], None]


class FolderInUse(ConfigurationError):
    """An export is written into a new or empty folder only."""

    code = "folder_in_use"


@dataclass(frozen=True)
class Exported:
    """A submission with everything to export of it, detached from the database; `outputs` are those of its parts."""

    facts: dict[str, Any]
    source: ArtifactRef
    outputs: tuple[RunOutputs, ...]
    runs: tuple[Run, ...]


def export(
    context: Context,
    slug: str,
    folder: Path,
    *,
    margins: bool = True,
    logits: bool = True,
    report: ReportProgress | None = None,
) -> int:
    """Write the archive of `slug` into `folder` and return the number of submissions in it.

    `archive.json` has the specification, the receipts and every number; `submissions.csv`, `runs.csv`, `measures.csv`,
    `teams.csv` and `leaderboard-….csv` the tables; `provenance.json` what the scores depend on; `sources/` the files as
    they ran; `margins/` one NPZ file for each scored submission and `plots/` what they show, unless `margins` is false;
    `outputs/` the logits, accuracies, labels and identities, unless `logits` is. `README.md` has the shapes. The
    competition's secret, e-mail addresses, tokens and photographs stay. Nothing stays in the folder if this fails.
    Raises CompetitionNotFound, FolderInUse, PhotographsDeleted unless both are false, and ArtifactError when an
    artifact is missing.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FolderInUse(f"{folder} holds something already. Name a new folder.")
    try:
        return _export(context, slug, folder, margins=margins, logits=logits, report=report)
    except BaseException:
        for written in folder.iterdir() if folder.exists() else ():  # so that the same command can begin again
            shutil.rmtree(written) if written.is_dir() else written.unlink()
        raise


def _export(
    context: Context, slug: str, folder: Path, *, margins: bool, logits: bool, report: ReportProgress | None
) -> int:
    with context.database.read() as session:
        competition = get_competition(session, slug, drafts=True)
        exported = list(submissions(session, competition))
        boards = {
            evaluation: leaderboards.leaderboard(session, competition, evaluation)
            for evaluation in Evaluation
            if evaluation is Evaluation.PUBLIC or any(one.facts["evaluation"] == evaluation for one in exported)
        }
        facts = _competition(session, competition)
        if margins or logits:
            require_photographs(competition)
        spec, prepared = specification(competition), prepared_once(competition)
    _write_tables(folder, facts, exported, boards)
    run_lines: list[list[Any]] = []
    accuracies: dict[str, dict[str, float]] = {}
    reference_sets: dict[tuple[str, int], ReferenceSet] = {}
    training_wall_s: dict[tuple[str, int], Floats] = {}
    for done, one in enumerate(exported):
        if report is not None:
            report(done, len(exported))
        name, evaluation = one.facts["id"], one.facts["evaluation"]
        _write(folder / "sources" / f"{name}.py", context.artifacts.get(one.source))
        pools = part_pools(spec, prepared, Evaluation(evaluation)) if one.outputs else ()
        for part_outputs, found in zip(one.outputs, pools, strict=True):
            number, against = found.part.number, found.against
            runs = tuple(run for run in one.runs if run.part == number)
            suffix = f"-{number}" if number else ""
            outputs = read_runs(context.artifacts, part_outputs)
            run_lines += run_rows(one.facts, runs, outputs)
            if number == 0:
                accuracies[name] = mean_accuracies(outputs)
            if logits:
                write_runs(context.artifacts, part_outputs, folder / "outputs" / f"{name}{suffix}.npz")
                oracles = folder / "outputs" / f"oracles-{Evaluation(evaluation).reference}{suffix}.npz"
                if not oracles.exists():
                    write_oracles(context.artifacts, spec.metric, against, oracles)
            if not margins:
                continue
            key = (evaluation, number)
            if key not in reference_sets:
                reference_sets[key] = load_reference_set(context.artifacts, spec.metric, against)
                training_wall_s[key] = retraining_wall_s(context.artifacts, against)
            reference_set = reference_sets[key]
            unlearned = reference_set.pool(outputs)
            run_wall_s = tuple(run.record["wall_s"] for run in runs)
            metric = metric_of_receipt(one.facts["score"]["receipt"], spec.metric)
            margins_file = folder / "margins" / f"{name}{suffix}.npz"
            _write_margins(margins_file, reference_set, unlearned, metric, part_text(spec, number))
            for plot in plot_runs(reference_set, unlearned, run_wall_s, training_wall_s[key]):
                _write(folder / "plots" / f"{name}{suffix}" / f"{plot.name}.svg", plot.svg)
    _write(folder / "submissions.csv", submissions_table((one.facts for one in exported), accuracies).encode())
    _write(folder / "runs.csv", runs_table(run_lines).encode())
    if report is not None:
        report(len(exported), len(exported))
    return len(exported)


def _write_tables(
    folder: Path, facts: dict[str, Any], exported: list[Exported], boards: dict[Evaluation, Leaderboard]
) -> None:
    for evaluation, board in boards.items():
        _write(folder / f"leaderboard-{evaluation}.csv", leaderboards.as_csv(board).encode())
    submitted = [one.facts for one in exported]
    _write(folder / "measures.csv", measures_table(submitted, facts["references"]).encode())
    _write(folder / "teams.csv", teams_table(facts["teams"]).encode())
    _write(folder / "provenance.json", json.dumps(_provenance(facts), indent=1).encode())
    _write(folder / "README.md", README.read_bytes())
    archive = {"format": FORMAT, "competition": facts, "submissions": submitted}
    _write(folder / "archive.json", json.dumps(archive, indent=1, sort_keys=True).encode())


def submissions(session: Session, competition: Competition) -> Iterator[Exported]:
    """Yield all submissions of the competition, oldest first."""
    is_gone = competition.photographs_deleted_at is not None
    former: dict[UUID, list[dict[str, Any]]] = {}
    count = count_parts(specification(competition))
    for one in queries.former_scores(session, competition):
        former.setdefault(one.score_id, []).append({"until": one.created_at.isoformat(), **score_facts(one)})
    for submission, team, score in queries.submissions_with_scores(session, competition):
        yield Exported(
            facts=_facts(submission, team, score)
            | {"former_scores": [] if score is None else former.get(score.id, [])},
            source=ArtifactRef(key=submission.source_key, sha256=submission.source_sha256),
            outputs=()
            if score is None or is_gone
            else tuple(run_outputs(session, submission, part=part) for part in range(count)),
            runs=() if score is None else _runs(session, competition, submission),
        )


def _runs(session: Session, competition: Competition, submission: Submission) -> tuple[Run, ...]:
    """Return the runs of the submission's current generation, in the order of their indices."""
    seeds = run_seeds(competition, submission)
    records = {
        int(index): (item.part, record)
        for item in run_items(session, submission)
        for index, record in item.finished.items()
    }
    return tuple(Run(index, seeds[index], record, part) for index, (part, record) in sorted(records.items()))


def _facts(submission: Submission, team: str, score: Score | None) -> dict[str, Any]:
    return {
        "id": str(submission.id),
        "evaluation": submission.evaluation,
        "origin": None if submission.origin_id is None else str(submission.origin_id),
        "team": team,
        "filename": submission.filename,
        "method": submission.method,
        "link": submission.link,
        "licence": submission.licence,
        "source_sha256": submission.source_sha256,
        "state": submission.state,
        "owner": submission.owner,
        "fault": submission.fault_code,
        "disqualified": submission.disqualified_reason,
        "generation": submission.generation,
        "runs": submission.runs_total,
        **_look_facts(submission),
        "created_at": submission.created_at.isoformat(),
        "finished_at": None if submission.finished_at is None else submission.finished_at.isoformat(),
        "score": None if score is None else score_facts(score),
    }


def _look_facts(submission: Submission) -> dict[str, Any]:
    """Return after how many runs the submission was stopped, how far below its team's best it was then, and all looks.

    The difference is of equally many runs of both, so it compares with no final score.
    """
    found = submission.stopping_look or {}
    return {
        "stopped_after": submission.stopped_after,
        "look_difference": found.get("difference"),
        "look_standard_error": found.get("standard_error"),
        "looks": submission.looks,
    }


def score_facts(score: Score | FormerScore) -> dict[str, Any]:
    """Return every number of a score, unrounded, with its receipt; and what was measured, unless it is a former one."""
    measured = {"measures": score.measures} if isinstance(score, Score) else {}
    return {
        "final_score": score.final_score,
        "interval": [score.interval_low, score.interval_high],
        "forgetting_quality": score.forgetting_quality,
        "retain_ratio": score.retain_ratio,
        "test_ratio": score.test_ratio,
        "replicates": score.replicates,
        **({} if score.breakdown is None else {"breakdown": score.breakdown}),
        "receipt": score.receipt,
        **measured,
    }


def _competition(session: Session, competition: Competition) -> dict[str, Any]:
    references = reference_scores(session, competition)
    return {
        "teams": [
            {
                "name": team.name,
                "members": members,
                "baseline": team.is_baseline,
                "disqualified": team.disqualified_reason,
            }
            for team, members in queries.teams_with_members(session, competition)
        ],
        "specification": competition.specification,
        "dossier": competition.prepared,
        "terms_accepted": accepted_counts(session, competition),
        "references": {f"{score.evaluation} {score.reference}": score_facts(score) for score in references},
    }


def _provenance(facts: dict[str, Any]) -> dict[str, Any]:
    """Return what scores depend on: versions, rule, seeds, and digests of data and banks."""
    prepared, specification = facts["dossier"], facts["specification"]
    splits = {name: prepared[name] for name in ("public", "final") if prepared.get(name)}
    return {
        "lethe": __version__,
        "metric_version": METRIC_VERSION,
        "measures_version": MEASURES_VERSION,
        "exported_at": utc_now().isoformat(timespec="seconds"),
        "environment": prepared["environment"],
        "rule": specification["metric"],
        "runs": specification["evaluation"]["runs"],
        "oracles": specification["evaluation"]["oracles"],
        "ceiling_oracles": specification["evaluation"]["ceiling_oracles"],
        "seeds": {part: found["seed"] for part, found in specification.items() if _has_seed(found)},
        "bank_digests": {name: split["bank_digest"] for name, split in splits.items()},
        "data_sha256": {name: split["visible"]["sha256"] for name, split in splits.items()},
    }


def _has_seed(part: Any) -> bool:
    return isinstance(part, dict) and "seed" in part


def _write_margins(path: Path, reference_set: ReferenceSet, unlearned: Pool, metric: MetricSpec, part: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        write_pools(
            stream,
            unlearned=unlearned,
            retrained=reference_set.retrained,
            ceiling=reference_set.others,
            labels=reference_set.labels,
            identities=reference_set.person_id,
            rule=metric.rule,
            cap_ratios=metric.cap_ratios,
            part=part,
        )


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
