"""The page of one submission: its state, output, score and source, as values for its template."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lethe.evaluator.contract.notebooks import place_of
from lethe.evaluator.contract.states import Evaluation, Owner, SubmissionState
from lethe.evaluator.contract.submission import FILENAME
from lethe.server.leaderboard.schemas import IntervalView, Leaderboard, LeaderboardRow
from lethe.server.pages.formatting import (
    Fact,
    Moment,
    Outward,
    duration_text,
    methods_text,
    moment,
    outward,
    score_text,
    size_text,
)
from lethe.server.pages.headlines import HEADLINES, headline
from lethe.server.pages.pictures import PlotView
from lethe.server.pages.scale import anchor, scale_for
from lethe.server.pages.source_view import Line
from lethe.server.pages.submission.curve import CurveDrawing, curve_drawing
from lethe.server.pages.submission.improvement import ImprovementBox
from lethe.server.pages.submission.practice import PracticeBox, practice_box
from lethe.server.pages.submission.tasks import TasksBox, tasks_box
from lethe.server.pages.submissions.view import FullSelections, elapsed_text
from lethe.server.submissions.publication import Licence
from lethe.server.submissions.schemas import ReceiptView, SubmissionLog, SubmissionView

POLL_S = 3

STAGES = {
    SubmissionState.QUEUED: ("Accepted", "The file passed the static check and is stored."),
    SubmissionState.CHECKING: ("Check", "Runs on public practice data, in the same sandbox."),
    SubmissionState.RUNNING: ("Runs", "The hidden photographs, one process and one seed per run."),
    SubmissionState.SCORING: ("Scoring", "The runs are compared with the oracles."),
    SubmissionState.SCORED: ("Score", "On the leaderboard."),
}
FAULTS = {
    Owner.PARTICIPANT: "",
    Owner.PLATFORM: "This was not the file's fault. ",
    Owner.HOST: "The host ended it. ",
}
OUTPUTS = {"traceback": "Traceback", "stdout": "Standard output", "stderr": "Standard error"}
RECEIPTS = {Evaluation.PUBLIC: "Public evaluation", Evaluation.FINAL: "Final evaluation"}


@dataclass(frozen=True)
class StageStep:
    """One stage on the way to a score; `status` is done, now, failed or next."""

    title: str
    about: str
    status: str


@dataclass(frozen=True)
class Runs:
    """Finished hidden runs, in steps of a tenth."""

    done: int
    total: int


@dataclass(frozen=True)
class ScoreBox:
    """The score on the scale of the leaderboard; places in percent of the width."""

    score: str
    interval: str
    low_x: float
    high_x: float
    score_x: float
    marks: tuple[tuple[str, float, str], ...]
    alternative: str


@dataclass(frozen=True)
class StoppedBox:
    """Why the submission was stopped early, and the id of the one it was compared with."""

    text: str
    best: str
    can_complete: bool


@dataclass(frozen=True)
class ErrorBox:
    """Why there is no score, in a sentence; if a line of the file is at fault, its number and where it is found."""

    code: str
    message: str
    line: int | None
    place: str
    output: tuple[tuple[str, int | None], ...]
    owner: str


@dataclass(frozen=True)
class Output:
    """Output of the check stage in pieces, each with the line of the file that it names, or None."""

    title: str
    pieces: tuple[tuple[str, int | None], ...]


@dataclass(frozen=True)
class Receipt:
    """The inputs of one score."""

    title: str
    facts: tuple[Fact, ...]


@dataclass(frozen=True)
class MeasureLine:
    """One value of a measure in words, beside the oracles' and the original network's; or why there is none."""

    title: str
    symbol: str
    value: str
    interval: str
    oracles: str
    untouched: str
    best: str
    source: str
    absent: str


@dataclass(frozen=True)
class MeasuresPart:
    """The measures of a score by the question they answer. `can_ask`: the viewer may have the others computed."""

    groups: tuple[tuple[str, tuple[MeasureLine, ...]], ...]
    is_pending: bool
    can_ask: bool


@dataclass(frozen=True)
class ScoreEvidence:
    """The parts of one evaluation's score; `is_pending` while its plots are still to be drawn.

    `outputs` is the address of its NPZ file, empty for those who do not get it. `part` names the part that plots,
    measures and the file are of; empty where the score has one.
    """

    title: str
    parts: tuple[Fact, ...]
    warnings: tuple[str, ...]
    plots: tuple[PlotView, ...]
    is_pending: bool
    measures: MeasuresPart
    outputs: str = ""
    part: str = ""


@dataclass(frozen=True)
class DescriptionPart:
    """What the team says of the submission. `said` fills the form of those who may change it; None for others."""

    is_after_deadline: bool
    method: str
    note: str
    link: Outward
    said: dict[str, str | None] | None
    methods: str


@dataclass(frozen=True)
class PublicationPart:
    """The licence that the source is published under, or empty. `licences` are offered to those who may publish."""

    licence: str
    licences: tuple[str, ...]


@dataclass(frozen=True)
class SubmissionPage:
    """Everything on the page of one submission."""

    id: str
    slug: str
    is_own: bool
    filename: str
    team: str
    state: str
    headline: str
    is_live: bool
    created: Moment
    finished: Moment | None
    stages: tuple[StageStep, ...]
    runs: Runs | None
    waiting: str
    score: ScoreBox | None
    tasks: TasksBox | None
    stopped: StoppedBox | None
    improvement: ImprovementBox | None
    error: ErrorBox | None
    outputs: tuple[Output, ...]
    usage: tuple[Fact, ...]
    curve: CurveDrawing | None
    practice: PracticeBox | None
    practice_missing: str
    batch_note: str
    packages: tuple[str, ...]
    lines: tuple[Line, ...]
    marked: int | None
    poll_s: int
    notice: str
    notes: tuple[str, ...]
    advice: tuple[str, ...]
    choice: str
    full: FullSelections | None
    disqualified: str
    final: ScoreBox | None
    final_tasks: TasksBox | None
    final_end: str
    receipts: tuple[Receipt, ...]
    evidence: tuple[ScoreEvidence, ...]
    description: DescriptionPart
    publication: PublicationPart
    cite: str


def submission_page(
    view: SubmissionView,
    log: SubmissionLog | None,
    lines: tuple[Line, ...],
    standings: Leaderboard,
    *,
    final_references: Sequence[LeaderboardRow] = (),
    is_own: bool = True,
    receipt: ReceiptView | None = None,
    evidence: tuple[ScoreEvidence, ...] = (),
    can_select: bool = False,
    can_describe: bool = False,
    can_publish: bool = False,
    methods_shown: str = "never",
    full: FullSelections | None = None,
    improvement: ImprovementBox | None = None,
    is_charged: bool = True,
    batch_note: str = "",
    notice: str = "",
    cite: str = "",
) -> SubmissionPage:
    """Return the page of `view`; `standings` give the reference lines beside its score.

    `final_references` are those beside its final score. `is_own`: the viewer is of its team, and no host.
    `cite` is the BibTeX entry, once there is one.
    """
    state = SubmissionState(view.state)
    error = _error(view, lines, is_charged=is_charged)
    return SubmissionPage(
        id=str(view.id),
        slug=view.competition,
        is_own=is_own,
        filename=view.filename,
        team=view.team,
        state=view.state,
        headline=headline(view),
        is_live=not state.is_terminal,
        created=moment(view.created_at),
        finished=None if view.finished_at is None else moment(view.finished_at),
        stages=_stages(view, checked=log is not None),
        runs=Runs(view.runs_done, view.runs_total) if state is SubmissionState.RUNNING else None,
        waiting=_waiting(view),
        score=_score(view.score, view.interval, standings.rows),
        tasks=tasks_box(view.tasks, view.originals),
        stopped=_stopped(view, can_complete=can_select),
        improvement=improvement,
        error=error,
        outputs=() if log is None else _outputs(log, view),
        usage=() if log is None else _usage(log),
        curve=None if log is None or log.curve is None else curve_drawing(log.curve),
        practice=None if log is None or log.practice is None else practice_box(log.practice),
        practice_missing="" if log is None else log.practice_missing,
        batch_note=batch_note,
        packages=() if log is None else tuple(log.packages),
        lines=lines,
        marked=None if error is None else error.line,
        poll_s=POLL_S,
        notice=notice,
        notes=tuple(view.notes),
        choice=_choice(view, can_select=can_select),
        full=full,
        disqualified=view.disqualified or "",
        final=None if view.final is None else _score(view.final.score, view.final.interval, final_references),
        final_tasks=None if view.final is None else tasks_box(view.final.tasks, view.final.originals),
        final_end=_final_end(view),
        receipts=() if receipt is None else _receipt(receipt),
        evidence=evidence,
        description=DescriptionPart(
            is_after_deadline=view.evaluation == Evaluation.BENCHMARK,
            method=view.method or "",
            note=view.note or "",
            link=outward(view.link),
            said={"method": view.method, "note": view.note, "link": view.link} if can_describe else None,
            methods=methods_text(methods_shown),
        ),
        publication=PublicationPart(view.licence or "", tuple(Licence) if can_publish else ()),
        advice=() if log is None else tuple(one.message for one in log.advice),
        cite=cite,
    )


def link_lines(text: str, filename: str) -> tuple[tuple[str, int | None], ...]:
    """Return `text` in pieces; a piece that names a line of the submitted file, as in a traceback, has its number."""
    pieces: list[tuple[str, int | None]] = []
    place = 0
    names = "|".join(re.escape(name) for name in (filename, FILENAME))  # it runs under the latter
    for match in re.finditer(rf'File "(?:{names})", line (\d{{1,7}})', text):
        pieces.append((text[place : match.start()], None))
        pieces.append((match.group(0), int(match.group(1))))
        place = match.end()
    pieces.append((text[place:], None))
    return tuple(piece for piece in pieces if piece[0])


def _stages(view: SubmissionView, *, checked: bool) -> tuple[StageStep, ...]:
    """Return the stages so far. The runs and the check report of a submission without a score show where it ended."""
    order = [state.value for state in STAGES]
    ended = view.state in {"failed", "cancelled"}
    if ended:
        reached = 2 if view.runs_done else 1 if checked or view.error is not None else 0
    else:
        reached = order.index(view.state)
    steps = []
    for place, (title, about) in enumerate(STAGES.values()):
        if place < reached or view.state == "scored":
            status = "done"
        elif place == reached:
            status = "failed" if ended else "now"
        else:
            status = "next"
        if view.stopped is not None and place == len(STAGES) - 1:
            title, about = "Stopped early", "Below the team's best: not on the leaderboard."
        steps.append(StageStep(title, about, status))
    return tuple(steps)


def _waiting(view: SubmissionView) -> str:
    """Return how long a submission has taken that has not ended, and how long it may still take."""
    if SubmissionState(view.state).is_terminal:
        return ""
    parts = [f"{elapsed_text(view.created_at)} since the upload"]
    if view.eta_s is not None:
        parts.append(f"about {duration_text(view.eta_s)} to the score")
    elif view.queue_position is not None:
        parts.append("no estimate yet")
    text = ", ".join(parts)
    return text[:1].upper() + text[1:]


def _choice(view: SubmissionView, *, can_select: bool) -> str:
    """Return what the team may do about the final evaluation: `select`, `unselect` or nothing."""
    if not can_select or view.disqualified or view.state in {"failed", "cancelled"}:
        return ""
    return "unselect" if view.selected else "select"


def _receipt(receipt: ReceiptView) -> tuple[Receipt, ...]:
    parts = ((Evaluation.PUBLIC, receipt.public), (Evaluation.FINAL, receipt.final))
    return tuple(
        Receipt(
            RECEIPTS[evaluation],
            tuple(Fact(term.replace("_", " "), _plain(value)) for term, value in values.items()),
        )
        for evaluation, values in parts
        if values
    )


def _plain(value: object) -> str:
    """Return a receipt's value in one line: a list as `a; b`, a table as `python 3.11.2, torch 2.15.0`."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "; ".join(map(_plain, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{name.replace('_', ' ')} {_plain(part)}" for name, part in sorted(value.items())) or "none"
    return "none" if value is None else str(value)


