"""Turns stored submissions into what their team or a host may see, under the rules of `disclosure`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from lethe.evaluator.contract.advice import Advice
from lethe.evaluator.contract.fault_texts import FAULT_TEXTS
from lethe.evaluator.contract.faults import FaultCode
from lethe.evaluator.contract.states import Evaluation, Owner, Stage, SubmissionState
from lethe.server.competitions.disclosure import (
    CheckTimes,
    Viewer,
    Visibility,
    last_step,
    round_score,
    round_time,
    shown_receipt,
    shown_state,
    shows_fault_details,
    visibility,
)
from lethe.server.competitions.phases import phase_of
from lethe.server.competitions.service import clock_step_s, specification
from lethe.server.leaderboard.schemas import IntervalView, OriginalsView
from lethe.server.leaderboard.score_queries import current_score
from lethe.server.leaderboard.service import task_scores
from lethe.server.models import Competition, Score, Submission, Team
from lethe.server.models.times import utc_now
from lethe.server.queue.estimates import Shown, eta_s
from lethe.server.queue.fair_order import have_runs_begun, queue_position
from lethe.server.queue.queries import check_times
from lethe.server.submissions import queries
from lethe.server.submissions.improvement import NO_IMPROVEMENT, Improvement, improvements
from lethe.server.submissions.schemas import (
    AdviceView,
    ErrorView,
    FinalView,
    ReceiptView,
    StoppedView,
    SubmissionLog,
    SubmissionView,
)


def view(
    session: Session,
    submission: Submission,
    viewer: Viewer = Viewer.TEAM,
    *,
    with_estimate: bool = True,
    improvement: Improvement | None = None,
) -> SubmissionView:
    """Return the submission as its team sees it: scores rounded, progress in tenths, no output of hidden runs.

    A host also sees errors of hidden runs and the parts of the score. The estimate costs more queries than everything
    else; without it `eta_s` is None. `improvement`: if it was read already, with that of others.
    """
    competition = session.get_one(Competition, submission.competition_id)
    team = session.get_one(Team, submission.team_id)
    visible = visibility(viewer, phase_of(competition, submission.evaluation))
    score = current_score(session, submission) if submission.state == SubmissionState.SCORED else None
    step_s = 0.0 if visible.exact else clock_step_s(session, specification(competition))
    shown = _shown(session, submission, step_s)
    if score is not None and improvement is None and submission.evaluation == Evaluation.PUBLIC:
        improvement = improvements(session, [submission]).get(submission.id)
    return SubmissionView(
        id=submission.id,
        competition=competition.slug,
        team=team.name,
        evaluation=submission.evaluation,
        filename=submission.filename,
        method=submission.method,
        note=submission.note,
        link=submission.link,
        licence=submission.licence,
        notes=submission.notes or [],
        state=shown.state,
        owner=submission.owner if SubmissionState(submission.state).is_terminal else None,
        error=error_view(submission, visible),
        runs_done=shown.runs_done,
        runs_total=submission.runs_total,
        queue_position=shown.position,
        eta_s=eta_s(session, submission, shown) if with_estimate else None,
        score=None if score is None else round_score(score.final_score),
        interval=_interval(score),
        tasks=[] if score is None else task_scores(score.breakdown, with_metric=visible.metric),
        originals=_originals(score),
        stopped=stopped_view(submission),
        **({} if improvement is None else vars(improvement)),
        metric=_metric(score, visible),
        selected=submission.selected_at is not None,
        final=_final(session, submission, visible),
        disqualified=submission.disqualified_reason or team.disqualified_reason,
        created_at=submission.created_at,
        finished_at=None if submission.finished_at is None else round_time(submission.finished_at),
    )


def _shown(session: Session, submission: Submission, step_s: float) -> Shown:
    """Return state, progress and place as they were at the last step of the clock; as they are if it has no steps."""
    moment = last_step(utc_now(), step_s)
    state, done, position = submission.state, submission.runs_shown, None
    if not SubmissionState(state).is_terminal:
        check = _check_times(session, submission)
        if submission.evaluation != Evaluation.FINAL:  # which has no check
            state = shown_state(state, submission.fault_stage, check, moment=moment, step_s=step_s)
        if submission.runs_shown_at is not None and submission.runs_shown_at > moment:
            done = submission.runs_shown_before
        position = _position(session, submission, state, moment)
    return Shown(state, done, position, moment, step_s)


def _position(session: Session, submission: Submission, state: str, moment: datetime) -> int | None:
    """Return the place of a submission that waits for its check or its first run, else None.

    Between two of its chunks it counts as running: else the end of each of them would show.
    """
    if state == SubmissionState.QUEUED:
        return queue_position(session, submission, Stage.CHECK, moment)
    if state == SubmissionState.RUNNING and not have_runs_begun(session, submission, moment):
        return queue_position(session, submission, Stage.RUN, moment)
    return None


def _check_times(session: Session, submission: Submission) -> CheckTimes:
    found = check_times.rows(session, submission_id=submission.id, generation=submission.generation).one_or_none()
    return CheckTimes() if found is None else CheckTimes(found.claimed_at, found.done_at)


def view_all(
    session: Session,
    submissions: Sequence[Submission],
    *,
    with_estimate: bool = True,
    known: Mapping[UUID, Improvement] | None = None,
) -> list[SubmissionView]:
    """Return the submissions as their teams see them; shared competitions and teams are loaded once.

    `known`: what `improvements` says of them, if it was read already.
    """
    competitions = {one.competition_id for one in submissions}
    teams = {one.team_id for one in submissions}
    # A session drops entities that nothing refers to.
    _loaded = [session.get_one(Competition, key) for key in competitions], [session.get_one(Team, key) for key in teams]
    known = improvements(session, submissions) if known is None else known
    return [
        view(session, one, with_estimate=with_estimate, improvement=known.get(one.id, NO_IMPROVEMENT))
        for one in submissions
    ]


def stopped_view(submission: Submission) -> StoppedView | None:
    """Return what a look that stopped the submission found, rounded as scores are; None before its end shows."""
    found = submission.stopping_look
    if submission.looks is None or found is None or submission.state != SubmissionState.SCORED:
        return None
    best, difference = round_score(submission.looks["best_score"]), round_score(found["difference"])
    error = round_score(found["standard_error"])
    return StoppedView(
        runs=found["runs"],
        best=UUID(submission.looks["best"]),
        best_score=best,
        difference=difference,
        difference_error=error,
        text=(
            f"stopped after {found['runs']} of {submission.runs_total} runs: below your best ({best:g}) "
            f"by {-difference:g} ± {error:g}"
        ),
    )


def _interval(score: Score | None) -> IntervalView | None:
    if score is None:
        return None
    return IntervalView(low=round_score(score.interval_low), high=round_score(score.interval_high))


def _originals(score: Score | None) -> OriginalsView | None:
    found = None if score is None or score.breakdown is None else score.breakdown["originals"]
    if found is None:
        return None
    return OriginalsView(standard_error=round_score(found["standard_error"]), degrees=found["degrees"])


def _metric(score: Score | None, visible: Visibility) -> dict[str, float] | None:
    if score is None or not visible.metric:
        return None
    return {name: round_score(getattr(score, name)) for name in ("forgetting_quality", "retain_ratio", "test_ratio")}


def receipt(session: Session, submission: Submission) -> ReceiptView:
    """Return the receipts of the submission's scores as its team may see them."""
    competition = session.get_one(Competition, submission.competition_id)
    visible = visibility(Viewer.TEAM, phase_of(competition, submission.evaluation))
    final = _final_of(session, submission, visible)
    receipts = {"public": _receipt(session, submission), "final": None if final is None else _receipt(session, final)}
    return ReceiptView(
        **{
            name: None if found is None else shown_receipt(found, secret=competition.secret, visible=visible)
            for name, found in receipts.items()
        }
    )


