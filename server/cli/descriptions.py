"""The API's answers as text for a participant's terminal."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from pydantic import BaseModel

from lethe.evaluator.contract.hidden_estimates import HiddenEstimate
from lethe.evaluator.contract.phrases import count_text
from lethe.evaluator.contract.practice import classes_text
from lethe.evaluator.contract.work import CheckReport
from lethe.server.competitions.schemas import AnnouncementView, CompetitionFacts
from lethe.server.leaderboard.schemas import OriginalsView, TaskScoreView
from lethe.server.pages.changes import VERDICTS, signed_text
from lethe.server.pages.formatting import (
    curve_text,
    duration_text,
    limit_facts,
    looks_text,
    methods_text,
    minutes_text,
    network_facts,
    outputs_text,
)
from lethe.server.pages.submission.tasks import originals_text, task_line
from lethe.server.submissions.schemas import (
    ChangeView,
    ComparisonView,
    QuotaView,
    ReceiptView,
    SubmissionLog,
    SubmissionView,
)

MEBIBYTE = 2**20


def describe_submission(view: SubmissionView) -> str:
    """Describe state, progress and result in a few lines."""
    chosen = "  selected for the final evaluation" if view.selected else ""
    late = "  after the deadline" if view.evaluation == "benchmark" else ""
    state = view.state if view.queue_position is None else state_text(view)
    lines = [f"{view.id}  {view.filename}  {state}{chosen}{late}"]
    lines += [f"{name}: {said}" for name, said in (("method", view.method), ("link", view.link)) if said]
    lines += [f"note for the team: {view.note}"] if view.note else []
    lines += [f"source published under {view.licence}"] if view.licence else []
    lines += [f"note: {note}" for note in view.notes]
    if view.state == "running" and view.queue_position is None:
        lines.append(f"{view.runs_done} of {view.runs_total} runs done")
    if view.finished_at is None:
        lines.append(f"uploaded {minutes_text((datetime.now(UTC) - view.created_at).total_seconds())} ago")
    if view.eta_s is not None:
        lines.append(f"about {duration_text(view.eta_s)} to go")
    if view.score is not None and view.interval is not None:
        lines.append(f"score {view.score:.4f}, 95% interval [{view.interval.low:.4f}, {view.interval.high:.4f}]")
        lines += _task_lines(view.tasks, view.originals)
    if view.stopped is not None:
        lines.append(view.stopped.text)
    if view.is_best:
        lines.append("your best" if view.rank is None else f"your best, rank {view.rank}")
    if view.against_best is not None:
        lines.append(f"{_change(view.against_best)} (your best before it)")
    if view.against_last is not None and view.against_last != view.against_best:
        lines.append(f"{_change(view.against_last)} (your last one before it)")
    if view.final is not None and view.final.score is not None and view.final.interval is not None:
        low, high = view.final.interval.low, view.final.interval.high
        lines.append(f"final score {view.final.score:.4f}, 95% interval [{low:.4f}, {high:.4f}]")
        lines += _task_lines(view.final.tasks, view.final.originals)
    if view.metric is not None:
        lines.append(", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in view.metric.items()))
    if view.disqualified is not None:
        lines.append(f"disqualified: {view.disqualified}")
    if view.error is not None:
        place = f" (line {view.error.line})" if view.error.line else ""
        lines.append(f"{view.error.code}{place}: {view.error.message}")
        if view.error.output:
            lines.append(f"  {view.error.output}")
        if view.owner != "participant":
            lines.append("This was not your fault: it does not count towards your quota.")
    return "\n".join(lines)


def _task_lines(tasks: Sequence[TaskScoreView], originals: OriginalsView | None) -> list[str]:
    """Return the tasks of a score as a table with aligned columns, and what its originals add to its error."""
    rows = []
    for one in map(task_line, tasks):
        shown = [one.name, one.weight, one.score, one.interval]
        rows.append([*shown, one.quality, one.ceiling, one.utility] if one.quality else shown)
    if rows:
        rows.insert(0, ["task", "weight", "score", "95% interval", "F", "ceiling's F", "utility"][: len(rows[0])])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return lines + ([] if originals is None else [originals_text(originals)])


def state_text(view: SubmissionView) -> str:
    """Return the state in a few words: `scored`, `failed: exception`, `waiting, 6 ahead`."""
    if view.queue_position is not None:
        ahead = view.queue_position - 1
        return f"waiting, {ahead:,} ahead" if ahead else "waiting, next"
    if view.stopped is not None:
        return f"stopped after {view.stopped.runs} runs"
    return view.state if view.error is None else f"{view.state}: {view.error.code}"


def _change(change: ChangeView) -> str:
    return f"{signed_text(change.difference)}, {VERDICTS[change.verdict]}: against {str(change.submission)[:8]}"


def describe_comparison(before: SubmissionView, after: SubmissionView, found: ComparisonView) -> str:
    """Describe in one line whether `after` is better than `before`."""
    if before.id == after.id:
        return "Both are the same submission."
    if found.difference is None or before.score is None or after.score is None:
        return "No verdict: not both have a score that counts."
    scores = f"{before.score:.4f} to {after.score:.4f}"
    interval = "" if found.interval is None else f" [{found.interval.low:.4f}, {found.interval.high:.4f}]"
    return f"{signed_text(found.difference)}{interval}, {VERDICTS[found.verdict]}: from {scores}"


def describe_log(log: SubmissionLog, *, with_output: bool) -> str:
    """Describe advice, resources and practice score of the check, `with_output` also everything that it printed."""
    lines = [f"{advice.code}: {advice.message}" for advice in log.advice]
    if log.wall_s is not None:
        lines.append(f"check: {resources(log)}")
    if log.hidden is not None:
        lines.append(expectation(log.hidden, log.memory_limit_bytes))
    if log.curve is not None:
        lines.append(curve_text(log.curve))
    if log.practice is not None:
        lines.append(str(log.practice))
    if log.practice_missing:
        lines.append(log.practice_missing)
    if with_output:
        lines += [part.rstrip() for part in (log.stdout, log.stderr, log.traceback) if part.strip()]
    return "\n".join(lines)


def resources(used: SubmissionLog | CheckReport) -> str:
    """Return resources such as `1.2 s of 30 s, 2.3 s of CPU, 512 of 2,048 MiB of memory`."""
    parts = [f"{used.wall_s or 0.0:.1f} s{_limit_s(used.wall_limit_s)}"]
    if used.cpu_s is not None:
        parts.append(f"{used.cpu_s:.1f} s of CPU")
    if used.peak_memory_bytes is not None:
        parts.append(_memory(used.peak_memory_bytes, used.memory_limit_bytes))
    return ", ".join(parts)


def expectation(hidden: HiddenEstimate, memory_limit_bytes: int | None) -> str:
    """Return such as `expected of a hidden run: 6.2 s of 30 s, 50 of 2,048 MiB of memory`."""
    memory = hidden.peak_memory_bytes
    more = "" if memory is None else f", {_memory(memory, memory_limit_bytes)}"
    return f"expected of a hidden run: {hidden.wall_s:.1f} s{_limit_s(hidden.wall_limit_s)}{more}"


def _limit_s(limit_s: float | None) -> str:
    return "" if limit_s is None else f" of {limit_s:g} s"


def _memory(used_bytes: int, limit_bytes: int | None) -> str:
    limit = "" if limit_bytes is None else f" of {limit_bytes / MEBIBYTE:,.0f}"
    return f"{used_bytes / MEBIBYTE:,.0f}{limit} MiB of memory"


def describe_quota(quota: QuotaView) -> str:
    """Describe what is left of a quota, and when the day ends in local time."""
    parts = []
    if quota.submissions_left_today is not None:
        parts.append(f"{count_text(quota.submissions_left_today, 'submission')} left today")
    if quota.submissions_left is not None:
        parts.append(f"{quota.submissions_left} in all")
    if quota.attempts_left_today is not None:
        parts.append(f"{count_text(quota.attempts_left_today, 'upload')} left today")
    if not parts:
        return "no limit on submissions"
    return f"{', '.join(parts)}; the day ends at {_here(quota.resets_at)}"


def describe_competition(facts: CompetitionFacts, announcements: list[AnnouncementView]) -> str:
    """Describe rules, limits, dates and announcements."""
    counts = facts.counts
    classes = classes_text(counts.classes, facts.class_names)
    stops = f", or fewer: it stops after {looks_text(facts.looks)} if it is below your best" if facts.looks else ""
    lines = [
        f"{facts.title} ({facts.slug}), {facts.phase}: {count_text(facts.teams, 'team')}, "
        f"{count_text(facts.submissions, 'submission')}",
        *([facts.summary] if facts.summary else []),
        f"{counts.retain} retain, {counts.forget} forget and {counts.validation} validation images of "
        f"{classes}, {facts.image_size} × {facts.image_size}; {facts.architecture}; batches of {facts.batch_size}",
        *(
            []
            if facts.network is None
            else [f"{one.term.lower()}: {one.value}" for one in network_facts(facts.network)]
        ),
        f"{count_text(facts.runs, 'run')}{stops}; "
        f"{count_text(facts.final_selections, 'selection')} for the final evaluation",
        f"outputs of the runs: {outputs_text(facts.outputs_after_reveal)}",
        f"names of methods: {methods_text(facts.methods_shown)}",
        *(["terms, which you accept before your first upload:", facts.terms.text.strip()] if facts.terms else []),
        *([f"consent: {facts.consent.strip()}"] if facts.consent else []),
        *([f"how long data are kept: {facts.retention.strip()}"] if facts.retention else []),
        *_listed("limits", facts.limits),
        *_listed("quotas of a team", facts.quotas),
    ]
    for name, moment in (
        ("uploads from", facts.public_starts_at),
        ("uploads until", facts.closed_at or facts.public_ends_at),
        ("final board promised for", facts.final_ends_at),
        ("revealed at", facts.revealed_at),
        ("uploads after the deadline, on a board of their own, from", facts.benchmark_started_at),
        ("uploads after the deadline until", facts.benchmark_ended_at),
    ):
        if moment is not None:
            lines.append(f"{name} {_here(moment)}")
    if facts.metric is not None:
        lines.append("metric: " + ", ".join(f"{name} {value}" for name, value in facts.metric.items()))
    lines += [f"{_here(one.created_at)}  {one.title}\n{one.body}".rstrip() for one in announcements]
    return "\n".join(lines)


def _listed(title: str, limits: BaseModel) -> list[str]:
    facts = limit_facts(limits)
    width = max(len(fact.term) for fact in facts)
    return [title, *(f"  {fact.term:<{width}}  {fact.value}" for fact in facts)]


def describe_receipt(found: ReceiptView) -> str:
    """Describe a receipt, one value per line."""
    lines = []
    for name, values in (("public", found.public), ("final", found.final)):
        if values is not None:
            lines.append(f"{name} score")
            lines += [
                f"  {key}: {value if isinstance(value, str) else json.dumps(value)}" for key, value in values.items()
            ]
    return "\n".join(lines) or "There is no score yet, so there is no receipt."


def _here(moment: datetime) -> str:
    """Return the local time, with its offset."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M %z}"
