"""Differences of scores in words: "+0.0021, may be chance"."""

from dataclasses import dataclass

from lethe.server.pages.formatting import score_text
from lethe.server.submissions.schemas import ChangeView, Verdict

VERDICTS = {
    Verdict.BETTER: "significantly better",
    Verdict.WORSE: "significantly worse",
    Verdict.CHANCE: "may be chance",
    Verdict.UNKNOWN: "cannot be compared",
}


@dataclass(frozen=True)
class ChangeLine:
    """A difference to an earlier submission; `kind` is the verdict in one word, `words` say it."""

    id: str
    difference: str
    words: str
    kind: str


def change_line(change: ChangeView | None) -> ChangeLine | None:
    """Return the difference in words, or None if there is none."""
    if change is None:
        return None
    return ChangeLine(
        id=str(change.submission),
        difference=signed_text(change.difference),
        words=VERDICTS[change.verdict],
        kind=change.verdict,
    )


def signed_text(difference: float) -> str:
    """Return a difference with its sign, with the digits of scores; zero carries none."""
    text = score_text(difference)
    return text if difference <= 0 else f"+{text}"
