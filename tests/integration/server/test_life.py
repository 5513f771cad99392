"""The life of a competition over HTTP on PostgreSQL: practice, submissions, quota, teams, close, finals, reveal."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import pytest
from safetensors.numpy import save
from sqlalchemy import select

from lethe.evaluator.artifacts.oracles import ModelRecord, record_key
from lethe.evaluator.artifacts.outputs import write_outputs
from lethe.evaluator.contract.specification import PhasesSpec, QuotasSpec
from lethe.evaluator.contract.states import Stage
from lethe.server.competitions import service
from lethe.server.hosting import account_administration, creation, endpoints
from lethe.server.models import Competition, Score, Submission
from lethe.server.models.times import utc_now
from lethe.server.queue.jobs import run_seed
from tests.integration.server.conftest import GOOD, RUNS, SLUG, Site, drawn_outputs, spec, upload

pytestmark = pytest.mark.component("postgresql")
FINAL_BANK = "f" * 64
ACTS = {
    "POST /competitions/{slug}/pause": {"competition.pause"},
    "POST /competitions/{slug}/resume": {"competition.open"},
    "POST /competitions/{slug}/extend": {"competition.extend"},
    "POST /competitions/{slug}/close": {"competition.close"},
    "POST /competitions/{slug}/reveal": {"competition.reveal"},
    "POST /competitions/{slug}/announcements": {"competition.announce"},
    "PUT /teams/{team_id}/disqualification": {"team.disqualify", "team.reinstate"},
    "PUT /submissions/{submission_id}/disqualification": {"submission.disqualify", "submission.reinstate"},
}
"""What a host can do over HTTP, besides cancelling (test_quotas), and how the audit log calls it."""
ELSEWHERE = {"DELETE /teams/{team_id}/members/{username}"}  # test_personal_data


@pytest.fixture
def database_url(postgres_url: str) -> str:
    return postgres_url


@pytest.fixture
def life(site: Site) -> Site:
    """The site's competition with a final split of its own, a calendar and a quota; still a draft."""
    store = site.context.artifacts
    for index in range(2 * RUNS):
        outputs = store.put(f"banks/{FINAL_BANK}/outputs/{index}", write_outputs(drawn_outputs(5_000 + index)))
        record = ModelRecord(index=index, seed=index, checkpoint=outputs, outputs=outputs, wall_s=1.0, processor="test")
        store.put(record_key(FINAL_BANK, index), record.model_dump_json().encode())
    start = utc_now() + timedelta(days=2)
    phases = PhasesSpec(public_start=start, public_end=start + timedelta(days=30))
    quotas = QuotasSpec(submissions_per_day=3, submissions_total=0, in_flight=0, attempts_per_day=0)
    with site.context.database.write() as session:
        competition = session.scalars(select(Competition)).one()
        prepared = service.prepared_competition(competition)
        visible = store.put("final-visible", save({}))
        final = prepared.public.model_copy(update={"bank_digest": FINAL_BANK, "visible": visible})
        competition.prepared = prepared.model_copy(update={"final": final}).model_dump(mode="json")
        competition.specification = spec(phases=phases, quotas=quotas).model_dump(mode="json")
        competition.opened_at = None
        competition.public_starts_at, competition.public_ends_at = phases.public_start, phases.public_end
    return site


def file(number: int) -> bytes:
    return GOOD + f"'{number}'\n".encode()


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def time_passes(site: Site, **times: datetime) -> None:
    """Move the calendar instead of waiting."""
    with site.context.database.write() as session:
        competition = session.scalars(select(Competition)).one()
        for name, moment in times.items():
            setattr(competition, name, moment)


