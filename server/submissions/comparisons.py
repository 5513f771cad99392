"""Two submissions of a team that somebody wants to see side by side."""

from collections.abc import Sequence
from uuid import UUID

from limits import parse
from sqlalchemy.orm import Session

from lethe.server.competitions.disclosure import Viewer, visibility
from lethe.server.competitions.phases import phase
from lethe.server.context import Context
from lethe.server.http.rate_limit import TooManyRequests
from lethe.server.leaderboard.score_queries import replicates
from lethe.server.models import Competition, User
from lethe.server.submissions.improvement import (
    ScoredSubmission,
    paired_verdict,
    scored_submissions,
    shown_difference,
)
from lethe.server.submissions.schemas import ComparisonView, Verdict
from lethe.server.submissions.service import SubmissionNotFound, get_own

COMPARISONS = parse("30/day")
"""Pairs of a team that get a verdict before the reveal, beside those that its submissions come with."""


def compare_own(context: Context, user: User, before: UUID, after: UUID) -> ComparisonView:
    """Return how the score of `after` differs from that of `before`, both of one team of the user.

    Raises SubmissionNotFound, and TooManyRequests before the reveal.
    """
    with context.database.read() as session:
        submission = get_own(session, before, user)
        if get_own(session, after, user).team_id != submission.team_id:
            raise SubmissionNotFound("The two submissions are of different competitions.")
        competition = session.get_one(Competition, submission.competition_id)
        is_revealed = visibility(Viewer.TEAM, phase(competition)).metric
        found = compare(
            session,
            scored_submissions(session, submission.team_id),
            before,
            after,
            is_revealed=is_revealed,
        )
        team_id = submission.team_id
    if not is_revealed and found.verdict is not Verdict.UNKNOWN and before != after:
        count_comparison(context, team_id)
    return found


def compare(
    session: Session, history: Sequence[ScoredSubmission], before: UUID, after: UUID, *, is_revealed: bool
) -> ComparisonView:
    """Return how the score of `after` differs from that of `before`, both of one team's `history`.

    `is_revealed`: with the rounded paired interval, as the analysis shows it. One that is not in the history has no
    score that counts: the verdict is unknown, and there is no difference.
    """
    found = {one.submission_id: one for one in history if one.submission_id in {before, after}}
    if len(found) < 2:
        return ComparisonView(before=before, after=after, difference=None, verdict=Verdict.UNKNOWN, interval=None)
    old, new = found[before], found[after]
    verdict, interval = paired_verdict(old, new, replicates(session, [old.score_id, new.score_id]))
    return ComparisonView(
        before=before,
        after=after,
        difference=shown_difference(old, new),
        verdict=verdict,
        interval=interval if is_revealed else None,
    )


def count_comparison(context: Context, team_id: UUID) -> None:
    """Count a verdict that a team asks for before the reveal; raises TooManyRequests beyond COMPARISONS."""
    wait_s = context.rates.wait_s(COMPARISONS, "comparison", team_id.hex)
    if wait_s is not None:
        raise TooManyRequests(f"A team may compare {COMPARISONS.amount} pairs of submissions a day.", wait_s)
