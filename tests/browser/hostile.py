"""Every text that the database keeps, with who writes it; and a site on which all that pages show is an attack.

A new column, or a new field of a request, fails the test until it is listed here.
"""

from datetime import timedelta
from typing import Any

from sqlalchemy import JSON, Column, String, Text, select, update
from sqlalchemy.orm import Session

from lethe.evaluator.contract.states import Evaluation, Owner, Stage, SubmissionState
from lethe.server.models import (
    Announcement,
    ApiToken,
    AuditEvent,
    Base,
    Competition,
    CompetitionHost,
    DeviceLogin,
    OverviewPlot,
    Score,
    SignInIdentity,
    Submission,
    Team,
    User,
    Webhook,
    WebhookDelivery,
    Worker,
    WorkerKey,
)
from lethe.server.models.times import utc_now
from tests.scores import make_score

ATTACK = """'"><img src=x onerror=owned=1><script>owned=1</script>{{7*7}}"""

USER_CODE = "BCDF-GHJK"

# Texts of strangers, hosts and workers that some page shows. Of JSON, `poison` fills what is text.
SHOWN = {
    "announcements.body",
    "announcements.title",
    "api_tokens.name",
    "audit_events.action",
    "audit_events.actor",
    "audit_events.target",
    "competitions.prepared",
    "competitions.specification",
    "competitions.title",
    "device_logins.name",
    "overview_plots.plot",
    "scores.plots",
    "scores.receipt",
    "sign_in_identities.issuer",
    "sign_in_identities.label",
    "submissions.check_report",
    "submissions.disqualified_reason",
    "submissions.fault_message",
    "submissions.filename",
    "submissions.licence",
    "submissions.link",
    "submissions.method",
    "submissions.note",
    "submissions.notes",
    "submissions.source_key",
    "teams.disqualified_reason",
    "teams.name",
    "users.email",
    "users.username",
    "webhooks.url",
    "webhook_deliveries.answer",
    "webhook_deliveries.problem",
    "workers.capabilities",
    "workers.name",
}
# Texts that no page shows, by what they are.
DIGESTS = {
    "api_tokens.digest",
    "device_logins.digest",
    "idempotency_keys.request_sha256",
    "mailed_secrets.digest",
    "known_addresses.digest",
    "model_orders.bank_digest",
    "oracle_banks.digest",
    "output_packs.sha256",
    "registration_invites.digest",
    "submissions.form_sha256",
    "submissions.shape_sha256",
    "submissions.source_sha256",
    "submissions.upload_sha256",
    "team_invites.digest",
    "terms_acceptances.terms_sha256",
    "users.password_hash",
    "web_sessions.digest",
    "worker_keys.digest",
}
CLOSED = {  # one of a few words, or a slug or id with a pattern of its own
    "competitions.slug",
    "device_logins.user_code",
    "mail_preferences.notices",
    "webhook_deliveries.event",
    "webhooks.events",
    "mailed_secrets.purpose",
    "outbox_mails.kind",
    "model_orders.state",
    "overview_plots.evaluation",
    "scores.breakdown",  # numbers, and names of tasks
    "scores.evaluation",
    "scores.measures",  # numbers, and reasons in the code's own words
    "scores.reference",
    "scores.shown_measures",
    "standings.evaluation",
    "submissions.evaluation",
    "submissions.fault_code",
    "submissions.fault_stage",
    "submissions.looks",  # numbers, ids, and what a receipt has
    "submissions.owner",
    "submissions.request_id",
    "submissions.state",
    "work_items.stage",
    "work_items.state",
    "workers.admission",
}
SECRETS = {
    "webhooks.secret",
    "mail_preferences.key",
    "competitions.benchmark_secret",
    "competitions.final_secret",
    "competitions.secret",
}
INTERNAL = {  # keys to search by, and what only commands and programs see
    "audit_events.details",
    "former_scores.breakdown",
    "former_scores.receipt",
    "former_scores.replicates",
    "idempotency_keys.key",
    "leases.holder",
    "mailed_secrets.address",
    "outbox_mails.details",
    "leases.name",
    "model_orders.worker",
    "model_orders.message",
    "oracle_banks.identity",
    "oracle_banks.torch",
    "output_packs.further",
    "output_packs.key",
    "scores.replicates",
    "standings.score_history",
    "counters.name",
    "counters.process",
    "sign_in_identities.subject",
    "teams.name_key",
    "teams.name_skeleton",
    "upload_attempts.subject",
    "users.email_key",
    "users.username_key",
    "users.username_skeleton",
    "webhook_deliveries.payload",
    "work_items.environment",
    "work_items.finished",
    "work_items.sandbox_mode",
    "work_items.worker",
    "worker_faults.worker",
    "worker_keys.name",
}


