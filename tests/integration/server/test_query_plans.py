"""Query plans on PostgreSQL with many rows: no call of a participant reads a growing table from end to end."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event, insert, text

from server.accounts.roles import is_host
from server.audit.service import list_events
from server.context import Context
from server.db import Database, utc_now
from server.models import ApiToken, AuditEvent, Competition, Submission, Team, TeamMember, User
from server.submissions import intake, quotas, service, views
from server.teams import service as teams
from tests.integration.server.conftest import GOOD, SLUG, Site

pytestmark = [
    pytest.mark.component("postgresql"),
    pytest.mark.parametrize("database_url", ["postgresql"], indirect=True),
]
TEAMS, EACH = 2_000, 10
GROWING = ("submissions", "users", "teams", "team_members", "team_invites", "api_tokens", "work_items", "scores",
           "audit_events", "idempotency_keys", "web_sessions", "upload_attempts")  # fmt: skip


def fill(context: Context) -> User:
    """Many teams of one with ended submissions each; one of the users."""
    with context.database.write() as session:
        competition = session.query(Competition).one()
        users = [
            {"username": f"u{n}", "username_key": f"u{n}", "email": f"{n}@x.org", "email_key": f"{n}@x.org",
             "password_hash": "-"} for n in range(TEAMS)
        ]  # fmt: skip
        user_ids = list(session.scalars(insert(User).returning(User.id), users))
        team_rows = [{"competition_id": competition.id, "name": f"t{n}", "name_key": f"t{n}"} for n in range(TEAMS)]
        team_ids = list(session.scalars(insert(Team).returning(Team.id), team_rows))
        members = [
            {"competition_id": competition.id, "user_id": user_id, "team_id": team_id}
            for user_id, team_id in zip(user_ids, team_ids, strict=True)
        ]
        session.execute(insert(TeamMember), members)
        rows = [
            member
            | {"filename": "a.py", "source_key": "s", "source_sha256": f"{index:064d}", "state": "scored",
               "runs_total": 8, "finished_at": utc_now(), "deadline_at": utc_now()}
            for index, member in enumerate(members * EACH)
        ]  # fmt: skip
        session.execute(insert(Submission), rows)
        tokens = [{"user_id": i, "name": "t", "digest": f"{n:064d}", "expires_at": utc_now()} for n, i in
                  enumerate(user_ids)]  # fmt: skip
        session.execute(insert(ApiToken), tokens)
        events = [{"actor": "a", "action": "b", "target": "c", "competition_id": competition.id}] * 20_000
        session.execute(insert(AuditEvent), events)
        user = session.get_one(User, user_ids[TEAMS // 2])
    with context.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
    return user


@contextmanager
def plans_of(database: Database) -> Iterator[list[tuple[str, str]]]:
    """Every SELECT of the block with its plan."""
    found: list[tuple[str, str]] = []
    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        if statement.lstrip().upper().startswith("SELECT") and "pg_" not in statement:
            seen.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(database.engine, "before_cursor_execute", note)
        with database.engine.connect() as connection:
            for statement, parameters in seen:
                rows = connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).scalars()
                found.append((statement, "\n".join(rows)))


def test_what_participants_ask_reads_no_growing_table_from_end_to_end(site: Site) -> None:
    context = site.context
    user = fill(context)
    upload = intake.Upload(filename="a.py", data=GOOD, user=user, address="127.0.0.1", idempotency_key="k")
    with plans_of(context.database) as plans:
        intake.receive(context, intake.open_competition(context, SLUG), upload)
        intake.receive(context, intake.open_competition(context, SLUG), upload)
        with context.database.read() as session:
            competition = session.query(Competition).one()
            team = teams.find_team(session, competition, user)
            assert team is not None
            teams.view(session, team)
            quotas.view(session, competition, team, user, intake.specification(competition).quotas)
            page, cursor = service.list_own(session, competition, user, cursor=None, limit=5)
            assert cursor is not None
            service.list_own(session, competition, user, cursor=cursor, limit=5)
            for submission in page:
                views.view(session, submission)
                service.get_own(session, submission.id, user)
            is_host(session, competition, user)
            _, cursor = list_events(session, competition_id=competition.id, cursor=None, limit=20)
            list_events(session, competition_id=competition.id, cursor=cursor, limit=20)
    assert len(plans) > 30
    scans = re.compile(rf"Seq Scan on ({'|'.join(GROWING)})\b")
    wasteful = [
        f"{statement}\n{plan}"
        for statement, plan in plans
        if (hit := scans.search(plan)) and _is_large(context, hit[1])
    ]
    assert wasteful == []


def _is_large(context: Context, table: str) -> bool:
    """A scan of a table that is still small is what the planner should do."""
    with context.database.read() as session:
        return bool(session.scalar(text(f"SELECT count(*) > 1000 FROM {table}")))  # noqa: S608 - a name of GROWING
