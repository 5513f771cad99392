"""SQL of accounts: hosts, tokens, sessions and invitations to register."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, delete, func, select
from sqlalchemy.orm import Session

from lethe.server.models import (
    ApiToken,
    Competition,
    CompetitionHost,
    DeviceLogin,
    RegistrationInvite,
    SignInIdentity,
    User,
    WebSession,
)


def hosted_competitions(session: Session, user: User) -> list[Competition]:
    """Return the competitions that `user` hosts, drafts too, the newest first; all of them for operators."""
    query = select(Competition).order_by(Competition.created_at.desc())
    if not user.is_operator:
        query = query.join(CompetitionHost, CompetitionHost.competition_id == Competition.id).where(
            CompetitionHost.user_id == user.id
        )
    return list(session.scalars(query))


def host_names(session: Session, competition_id: UUID) -> list[str]:
    """Return the user names of a competition's hosts, without operators, in alphabetical order."""
    return list(
        session.scalars(
            select(User.username)
            .join(CompetitionHost, CompetitionHost.user_id == User.id)
            .where(CompetitionHost.competition_id == competition_id)
            .order_by(User.username_key)
        )
    )


def lock_open_invite(session: Session, digest: str, now: datetime) -> RegistrationInvite | None:
    """Return the unused, unexpired invitation with this digest, locked until the commit, or None."""
    return session.scalar(
        select(RegistrationInvite)
        .where(
            RegistrationInvite.digest == digest,
            RegistrationInvite.user_id.is_(None),
            RegistrationInvite.expires_at > now,
        )
        .with_for_update()
    )


def lock_user(session: Session, user_id: UUID) -> None:
    """Lock the account's row until the commit."""
    session.execute(select(User.id).where(User.id == user_id).with_for_update())


def tokens_of(user_id: UUID) -> Select[ApiToken]:
    """All tokens of an account, to be paged."""
    return select(ApiToken).where(ApiToken.user_id == user_id)


def token_of(session: Session, user_id: UUID, token_id: UUID) -> ApiToken | None:
    """Return the token if it is the account's, or None."""
    return session.scalar(select(ApiToken).where(ApiToken.id == token_id, ApiToken.user_id == user_id))


def count_tokens(session: Session, user_id: UUID) -> int:
    """Return how many tokens an account has."""
    return session.scalar(select(func.count()).where(ApiToken.user_id == user_id)) or 0


def delete_expired_tokens(session: Session, user_id: UUID, now: datetime) -> None:
    """Delete the tokens of an account that have expired."""
    session.execute(delete(ApiToken).where(ApiToken.user_id == user_id, ApiToken.expires_at < now))


def delete_tokens_and_sessions(session: Session, user_id: UUID) -> None:
    """Delete every token and every session of an account."""
    session.execute(delete(ApiToken).where(ApiToken.user_id == user_id))
    session.execute(delete(WebSession).where(WebSession.user_id == user_id))


def identity_at(session: Session, issuer: str, subject: str) -> SignInIdentity | None:
    """Return the account at a provider, if somebody has linked it, or None."""
    return session.scalar(
        select(SignInIdentity).where(SignInIdentity.issuer == issuer, SignInIdentity.subject == subject)
    )


def identities_of(session: Session, user_id: UUID) -> list[SignInIdentity]:
    """Return the accounts elsewhere that are linked to an account, the oldest first."""
    return list(
        session.scalars(
            select(SignInIdentity).where(SignInIdentity.user_id == user_id).order_by(SignInIdentity.created_at)
        )
    )


def delete_identities(session: Session, user_id: UUID) -> None:
    """Unlink every account elsewhere."""
    session.execute(delete(SignInIdentity).where(SignInIdentity.user_id == user_id))


def has_device_login(session: Session, digest: str) -> bool:
    """Return whether a program with this digest was ever let wait and has not got its token yet."""
    return session.scalar(select(DeviceLogin.id).where(DeviceLogin.digest == digest)) is not None


def lock_device_login(session: Session, digest: str) -> DeviceLogin | None:
    """Return the program that waits with this digest, locked until the commit, or None."""
    return session.scalar(select(DeviceLogin).where(DeviceLogin.digest == digest).with_for_update())


def lock_device_with_code(session: Session, user_code: str, now: datetime) -> DeviceLogin | None:
    """Return the program that waits with this code and that nobody has answered, locked until the commit, or None."""
    return session.scalar(
        select(DeviceLogin)
        .where(
            DeviceLogin.user_code == user_code,
            DeviceLogin.expires_at > now,
            DeviceLogin.user_id.is_(None),
            DeviceLogin.is_refused.is_(False),
        )
        .with_for_update()
    )


def delete_device_logins(session: Session, before: datetime) -> None:
    """Delete the programs that stopped waiting before a moment."""
    session.execute(delete(DeviceLogin).where(DeviceLogin.expires_at < before))
