"""Prometheus metrics: counts of the whole site from SQL, which survive restarts, and what concerns this process."""

from collections import Counter
from datetime import datetime
from math import inf

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.orm import Session

from lethe import __version__
from lethe.evaluator.contract.faults import FaultCode
from lethe.evaluator.contract.states import TERMINAL_STATES, Owner, Stage, SubmissionState, WorkState
from lethe.server.audit_log.events import newest_event
from lethe.server.context import Context
from lethe.server.database import counters
from lethe.server.hosting.backup import BACKUP
from lethe.server.hosting.queries import schema_revision
from lethe.server.http.access_log import RequestTimes
from lethe.server.lifecycle.work import runs_stored_of_live
from lethe.server.mail import queries as mails
from lethe.server.models.times import utc_now
from lethe.server.monitoring import queries
from lethe.server.monitoring.process_metrics import process_metrics
from lethe.server.monitoring.readiness import OK, Readiness
from lethe.server.queue.workers import WorkerState, list_workers
from lethe.server.webhooks import queries as webhooks

MEDIA_TYPE = CONTENT_TYPE_LATEST
PROBE_LIMIT_S = 5.0
"""Prometheus waits ten seconds."""
POSTPONED = "postponed"
"""The label of ready items that are not yet available."""

_COUNTERS = {
    counters.RUNS: "Runs whose outputs were stored",
    counters.LEASES_EXPIRED: "Leases that expired because their holder fell silent",
    counters.WORK_POISONED: "Work items that failed their submission because every worker that took them died",
    counters.SWEEPS: "Sweeps for lost work",
    counters.SCORINGS: "Scores computed",
    counters.SCORING_S: "Seconds spent on computing scores",
}


_FAILED = {
    ("mail", "refused"): counters.MAILS_REFUSED,
    ("mail", "given_up"): counters.MAILS_GIVEN_UP,
    ("webhook", "given_up"): counters.WEBHOOKS_GIVEN_UP,
}


def request_times(_context: Context) -> RequestTimes:
    """Return empty measurements, for `Context.one`."""
    return RequestTimes()


def render(context: Context) -> bytes:
    """Return the metrics in Prometheus' text format; without the database only those of this process."""
    parts = context.one(Readiness).ask(PROBE_LIMIT_S)
    found = process_metrics(context, parts)
    if parts["database"] == OK:
        with context.database.snapshot() as session:  # an item that moves between two counts is in exactly one of them
            now = utc_now()
            found += [*_submissions(session), *_queue(session, now), *_processes(session, now), *_upkeep(session, now)]
            found += _outbox(session, now)
    registry = CollectorRegistry()
    registry.register(_Collected(found))
    return generate_latest(registry) + generate_latest(context.one(request_times).registry)


class _Collected(Collector):
    """Metrics with values."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> list[Metric]:
        return self._metrics


def _submissions(session: Session) -> list[Metric]:
    by_state = GaugeMetricFamily("lethe_submissions", "Submissions that have not ended, by state", labels=["state"])
    outcomes = CounterMetricFamily(
        "lethe_outcomes", "Evaluations that have ended, by state, owner and code", labels=["state", "owner", "code"]
    )
    counts = dict.fromkeys((str(state) for state in SubmissionState if state not in TERMINAL_STATES), 0)
    counts |= queries.count_submissions(session, counts)
    for state, count in counts.items():
        by_state.add_metric([state], count)
    # A counter that appears with its first event has not increased for Prometheus.
    no_fault = {(str(SubmissionState.FAILED), str(Owner.PLATFORM), str(FaultCode.PLATFORM)): 0.0}
    for labels, total in (no_fault | counters.outcomes(session)).items():
        outcomes.add_metric(labels, total)
    return [by_state, outcomes]


def _queue(session: Session, now: datetime) -> list[Metric]:
    items = GaugeMetricFamily("lethe_work_items", "Open work items", labels=["stage", "state", "sandbox_mode"])
    depth = GaugeMetricFamily("lethe_queue_depth", "Work items without a holder", labels=["stage"])
    oldest = GaugeMetricFamily(
        "lethe_queue_oldest_seconds", "Age of the oldest work item without a holder", labels=["stage"]
    )
    waiting = {str(stage): (0, now) for stage in Stage}
    for group in queries.count_open_items(session, now):
        counts = {group.state: group.number}
        if group.state == WorkState.READY:
            counts = {group.state: group.waiting, POSTPONED: group.number - group.waiting}
        for state, count in counts.items():
            if count:
                items.add_metric([group.stage, state, group.sandbox_mode or ""], count)
        if group.waiting:
            before, earliest = waiting[group.stage]
            waiting[group.stage] = (before + group.waiting, min(earliest, group.oldest))
    for stage, (count, first) in waiting.items():
        depth.add_metric([stage], count)
        oldest.add_metric([stage], (now - first).total_seconds())
    return [items, depth, oldest]


def _processes(session: Session, now: datetime) -> list[Metric]:
    about = "Workers by state; lost ones fell silent, quarantined ones failed at what others did"
    workers = GaugeMetricFamily("lethe_workers", about, labels=["state"])
    states = Counter(row.state for row in list_workers(session))
    for state in WorkerState:
        if state is not WorkerState.LEFT:
            workers.add_metric([state], states[state])
    hours = GaugeMetricFamily(
        "lethe_machine_seconds",
        "Seconds of machines that ended submissions took, by stage and outcome; outcome saved: that looks saved",
        labels=["stage", "outcome"],
    )
    for labels, seconds in counters.machine_seconds(session).items():
        hours.add_metric(labels, seconds)
    lease = queries.sweeper_lease(session)
    held_s = (lease.expires_at - now).total_seconds() if lease is not None else 0.0
    metrics: list[Metric] = [
        workers,
        hours,
        GaugeMetricFamily(
            "lethe_sweeper_lease_seconds", "Time left on the sweeper's lease; below 0 nobody sweeps", value=held_s
        ),
    ]
    totals = counters.totals(session)  # counts the runs of ended submissions only
    totals[counters.RUNS] += runs_stored_of_live(session)
    metrics += [CounterMetricFamily(f"lethe_{name}", text, value=totals[name]) for name, text in _COUNTERS.items()]
    return metrics


def _outbox(session: Session, now: datetime) -> list[Metric]:
    waiting = GaugeMetricFamily("lethe_outbox_waiting", "Mails and messages to webhooks that are due", labels=["kind"])
    oldest = GaugeMetricFamily("lethe_outbox_oldest_seconds", "Time since the oldest of them was due", labels=["kind"])
    failed = CounterMetricFamily(
        "lethe_outbox_failed", "Those that will never be taken: refused, or given up", labels=["kind", "reason"]
    )
    for kind, (number, first) in {
        "mail": mails.waiting(session, now),
        "webhook": webhooks.waiting(session, now),
    }.items():
        waiting.add_metric([kind], number)
        oldest.add_metric([kind], 0.0 if first is None else (now - first).total_seconds())
    totals = counters.totals(session)
    for labels, name in _FAILED.items():
        failed.add_metric(labels, totals[name])
    return [waiting, oldest, failed]


def _upkeep(session: Session, now: datetime) -> list[Metric]:
    made_at = newest_event(session, BACKUP)
    return [
        InfoMetricFamily(
            "lethe",
            "Version of this process and schema of the database",
            value={"version": __version__, "schema": schema_revision(session)},
        ),
        GaugeMetricFamily(
            "lethe_backup_age_seconds",
            "Time since `lethe admin backup` was last done; infinite before the first",
            value=inf if made_at is None else (now - made_at).total_seconds(),
        ),
    ]
