"""Every role walks every route, page and download, looking for what is hidden."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from lethe.evaluator.contract.practice_score import ScoredPractice
from lethe.evaluator.contract.specification import AuditsSpec, LeaksSpec
from lethe.evaluator.measures.measurements import Measurements, as_document
from lethe.evaluator.measures.registry import Measurement, Value
from lethe.server.competitions.disclosure import round_score
from lethe.server.hosting import account_administration
from lethe.server.leaderboard.schemas import OriginalsView
from lethe.server.models import ApiToken, Competition, OutputPack, Score, Submission, Team, User, WorkerKey, WorkItem
from lethe.server.queue.jobs import run_seed
from lethe.server.scoring.scorer import Scorer
from tests.integration.server.conftest import AUDITED, BANK, GOOD, SLUG, Site, upload

pytestmark = [pytest.mark.component("postgresql"), pytest.mark.one_database]
HIDDEN_NAMES = (
    *("replicates", "dossier", "forgetting_quality", "retain_ratio", "test_ratio", "original_outputs"),
    *(
        "worker_key",
        "lease",
        "bank_digest",
        "seed_epoch",
        "final_secret",
        "benchmark_secret",
        "cap_ratios",
        "standard_error",
    ),
)
TOLD = ScoredPractice.model_fields.keys() | OriginalsView.model_fields.keys()
"""Of practice data everybody sees all, and how much the original models add to an interval stands beside it."""
MARKER = "photograph-4711-of-person-0815"  # what code says that runs on hidden data
MEASURED = 0.7182818284590452
MARKED_SEED = 7_310_577_316_205_521
MARKED_LINE = 918_273_645
AUDITS = 2
HOSTS_OWN = ("/audit", "/submissions.csv", "/submissions/{submission_id}")  # where hosts see what is exact
OWNER, OTHER, HOST, OPERATOR, STRANGER = "ann", "bob", "hal", "olga", ""
EVERYBODY = frozenset({OWNER, OTHER, HOST, OPERATOR, STRANGER})
MEMBERS = EVERYBODY - {STRANGER}
# Who is answered with something. A route that is missing here fails the test: say who may see it before it is added.
ANSWERED = {
    **dict.fromkeys(
        (
            *("GET /openapi.json", "GET /docs", "GET /healthz", "GET /readyz", "GET /metrics"),
            *("GET /", "GET /competitions", "GET /competitions/{slug}", "GET /competitions/{slug}/leaderboard"),
            *("GET /competitions/{slug}/contact-sheet.webp", "GET /competitions/{slug}/starter.py"),
            *("GET /competitions/{slug}/starter.ipynb", "GET /errors", "GET /api/v1/competitions"),
            *("GET /api/v1/competitions/{slug}", "GET /api/v1/competitions/{slug}/announcements"),
            *("GET /api/v1/competitions/{slug}/leaderboard", "POST /api/v1/users", "POST /api/v1/session"),
            *("GET /competitions/{slug}/sources", "GET /api/v1/competitions/{slug}/sources"),
            *("GET /competitions/{slug}/feed.atom", "GET /competitions/{slug}/citation.bib"),
            "GET /competitions/{slug}/embed",
            *("GET /unsubscribe/{key}/{kind}", "GET /confirm/{token}", "GET /reset", "POST /api/v1/confirmations"),
            *("POST /api/v1/password-resets", "POST /api/v1/password-resets/redeem"),
            *("POST /api/v1/device", "POST /api/v1/device/token"),
        ),
        EVERYBODY,
    ),
    **dict.fromkeys(
        (
            *(
                "GET /join",
                "GET /account",
                "GET /device",
                "GET /host",
                "GET /competitions/{slug}/submit",
                "GET /competitions/{slug}/team",
            ),
            *("GET /competitions/{slug}/submissions", "GET /competitions/{slug}/submissions/compare"),
            "GET /api/v1/submissions",
            *("GET /api/v1/users/me", "GET /api/v1/tokens", "GET /api/v1/session"),
            *("GET /api/v1/competitions/{slug}/quota", "GET /api/v1/competitions/{slug}/submissions"),
            *("PATCH /api/v1/users/me", "GET /api/v1/users/me/data", "POST /api/v1/users/me/delete"),
            *("GET /account/data.json", "POST /api/v1/users/me/confirmation"),
            *("POST /api/v1/users/me/password", "POST /api/v1/tokens", "DELETE /api/v1/session"),
            *("DELETE /api/v1/tokens/{token_id}", "POST /api/v1/competitions/{slug}/teams"),
            *("POST /api/v1/competitions/{slug}/submissions", "POST /api/v1/invites/{code}/accept"),
        ),
        MEMBERS,
    ),
    **dict.fromkeys(
        (
            *("GET /api/v1/competitions/{slug}/team", "GET /api/v1/teams/{team_id}"),
            *(f"GET /api/v1/submissions/{{submission_id}}{part}" for part in ("", "/source", "/log", "/receipt")),
            "GET /api/v1/submissions/{submission_id}/events",
            "GET /api/v1/submissions/{submission_id}/compare/{other_id}",
            *(f"POST /api/v1/submissions/{{submission_id}}/{act}" for act in ("select", "unselect", "complete")),
            *(f"{method} /api/v1/submissions/{{submission_id}}/publication" for method in ("PUT", "DELETE")),
            *("PATCH /api/v1/teams/{team_id}", "POST /api/v1/teams/{team_id}/leave"),
            *("GET /competitions/{slug}/team/webhooks", "GET /api/v1/teams/{team_id}/webhooks"),
            "POST /api/v1/teams/{team_id}/webhooks",
            *("POST /api/v1/teams/{team_id}/invites", "DELETE /api/v1/teams/{team_id}/invites/{invite_id}"),
        ),
        frozenset({OWNER}),
    ),
    **dict.fromkeys(
        (
            *("GET /host/{slug}", "GET /host/{slug}/submissions.csv", "GET /api/v1/competitions/{slug}/audit"),
            *("GET /host/{slug}/details", "GET /host/{slug}/edit", "GET /host/{slug}/delete"),
            "GET /competitions/{slug}/analysis",
            *(
                f"POST /api/v1/competitions/{{slug}}/{act}"
                for act in ("announcements", "pause", "resume", "extend", "close", "reveal")
            ),
            *("GET /host/{slug}/webhooks", "GET /api/v1/competitions/{slug}/webhooks"),
            "POST /api/v1/competitions/{slug}/webhooks",
            "PUT /api/v1/teams/{team_id}/disqualification",
            "DELETE /api/v1/teams/{team_id}/members/{username}",
            "PUT /api/v1/submissions/{submission_id}/disqualification",
        ),
        frozenset({HOST, OPERATOR}),
    ),
    # Of a webhook that is somebody else's nobody; see test_webhooks.
    "DELETE /api/v1/webhooks/{webhook_id}": frozenset(),
    "GET /api/v1/webhooks/{webhook_id}/deliveries": frozenset(),
    "POST /api/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver": frozenset(),
    "POST /api/v1/submissions/{submission_id}/cancel": frozenset({OWNER, HOST, OPERATOR}),
    "PATCH /api/v1/submissions/{submission_id}": frozenset({OWNER, HOST, OPERATOR}),
    "POST /api/v1/competitions/{slug}/terms": frozenset(),  # this competition has none; see test_terms
    "GET /competitions/{slug}/badge.svg": EVERYBODY,
    "GET /competitions/{slug}/leaderboard/team": EVERYBODY,
    # Of what nobody has published nobody; see test_published_sources.
    "GET /competitions/{slug}/sources/{submission_id}": frozenset(),
    "GET /api/v1/competitions/{slug}/sources/{submission_id}": frozenset(),
    "GET /submissions/{submission_id}": frozenset({OWNER, HOST, OPERATOR}),
    "GET /submissions/{submission_id}/citation.bib": frozenset(),  # before the reveal nobody; see test_sharing
    "GET /submissions/{submission_id}/plots/{name}.svg": frozenset(),  # of what has no score nobody; see test_plots
    "GET /competitions/{slug}/analysis/{view}.svg": frozenset(),  # nothing is drawn yet
    # Of what has no score there are no measures; see test_measures.
    "GET /api/v1/submissions/{submission_id}/measures": frozenset(),
    "POST /api/v1/submissions/{submission_id}/measures": frozenset(),
    "GET /api/v1/competitions/{slug}/practice": frozenset(),  # this site has no bundle; see test_practice_bundles
    "GET /api/v1/submissions/{submission_id}/evidence": frozenset(),  # before the reveal nobody; see test_evidence
    "GET /api/v1/audit": frozenset({OPERATOR}),
    "GET /reset/{token}": frozenset(),  # without a link nobody; see test_mail
    # Without a provider nobody; see test_sign_in.
    **dict.fromkeys(("GET /sign-in", "GET /sign-in/{name}", "GET /sign-in/{name}/callback"), frozenset()),
    "GET /login": frozenset({STRANGER}),
    "GET /register": frozenset({STRANGER}),
}


def hidden_values(site: Site) -> set[str]:
    """Texts that no answer may contain."""
    with site.context.database.read() as session:
        competition = session.scalars(select(Competition)).one()
        values = {competition.secret, BANK, site.worker_key}
        values |= {
            str(run_seed(competition.secret, stage=s, epoch=0, index=i, source=source))
            for s in ("run", "check")
            for i in range(8)
            for source in session.scalars(select(Submission.source_sha256))
        }
        refs = list(artifact_refs(competition.prepared))
        values |= {ref["sha256"] for ref in refs} | {ref["key"] for ref in refs}
        for score in session.scalars(select(Score)):
            values |= {repr(value) for value in (score.final_score, *score.replicates) if len(repr(value)) > 8}
        for pack in session.scalars(select(OutputPack)):
            values |= {pack.key, pack.sha256}
        for finished in session.scalars(select(WorkItem.finished)):
            values |= {value for ref in artifact_refs(finished) for value in ref.values()}
        values |= {str(AUDITED + index) for index in range(AUDITS)}
        values |= set(session.scalars(select(User.password_hash)))
        values |= set(session.scalars(select(ApiToken.digest))) | set(session.scalars(select(WorkerKey.digest)))
    return {value for value in values if value != "other"}


def artifact_refs(value: Any) -> Iterator[dict[str, str]]:
    """Every artifact that is named in the value, however deep."""
    if isinstance(value, dict):
        if "sha256" in value:
            yield value
        for inner in value.values():
            yield from artifact_refs(inner)


def routes(app: FastAPI) -> set[str]:
    """Every method and address that the application answers, workers' own calls and files of the pages aside."""
    listed = {f"{method.upper()} {path}" for path, calls in app.openapi()["paths"].items() for method in calls}
    return listed | set(unlisted(app.routes))


