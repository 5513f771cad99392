"""Where the hours of machines went in a competition: by stage, team and outcome, with what looks have saved."""

from collections import defaultdict
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy.orm import Session

from lethe.evaluator.contract.states import Stage
from lethe.server.database import counters
from lethe.server.hosting.queries import team_names
from lethe.server.models import Competition

SAVED = "saved"
Key = TypeVar("Key")


@dataclass(frozen=True)
class MachineTime:
    """Hours of ended submissions by stage and outcome, and by team, most first; `saved_h` were left out by looks."""

    by_outcome: dict[tuple[str, str], float]
    by_team: dict[str, float]
    saved_h: float

    @property
    def total_h(self) -> float:
        return sum(self.by_team.values())


def machine_time(session: Session, competition: Competition) -> MachineTime:
    """Return where the hours went; a submission counts when it has ended."""
    names = team_names(session, competition)
    by_outcome: dict[tuple[str, str], float] = defaultdict(float)
    by_team: dict[str, float] = defaultdict(float)
    saved_h = 0.0
    for (team_id, stage, outcome), seconds in counters.machine_seconds_of(session, names).items():
        if outcome == SAVED:
            saved_h += seconds / 3600
            continue
        by_outcome[Stage(stage).value, outcome] += seconds / 3600
        by_team[names[team_id]] += seconds / 3600
    return MachineTime(_most_first(by_outcome), _most_first(by_team), saved_h)


def _most_first(hours: dict[Key, float]) -> dict[Key, float]:
    return dict(sorted(hours.items(), key=lambda one: -one[1]))