# Texts that programs may send, with the column that keeps them; secrets, codes and times are compared or read only.
SENT = {
    "POST /api/v1/competitions/{slug}/announcements body": "announcements.body",
    "POST /api/v1/competitions/{slug}/announcements title": "announcements.title",
    "POST /api/v1/competitions/{slug}/extend until": "",
    "POST /api/v1/competitions/{slug}/submissions file": "submissions.source_key",
    "POST /api/v1/competitions/{slug}/submissions link": "submissions.link",
    "POST /api/v1/competitions/{slug}/submissions method": "submissions.method",
    "POST /api/v1/competitions/{slug}/submissions note": "submissions.note",
    "PATCH /api/v1/submissions/{submission_id} link": "submissions.link",
    "PATCH /api/v1/submissions/{submission_id} method": "submissions.method",
    "PATCH /api/v1/submissions/{submission_id} note": "submissions.note",
    "POST /api/v1/competitions/{slug}/teams name": "teams.name",
    "PATCH /api/v1/teams/{team_id} name": "teams.name",
    "POST /api/v1/competitions/{slug}/terms sha256": "",
    "POST /api/v1/teams/{team_id}/webhooks url": "webhooks.url",
    "POST /api/v1/competitions/{slug}/webhooks url": "webhooks.url",
    "PATCH /api/v1/users/me email": "users.email",
    "PATCH /api/v1/users/me notices": "",
    "PATCH /api/v1/users/me password": "",
    "PATCH /api/v1/users/me username": "users.username",
    "POST /api/v1/confirmations token": "",
    "POST /api/v1/device name": "device_logins.name",
    "POST /api/v1/device/token device_code": "",
    "POST /api/v1/password-resets account": "",
    "POST /api/v1/password-resets/redeem new_password": "",
    "POST /api/v1/password-resets/redeem token": "",
    "POST /api/v1/users/me/delete password": "",
    "POST /api/v1/session password": "",
    "POST /api/v1/session username": "",
    "POST /api/v1/tokens name": "api_tokens.name",
    "POST /api/v1/users email": "users.email",
    "POST /api/v1/users invite": "",
    "POST /api/v1/users password": "",
    "POST /api/v1/users username": "users.username",
    "POST /api/v1/users/me/password new_password": "",
    "POST /api/v1/users/me/password password": "",
    "PUT /api/v1/submissions/{submission_id}/disqualification reason": "submissions.disqualified_reason",
    "PUT /api/v1/teams/{team_id}/disqualification reason": "teams.disqualified_reason",
}


def attack(field: str) -> str:
    """The attack that says in which field it came."""
    return f"{ATTACK}[{field}]"


def text_columns() -> dict[str, Column[Any]]:
    """All columns that can hold text, by table and name."""
    return {
        f"{table.name}.{column.name}": column
        for table in Base.metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, String | Text | JSON)
    }


def fill(site: Any) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    """Two competitions, one of them over, in which every text is an attack.

    What comes back: the browser states of a participant and of the host, and the addresses of submissions.
    """
    participant, host = site.add_person("participant"), site.add_person("host")
    site.add_person("cheat")
    pages = []
    for slug in ("evil", "over"):
        site.add_competition(slug, title="t")
        site.add_score(slug, "others", 0.1)
        site.add_score(slug, "more", 0.05)
        site.add_team(slug, "ours", "participant")
        pages += [site.add_submission(slug, "ours", **values) for values in _submissions()]
        site.add_team(slug, "cheats", "cheat")
        pages.append(site.add_submission(slug, "cheats", SubmissionState.SCORED))
    source = f'def unlearning(net, retain, forget, validation):\n    """{attack("submissions.source_key")}"""\n'
    key = site.context.artifacts.put("evil.py", source.encode()).key
    svg = site.context.artifacts.put("evil.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>").model_dump()
    with site.context.database.write() as session:
        _add_rows(session, svg)
        session.flush()
        _write_everywhere(session, svg, key)
    return participant, host, pages


