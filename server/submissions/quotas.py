"""Quotas: how many submissions a team, and how many attempts an account or address, has left, and when they reset."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from lethe.evaluator.contract.phrases import count_text
from lethe.evaluator.contract.specification import QuotasSpec
from lethe.evaluator.contract.states import Evaluation
from lethe.server.competitions.phases import evaluation_of_uploads
from lethe.server.errors import Conflict, Forbidden, RequestError
from lethe.server.models import Competition, Team, UploadAttempt, User
from lethe.server.models.times import utc_now
from lethe.server.security.login import ASK, is_known_here
from lethe.server.submissions import queries
from lethe.server.submissions.schemas import QuotaView

DAY = timedelta(days=1)


class _UsedUp(RequestError):
    """A quota of the day is used up."""

    status = 429

    def __init__(self, message: str, *, limit: int) -> None:
        resets_at = next_reset()
        wait_s = max(1, int((resets_at - utc_now()).total_seconds()) + 1)
        super().__init__(
            f"{message} The count starts again at {resets_at:%Y-%m-%d %H:%M} UTC.",
            headers={"Retry-After": str(wait_s), **_headers(limit, 0, wait_s)},
            limit=limit,
            left=0,
            resets_at=resets_at.isoformat(),
        )


class DailyQuotaUsed(_UsedUp):
    """The team has sent as many submissions today as it may."""

    code = "daily_quota_used"
    title = "No submissions left today"


class AttemptsUsed(_UsedUp):
    """The account or the address has made as many uploads today as it may."""

    code = "attempts_used"
    title = "No attempts left today"


class TotalQuotaUsed(Forbidden):
    """The team has sent as many submissions in this competition as it may."""

    code = "total_quota_used"
    title = "No submissions left"


class TooManyInFlight(Conflict):
    """Earlier submissions of the team have not ended yet."""

    code = "too_many_in_flight"
    title = "Submission under way"


@dataclass(frozen=True)
class Usage:
    """How many submissions of a team are charged today and in total, and how many have not ended."""

    today: int
    total: int
    in_flight: int

    def with_one_more(self) -> "Usage":
        """Return the usage after another submission."""
        return Usage(self.today + 1, self.total + 1, self.in_flight + 1)


@dataclass(frozen=True)
class AttemptLimits:
    """Uploads that are checked per day; 0: no limit."""

    per_account: int
    per_address: int


def day_start() -> datetime:
    """Return the last midnight (UTC)."""
    return datetime.combine(utc_now().date(), time(), tzinfo=UTC)


def next_reset() -> datetime:
    """Return the next midnight (UTC)."""
    return day_start() + DAY


def usage(session: Session, team_id: UUID, evaluation: Evaluation) -> Usage:
    """Return what the team has used, counted from the submissions themselves, so that refunds need no bookkeeping.

    Those of a benchmark are counted apart: a team that has sent all it may before the deadline begins anew.
    """
    row = queries.usage.rows(session, team_id=team_id, evaluation=evaluation, day_start=day_start()).one()
    return Usage(today=row.today, total=row.total, in_flight=row.in_flight)


def require_room(session: Session, team: Team, quotas: QuotasSpec, evaluation: Evaluation) -> Usage:
    """Return what `team`, which must be locked, has used of `evaluation`.

    Raises DailyQuotaUsed, TotalQuotaUsed or TooManyInFlight when it may not submit.
    """
    used = usage(session, team.id, evaluation)
    if quotas.submissions_total and used.total >= quotas.submissions_total:
        raise TotalQuotaUsed(
            f"Your team has sent {count_text(quotas.submissions_total, 'submission')}, all that it may."
        )
    if quotas.submissions_per_day and used.today >= quotas.submissions_per_day:
        limit = quotas.submissions_per_day
        raise DailyQuotaUsed(
            f"Your team has sent {count_text(limit, 'submission')} today, all that it may.", limit=limit
        )
    if quotas.in_flight and used.in_flight >= quotas.in_flight:
        raise TooManyInFlight(
            f"{count_text(used.in_flight, 'submission')} of your team {'has' if used.in_flight == 1 else 'have'} not "
            f"ended, and it may have {quotas.in_flight}. "
            "Wait for the end of one, or cancel it with POST /api/v1/submissions/{id}/cancel."
        )
    return used


def count_attempt(session: Session, competition: Competition, user: User, address: str, limits: AttemptLimits) -> int:
    """Count an upload before it is checked, and return the account's attempts today, 0 if they are not limited.

    The transaction must be short: all uploads from an address wait for its row. Raises AttemptsUsed.
    """
    account, place = account_subject(competition, user), f"address:{address}"[:100]
    per_address = 0 if is_known_here(session, user, address) else limits.per_address
    limited = {"account": (account, limits.per_account), "address": (place, per_address)}
    counts = _count(session, [subject for subject, limit in limited.values() if limit])
    for name, (subject, limit) in limited.items():
        if limit and counts[subject] > limit:
            ask = "" if name == "account" else f" {ASK.format(setting='LETHE_ATTEMPTS_PER_ADDRESS')}"
            raise AttemptsUsed(f"This {name} has made {count_text(limit, 'upload')} today.{ask}", limit=limit)
    return counts.get(account, 0)


def account_subject(competition: Competition, user: User) -> str:
    """Return the subject under which an account's attempts in a competition are counted."""
    return f"account:{user.id.hex}:{competition.id.hex}"


def _count(session: Session, subjects: list[str]) -> dict[str, int]:
    """Count an attempt of each subject, and return its attempts today, this one included."""
    if not subjects:
        return {}
    today = utc_now().date()
    counts = queries.count_attempts(session, today, subjects)
    if 1 in counts.values():  # once a day and subject, old counts go
        queries.delete_attempts.rows(session, day=today - DAY)
    return counts


def view(
    session: Session,
    competition: Competition,
    team: Team | None,
    user: User,
    quotas: QuotasSpec,
    *,
    used: Usage | None = None,
    attempts: int | None = None,
) -> QuotaView:
    """Return what a team, None before there is one, and the account have left.

    `used` and today's `attempts` of the account are counted here if the caller has not done so.
    """
    if used is None:
        evaluation = evaluation_of_uploads(competition)
        used = usage(session, team.id, evaluation) if team is not None else Usage(0, 0, 0)
    if attempts is None and quotas.attempts_per_day:
        counted = session.get(UploadAttempt, (utc_now().date(), account_subject(competition, user)))
        attempts = counted.count if counted else 0
    return QuotaView(
        submissions_left_today=_left(quotas.submissions_per_day, used.today),
        submissions_left=_left(quotas.submissions_total, used.total),
        attempts_left_today=_left(quotas.attempts_per_day, attempts or 0),
        in_flight=used.in_flight,
        in_flight_limit=quotas.in_flight or None,
        resets_at=next_reset(),
    )


def headers(quotas: QuotasSpec, shown: QuotaView) -> dict[str, str]:
    """Return the RateLimit header fields of an answer to an upload; empty without a daily limit."""
    if shown.submissions_left_today is None:
        return {}
    wait_s = max(1, int((shown.resets_at - utc_now()).total_seconds()))
    return _headers(quotas.submissions_per_day, shown.submissions_left_today, wait_s)


def _left(limit: int, used: int) -> int | None:
    return max(0, limit - used) if limit else None


def _headers(limit: int, left: int, wait_s: int) -> dict[str, str]:
    """Return the fields of the IETF's draft on rate limit headers."""
    return {
        "RateLimit-Policy": f'"day";q={limit};w={int(DAY.total_seconds())}',
        "RateLimit": f'"day";r={left};t={wait_s}',
    }
