"""The database's entities, one per file; importing this package fills `Base.metadata`."""

from lethe.server.models.announcement import Announcement
from lethe.server.models.api_token import ApiToken
from lethe.server.models.audit_event import AuditEvent
from lethe.server.models.base import Base
from lethe.server.models.competition import Competition
from lethe.server.models.competition_host import CompetitionHost
from lethe.server.models.counter import Counter
from lethe.server.models.device_login import DeviceLogin
from lethe.server.models.former_score import FormerScore
from lethe.server.models.idempotency_key import IdempotencyKey
from lethe.server.models.known_address import KnownAddress
from lethe.server.models.lease import Lease
from lethe.server.models.mail_preference import MailPreference
from lethe.server.models.mailed_secret import MailedSecret
from lethe.server.models.model_order import ModelOrder
from lethe.server.models.oracle_bank import OracleBank
from lethe.server.models.outbox_mail import OutboxMail
from lethe.server.models.output_pack import OutputPack
from lethe.server.models.overview_plot import OverviewPlot
from lethe.server.models.registration_invite import RegistrationInvite
from lethe.server.models.score import Score, Standing
from lethe.server.models.sign_in_identity import SignInIdentity
from lethe.server.models.submission import Submission
from lethe.server.models.team import Team, TeamInvite, TeamMember
from lethe.server.models.terms_acceptance import TermsAcceptance
from lethe.server.models.upload_attempt import UploadAttempt
from lethe.server.models.user import User
from lethe.server.models.web_session import WebSession
from lethe.server.models.webhook import Webhook, WebhookDelivery
from lethe.server.models.work_item import WorkItem
from lethe.server.models.worker import Admission, Worker
from lethe.server.models.worker_fault import WorkerFault
from lethe.server.models.worker_key import WorkerKey

__all__ = [
    "Admission",
    "Announcement",
    "ApiToken",
    "AuditEvent",
    "Base",
    "Competition",
    "CompetitionHost",
    "Counter",
    "DeviceLogin",
    "FormerScore",
    "IdempotencyKey",
    "KnownAddress",
    "Lease",
    "MailPreference",
    "MailedSecret",
    "ModelOrder",
    "OracleBank",
    "OutboxMail",
    "OutputPack",
    "OverviewPlot",
    "RegistrationInvite",
    "Score",
    "SignInIdentity",
    "Standing",
    "Submission",
    "Team",
    "TeamInvite",
    "TeamMember",
    "TermsAcceptance",
    "UploadAttempt",
    "User",
    "WebSession",
    "Webhook",
    "WebhookDelivery",
    "WorkItem",
    "Worker",
    "WorkerFault",
    "WorkerKey",
]
