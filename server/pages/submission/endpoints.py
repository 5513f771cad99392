"""Routes of one submission: its page, its plots, and what its team may do with it."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from lethe.evaluator.contract.batch_counts import batch_note
from lethe.evaluator.contract.states import Evaluation, SubmissionState
from lethe.server.competitions import phases
from lethe.server.competitions import service as competitions
from lethe.server.competitions.disclosure import Viewer, shows_plot
from lethe.server.context import AppContext
from lethe.server.errors import InvalidValue
from lethe.server.http.sub_path import site_url
from lethe.server.leaderboard import service as leaderboards
from lethe.server.leaderboard.score_queries import current_score
from lethe.server.models import Competition, Submission
from lethe.server.pages.forms import FULL, notice, redirect, redirect_to_login
from lethe.server.pages.pictures import plot_response
from lethe.server.pages.rendering import render_page
from lethe.server.pages.sharing.citation import is_citable, submission_bibtex
from lethe.server.pages.source_view import source_lines
from lethe.server.pages.submission.evidence import evidence
from lethe.server.pages.submission.improvement import improvement_box
from lethe.server.pages.submission.view import submission_page
from lethe.server.pages.submissions.view import full_selections
from lethe.server.plots.stored_plots import stored_plots
from lethe.server.security.sessions import FormVisitor, OptionalVisitor, RequiredVisitor
from lethe.server.submissions import completion, measures, publication, selections
from lethe.server.submissions import service as submissions
from lethe.server.submissions.descriptions import describe, description_of, may_describe
from lethe.server.submissions.improvement import (
    NO_IMPROVEMENT,
    best_of,
    improvements_of_team,
    scored_submissions,
)
from lethe.server.submissions.publication import Licence, may_publish
from lethe.server.submissions.short_ids import IdText, resolve
from lethe.server.submissions.views import receipt, submission_log
from lethe.server.submissions.views import view as submission_view

router = APIRouter(include_in_schema=False)

Text = Annotated[str, Form(max_length=1_000)]
LIST = "list"
Back = Annotated[str, Form(max_length=40)]
"""Where a selection's button was: the list of submissions, or the page of this id."""


@router.get("/submissions/{submission_id}")
def submission(submission_id: IdText, request: Request, context: AppContext, visitor: OptionalVisitor) -> Response:
    """Show one of my team's submissions, or any of a competition that I host."""
    if visitor is None:
        return redirect_to_login(request)
    with context.database.read() as session:
        found, viewer = submissions.get_shown(session, resolve(session, visitor.user, submission_id), visitor.user)
        is_scored = found.state == SubmissionState.SCORED and found.evaluation == Evaluation.PUBLIC
        scored = scored_submissions(session, found.team_id) if is_scored else ()
        known = improvements_of_team(session, scored, {found.id}).get(found.id, NO_IMPROVEMENT)
        shown = submission_view(session, found, viewer, improvement=known)
        competition = competitions.get_competition(session, shown.competition, drafts=viewer is Viewer.HOST)
        standings = leaderboards.leaderboard(session, competition, Evaluation(found.evaluation), limit=0)
        final_references = leaderboards.reference_rows(session, competition, Evaluation.FINAL) if shown.final else []
        receipts = None if shown.score is None and shown.stopped is None else receipt(session, found)
        shown_evidence = evidence(session, competition, found, viewer)
        can_select = viewer is Viewer.TEAM and phases.may_choose(competition)
        is_wanted = viewer is Viewer.TEAM or found.method or found.link  # a host corrects what boards show
        can_describe = bool(is_wanted) and may_describe(competition, found, viewer)
        can_publish = viewer is Viewer.TEAM and found.origin_id is None and may_publish(competition, found)
        is_full = can_select and FULL in request.query_params
        log = submission_log(session, found, viewer)
        prepared, spec = competitions.prepared_once(competition), competitions.specification(competition)
        full = full_selections(session, found, spec.evaluation.final_selections) if is_full else None
    lines = source_lines(context.artifacts.get(found.source_key))
    view = submission_page(
        shown,
        log,
        lines,
        standings,
        final_references=final_references,
        is_own=viewer is Viewer.TEAM,
        receipt=receipts,
        evidence=shown_evidence,
        can_select=can_select,
        can_describe=can_describe,
        can_publish=can_publish,
        methods_shown=spec.board.methods,
        full=full,
        improvement=improvement_box(shown, best_of(scored)) if viewer is Viewer.TEAM else None,
        is_charged=found.is_charged,
        batch_note=batch_note(prepared.practice.counts, prepared.public.counts, spec.evaluation.batch_size),
        notice=notice(request),
        cite=submission_bibtex(shown, competition.title, site_url(request)) if is_citable(competition, found) else "",
    )
    return render_page(request, "submission/submission.html", view, visitor)


