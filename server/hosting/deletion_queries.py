"""SQL that deletes a competition."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from lethe.evaluator.contract.states import TERMINAL_STATES
from lethe.server.lifecycle.submissions import forget_message
from lethe.server.models import (
    Announcement,
    AuditEvent,
    Competition,
    CompetitionHost,
    Counter,
    FormerScore,
    IdempotencyKey,
    ModelOrder,
    OracleBank,
    OutputPack,
    OverviewPlot,
    Score,
    Standing,
    Submission,
    Team,
    TeamInvite,
    TeamMember,
    TermsAcceptance,
    UploadAttempt,
    Webhook,
    WebhookDelivery,
    WorkerFault,
    WorkItem,
)


def live_submissions(session: Session, competition: Competition) -> Sequence[Submission]:
    """Return the submissions that have not ended, locked in the order of their ids."""
    return session.scalars(
        select(Submission)
        .where(Submission.competition_id == competition.id, Submission.state.not_in(TERMINAL_STATES))
        .order_by(Submission.id)
        .with_for_update()
    ).all()


def submission_ids(session: Session, competition: Competition) -> Sequence[UUID]:
    """Return the ids of all submissions, final evaluations included."""
    return session.scalars(select(Submission.id).where(Submission.competition_id == competition.id)).all()


def delete_outputs(session: Session, competition: Competition, banks: set[str], *, nothing: dict[str, Any]) -> None:
    """Delete what names outputs and models, orders for more of them, and all text that came out of runs.

    Scores that were not measured or drawn never will be: `nothing` is the document of no measures.
    """
    own = competition.id
    submissions = select(Submission.id).where(Submission.competition_id == own)
    for item in session.scalars(select(WorkItem).where(WorkItem.competition_id == own)):
        item.finished = {index: run | {"outputs": None, "audit": None} for index, run in item.finished.items()}
    for one in session.scalars(select(Submission).where(Submission.competition_id == own)):
        forget_message(one)
        if one.check_report is not None:
            one.check_report = one.check_report | {"stdout": "", "stderr": "", "traceback": ""}
    scores = update(Score).where(Score.competition_id == own)
    for statement in (
        scores.values(measures_asked=False),
        scores.where(Score.measures.is_(None)).values(measures=nothing),
        scores.where(Score.plots.is_(None)).values(plots=[]),
        delete(OutputPack).where(OutputPack.submission_id.in_(submissions)),
        delete(ModelOrder).where(ModelOrder.bank_digest.in_(banks)),
        delete(OracleBank).where(OracleBank.digest.in_(banks)),
    ):
        session.execute(statement, execution_options={"synchronize_session": False})


def delete_rows(session: Session, competition: Competition, banks: set[str]) -> None:
    """Delete the competition, everything that belongs to it, and the orders for models of these banks.

    Events of the audit log stay, without the competition. Accounts belong to no competition.
    """
    own = competition.id
    submissions = select(Submission.id).where(Submission.competition_id == own)
    teams = select(Team.id).where(Team.competition_id == own)
    items = select(WorkItem.id).where(WorkItem.competition_id == own)
    scores = select(Score.id).where(Score.competition_id == own)
    webhooks = select(Webhook.id).where(Webhook.competition_id == own)
    session.execute(update(AuditEvent).where(AuditEvent.competition_id == own).values(competition_id=None))
    for statement in (
        delete(WorkerFault).where(WorkerFault.work_item_id.in_(items)),
        delete(WorkItem).where(WorkItem.competition_id == own),
        delete(OutputPack).where(OutputPack.submission_id.in_(submissions)),
        delete(Standing).where(Standing.competition_id == own),
        delete(FormerScore).where(FormerScore.score_id.in_(scores)),
        delete(Score).where(Score.competition_id == own),
        delete(OverviewPlot).where(OverviewPlot.competition_id == own),
        delete(IdempotencyKey).where(IdempotencyKey.submission_id.in_(submissions)),
        delete(Submission).where(Submission.competition_id == own, Submission.origin_id.is_not(None)),
        delete(Submission).where(Submission.competition_id == own),
        delete(WebhookDelivery).where(WebhookDelivery.webhook_id.in_(webhooks)),
        delete(Webhook).where(Webhook.competition_id == own),
        delete(TeamInvite).where(TeamInvite.team_id.in_(teams)),
        delete(TeamMember).where(TeamMember.competition_id == own),
        delete(Team).where(Team.competition_id == own),
        delete(TermsAcceptance).where(TermsAcceptance.competition_id == own),
        delete(Announcement).where(Announcement.competition_id == own),
        delete(CompetitionHost).where(CompetitionHost.competition_id == own),
        delete(UploadAttempt).where(UploadAttempt.subject.contains(own.hex)),
        delete(Counter).where(Counter.name.contains(own.hex)),
        delete(ModelOrder).where(ModelOrder.bank_digest.in_(banks)),
        delete(OracleBank).where(OracleBank.digest.in_(banks)),
        delete(Competition).where(Competition.id == own),
    ):
        session.execute(statement, execution_options={"synchronize_session": False})
