"""SQL of the outbox, of mailed secrets, and of what people want to be told."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, delete, func, select
from sqlalchemy.orm import Session

from lethe.server.models import Competition, MailedSecret, MailPreference, OutboxMail, TeamMember, User


def members_to_tell(session: Session, team_id: UUID) -> Sequence[MailPreference]:
    """Return what the members of a team with a confirmed address want to be told."""
    return session.scalars(_confirmed_members().where(TeamMember.team_id == team_id)).all()


def participants_to_tell(session: Session, competition_id: UUID) -> Sequence[MailPreference]:
    """Return what the members of all teams of a competition with a confirmed address want to be told."""
    return session.scalars(_confirmed_members().where(TeamMember.competition_id == competition_id)).all()


def _confirmed_members() -> Select[MailPreference]:
    members = select(MailPreference).join(TeamMember, TeamMember.user_id == MailPreference.user_id)
    return members.where(MailPreference.confirmed_at.is_not(None))


def next_mail(session: Session, now: datetime) -> OutboxMail | None:
    """Return the mail that has waited longest, locked; None if nothing is due. Skips what another process has."""
    return session.scalar(
        select(OutboxMail)
        .where(OutboxMail.retry_at <= now)
        .order_by(OutboxMail.retry_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )


def due_with(session: Session, mail: OutboxMail, now: datetime) -> Sequence[OutboxMail]:
    """Return the other mails of this kind that are due for this person, the oldest first, locked."""
    return session.scalars(
        select(OutboxMail)
        .where(
            OutboxMail.user_id == mail.user_id,
            OutboxMail.kind == mail.kind,
            OutboxMail.retry_at <= now,
            OutboxMail.id != mail.id,
        )
        .order_by(OutboxMail.created_at)
        .with_for_update(skip_locked=True)
    ).all()


def lock_mails(session: Session, ids: Sequence[UUID]) -> Sequence[OutboxMail]:
    """Return those of these mails that are still in the outbox, the oldest first, locked until the commit."""
    return session.scalars(
        select(OutboxMail).where(OutboxMail.id.in_(ids)).order_by(OutboxMail.created_at).with_for_update()
    ).all()


def delete_mails(session: Session, ids: Sequence[UUID]) -> None:
    """Delete mails from the outbox."""
    session.execute(delete(OutboxMail).where(OutboxMail.id.in_(ids)))


def delete_due_before(session: Session, moment: datetime) -> int:
    """Delete the mails that were due before `moment`, and return how many there were."""
    return session.execute(delete(OutboxMail).where(OutboxMail.due_at < moment)).rowcount  # type: ignore[attr-defined,no-any-return]


def waiting(session: Session, now: datetime) -> tuple[int, datetime | None]:
    """Return how many mails should have been sent, and when the first of them was due."""
    row = session.execute(select(func.count(), func.min(OutboxMail.due_at)).where(OutboxMail.due_at <= now)).one()
    return int(row[0]), row[1]


def account_at(session: Session, typed: str) -> User | None:
    """Return the account with this address or user name, whatever its case, or None."""
    key = typed.casefold()
    return session.scalar(select(User).where((User.email_key == key) | (User.username_key == key)))


def address_owner(session: Session, address: str) -> UUID | None:
    """Return the account with this address, or None."""
    return session.scalar(select(User.id).where(User.email_key == address.casefold()))


def find_secret(session: Session, digest: str, purpose: str, now: datetime) -> MailedSecret | None:
    """Return the unexpired secret with this digest, or None."""
    return session.scalar(
        select(MailedSecret)
        .where(MailedSecret.digest == digest, MailedSecret.purpose == purpose, MailedSecret.expires_at > now)
        .execution_options(populate_existing=True)
    )


def delete_secrets(session: Session, user_id: UUID, purpose: str) -> None:
    """Delete the secrets of an account for a purpose."""
    session.execute(delete(MailedSecret).where(MailedSecret.user_id == user_id, MailedSecret.purpose == purpose))


def delete_expired_secrets(session: Session, now: datetime) -> None:
    """Delete the secrets that work no more, with the addresses to which they went."""
    session.execute(delete(MailedSecret).where(MailedSecret.expires_at <= now))


def delete_links(session: Session, user_id: UUID) -> None:
    """Delete the secrets that were mailed to an account, and the mails that would have new ones."""
    session.execute(delete(OutboxMail).where(OutboxMail.user_id == user_id, OutboxMail.kind == "confirm"))
    session.execute(delete(MailedSecret).where(MailedSecret.user_id == user_id))


def lock_preference(session: Session, key: str) -> MailPreference | None:
    """Return what the person with this key wants to be told, locked until the commit, or None."""
    return session.scalar(select(MailPreference).where(MailPreference.key == key).with_for_update())


def ending_between(session: Session, first: datetime, last: datetime) -> Sequence[Competition]:
    """Return the competitions whose planned end lies between the two moments and was not told, locked."""
    return session.scalars(
        select(Competition)
        .where(
            Competition.opened_at.is_not(None),
            Competition.public_ends_at > first,
            Competition.public_ends_at <= last,
            Competition.closing_told_for.is_distinct_from(Competition.public_ends_at),
        )
        .order_by(Competition.id)
        .with_for_update()
    ).all()