def _final_end(view: SubmissionView) -> str:
    """Return how a final evaluation ended that has no score, or nothing."""
    if view.final is None or view.final.score is not None or not SubmissionState(view.final.state).is_terminal:
        return ""
    if view.final.error is not None:
        return view.final.error.message
    return f"{HEADLINES[SubmissionState(view.final.state)]}."


def _score(score: float | None, interval: IntervalView | None, references: Sequence[LeaderboardRow]) -> ScoreBox | None:
    if score is None or interval is None:
        return None
    marked = [row for row in references if row.reference in {"ceiling", "floor"}]
    low, high = interval.low, interval.high
    scale = scale_for([score, low, high, *(row.score for row in marked)])
    interval_text = f"{score_text(low)} to {score_text(high)}"
    beside = [f"{row.reference} {score_text(row.score)}" for row in marked]
    return ScoreBox(
        score=score_text(score),
        interval=interval_text,
        low_x=scale.x(low),
        high_x=scale.x(high),
        score_x=scale.x(score),
        marks=tuple(_mark(row.reference or "", scale.x(row.score)) for row in marked),
        alternative="; ".join((f"Score {score_text(score)}, 95% interval {interval_text}", *beside)),
    )


def _stopped(view: SubmissionView, *, can_complete: bool) -> StoppedBox | None:
    if view.stopped is None:
        return None
    text = view.stopped.text
    return StoppedBox(text[:1].upper() + text[1:], str(view.stopped.best), can_complete)


