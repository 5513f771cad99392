"""Query plans on PostgreSQL with many rows: no call reads a table that grows with submissions from end to end."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from sqlalchemy import event, text

from lethe.server.database.engine import Database
from tests import many_rows
from tests.integration.server.conftest import GOOD, Site, upload
from tests.integration.server.test_leaks import routes

pytestmark = [
    pytest.mark.component("postgresql"),
    pytest.mark.parametrize("database_url", ["postgresql"], indirect=True),
]
TEAMS, EACH = 800, 25
GROWING = ("submissions", "users", "teams", "team_members", "team_invites", "api_tokens", "work_items", "scores",
           "audit_events", "idempotency_keys", "web_sessions", "upload_attempts", "output_packs")  # fmt: skip
# What reads all teams of a competition, and their best scores, grows with teams only: a number that its page shows.
OF_ALL_TEAMS = re.compile(r"FROM standings|sum\(teams\.submissions\)")
# What waits of one submission: PostgreSQL reads the whole index of what waits while it sees that it is short.
OF_WAITING = re.compile(r"UPDATE work_items SET state=\S+ WHERE work_items\.submission_id = ")
WAITING = "Index Scan using ix_work_items_waiting on work_items"
UNREAD = {"GET /docs", "GET /openapi.json", "GET /healthz", "GET /api/v1/submissions/{submission_id}/events"}


@contextmanager
def plans_of(database: Database) -> Iterator[dict[str, str]]:
    """The plan of every SELECT and UPDATE of the block, by its text; where an index can be used, it is."""
    found: dict[str, str] = {}
    seen: dict[str, Any] = {}

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        if statement.lstrip().upper().startswith(("SELECT", "UPDATE")) and "pg_" not in statement:
            seen.setdefault(statement, parameters)

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(database.engine, "before_cursor_execute", note)
        with database.engine.connect() as connection:
            for way in ("seqscan", "hashjoin", "mergejoin"):  # small tables are read faster as they lie
                connection.execute(text(f"SET enable_{way} = off"))
            for statement, parameters in seen.items():
                if not isinstance(parameters, list):
                    rows = connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).scalars()
                    found[statement] = "\n".join(rows)


def test_no_call_reads_a_growing_table_from_end_to_end(site: Site) -> None:
    token = many_rows.add_teams(site.context, TEAMS)[0]
    many_rows.make_host(site.context, "u1")
    many_rows.add_submissions(site.context, 1, EACH)
    with site.client(token) as client:
        new = upload(client, GOOD).json()
        values = {"slug": new["competition"], "submission_id": new["id"]}
        values["team_id"] = client.get(f"/competitions/{new['competition']}/team").json()["id"]
        many_rows.analyse(site.context)
        with plans_of(site.context.database) as plans:
            for route in sorted(routes(site.app) - UNREAD):
                method, path = route.split(" ")
                if method == "GET":
                    _read(client, site.url + re.sub(r"\{(\w+)\}", lambda part: values.get(part[1], "x"), path))
            assert upload(client, GOOD).status_code == 200
            assert upload(client, GOOD + b"1", **{"Idempotency-Key": "k"}).status_code == 202
            site.evaluate()
            for act in ("select", "unselect"):
                assert client.post(f"/submissions/{new['id']}/{act}").status_code == 200
            cancelled = upload(client, GOOD + b"22").json()["id"]
            assert client.post(f"/submissions/{cancelled}/cancel").status_code == 200
            page = client.get(f"/competitions/{new['competition']}/submissions?limit=5").json()
            _read(client, f"/competitions/{new['competition']}/submissions?limit=5&cursor={page['next_cursor']}")
            _read(client, f"/submissions?prefix={new['id'][:8]}")
            _read(client, f"/submissions/{page['items'][-1]['id']}/compare/{page['items'][-2]['id']}")
    assert len(plans) > 60
    tables = "|".join(GROWING)
    scans = re.compile(
        rf"Seq Scan on (?:{tables})\b|Scan (?:Backward )?using \S+ on (?:{tables})\b.*\n(?!\s+Index Cond)"
    )
    wasteful = [
        f"{statement}\n{plan}"
        for statement, plan in plans.items()
        if scans.search(plan)
        and not OF_ALL_TEAMS.search(statement)
        and not (OF_WAITING.match(statement) and WAITING in plan)
        and not plan.startswith("Limit")
    ]
    assert not wasteful, "\n\n".join(wasteful)


def _read(client: httpx.Client, address: str) -> None:
    answer = client.get(address)
    assert answer.status_code < 500, address
