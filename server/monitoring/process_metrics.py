"""Metrics of this process and its machine, which need no database: connections, streams, pool, parts, disk, clock."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from lethe.server.context import Context
from lethe.server.http.protocol import BoundedHttp
from lethe.server.models.times import CLOCK
from lethe.server.monitoring.readiness import OK
from lethe.server.submissions.event_stream import Feed


def process_metrics(context: Context, parts: Mapping[str, str]) -> list[Metric]:
    """Return the metrics; `parts` are the answers of `Readiness`."""
    answers = GaugeMetricFamily("lethe_part_up", "Whether a part that this process needs answers", labels=["part"])
    for part, answer in parts.items():
        answers.add_metric([part], answer == OK)
    return [answers, *_limits(context), *_pool(context), *_disk(context, parts)]


def _limits(context: Context) -> Iterator[Metric]:
    feed = context.one(Feed)
    yield GaugeMetricFamily("lethe_connections", "Connections that are open", value=BoundedHttp.open_connections())
    yield GaugeMetricFamily(
        "lethe_connections_limit", "Connections beyond which new ones are closed", value=context.settings.connections
    )
    yield GaugeMetricFamily("lethe_streams", "Event streams that are open", value=feed.taken)
    yield GaugeMetricFamily("lethe_streams_limit", "Event streams beyond which new ones are refused", value=feed.limit)
    yield CounterMetricFamily(
        "lethe_rates_paused",
        "Times that this process limited rates by its own counts for ten seconds because Redis did not answer",
        value=context.rates.pauses,
    )
    yield GaugeMetricFamily(
        "lethe_clock_ahead_seconds",
        "Time by which this machine's clock is ahead of the database's, 0 below half a second",
        value=CLOCK.ahead.total_seconds(),
    )


def _pool(context: Context) -> Iterator[Metric]:
    use = context.database.pool.use()
    yield GaugeMetricFamily("lethe_database_connections", "Database connections in use", value=use.in_use)
    yield GaugeMetricFamily("lethe_database_connections_limit", "Database connections at most", value=use.size)
    yield GaugeMetricFamily("lethe_database_waiting", "Threads that wait for a free connection", value=use.waiting)


def _disk(context: Context, parts: Mapping[str, str]) -> Iterator[Metric]:
    folders = {"home": context.settings.home}
    store = urlsplit(context.settings.artifacts)
    if store.scheme == "file" and parts["artifacts"] == OK:  # a network disk that is away would hang
        folders["artifacts"] = Path(unquote(store.path))
    free = GaugeMetricFamily("lethe_disk_free_bytes", "Bytes free for Lethe on the disk of a folder", labels=["folder"])
    size = GaugeMetricFamily("lethe_disk_size_bytes", "Bytes of the disk of a folder", labels=["folder"])
    for name, path in folders.items():
        usage = shutil.disk_usage(path)
        free.add_metric([name], usage.free)
        size.add_metric([name], usage.total)
    yield from (free, size)
