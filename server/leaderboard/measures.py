"""The measures of a score as a host, a team or a visitor may see them, each beside the oracles' and the original's."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from lethe.evaluator.contract.states import Evaluation
from lethe.evaluator.measures.measurements import from_document
from lethe.evaluator.measures.registry import Measure, Measurement, Value, measures
from lethe.server.competitions.disclosure import round_score
from lethe.server.leaderboard.score_queries import reference_rows
from lethe.server.models import Score

CEILING, FLOOR = "ceiling", "floor"


class MeasureView(BaseModel):
    key: str
    title: str
    symbol: str = Field(description="What papers call it; empty where they call it nothing")
    question: str = Field(description="What it answers; measures with one question belong together")
    unit: str
    best: str = Field(description="The value of a perfect submission: the oracles', the lowest, the highest; or none")
    source: str
    value: float | None = Field(description="null where the measure is absent")
    low: float | None = Field(description="Lower end of the 95% interval; null without one")
    high: float | None
    oracles: float | None = Field(description="What a second pool of oracles gets in place of the runs")
    untouched: float | None = Field(description="What the original network gets in place of the runs")
    absent: str = Field(description="Why there is no value; empty if there is one")


class MeasuresView(BaseModel):
    """All measures of a score. `is_pending`: some, or those of ceiling and floor, are not computed yet.

    `is_asked`: they will be.
    """

    is_pending: bool
    is_asked: bool
    measures: list[MeasureView]


def measures_view(session: Session, score: Score, *, exact: bool) -> MeasuresView:
    """Return every measure that was computed of the score, for a host (`exact`), or for its team after the reveal.

    A team gets rounded values; of a public evaluation, of which there are many, neither intervals nor percentiles of
    images and people: docs/leaks.md counts what the code could say by them.
    """
    is_whole = exact or score.evaluation == Evaluation.FINAL
    found = from_document(score.measures)
    references = reference_rows(session, score.competition_id, score.evaluation)
    of_references = {str(one.reference): from_document(one.measures) for one in references}
    beside = {reference: one.values for reference, one in of_references.items()}
    return MeasuresView(
        is_pending=not all(one.is_complete for one in (found, *of_references.values())),
        is_asked=any(one.measures is None or one.measures_asked for one in (score, *references)),
        measures=[
            _view(one, key, found.measures[name], beside, exact=exact, is_whole=is_whole)
            for name, one in measures().items()
            if name in found.measures and (is_whole or one.scope in {"run", "pool"})
            for key in one.keys
        ],
    )


def column_values(document: dict[str, Any] | None, keys: tuple[str, ...]) -> dict[str, float | None]:
    """Return the unrounded values of a board's columns by key; None for one that is absent."""
    found = from_document(document).values
    return {key: found[key].value if key in found else None for key in keys}


def unknown_columns(keys: tuple[str, ...]) -> dict[str, list[str]]:
    """Return those of `keys` that are no value of any measure, each with the known ones that are like it."""
    known = [key for one in measures().values() for key in one.keys]
    return {key: get_close_matches(key, known, 3, 0.4) for key in keys if key not in known}


def _view(
    measure: Measure,
    key: str,
    found: Measurement,
    beside: Mapping[str, Mapping[str, Value]],
    *,
    exact: bool,
    is_whole: bool,
) -> MeasureView:
    def shown(number: float | None) -> float | None:
        return number if number is None or exact else round_score(number)

    def other(reference: str) -> float | None:
        value = beside.get(reference, {}).get(key)
        return None if value is None else shown(value.value)

    value: Value | None = found.values.get(key)
    return MeasureView(
        key=key,
        title=measure.title_of(key),
        symbol=measure.symbol,
        question=measure.question,
        unit=measure.unit,
        best=measure.best,
        source=measure.source,
        value=None if value is None else shown(value.value),
        low=shown(value.low) if value is not None and is_whole else None,
        high=shown(value.high) if value is not None and is_whole else None,
        oracles=other(CEILING),
        untouched=other(FLOOR),
        absent=found.absent,
    )
