"""Two submissions of a team side by side, as values for the template."""

from collections.abc import Sequence
from dataclasses import dataclass

from lethe.server.competitions.disclosure import round_score
from lethe.server.pages.card import Card
from lethe.server.pages.changes import signed_text
from lethe.server.pages.formatting import moment, score_text
from lethe.server.pages.submissions.difference import Difference
from lethe.server.submissions.improvement import ScoredSubmission
from lethe.server.submissions.schemas import ComparisonView, Verdict


@dataclass(frozen=True)
class Choice:
    """A submission that can be chosen."""

    id: str
    name: str


@dataclass(frozen=True)
class Outcome:
    """What the comparison says: the two in words, the difference and the verdict."""

    before: Choice
    after: Choice
    difference: str
    verdict: str
    interval: str


@dataclass(frozen=True)
class ComparePage:
    """The whole page; `before` and `after` are the chosen ids. `problem` says why there is no outcome."""

    card: Card
    choices: tuple[Choice, ...]
    before: str
    after: str
    problem: str
    outcome: Outcome | None
    difference: Difference | None


def compare_page(
    card: Card,
    scored: Sequence[ScoredSubmission],
    *,
    before: str,
    after: str,
    problem: str,
    comparison: ComparisonView | None,
    difference: Difference | None,
) -> ComparePage:
    """Return the page; `scored` are the team's scores in the order of their uploads."""
    choices = {str(one.submission_id): Choice(str(one.submission_id), _name(one)) for one in reversed(scored)}
    return ComparePage(
        card=card,
        choices=tuple(choices.values()),
        before=before,
        after=after,
        problem=problem,
        outcome=None if comparison is None else _outcome(choices[before], choices[after], comparison),
        difference=difference,
    )


def _outcome(before: Choice, after: Choice, comparison: ComparisonView) -> Outcome:
    verdict = {
        Verdict.BETTER: "The second is significantly better than the first.",
        Verdict.WORSE: "The second is significantly worse than the first.",
        Verdict.CHANCE: "The difference may be chance.",
        Verdict.UNKNOWN: "The two scores cannot be paired at the moment.",
    }[comparison.verdict]
    interval = comparison.interval
    return Outcome(
        before=before,
        after=after,
        difference="" if comparison.difference is None else signed_text(comparison.difference),
        verdict=verdict,
        interval="" if interval is None else f"{score_text(interval.low)} to {score_text(interval.high)}",
    )


def _name(one: ScoredSubmission) -> str:
    score = score_text(round_score(one.final_score))
    return f"{one.filename}, {score}, {moment(one.created_at).text}, {str(one.submission_id)[:8]}"
