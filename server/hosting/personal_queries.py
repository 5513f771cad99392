"""SQL of what is stored about a person."""

from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from lethe.server.models import (
    ApiToken,
    AuditEvent,
    Competition,
    CompetitionHost,
    DeviceLogin,
    IdempotencyKey,
    KnownAddress,
    MailedSecret,
    MailPreference,
    OutboxMail,
    SignInIdentity,
    Submission,
    Team,
    TeamInvite,
    TeamMember,
    TermsAcceptance,
    User,
    WebSession,
)


def rows_about(session: Session, user: User) -> dict[str, Any]:
    """Return what tables have about `user`, by what it is."""
    # By team, for which there is an index: whoever has submitted stays in the team.
    own_teams = select(TeamMember.team_id).where(TeamMember.user_id == user.id)
    selects = {
        "teams": select(Competition.slug.label("competition"), Team.name, TeamMember.team_id)
        .join(Team, Team.id == TeamMember.team_id)
        .join(Competition, Competition.id == TeamMember.competition_id)
        .where(TeamMember.user_id == user.id),
        "hosted_competitions": select(Competition.slug)
        .join(CompetitionHost, CompetitionHost.competition_id == Competition.id)
        .where(CompetitionHost.user_id == user.id),
        "submissions": select(
            Submission.id, Competition.slug.label("competition"), Submission.filename, Submission.created_at,
            Submission.method, Submission.note, Submission.link, Submission.licence,
        )
        .join(Competition, Competition.id == Submission.competition_id)
        .where(Submission.team_id.in_(own_teams), Submission.user_id == user.id),
        "tokens": select(ApiToken.name, ApiToken.created_at, ApiToken.expires_at, ApiToken.last_used_at).where(
            ApiToken.user_id == user.id
        ),
        "sessions": select(WebSession.created_at, WebSession.expires_at).where(WebSession.user_id == user.id),
        "sign_in_identities": select(
            SignInIdentity.issuer, SignInIdentity.subject, SignInIdentity.label, SignInIdentity.created_at
        ).where(SignInIdentity.user_id == user.id),
        "devices_confirmed": select(DeviceLogin.name, DeviceLogin.created_at).where(DeviceLogin.user_id == user.id),
        "known_addresses": select(KnownAddress.digest, KnownAddress.seen_at).where(KnownAddress.user_id == user.id),
        "terms_accepted": select(
            Competition.slug.label("competition"), TermsAcceptance.terms_sha256, TermsAcceptance.accepted_at
        )
        .join(Competition, Competition.id == TermsAcceptance.competition_id)
        .where(TermsAcceptance.user_id == user.id),
        "invitations": select(TeamInvite.team_id, TeamInvite.created_at, TeamInvite.accepted_at).where(
            TeamInvite.created_by == user.id
        ),
        "mails_waiting": select(OutboxMail.kind, OutboxMail.created_at).where(OutboxMail.user_id == user.id),
        "actions": select(AuditEvent.created_at, AuditEvent.action, AuditEvent.target).where(
            AuditEvent.actor == f"user:{user.username}"
        ),
    }  # fmt: skip
    return {name: [_document(row._mapping) for row in session.execute(query)] for name, query in selects.items()}


def delete_rows_about(session: Session, user: User) -> None:
    """Delete what tables have about `user`; submissions, memberships, accepted terms and used invitations stay."""
    for table in (
        *(KnownAddress, SignInIdentity, DeviceLogin, MailedSecret, MailPreference, OutboxMail),
        *(IdempotencyKey, CompetitionHost),
    ):
        session.execute(delete(table).where(table.user_id == user.id))
    session.execute(delete(TeamInvite).where(TeamInvite.created_by == user.id, TeamInvite.accepted_at.is_(None)))


def lock_operators(session: Session) -> list[User]:
    """Return the enabled operators of the site, locked until the commit, in one order for everybody who locks them."""
    enabled = select(User).where(User.is_operator, User.disabled_at.is_(None)).order_by(User.id).with_for_update()
    return list(session.scalars(enabled.execution_options(populate_existing=True)))


def is_alone(session: Session, team_id: UUID) -> bool:
    """Return whether a team has one member."""
    return session.scalar(select(func.count()).where(TeamMember.team_id == team_id)) == 1


def _document(row: Any) -> dict[str, Any]:
    return {name: value.isoformat() if hasattr(value, "isoformat") else str(value) if isinstance(value, UUID) else value
            for name, value in row.items()}  # fmt: skip
