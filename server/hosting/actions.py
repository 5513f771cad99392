"""What a host does while a competition runs, and after it: open, pause, extend, close, benchmark, announce, disqualify.

Every action is recorded in the audit log; `actor` is the command line's user by default.
"""

import re
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy.orm import Session

from lethe.evaluator.contract.phrases import time_text
from lethe.evaluator.contract.states import OF_THE_COMPETITION, Evaluation
from lethe.server.audit_log.events import record
from lethe.server.competitions.phases import Phase, ends_at, is_benchmark, phase
from lethe.server.competitions.service import get_competition, lock_competition, require_photographs
from lethe.server.errors import Conflict, InvalidValue
from lethe.server.hosting import queries
from lethe.server.leaderboard.standings import mark_board_changed, rank_team
from lethe.server.mail.outbox import Kind, tell_participants
from lethe.server.models import Announcement, Competition, Submission, Team
from lethe.server.models.times import utc_now
from lethe.server.submissions.service import SubmissionNotFound
from lethe.server.submissions.short_ids import PATTERN, SHORTEST, id_range, the_only
from lethe.server.teams.service import TeamNotFound, name_key, remove_idle_member

TITLE_CHARS = 120
BODY_CHARS = 10_000
REASON_CHARS = 500


class PhaseConflict(Conflict):
    """The competition is not in a phase in which this can be done."""

    code = "wrong_phase"
    title = "Not in this phase"


class InvalidEnd(InvalidValue):
    """The new end of uploads is no date, or not after the start and the present."""

    code = "invalid_end"
    title = "Invalid end"


def open_competition(session: Session, slug: str, *, actor: str | None = None) -> Competition:
    """Publish the competition and take uploads in its public phase; also end a pause and an early close."""
    competition = lock_competition(session, slug)
    require_photographs(competition)
    _require_no_finals(competition)
    if competition.public_ends_at is not None and competition.public_ends_at <= utc_now():
        raise PhaseConflict(
            f"The planned end, {time_text(competition.public_ends_at)}, has passed. "
            f"Move it first: lethe admin competition extend {slug} --until TIME"
        )
    competition.opened_at = competition.opened_at or utc_now()
    competition.paused_at = competition.closed_at = None
    record(session, "competition.open", slug, actor=actor, competition=competition)
    return competition


def pause(session: Session, slug: str, *, actor: str | None = None) -> Competition:
    """Take no uploads until it is opened again; queued submissions are evaluated, and the end stays where it is."""
    competition = lock_competition(session, slug)
    _require_phase(competition, Phase.OPEN, Phase.PRACTICE)
    competition.paused_at = utc_now()
    record(session, "competition.pause", slug, actor=actor, competition=competition)
    return competition


def extend(session: Session, slug: str, until: datetime, *, actor: str | None = None) -> Competition:
    """Move the end of uploads to `until` (aware, in the future); a closed competition takes uploads again.

    Raises InvalidEnd, and PhaseConflict once the final evaluation has begun.
    """
    try:
        until.astimezone(UTC)
    except OverflowError as error:  # in UTC it comes before year 1 or after year 9999
        raise InvalidEnd("The new end lies outside of the calendar.") from error
    competition = lock_competition(session, slug)
    require_photographs(competition)
    _require_no_finals(competition)
    start = competition.public_starts_at
    if until <= utc_now() or (start is not None and until <= start):
        raise InvalidEnd(f"The new end, {time_text(until)}, must lie in the future and after the start.")
    if competition.final_ends_at is not None and until >= competition.final_ends_at:
        competition.final_ends_at = None  # it was planned for the old end
    competition.public_ends_at, competition.closed_at = until, None
    record(session, "competition.extend", slug, actor=actor, competition=competition, until=until.isoformat())
    return competition


def close(session: Session, slug: str, *, actor: str | None = None) -> Competition:
    """Take no more uploads and freeze the selections; queued submissions are still evaluated."""
    competition = lock_competition(session, slug)
    _require_phase(competition, Phase.OPEN, Phase.PAUSED, Phase.PRACTICE)
    competition.closed_at, competition.paused_at = utc_now(), None
    record(session, "competition.close", slug, actor=actor, competition=competition)
    return competition


def start_benchmark(session: Session, slug: str, *, actor: str | None = None) -> Competition:
    """Take uploads to a revealed competition on a board of their own; the competition's boards stay as they are.

    Their seeds come from a secret that is drawn the first time, so nothing that was learned of earlier seeds holds.
    Nothing changes if it goes on already. Raises PhaseConflict before the reveal.
    """
    competition = lock_competition(session, slug)
    require_photographs(competition)
    _require_phase(competition, Phase.REVEALED)
    if is_benchmark(competition):
        return competition
    competition.benchmark_secret = competition.benchmark_secret or secrets.token_hex(32)
    competition.benchmark_started_at = competition.benchmark_started_at or utc_now()
    competition.benchmark_ended_at = None
    mark_board_changed(session, competition.id)
    record(session, "competition.benchmark", slug, actor=actor, competition=competition)
    return competition


def end_benchmark(session: Session, slug: str, *, actor: str | None = None) -> Competition:
    """Take no more uploads to a benchmark; what is in the queue is evaluated, and its board stays.

    Nothing changes if it has ended already. Raises PhaseConflict if there never was one.
    """
    competition = lock_competition(session, slug)
    if competition.benchmark_started_at is None:
        raise PhaseConflict(f"{slug} is no benchmark, so there is nothing to end.")
    if competition.benchmark_ended_at is None:
        competition.benchmark_ended_at = utc_now()
        mark_board_changed(session, competition.id)
        record(session, "competition.benchmark_end", slug, actor=actor, competition=competition)
    return competition


