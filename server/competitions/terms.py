"""The terms of a competition: each person accepts them, not a team, because nobody can agree for another."""

from sqlalchemy.orm import Session

from lethe.server.competitions.schemas import TermsAccepted, TermsView
from lethe.server.competitions.service import specification, terms_view
from lethe.server.errors import Conflict, Forbidden, NotFound
from lethe.server.models import Competition, TermsAcceptance, User


class TermsNotAccepted(Forbidden):
    """The competition has terms that this person has not accepted, or that have changed since."""

    code = "terms_not_accepted"
    title = "Terms are not accepted"


class TermsChanged(Conflict):
    """What was accepted are not the terms of the competition now."""

    code = "terms_changed"
    title = "Terms have changed"


class NoTerms(NotFound):
    """There is nothing to accept."""

    code = "no_terms"
    title = "No terms"


def pending(session: Session, competition: Competition, user: User) -> TermsView | None:
    """Return the terms that `user` has to accept before they upload; None if there is nothing left to accept."""
    terms = terms_view(specification(competition).terms)
    if terms is None or session.get(TermsAcceptance, (competition.id, user.id, terms.sha256)) is not None:
        return None
    return terms


def require_accepted(session: Session, competition: Competition, user: User) -> None:
    """Raise TermsNotAccepted unless `user` has accepted the terms as they are now."""
    terms = pending(session, competition, user)
    if terms is not None:
        raise TermsNotAccepted(
            f"Accept the terms of {competition.slug} before you upload: on its page Submit, with lethe submit, or with "
            f"POST /api/v1/competitions/{competition.slug}/terms.",
            terms_sha256=terms.sha256,
        )


def accept(session: Session, competition: Competition, user: User, digest: str) -> TermsAccepted:
    """Store that `user` accepts the terms with this digest, once; raises NoTerms and TermsChanged."""
    terms = terms_view(specification(competition).terms)
    if terms is None:
        raise NoTerms(f"{competition.slug} has no terms.")
    if terms.sha256 != digest:
        raise TermsChanged(f"These are not the terms of {competition.slug} any more. Read them again.")
    session.get_one(User, user.id, with_for_update=True)  # a button pressed twice accepts once
    found = session.get(TermsAcceptance, (competition.id, user.id, digest))
    if found is None:
        found = TermsAcceptance(competition_id=competition.id, user_id=user.id, terms_sha256=digest)
        session.add(found)
        session.flush()
    return TermsAccepted(sha256=digest, accepted_at=found.accepted_at)
