"""What the present code shows, group by group, on copies of the home that 4f177e3 left behind."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.record import contracts, stored, visits
from tests.record.home import FOLDER, copy, lethe, unpack
from tests.record.site import Sessions, open_site

SHOWN = FOLDER / "shown"
NUMBERS = FOLDER / "record.json"
LOGGED_IN = ("ann", "cem", "hal", "ops")


@dataclass
class Original:
    """The home at the present schema with everybody logged in, which nothing changes, and a folder for the copies."""

    home: Path
    sessions: Sessions
    scratch: Path

    def copy(self, name: str) -> Path:
        """A home of its own for one observation."""
        return copy(self.home, self.scratch / name)

    @cached_property
    def exported(self) -> dict[str, str]:
        """What an export, which lies in `export` of the folder from then on, has in it."""
        return stored.exported(self.copy("exported"), self.scratch / "export")


def original(scratch: Path) -> Original:
    """The home unpacked in `scratch` and migrated."""
    home = unpack(scratch)
    lethe(home, "migrate")
    with open_site(home) as site:
        for who in LOGGED_IN:
            site.log_in(who)
        return Original(home, site.sessions, scratch)


def _contracts(found: Original) -> dict[str, str]:
    return {
        **contracts.calls(found.home),
        **contracts.commands(),
        **contracts.settings(),
        **contracts.schema(found.scratch / "fresh"),
        **contracts.metrics(found.copy("metrics"), found.sessions),
    }


def _refusals(found: Original) -> dict[str, str]:
    registration = visits.registration(found.copy("registration"))
    return visits.refusals(found.copy("refusals"), found.sessions) | registration


def _stored(found: Original) -> dict[str, str]:
    return stored.printed(found.copy("printed"), found.scratch) | found.exported


GROUPS: dict[str, Callable[[Original], dict[str, str]]] = {
    "contracts": _contracts,
    "pages": lambda found: visits.pages(found.copy("pages"), found.sessions),
    "calls": lambda found: visits.calls(found.copy("calls"), found.sessions),
    "refused": _refusals,
    "phases": lambda found: visits.phases(found.copy("phases"), found.sessions),
    "stored": _stored,
}
"""Each gives the texts of the files below `shown/` whose folder has its name."""


def computed(found: Original) -> dict[str, object]:
    """Numbers that are computed from the home and from an export of it."""
    assert found.exported
    return stored.computed(found.copy("computed"), found.scratch / "export")


def as_text(numbers: dict[str, object]) -> str:
    """Numbers as the record keeps them."""
    return json.dumps(numbers, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