def unlisted(found: Sequence[Any]) -> Iterator[str]:
    """The GET addresses that the OpenAPI document does not list, routers inside routers included."""
    for route in found:
        if hasattr(route, "original_router"):
            yield from unlisted(route.original_router.routes)
        elif "GET" in (getattr(route, "methods", None) or ()) and not route.include_in_schema:
            yield f"GET {route.path}"


def fail_on_hidden_data(site: Site, client: httpx.Client) -> None:
    """A submission whose code says what it saw, in the way that a dishonest worker would pass it on."""
    upload(client, b"import os\n" + GOOD)
    job = site.begin_runs()
    fault = {"code": "exception", "owner": "participant", "message": MARKER, "line": MARKED_LINE}
    assert site.report(job, fault=fault)


def measure(site: Site) -> None:
    """Every score has a measure, which nobody but hosts may see before the reveal."""
    document = as_document(Measurements(1, {"u_lira": Measurement({"u_lira": Value(MEASURED)})}))
    with site.context.database.write() as session:
        for score in session.scalars(select(Score)):
            score.measures = document


def fill(site: Site, path: str) -> str:
    """The address of the owner's failed submission, team and so on."""
    with site.context.database.read() as session:
        values = {
            "slug": SLUG,
            "view": "public",
            "submission_id": str(session.scalar(select(Submission.id).where(Submission.state == "failed"))),
            "other_id": str(session.scalar(select(Submission.id).where(Submission.state == "scored"))),
            "team_id": str(session.scalar(select(Team.id).where(Team.name == OWNER))),
        }
    return re.sub(r"\{(\w+)\}", lambda part: values.get(part[1], str(uuid4())), path)