def _receipt(session: Session, submission: Submission) -> dict[str, Any] | None:
    """Return the receipt of the current score; of what was stopped early, that of its runs, which says so."""
    stopped = stopped_view(submission)
    if stopped is not None and submission.looks is not None:
        return {**(submission.looks.get("receipt") or {}), "stopped": stopped.text}
    score = current_score(session, submission)
    return None if score is None else score.receipt


def _final_of(session: Session, submission: Submission, visible: Visibility) -> Submission | None:
    if not visible.final:
        return None
    return queries.final_of(session, submission)


def _final(session: Session, submission: Submission, visible: Visibility) -> FinalView | None:
    final = _final_of(session, submission, visible)
    if final is None:
        return None
    score = current_score(session, final)
    return FinalView(
        state=final.state,
        error=error_view(final, visible),
        score=None if score is None else round_score(score.final_score),
        interval=_interval(score),
        tasks=[] if score is None else task_scores(score.breakdown, with_metric=visible.metric),
        originals=_originals(score),
        metric=_metric(score, visible),
    )


def error_view(submission: Submission, visible: Visibility) -> ErrorView | None:
    """Return why the submission ended without a score, or None."""
    if submission.fault_code is None or not SubmissionState(submission.state).is_terminal:
        return None  # or an end that does not show yet
    detailed = shows_fault_details(submission.fault_stage, visible)
    return ErrorView(
        code=submission.fault_code,
        message=FAULT_TEXTS[FaultCode(submission.fault_code)],
        line=submission.fault_line if detailed else None,
        output=submission.fault_message or None if detailed and submission.owner == Owner.PARTICIPANT else None,
    )


def submission_log(session: Session, submission: Submission, viewer: Viewer = Viewer.TEAM) -> SubmissionLog | None:
    """Return the output of the check stage; None before its end may show, whatever happened to the submission since."""
    competition = session.get_one(Competition, submission.competition_id)
    is_exact = visibility(viewer, phase_of(competition, submission.evaluation)).exact
    step_s = 0.0 if is_exact else clock_step_s(session, specification(competition))
    report = submission.check_report
    is_early = step_s and not _check_times(session, submission).has_ended(last_step(utc_now(), step_s))
    if report is None or (is_early and submission.evaluation != Evaluation.FINAL):
        return None
    return _log(report)


def _log(report: dict[str, Any]) -> SubmissionLog:
    return SubmissionLog(
        stdout=report.get("stdout", ""),
        stderr=report.get("stderr", ""),
        traceback=report.get("traceback", ""),
        packages=report.get("packages", []),
        advice=[AdviceView(code=code, message=Advice(code).text) for code in report.get("advice", [])],
        wall_s=report.get("wall_s"),
        cpu_s=report.get("cpu_s"),
        peak_memory_bytes=report.get("peak_memory_bytes"),
        wall_limit_s=report.get("wall_limit_s"),
        memory_limit_bytes=report.get("memory_limit_bytes"),
        hidden=report.get("hidden"),
        curve=report.get("curve"),
        practice=report.get("practice"),
        practice_missing=report.get("practice_missing", ""),
    )


NO_LOG = _log({})
