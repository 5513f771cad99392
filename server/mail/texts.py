"""The words of mails. They say nothing that the page to which they lead does not show to their reader."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import quote
from uuid import UUID

from sqlalchemy.orm import Session

from lethe.evaluator.contract.states import SubmissionState
from lethe.server.mail import queries
from lethe.server.mail.outbox import NOTICES, Kind
from lethe.server.models import (
    Announcement,
    Competition,
    MailedSecret,
    MailPreference,
    OutboxMail,
    Submission,
    Team,
    User,
)
from lethe.server.models.times import utc_now
from lethe.server.plain_text import one_line, visible
from lethe.server.security.digests import new_secret

RESET_MINUTES, CONFIRM_DAYS = 30, 3
MAX_LISTED = 100


@dataclass(frozen=True)
class Letter:
    """A mail to one address. `unsubscribe` is the address that ends mails of its kind, or nothing."""

    to: str
    subject: str
    text: str = field(repr=False)
    unsubscribe: str = ""


def write_letter(session: Session, mails: Sequence[OutboxMail], site: str) -> Letter | None:
    """Return what `mails`, all of one kind and person, say; None if nobody wants to know it any more.

    Secrets are made here, so that none is stored. `site` is the address of the site.
    """
    first = mails[0]
    if first.kind == Kind.RESET:
        return _reset(session, str(first.details["typed"]), site)
    user = None if first.user_id is None else session.get(User, first.user_id)
    if user is None or user.disabled_at is not None:
        return None
    if first.kind == Kind.CONFIRM:
        return _confirm(session, user, str(first.details["address"]), site)
    if first.kind == Kind.MOVED:
        return _moved(user, str(first.details["address"]), site)
    chosen = session.get(MailPreference, user.id)
    if chosen is None or chosen.confirmed_at is None or first.kind not in chosen.notices:
        return None
    kind = Kind(first.kind)
    found = _ended(session, mails, site) if kind is Kind.ENDED else _notice(session, kind, first, site)
    if found is None:
        return None
    subject, text = found
    unsubscribe = f"{site}/unsubscribe/{chosen.key}/{kind}"
    end = (
        f"\n\n--\nYou get this because you chose: {NOTICES[kind]}.\nOther choices: {site}/account\n"
        f"No more of these: {unsubscribe}\n"
    )
    return Letter(user.email, one_line(subject), visible(text) + end, unsubscribe)


def _reset(session: Session, typed: str, site: str) -> Letter | None:
    user = queries.account_at(session, typed)
    if user is None or user.disabled_at is not None:
        return None
    token = _secret(session, user, "reset", user.email, timedelta(minutes=RESET_MINUTES))
    return Letter(
        user.email,
        "Choose a new password",
        f"Somebody asked for a new password of {user.username}. If it was you, choose one within {RESET_MINUTES} "
        f"minutes, once:\n\n{site}/reset/{token}\n\nIf it was not you, do nothing: your password stays.\n",
    )


def _confirm(session: Session, user: User, address: str, site: str) -> Letter | None:
    owner = queries.address_owner(session, address)
    if owner not in {None, user.id}:
        text = f"Somebody wanted to use this address for another account at {site}. It stays that of your account.\n"
        return Letter(address, "This address has an account", text)
    token = _secret(session, user, "confirm", address, timedelta(days=CONFIRM_DAYS))
    return Letter(
        address,
        "Confirm your address",
        f"{user.username} at {site} says that this is their address. If that is you, confirm it within {CONFIRM_DAYS} "
        f"days:\n\n{site}/confirm/{token}\n\nIf it is not you, do nothing.\n",
    )


def _moved(user: User, address: str, site: str) -> Letter:
    return Letter(
        address,
        "Your account has another address",
        f"The address of {user.username} at {site} was changed, so this one belongs to the account no longer. If that "
        "was not you, tell the operator of the site.\n",
    )


def _secret(session: Session, user: User, purpose: str, address: str, lasting: timedelta) -> str:
    """Store a new secret in place of the account's others of its purpose, and return its text."""
    queries.delete_secrets(session, user.id, purpose)
    text, digest = new_secret("")
    session.add(
        MailedSecret(user_id=user.id, purpose=purpose, address=address, digest=digest, expires_at=utc_now() + lasting)
    )
    return text


def _ended(session: Session, mails: Sequence[OutboxMail], site: str) -> tuple[str, str] | None:
    lines = []
    for mail in mails:
        submission = session.get(Submission, UUID(mail.details["submission"]))
        if submission is None or not SubmissionState(submission.state).is_terminal:  # it runs again
            continue
        competition = session.get_one(Competition, submission.competition_id)
        state = submission.state if submission.fault_code is None else f"{submission.state}, {submission.fault_code}"
        lines.append(
            f"{one_line(submission.filename)} in {competition.slug}: {state}\n{site}/submissions/{submission.id}"
        )
    if not lines:
        return None
    subject = lines[0].splitlines()[0] if len(lines) == 1 else f"{len(lines)} submissions have ended"
    more = [f"and {len(lines) - MAX_LISTED} more: {site}/account"] if len(lines) > MAX_LISTED else []
    return subject, "\n\n".join(lines[:MAX_LISTED] + more)


def _notice(session: Session, kind: Kind, mail: OutboxMail, site: str) -> tuple[str, str] | None:
    """Return subject and text of a mail about one thing, or None if that is gone."""
    if kind is Kind.INVITATION:
        team, joined = (session.get(row, UUID(mail.details[key])) for row, key in ((Team, "team"), (User, "user")))
        if not isinstance(team, Team) or not isinstance(joined, User):
            return None
        slug = session.get_one(Competition, team.competition_id).slug
        return (
            f"{joined.username} has joined your team",
            f"{joined.username} has joined {team.name} in {slug}.\n\n{site}/competitions/{slug}/team",
        )
    competition = session.get(Competition, UUID(mail.details["competition"]))
    if competition is None:
        return None
    page = f"{site}/competitions/{quote(competition.slug)}"
    if kind is Kind.ANNOUNCEMENT:
        said = session.get(Announcement, UUID(mail.details["announcement"]))
        return None if said is None else (f"{competition.slug}: {said.title}", f"{said.title}\n\n{said.body}\n\n{page}")
    if kind is Kind.CLOSING:
        end = competition.public_ends_at
        if end is None or end <= utc_now() or competition.closed_at is not None:
            return None
        text = f"{competition.title} takes uploads until {end:%Y-%m-%d %H:%M} UTC. Select what counts before.\n\n{page}"
        return f"{competition.slug} ends within 24 hours", text
    return (
        f"{competition.slug}: the final results",
        f"The final board of {competition.title} is public.\n\n{page}/leaderboard",
    )
