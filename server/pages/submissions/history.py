"""A team's scores in the order of their uploads, drawn from left to right with their intervals."""

from collections.abc import Sequence
from dataclasses import dataclass

from lethe.server.competitions.disclosure import round_score
from lethe.server.leaderboard.schemas import LeaderboardRow
from lethe.server.pages.formatting import count_text, score_text
from lethe.server.pages.scale import Scale, Tick
from lethe.server.submissions.improvement import ScoredSubmission

DRAWN = 120
"""Scores in the drawing, the newest ones: more of them would be a smear at the width of a phone."""
CROWDED = 40
INSET_PERCENT = 2.5


@dataclass(frozen=True)
class ScoreDot:
    """One score with the ends of its interval; places in percent of width and height."""

    x: float
    y: float
    low_y: float
    high_y: float
    is_best: bool


@dataclass(frozen=True)
class Segment:
    """A piece of the line of the best score so far."""

    x1: float
    x2: float
    y1: float
    y2: float


@dataclass(frozen=True)
class Level:
    """A line across the drawing: ceiling or floor."""

    kind: str
    y: float


@dataclass(frozen=True)
class ScoreHistory:
    """The whole drawing; `note` says in words what it shows, `radius` is that of the dots."""

    dots: tuple[ScoreDot, ...]
    best: tuple[Segment, ...]
    levels: tuple[Level, ...]
    ticks: tuple[Tick, ...]
    radius: int
    note: str


def score_history(
    scored: Sequence[ScoredSubmission], references: Sequence[LeaderboardRow], scale: Scale
) -> ScoreHistory | None:
    """Return the drawing of the newest of `scored`, which are in the order of their uploads; None below two."""
    if len(scored) < 2:
        return None
    shown = scored[-DRAWN:]
    best_before = max((round_score(one.final_score) for one in scored[: -len(shown)]), default=None)
    step = (100 - 2 * INSET_PERCENT) / (len(shown) - 1)
    dots: list[ScoreDot] = []
    segments: list[Segment] = []
    best, best_x = best_before, 0.0
    for place, one in enumerate(shown):
        x, score = round(INSET_PERCENT + place * step, 2), round_score(one.final_score)
        is_best = best is None or score > best
        dots.append(ScoreDot(x, _y(scale, score), _y(scale, one.interval_low), _y(scale, one.interval_high), is_best))
        if is_best:
            if best is not None:
                segments += [
                    Segment(best_x, x, _y(scale, best), _y(scale, best)),
                    Segment(x, x, _y(scale, best), _y(scale, score)),
                ]
            best, best_x = score, x
    if best is not None:
        segments.append(Segment(best_x, 100.0, _y(scale, best), _y(scale, best)))
    return ScoreHistory(
        dots=tuple(dots),
        best=tuple(segments),
        levels=tuple(Level(row.reference or "", _y(scale, row.score)) for row in references),
        ticks=tuple(Tick(round(100 - tick.x, 2), tick.label) for tick in scale.ticks),
        radius=3 if len(shown) > CROWDED else 5,
        note=_note(scored, shown),
    )


def _y(scale: Scale, score: float) -> float:
    """Return percent from the top; rounded as scores are, like everything that is drawn."""
    return round(100 - scale.x(round_score(score)), 2)


def _note(scored: Sequence[ScoredSubmission], shown: Sequence[ScoredSubmission]) -> str:
    best = max(round_score(one.final_score) for one in scored)
    first, last = (score_text(round_score(one.final_score)) for one in (shown[0], shown[-1]))
    which = "all" if len(shown) == len(scored) else f"the last {len(shown)} of"
    return (
        f"{which} {count_text(len(scored), 'score')} in the order of the uploads, from {first} to {last}; "
        f"the line is the best so far, {score_text(best)} now."
    ).capitalize()