@router.post("/submissions/{submission_id}/cancel")
def cancel(submission_id: UUID, context: AppContext, visitor: FormVisitor) -> Response:
    """End one of my team's submissions."""
    with context.database.write() as session:
        found, owner = submissions.get_cancellable(session, submission_id, visitor.user)
        submissions.cancel(session, found, owner)
    return redirect(f"/submissions/{submission_id}", "cancelled")


@router.post("/submissions/{submission_id}/select")
def select(submission_id: UUID, context: AppContext, visitor: FormVisitor, back: Back = "") -> Response:
    """Select a submission for the final evaluation; if all selections are used, the page names them."""
    try:
        with context.database.write() as session:
            found = submissions.get_own(session, submission_id, visitor.user)
            place = _place(session, found, back)
            selections.select_submission(session, found)
    except selections.SelectionsFull:
        return redirect(f"{place}?{FULL}={submission_id}#choice")
    context.wake.workers()  # what a look had stopped runs whole now
    return redirect(place, "selected")


@router.post("/submissions/{submission_id}/complete")
def complete(submission_id: UUID, context: AppContext, visitor: FormVisitor) -> Response:
    """Run the rest of one of my team's submissions that was stopped early."""
    with context.database.write() as session:
        completion.complete_own(session, submissions.get_own(session, submission_id, visitor.user))
    context.wake.workers()
    return redirect(f"/submissions/{submission_id}", "completing")


@router.post("/submissions/{submission_id}/unselect")
def unselect(submission_id: UUID, context: AppContext, visitor: FormVisitor, back: Back = "") -> Response:
    """Undo a selection."""
    with context.database.write() as session:
        found = submissions.get_own(session, submission_id, visitor.user)
        place = _place(session, found, back)
        selections.unselect_submission(session, found)
    return redirect(place, "unselected")


def _place(session: Session, submission: Submission, back: str) -> str:
    """Return the page on which the button was: the list, or that of the submission `back`, by default this one."""
    if back == LIST:
        return f"/competitions/{session.get_one(Competition, submission.competition_id).slug}/submissions"
    try:
        return f"/submissions/{UUID(back)}"
    except ValueError:
        return f"/submissions/{submission.id}"


@router.post("/submissions/{submission_id}/describe")
def describe_submission(
    submission_id: UUID,
    context: AppContext,
    visitor: FormVisitor,
    method: Text = "",
    note: Text = "",
    link: Text = "",
) -> Response:
    """Change what is said of a submission of mine, or of a competition that I host."""
    with context.database.write() as session:
        found, viewer = submissions.get_shown(session, submission_id, visitor.user)
        changes = description_of({"method": method, "note": note, "link": link})
        describe(session, found, viewer, visitor.user, changes)
    return redirect(f"/submissions/{submission_id}", "described")


@router.post("/submissions/{submission_id}/publish")
def publish(submission_id: UUID, context: AppContext, visitor: FormVisitor, licence: Text = "") -> Response:
    """Publish the source of one of my team's submissions under a licence; without one, withdraw it."""
    with context.database.write() as session:
        found = submissions.get_own(session, submission_id, visitor.user)
        if licence:
            publication.publish(session, found, _known(licence))
        else:
            publication.withdraw(found)
    return redirect(f"/submissions/{submission_id}", "published" if licence else "withdrawn")


def _known(licence: str) -> Licence:
    if licence not in set(Licence):
        raise InvalidValue(f"Choose one of these licences: {', '.join(Licence)}.")
    return Licence(licence)


@router.post("/submissions/{submission_id}/measures")
def compute_measures(submission_id: UUID, context: AppContext, visitor: FormVisitor) -> Response:
    """Have all measures of a submission of a competition that I host computed."""
    with context.database.write() as session:
        measures.ask_for_measures(session, submission_id, visitor.user)
    context.wake.control()
    return redirect(f"/submissions/{submission_id}", "measuring")


@router.get("/submissions/{submission_id}/plots/{name}.svg")
def plot(submission_id: UUID, name: str, request: Request, context: AppContext, visitor: RequiredVisitor) -> Response:
    """Return a plot as an SVG."""
    with context.database.read() as session:
        submission, viewer = submissions.get_shown(session, submission_id, visitor.user)
        competition = session.get_one(Competition, submission.competition_id)
        score = current_score(session, submission)
        visible = competitions.visibility_of(competition, viewer, submission.evaluation)
        is_shown = score is not None and shows_plot(name, visible)
        found = [one for one in stored_plots(score.plots) if one.name == name] if score and is_shown else []
    return plot_response(request, found[0] if found else None)