def test_life_of_a_competition(life: Site) -> None:
    site, here = life, f"/competitions/{SLUG}"
    ann, bob, cem, dora, host = (site.register(name) for name in ("ann", "bob", "cem", "dora", "hal"))
    with site.context.database.write() as session:
        account_administration.set_host(session, "hal", SLUG, is_host=True)

    # A draft is nobody's business; opened, it is in practice: teams form, uploads wait.
    assert code_of(ann.get(here)) == (404, "competition_not_found")
    creation.open_competition(site.context, SLUG)
    assert ann.get(here).json()["phase"] == "practice"
    early = upload(ann, file(0))
    assert code_of(early) == (403, "competition_not_started")
    assert ", in 1 d 23 h" in early.json()["detail"]
    team = ann.post(f"{here}/teams", json={"name": "Ann and Dora"}).json()["id"]
    code = ann.post(f"/teams/{team}/invites").json()["code"]
    assert dora.post(f"/invites/{code}/accept").status_code == 200

    # Public phase: three teams submit, one until its quota is used.
    time_passes(site, public_starts_at=utc_now())
    assert ann.get(here).json()["phase"] == "open"
    first = [upload(ann, file(number)).json()["id"] for number in (1, 2)]
    first.append(upload(dora, file(3)).json()["id"])
    refused = upload(dora, file(4))
    assert code_of(refused) == (429, "daily_quota_used")
    assert upload(ann, file(3)).status_code == 200  # known, costs nothing
    others = [upload(bob, file(11)).json()["id"], upload(cem, file(21)).json()["id"]]
    site.evaluate()
    assert [ann.get(f"/submissions/{one}").json()["state"] for one in first] == ["scored"] * 3
    board = ann.get(f"{here}/leaderboard").json()
    assert sorted(row["team"] for row in board["rows"] if row["rank"]) == ["Ann and Dora", "bob", "cem"]
    assert code_of(ann.get(f"{here}/leaderboard?view=final")) == (404, "final_not_revealed")
    shown = ann.get(f"/submissions/{first[0]}").json()
    assert (shown["metric"], shown["final"], shown["selected"]) == (None, None, False)

    # Selections, with a limit of two; another team's submission does not exist.
    for one in (first[0], first[2]):
        assert ann.post(f"/submissions/{one}/select").json()["selected"] is True
    assert code_of(dora.post(f"/submissions/{first[1]}/select")) == (409, "selections_full")
    assert dora.post(f"/submissions/{first[0]}/unselect").json()["selected"] is False
    assert ann.post(f"/submissions/{first[1]}/select").status_code == 200
    assert code_of(bob.post(f"/submissions/{first[0]}/select")) == (404, "submission_not_found")

    # The host pauses, resumes, announces, extends and closes; nobody else can.
    assert ann.post(f"{here}/close").status_code == 404
    assert host.post(f"{here}/pause").json()["phase"] == "paused"
    assert code_of(upload(bob, file(12))) == (403, "competition_paused")
    assert host.post(f"{here}/resume").json()["phase"] == "open"
    assert host.post(f"{here}/announcements", json={"title": "A day more"}).status_code == 201
    assert [one["title"] for one in ann.get(f"{here}/announcements").json()] == ["A day more"]
    assert host.post(f"{here}/close").json()["phase"] == "closed"
    assert host.post(f"{here}/resume").json()["phase"] == "open"
    naive = host.post(f"{here}/extend", json={"until": "2999-01-01T00:00:00"})
    assert code_of(naive) == (422, "invalid_request")
    for until in ("2001-01-01T00:00:00Z", "0001-01-01T00:00:00+12:00", "9999-12-31T23:59:59-12:00"):
        assert code_of(host.post(f"{here}/extend", json={"until": until})) == (400, "invalid_end")
    assert host.post(f"{here}/extend", json={"until": "2999-01-01T00:00:00+02:00"}).status_code == 200
    time_passes(site, public_ends_at=datetime.now(UTC) - timedelta(minutes=3, seconds=7))
    late = upload(bob, file(12))
    assert code_of(late) == (403, "competition_closed")
    assert "This upload came 3 min" in late.json()["detail"]
    assert code_of(ann.post(f"/submissions/{first[0]}/select")) == (403, "competition_closed")
    assert code_of(host.post(f"{here}/reveal", json={})) == (409, "wrong_phase")

    # Final evaluation: the chosen ones, elsewhere the best, on the final split with seeds that nobody has seen.
    plan = creation.plan_finals(site.context, SLUG)
    assert (len(plan.submissions), plan.teams, plan.automatic, plan.runs) == (4, 3, 2, 4 * RUNS)
    assert set(plan.submissions) == {UUID(one) for one in (first[1], first[2], *others)}
    assert plan.worker_s == pytest.approx(4 * RUNS * 0.1)
    assert creation.start_finals(site.context, SLUG).total == 4
    assert creation.start_finals(site.context, SLUG).total == 4  # again is the same
    assert ann.get(here).json()["phase"] == "final"
    assert code_of(host.post(f"{here}/extend", json={"until": "2999-01-01T00:00:00Z"})) == (409, "wrong_phase")
    assert code_of(host.post(f"{here}/reveal", json={})) == (409, "evaluations_unfinished")
    job = site.claim()
    assert job is not None
    assert (job.stage, job.visible.key) == ("run", "final-visible")
    with site.context.database.read() as session:
        competition = session.scalars(select(Competition)).one()
        origin = session.get_one(Submission, session.get_one(Submission, job.submission_id).origin_id)
        seen = {
            run_seed(competition.secret, stage=Stage.RUN, epoch=0, index=index, source=origin.source_sha256)
            for index in range(RUNS)
        }
    assert not seen & {order.seed for order in job.runs}
    assert site.report(job, finished=site.store_runs(job))
    site.evaluate()
    assert ann.get(f"/submissions/{first[1]}").json()["final"] is None  # not before the reveal
    assert len(ann.get(f"{here}/submissions").json()["items"]) == 3
    assert ann.get(f"{here}/leaderboard").json()["frozen"] is True

    # Reveal: the final board with the public ranks, the metric, and the same numbers as JSON and CSV.
    assert host.post(f"{here}/reveal", json={}).json()["phase"] == "revealed"
    final = ann.get(f"{here}/leaderboard?view=final").json()
    ranked = [row for row in final["rows"] if row["rank"]]
    assert sorted(row["team"] for row in ranked) == ["Ann and Dora", "bob", "cem"]
    assert all(row["public_rank"] for row in ranked)
    assert {row["reference"] for row in final["rows"] if row["rank"] is None} == {"ceiling", "floor"}
    table = ann.get(f"{here}/leaderboard?view=final&format=csv").text.splitlines()
    assert [line.split(",")[1:3] for line in table[1:]] == [
        [row["team"], str(row["score"])] if row["team"].isascii() else line.split(",")[1:3]
        for row, line in zip(final["rows"], table[1:], strict=True)
    ]
    shown = ann.get(f"/submissions/{first[1]}").json()
    assert shown["final"]["state"] == "scored"
    assert set(shown["metric"]) == {"forgetting_quality", "retain_ratio", "test_ratio"}
    assert ann.get(here).json()["metric"]["rule"] == "exact"
    receipts = ann.get(f"/submissions/{first[1]}/receipt").json()
    assert receipts["public"]["source_sha256"] == receipts["final"]["source_sha256"]
    for mark in ("data_mark", "oracles_mark", "seeds_mark"):
        assert receipts["public"][mark] != receipts["final"][mark]

    # A disqualified team leaves both boards and can come back.
    assert host.put(f"/teams/{team}/disqualification", json={"reason": "two accounts"}).status_code == 204
    for view in ("public", "final"):
        names = [row["team"] for row in ann.get(f"{here}/leaderboard?view={view}").json()["rows"]]
        assert "Ann and Dora" not in names
        assert "bob" in names
    assert ann.get(f"/submissions/{first[1]}").json()["disqualified"] == "two accounts"
    assert host.put(f"/teams/{team}/disqualification", json={"reason": None}).status_code == 204
    assert "Ann and Dora" in ann.get(f"{here}/leaderboard?view=final").text

    address = f"/submissions/{first[1]}/disqualification"
    assert host.put(address, json={"reason": "copied"}).status_code == 204
    assert host.put(address, json={"reason": None}).status_code == 204

    # Every act of a host is in the log, under the host's name.
    events = host.get(f"{here}/audit?limit=100").json()["items"]
    assert {event["action"] for event in events if event["actor"] == "user:hal"} == set().union(*ACTS.values())
    routes = {f"{method} {route.path}" for route in endpoints.router.routes for method in route.methods}
    assert ACTS.keys() == routes - ELSEWHERE
    assert {"competition.open", "competition.finals"} <= {e["action"] for e in events if e["actor"] != "user:hal"}
    with site.context.database.read() as session:
        finals = session.scalars(select(Submission).where(Submission.evaluation == "final")).all()
        assert {str(one.origin_id) for one in finals} == {first[1], first[2], *others}
        assert len(session.scalars(select(Score).where(Score.evaluation == "final")).all()) == 4 + 2
    for client in (ann, bob, cem, dora, host):
        client.close()