def walkers(site: Site) -> dict[str, httpx.Client]:
    """A client for each role, logged in as a program and as a browser."""
    clients = {name: site.register(name) for name in sorted(MEMBERS)}
    for name, client in clients.items():
        page = client.post("/session", json={"username": name, "password": "correct horse"})
        assert page.status_code < 300, page.text
    with site.context.database.write() as session:
        account_administration.set_host(session, HOST, SLUG, is_host=True)
        account_administration.set_operator(session, OPERATOR, is_operator=True)
        competition = session.scalars(select(Competition)).one()
        document = json.loads(json.dumps(competition.specification))
        document["data"]["seed"] = document["split"]["seed"] = MARKED_SEED
        competition.specification = document
    return clients | {STRANGER: site.client()}


def test_every_route_says_who_may_see_it(site: Site) -> None:
    assert routes(site.app) == set(ANSWERED)


def test_nothing_hidden_in_any_answer(site: Site) -> None:
    site.change_specification(audits=AuditsSpec(runs=AUDITS))
    clients = walkers(site)
    upload(clients[OWNER])
    site.evaluate()
    assert len([key for key in site.context.artifacts.list("submissions") if "/audits/" in key]) == AUDITS
    measure(site)
    fail_on_hidden_data(site, clients[OWNER])
    hidden = {*hidden_values(site), MARKER, str(MEASURED), str(MARKED_SEED), str(MARKED_LINE)}
    assert len(hidden) >= 30  # the search would prove nothing if it looked for nothing
    wrong = []
    for route, allowed in ANSWERED.items():
        method, path = route.split(" ", 1)
        for name, client in clients.items():
            if method != "GET" and name in allowed - {STRANGER}:
                continue  # what it does is tested elsewhere
            address = site.url + fill(site, path)
            if (method, path) == ("GET", "/api/v1/submissions"):
                address += "?prefix=00000000"
            if path.endswith("/leaderboard/team"):
                address += f"?name={OWNER}"
            if path.endswith("/badge.svg"):
                address += f"?team={OWNER}"
            answer = client.request(method, address)
            refused = {401, 403, 404} | ({303} if method == "GET" else {422})
            if (answer.status_code in refused) == (name in allowed) and (method == "GET" or name not in allowed):
                wrong.append((route, name, answer.status_code))
            if path.endswith(HOSTS_OWN) and name in allowed & {HOST, OPERATOR}:
                continue  # a host may see everything
            found = [value for value in hidden if value in answer.text]
            told = TOLD if path == "/openapi.json" else set()
            found += [word for word in HIDDEN_NAMES if word not in told and re.search(rf'"{word}"', answer.text)]
            if found:
                wrong.append((route, name, found))
    assert not wrong, "\n".join(map(str, wrong))
    for client in clients.values():
        client.close()