def _add_rows(session: Session, svg: dict[str, Any]) -> None:
    """One row at least in every table that pages show."""
    hosting = session.scalars(select(User).where(User.username == "host")).one()
    for competition in session.scalars(select(Competition)):
        if competition.slug == "over":
            competition.closed_at = competition.finals_started_at = competition.revealed_at = utc_now()
            competition.benchmark_started_at = utc_now()
        of = {"competition_id": competition.id}
        shown = {"evaluation": Evaluation.PUBLIC, "board_version": 1, "drawn_at": utc_now()}
        session.add(CompetitionHost(**of, user_id=hosting.id))
        session.add(Announcement(**of, title="", body=""))
        session.add(AuditEvent(**of, actor="", action="", target="", details={}))
        session.add(OverviewPlot(**of, **shown, plot=_plot("overview_plots.plot", svg)))
    for team in session.scalars(select(Team).where(Team.name == "ours")).all():
        for owner in (team.id, None):
            webhook = Webhook(competition_id=team.competition_id, team_id=owner, url="", secret="", events=["ended"])
            session.add(webhook)
            session.flush()
            sent = {"webhook_id": webhook.id, "event": "ended", "payload": {}, "due_at": utc_now()}
            session.add_all([WebhookDelivery(**sent, status=500, answer="a"), WebhookDelivery(**sent, problem="p")])
    session.execute(update(Team).where(Team.name == "cheats").values(disqualified_reason="x"))
    expires_at = utc_now() + timedelta(days=1)
    for user in session.scalars(select(User)):
        session.add(ApiToken(user_id=user.id, name="", digest=user.id.hex, expires_at=expires_at))
        session.add(SignInIdentity(user_id=user.id, issuer="", subject=user.id.hex, label=""))
    session.add(DeviceLogin(digest="d", user_code=USER_CODE, name="", expires_at=expires_at))
    known = select(Score.submission_id).where(Score.submission_id.is_not(None))
    unscored = (Submission.state == SubmissionState.SCORED, Submission.id.not_in(known))
    session.add_all(
        make_score(submission.competition_id, 0.1, submission=submission)
        for submission in session.scalars(select(Submission).where(*unscored))
    )
    worker_key = WorkerKey(name="k", digest="k")
    session.add(worker_key)
    session.flush()
    session.add(Worker(worker_key_id=worker_key.id, name="", capabilities={}, seen_at=utc_now()))


def _write_everywhere(session: Session, svg: dict[str, Any], source_key: str) -> None:
    """The attack in every text that is shown; of reasons and messages only where there was one."""
    for competition in session.scalars(select(Competition)):
        text = attack("competitions.specification")
        competition.specification = competition.specification | dict.fromkeys(("title", "summary", "description"), text)
        text = attack("competitions.prepared")
        competition.prepared = competition.prepared | {"environment": {text: text}}
    text = attack("scores.receipt")
    mode = attack("workers.capabilities")
    values: dict[str, Any] = {
        "scores.plots": [_plot("scores.plots", svg)],
        "scores.receipt": {"findings": [{"code": "x", "message": text}], "environments": [{text: text}]},
        "submissions.check_report": _report(),
        "submissions.notes": [attack("submissions.notes")],
        "submissions.source_key": source_key,
        "workers.capabilities": {
            "slots": 1, "sandbox_mode": mode, "memory_bytes": 1, "gpu": None, "torch": "2", "python": "3",
        },
    }  # fmt: skip
    for field in SHOWN - {"competitions.prepared", "competitions.specification", "overview_plots.plot"}:
        column = text_columns()[field]
        statement = update(column.table).values({column.name: values.get(field, attack(field))})
        if field == "webhook_deliveries.problem":
            statement = statement.where(column != "")
        if column.name == "disqualified_reason":
            statement = statement.where(column.is_not(None))
        if field == "submissions.fault_message":
            statement = statement.where(column.table.c.fault_code.is_not(None))
        session.execute(statement)


def _submissions() -> list[dict[str, Any]]:
    failed = {"state": SubmissionState.FAILED, "owner": Owner.PARTICIPANT, "fault_code": "exception", "fault_line": 2}
    return [
        {"state": SubmissionState.RUNNING, "finished_at": None},
        failed | {"fault_stage": Stage.CHECK},
        failed | {"fault_stage": Stage.RUN},
        {"state": SubmissionState.SCORED},
        {"state": SubmissionState.SCORED, "disqualified_reason": "x"},
    ]


def _report() -> dict[str, Any]:
    text = attack("submissions.check_report")
    return {"stdout": text, "stderr": text, "traceback": f'{text}\n  File "{text}", line 2', "packages": [text]}


def _plot(field: str, svg: dict[str, Any]) -> dict[str, Any]:
    return {"name": "epsilon", "title": attack(field), "text": attack(field), "svg": svg}
