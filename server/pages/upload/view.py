"""The upload form, as values for its template."""

from dataclasses import dataclass

from lethe.evaluator.contract.specification import CompetitionSpec
from lethe.server.competitions import phases
from lethe.server.competitions.phases import Phase
from lethe.server.competitions.schemas import TermsView
from lethe.server.models import Competition
from lethe.server.pages.card import Card
from lethe.server.pages.formatting import Moment, count_text, methods_text, moment, paragraphs, size_text
from lethe.server.pages.source_view import Line, source_lines
from lethe.server.submissions.descriptions import Description
from lethe.server.submissions.schemas import QuotaView
from lethe.server.submissions.static_check import CheckedFile, RefusedFile

NO_UPLOADS = {
    Phase.DRAFT: "Uploads have not started.",
    Phase.PRACTICE: "Uploads have not started.",
    Phase.PAUSED: "The host has paused uploads.",
    Phase.CLOSED: "The competition is closed. The final evaluation comes next.",
    Phase.FINAL: "The competition is closed. The final evaluation is under way.",
    Phase.REVEALED: "The competition is over.",
}
"""Phases without uploads, and why."""


@dataclass(frozen=True)
class Verdict:
    """The result of the static check of a file, with its source and the line at fault."""

    is_good: bool
    title: str
    text: str
    notes: tuple[str, ...]
    lines: tuple[Line, ...]
    marked: int | None


@dataclass(frozen=True)
class Terms:
    """What the visitor has to accept before they upload, in paragraphs, with its version."""

    text: tuple[str, ...]
    sha256: str


@dataclass(frozen=True)
class UploadPage:
    """The upload form of a competition, or why it takes no uploads; `source` is what was pasted before."""

    card: Card
    closed: str
    is_over: bool
    is_benchmark: bool
    methods: str
    said: dict[str, str]
    limit: str
    left: tuple[str, ...]
    resets: Moment | None
    starter: str
    source: str
    problem: str
    verdict: Verdict | None
    terms: Terms | None
    notice: str


def accepted(checked: CheckedFile) -> Verdict:
    """Return the verdict on a file that passed the static check."""
    needs = f" It needs {', '.join(checked.dependencies)}." if checked.dependencies else ""
    return Verdict(
        is_good=True,
        title="Static check passed",
        text=f"The file is ready to submit.{needs}",
        notes=checked.notes,
        lines=source_lines(checked.source),
        marked=None,
    )


def refused(error: RefusedFile, source: str) -> Verdict:
    """Return the verdict on a file that the static check refused."""
    lines = source_lines(source.encode())
    return Verdict(
        is_good=False,
        title="Static check failed",
        text=str(error),
        notes=(),
        lines=lines,
        marked=error.members.get("line"),
    )


def upload_page(
    competition: Competition,
    spec: CompetitionSpec,
    card: Card,
    quota: QuotaView,
    *,
    said: dict[str, str],
    source: str = "",
    problem: str = "",
    verdict: Verdict | None = None,
    terms: TermsView | None = None,
    notice: str = "",
) -> UploadPage:
    """Return the form of `competition` with what `quota` leaves; `said` is what was typed about the method before."""
    left = (
        (quota.submissions_left_today, "submission", "left today"),
        (quota.submissions_left, "submission", "left in total"),
        (quota.attempts_left_today, "attempt", "left today"),
    )
    is_benchmark = phases.is_benchmark(competition)
    return UploadPage(
        card=card,
        closed="" if is_benchmark else NO_UPLOADS.get(phases.phase(competition), ""),
        is_over=not is_benchmark and not phases.may_choose(competition),
        is_benchmark=is_benchmark,
        methods=methods_text(spec.board.methods),
        said={name: said.get(name, "") for name in Description.model_fields},
        limit=size_text(spec.limits.upload_bytes),
        left=tuple(f"{count_text(count, what)} {when}" for count, what, when in left if count is not None),
        resets=moment(quota.resets_at) if quota.submissions_left_today is not None else None,
        starter=f"/competitions/{competition.slug}/starter",
        source=source,
        problem=problem,
        verdict=verdict,
        terms=None if terms is None else Terms(paragraphs(terms.text), terms.sha256),
        notice=notice,
    )
