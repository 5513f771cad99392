"""The database's entities, one a file; importing this package fills `Base.metadata`."""

from server.models.api_token import ApiToken
from server.models.base import Base
from server.models.competition import Competition
from server.models.lease import Lease
from server.models.output_pack import OutputPack
from server.models.score import Score, Standing
from server.models.submission import Submission
from server.models.team import Team, TeamMember
from server.models.user import User
from server.models.work_item import WorkItem
from server.models.worker_key import WorkerKey

__all__ = [
    "ApiToken",
    "Base",
    "Competition",
    "Lease",
    "OutputPack",
    "Score",
    "Standing",
    "Submission",
    "Team",
    "TeamMember",
    "User",
    "WorkItem",
    "WorkerKey",
]