def test_scores_are_shown_with_three_digits(site: Site) -> None:
    with site.register("ann") as ann:
        upload(ann)
        site.evaluate()
        for row in ann.get(f"/competitions/{SLUG}/leaderboard").json()["rows"]:
            for value in (row["score"], row["interval"]["low"], row["interval"]["high"]):
                assert round_score(value) == value


def _let_it_show(site: Site) -> None:
    """The clock moves on to the next step, and control looks."""
    site.expire_leases()
    scorer = Scorer(site.context, "test")
    while scorer.score_next():
        pass


def test_the_end_of_hidden_runs_shows_at_a_step_of_the_clock(site: Site) -> None:
    site.change_specification(leaks=LeaksSpec(step_s=3600))
    with site.register("ann") as ann:
        address = f"/submissions/{upload(ann).json()['id']}"
        before = ann.get(f"/competitions/{SLUG}/leaderboard").headers["ETag"]
        site.evaluate()
        waiting = ann.get(address).json()
        assert (waiting["state"], waiting["score"], waiting["finished_at"]) == ("queued", None, None)  # as at the step
        assert ann.get(f"/competitions/{SLUG}/quota").json()["in_flight"] == 1
        assert ann.get(f"/competitions/{SLUG}/leaderboard").headers["ETag"] == before
        _let_it_show(site)
        assert ann.get(address).json()["state"] == "scored"
        assert ann.get(f"/competitions/{SLUG}/leaderboard").headers["ETag"] != before


def test_a_fault_on_hidden_data_shows_at_a_step_of_the_clock(site: Site) -> None:
    site.change_specification(leaks=LeaksSpec(step_s=3600))
    with site.register("ann") as ann:
        address = f"/submissions/{upload(ann).json()['id']}"
        check = site.claim()
        assert check is not None
        site.report(check)
        first, second = site.claim(), site.claim("w2")
        assert first is not None
        assert second is not None
        fault = {"code": "exception", "owner": "participant", "message": MARKER, "line": MARKED_LINE}
        assert site.report(first, fault=fault)
        waiting = ann.get(address).json()
        assert (waiting["state"], waiting["owner"], waiting["error"]) == ("queued", None, None)  # as at the last step
        assert site.claim() is None  # its other runs are not begun, and those that run are stopped
        beat = site.work("heartbeat", work_id=str(second.work_id), token=second.token, finished=[])
        assert beat.json()["stop"] is True
        _let_it_show(site)
        ended = ann.get(address).json()
        assert (ended["state"], ended["owner"], ended["error"]["code"]) == ("failed", "participant", "exception")
        assert (ended["error"]["line"], ended["error"]["output"]) == (None, None)