def _mark(kind: str, x: float) -> tuple[str, float, str]:
    """Return a reference line, with the anchor that keeps its name inside the drawing."""
    return kind, x, anchor(x)


def _charge(owner: Owner, *, is_charged: bool) -> str:
    charge = "It counts as one of your submissions." if is_charged else "It costs no quota."
    return FAULTS[owner] + charge


def _error(view: SubmissionView, lines: tuple[Line, ...], *, is_charged: bool) -> ErrorBox | None:
    if view.error is None:
        return None
    text = "\n".join("".join(piece.text for piece in line) for line in lines)
    place = "" if view.error.line is None else place_of(text, view.error.line)
    return ErrorBox(
        code=view.error.code,
        message=view.error.message,
        line=view.error.line,
        place=place[:1].upper() + place[1:],
        output=link_lines(view.error.output or "", view.filename),
        owner="" if view.owner is None else _charge(Owner(view.owner), is_charged=is_charged),
    )


def _outputs(log: SubmissionLog, view: SubmissionView) -> tuple[Output, ...]:
    """Return the check's output, without what the page says above as the reason of the end."""
    told = "" if view.error is None else (view.error.output or "").strip()
    parts = ((title, getattr(log, name)) for name, title in OUTPUTS.items())
    return tuple(
        Output(title, link_lines(text, view.filename)) for title, text in parts if text.strip() not in {"", told}
    )