def announce(session: Session, slug: str, *, title: str, body: str, actor: str | None = None) -> Announcement:
    """Publish an announcement; it cannot be taken back. Raises InvalidValue for a title or text of the wrong length."""
    title = title.strip()
    if not 1 <= len(title) <= TITLE_CHARS or len(body) > BODY_CHARS:
        raise InvalidValue(
            f"An announcement needs a title of 1 to {TITLE_CHARS} characters, and a text of {BODY_CHARS:,} at most."
        )
    competition = get_competition(session, slug, drafts=True)
    announcement = Announcement(competition_id=competition.id, title=title, body=body)
    session.add(announcement)
    session.flush()
    record(session, "competition.announce", slug, actor=actor, competition=competition, title=title)
    if competition.opened_at is not None:
        told = {"competition": str(competition.id), "announcement": str(announcement.id)}
        tell_participants(session, competition.id, Kind.ANNOUNCEMENT, **told)
    return announcement


def find_team(session: Session, slug: str, name: str) -> Team:
    """Return the team of that name, whatever its case; raises CompetitionNotFound and TeamNotFound."""
    competition = get_competition(session, slug, drafts=True)
    team = queries.find_team(session, competition, name_key(name))
    if team is None:
        raise TeamNotFound(f"{competition.slug} has no team called {name[:80]!r}.")
    return team


def disqualify_team(session: Session, team: Team, *, reason: str | None, actor: str | None = None) -> None:
    """Take the team off every board for `reason`; None puts it back. Raises InvalidValue as `_valid_reason` does."""
    reason = _valid_reason(reason)
    competition = session.get_one(Competition, team.competition_id)
    team.disqualified_reason = reason
    _rank_team(session, competition, team.id, Evaluation)
    action = "team.reinstate" if reason is None else "team.disqualify"
    record(session, action, team.name, actor=actor, competition=competition, reason=reason)


def disqualify_submission(
    session: Session, submission: Submission, *, reason: str | None, actor: str | None = None
) -> None:
    """Take the submission and its final evaluation off the boards for `reason`; None puts them back.

    Raises InvalidValue as `_valid_reason` does.
    """
    reason = _valid_reason(reason)
    for one in queries.with_other_evaluation(session, submission):
        one.disqualified_reason = reason
    competition = session.get_one(Competition, submission.competition_id)
    # What happens on one board leaves the others as they are.
    boards = (Evaluation.BENCHMARK,) if submission.is_after_deadline else OF_THE_COMPETITION
    _rank_team(session, competition, submission.team_id, boards)
    action = "submission.reinstate" if reason is None else "submission.disqualify"
    record(session, action, str(submission.id), actor=actor, competition=competition, reason=reason)


def remove_member(session: Session, team: Team, username: str, *, actor: str | None = None) -> None:
    """Take a member who has submitted nothing out of `team`; without members it is deleted.

    Raises TeamNotFound if nobody in the team has that name, and TeamFixed.
    """
    competition = session.get_one(Competition, team.competition_id)
    member = queries.lock_member(session, team.id, username)
    if member is None:
        raise TeamNotFound(f"{team.name} has no member called {username[:80]!r}.")
    record(session, "team.remove", team.name, actor=actor, competition=competition, member=member.username)
    remove_idle_member(session, team, member)


def set_baseline(session: Session, team: Team, *, is_baseline: bool, actor: str | None = None) -> None:
    """Show a host's team as a reference row without a rank, or rank it again."""
    competition = session.get_one(Competition, team.competition_id)
    team.is_baseline = is_baseline
    _rank_team(session, competition, team.id, Evaluation)
    record(session, "team.baseline", team.name, actor=actor, competition=competition, is_baseline=is_baseline)


def find_submission(session: Session, text: str) -> Submission:
    """Return the submission of any team with this id, or whose id alone begins so, locked.

    Raises InvalidValue for what is not the beginning of an id, and SubmissionNotFound.
    """
    if not re.fullmatch(PATTERN, text) or (bounds := id_range(text)) is None:
        raise InvalidValue(f"{text[:80]!r} is no id: give its first {SHORTEST} digits or more.")
    found = queries.ids_between(session, *bounds)
    if not found:
        raise SubmissionNotFound(f"There is no submission {text}.")
    return session.get_one(Submission, the_only(found), with_for_update=True)


def _valid_reason(reason: str | None) -> str | None:
    """Return the reason without space at its ends; raises InvalidValue if nothing is left of it, or it is too long."""
    if reason is None:
        return None
    if not 1 <= len(reason.strip()) <= REASON_CHARS:
        raise InvalidValue(f"Give a reason of 1 to {REASON_CHARS} characters: the team sees it.")
    return reason.strip()


def _rank_team(session: Session, competition: Competition, team_id: UUID, boards: Iterable[Evaluation]) -> None:
    for evaluation in boards:
        rank_team(session, competition, evaluation, team_id)


def _require_no_finals(competition: Competition) -> None:
    if competition.finals_started_at is not None:
        raise PhaseConflict(
            f"The final evaluation of {competition.slug} began on {time_text(competition.finals_started_at)}: "
            "uploads stay closed."
        )


def _require_phase(competition: Competition, *allowed: Phase) -> None:
    current = phase(competition)
    if current not in allowed:
        end = ends_at(competition)
        since = f" since {time_text(end)}" if end is not None and current is Phase.CLOSED else ""
        raise PhaseConflict(f"{competition.slug} is {current.value}{since}; this needs it to be {_either(allowed)}.")


def _either(phases: tuple[Phase, ...]) -> str:
    return " or ".join(phase.value for phase in phases)
