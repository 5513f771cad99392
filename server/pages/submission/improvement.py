"""Whether a submission helped, beside its score."""

from dataclasses import dataclass

from lethe.evaluator.contract.states import Evaluation
from lethe.server.competitions.disclosure import round_score
from lethe.server.pages.changes import ChangeLine, change_line
from lethe.server.pages.formatting import score_text
from lethe.server.pages.submissions.view import ChosenLine, rank_text, standing_text
from lethe.server.submissions.improvement import ScoredSubmission
from lethe.server.submissions.schemas import SubmissionView


@dataclass(frozen=True)
class ImprovementBox:
    """`standing` is said of the team's best submission; of another one `better` is the best one, with `rank`.

    `best` is the change against the team's best before this upload, `last` against its last one, if that is another.
    """

    standing: str
    better: ChosenLine | None
    rank: str
    best: ChangeLine | None
    last: ChangeLine | None


def improvement_box(view: SubmissionView, best: ScoredSubmission | None) -> ImprovementBox | None:
    """Return the box of a submission with a score that counts; `best` is the team's best one.

    A submission after the deadline has none: it is on a board of its own.
    """
    if view.score is None or view.disqualified or best is None or view.evaluation != Evaluation.PUBLIC:
        return None
    other = None
    if not view.is_best:
        other = ChosenLine(str(best.submission_id), best.filename, score_text(round_score(best.final_score)))
    against_best, against_last = change_line(view.against_best), change_line(view.against_last)
    return ImprovementBox(
        standing=standing_text(view),
        better=other,
        rank="" if best.rank is None else rank_text(view, best.rank),
        best=against_best,
        last=None if against_best is not None and against_last == against_best else against_last,
    )
