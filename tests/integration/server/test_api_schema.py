"""Generated requests, good and bad, for every call of the OpenAPI document: no 500, and nothing undocumented."""

from typing import Any
from urllib.parse import quote

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from lethe.server.hosting import account_administration
from tests.integration.server.conftest import SLUG, Site, upload

EXAMPLES = 12
CHECKS = [
    schemathesis.checks.not_a_server_error, status_code_conformance, content_type_conformance,
    response_schema_conformance,
]  # fmt: skip

pytestmark = [
    pytest.mark.component("postgresql"),
    pytest.mark.parametrize("database_url", ["postgresql"], indirect=True),  # it refuses more values than SQLite does
]


def test_generated_requests_meet_nothing_undocumented(site: Site) -> None:
    with site.register("ann") as ann:
        submission = upload(ann).json()["id"]
        team = ann.get(f"/competitions/{SLUG}/team").json()["id"]
        token = ann.headers["authorization"]
    with site.context.database.write() as session:
        account_administration.set_operator(session, "ann", is_operator=True)
    known = {"slug": SLUG, "submission_id": submission, "team_id": team}
    tried = 0
    for result in schemathesis.openapi.from_url(f"{site.url}/openapi.json").get_all_operations():
        operation = result.ok()
        if operation.path.startswith("/api/") and not operation.path.endswith("/events"):
            _try(operation, known, {"Authorization": token})
            tried += 1
    assert tried >= 25


def _try(operation: Any, known: dict[str, str], credentials: dict[str, str]) -> None:
    """Every other request is about something that exists, so that it reaches what lies behind the lookup."""
    turn = 0

    @settings(
        max_examples=EXAMPLES, derandomize=True, deadline=None, database=None, phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy())
    def check(case: Any) -> None:
        nonlocal turn
        turn += 1
        if turn % 2:
            case.path_parameters.update({name: quote(known[name]) for name in case.path_parameters if name in known})
        case.call_and_validate(headers=credentials, checks=CHECKS)

    check()
