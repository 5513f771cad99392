"""Fits the connections of `lethe serve` to the files that the process may open."""

import resource

from lethe.server.errors import ConfigurationError
from lethe.server.logs import get_logger
from lethe.server.settings import Settings

log = get_logger(__name__)

OTHER_FILES = 256
"""File descriptors of `lethe serve` besides connections: database, parser processes, artifacts."""
FEWEST_CONNECTIONS = 64
STREAMS_SHARE = 0.75
"""Of the connections; the others are for pages and calls, also of those who get no stream."""


def fit_to_open_files(settings: Settings) -> Settings:
    """Return settings whose connections and event streams this process can keep open; raises its limit for them.

    Without a free file descriptor a server can do nothing, not even refuse. The soft limit becomes what the settings
    need, or the hard limit if that is less, which is logged. Raises ConfigurationError when it leaves fewer than
    `FEWEST_CONNECTIONS`.
    """
    available = _raise_limit(settings.connections + OTHER_FILES) - OTHER_FILES
    if available < min(settings.connections, FEWEST_CONNECTIONS):
        raise ConfigurationError(
            f"this process may open {available + OTHER_FILES} files, `lethe serve` needs "
            f"{OTHER_FILES + FEWEST_CONNECTIONS}, better {OTHER_FILES + settings.connections}: raise the limit "
            "(LimitNOFILE= of a systemd unit, ulimits of a container, ulimit -n)"
        )
    connections = min(settings.connections, available)
    if connections < settings.connections:
        log.warning(
            "connections_limited",
            open_files=available + OTHER_FILES,
            connections=connections,
            wanted=settings.connections,
        )
    streams = min(settings.streams, int(STREAMS_SHARE * connections))
    return settings.model_copy(update={"connections": connections, "streams": streams})


def _raise_limit(needed: int) -> int:
    """Raise the soft limit of open files to `needed`, or as far as the hard limit allows; return `needed` or less."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(hard, needed)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return needed if soft == resource.RLIM_INFINITY else min(soft, needed)