def _usage(log: SubmissionLog) -> tuple[Fact, ...]:
    """Return what the check's run used beside its limits, and what that lets expect of hidden runs."""
    wall_limit = "" if log.wall_limit_s is None else duration_text(log.wall_limit_s)
    memory_limit = "" if log.memory_limit_bytes is None else size_text(log.memory_limit_bytes)
    facts = []
    if log.wall_s is not None:
        facts.append(Fact("Wall time", _of(duration_text(log.wall_s), wall_limit)))
    if log.cpu_s is not None:
        facts.append(Fact("Processor time", duration_text(log.cpu_s)))
    if log.peak_memory_bytes is not None:
        facts.append(Fact("Peak memory", _of(size_text(log.peak_memory_bytes), memory_limit)))
    if log.hidden is not None:
        wall_s, limit_s = duration_text(log.hidden.wall_s), duration_text(log.hidden.wall_limit_s)
        facts.append(Fact("Expected of a hidden run", _of(f"about {wall_s}", limit_s)))
        if log.hidden.peak_memory_bytes is not None:
            memory = _of(size_text(log.hidden.peak_memory_bytes), memory_limit)
            facts.append(Fact("Its memory, if it keeps all images", memory))
    return tuple(facts)


def _of(used: str, limit: str) -> str:
    """Return `2.1 s of 30 s`, or what is used alone where the limit is not known."""
    return f"{used} of {limit}" if limit else used
