"""Refuses variables that nothing reads: a misspelt one would silently open an empty site."""

import difflib

from lethe.evaluator.settings_base import unknown_variables
from lethe.server.errors import ConfigurationError

OPTIONS = {"LETHE_PASSWORD", "LETHE_NEW_PASSWORD"}
"""Variables of single options."""


def require_known_variables() -> None:
    """Raise ConfigurationError for LETHE_… variables that no process of Lethe reads; it names the nearest known."""
    from lethe.evaluator.settings import WorkerSettings
    from lethe.server.client.login import ClientSettings
    from lethe.server.settings import Settings

    known = OPTIONS.union(*(settings.variables() for settings in (Settings, WorkerSettings, ClientSettings)))
    faults = []
    for name in unknown_variables(known):
        near = difflib.get_close_matches(name, sorted(known), n=1)
        faults.append(f"{name} is no setting" + (f": did you mean {near[0]}?" if near else ""))
    if faults:
        raise ConfigurationError("; ".join(faults) + " (docs/operations.md lists them; unset what is not Lethe's)")
