"""The database's entities, one per file; importing this package fills `Base.metadata`."""

from server.models.announcement import Announcement
from server.models.api_token import ApiToken
from server.models.audit_event import AuditEvent
from server.models.base import Base
from server.models.competition import Competition
from server.models.competition_host import CompetitionHost
from server.models.counter import Counter
from server.models.former_score import FormerScore
from server.models.idempotency_key import IdempotencyKey
from server.models.lease import Lease
from server.models.model_order import ModelOrder
from server.models.oracle_bank import OracleBank
from server.models.output_pack import OutputPack
from server.models.overview_plot import OverviewPlot
from server.models.registration_invite import RegistrationInvite
from server.models.score import Score, Standing
from server.models.submission import Submission
from server.models.team import Team, TeamInvite, TeamMember
from server.models.upload_attempt import UploadAttempt
from server.models.user import User
from server.models.web_session import WebSession
from server.models.work_item import WorkItem
from server.models.worker import Worker
from server.models.worker_key import WorkerKey

__all__ = [
    "Announcement",
    "ApiToken",
    "AuditEvent",
    "Base",
    "Competition",
    "CompetitionHost",
    "Counter",
    "FormerScore",
    "IdempotencyKey",
    "Lease",
    "ModelOrder",
    "OracleBank",
    "OutputPack",
    "OverviewPlot",
    "RegistrationInvite",
    "Score",
    "Standing",
    "Submission",
    "Team",
    "TeamInvite",
    "TeamMember",
    "UploadAttempt",
    "User",
    "WebSession",
    "WorkItem",
    "Worker",
    "WorkerKey",
]
