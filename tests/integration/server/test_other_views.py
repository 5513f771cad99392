"""What a team sees does not say when, within a step of the clock, another team's hidden work ended."""

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select, update

from lethe.evaluator.contract.specification import EvaluationSpec, LeaksSpec, QuotasSpec
from lethe.evaluator.contract.states import Stage
from lethe.server.competitions import service
from lethe.server.competitions.disclosure import last_step
from lethe.server.models import Submission, WorkItem
from lethe.server.models.times import utc_now
from lethe.server.queue import estimates
from tests.integration.server.conftest import GOOD, RUNS, SLUG, Site, spec, upload

pytestmark = [pytest.mark.component("postgresql"), pytest.mark.one_database]
STEP_S = 3600
FAULT = {"code": "exception", "owner": "participant", "message": "mine", "line": 1}
SINCE_UPLOAD = re.compile(r"(?i)(under )?\d+ min(?= since the upload| so far)")  # the viewer's own clock
QUOTAS = QuotasSpec(submissions_per_day=9, submissions_total=0, in_flight=3, attempts_per_day=0)


def views(client: httpx.Client, site: Site, submission_id: str) -> dict[str, Any]:
    """Everything that a team can look at about its submission and what it has left."""
    found: dict[str, Any] = {}
    for path in (
        *(f"/submissions/{submission_id}{part}" for part in ("", "/log", "/receipt", f"/compare/{submission_id}")),
        f"/submissions?prefix={submission_id[:8]}",
        *(f"/competitions/{SLUG}{part}" for part in ("", "/submissions", "/quota", "/team", "/leaderboard")),
    ):
        answer = client.get(path)
        found[path] = answer.status_code, answer.json()
    of_competition = [f"/competitions/{SLUG}{part}" for part in ("/submit", "/submissions", "/submissions/compare")]
    for path in (f"/submissions/{submission_id}", "/account", *of_competition):
        page = client.get(site.url + path, headers={"Accept": "text/html"})
        found[f"page {path}"] = page.status_code, SINCE_UPLOAD.sub("", page.text)
    return found


def log_in(client: httpx.Client, name: str) -> None:
    assert client.post("/session", json={"username": name, "password": "correct horse"}).status_code == 200


def step_passes(site: Site) -> None:
    """All that has happened happened a step earlier."""
    earlier = timedelta(seconds=STEP_S)
    with site.context.database.write() as session:
        for column in (WorkItem.claimed_at, WorkItem.done_at, WorkItem.created_at):
            for item in session.scalars(select(WorkItem).where(column.is_not(None))):
                setattr(item, column.key, getattr(item, column.key) - earlier)
        for one in session.scalars(select(Submission).where(Submission.runs_shown_at.is_not(None))):
            one.runs_shown_at -= earlier


@pytest.mark.parametrize("fails", [True, False])
@pytest.mark.parametrize("own_step_s", [STEP_S, 0])
def test_when_a_worker_became_free_shows_at_a_step(site: Site, *, fails: bool, own_step_s: int) -> None:
    """bob's check waits behind ann's hidden runs; it begins and ends when they have ended, in the same step.

    Also where bob's own competition has no steps, but another one, which has the same workers, has.
    """
    site.change_specification(leaks=LeaksSpec(step_s=own_step_s), quotas=QUOTAS)
    with site.context.database.write() as session:
        prepared = service.prepared_competition(service.get_competition(session, SLUG))
        other = service.create(session, spec(slug="other", leaks=LeaksSpec(step_s=STEP_S)), prepared)
        other.opened_at = utc_now()
    with site.register("ann") as ann, site.register("bob") as bob:
        upload(ann)
        hidden = site.begin_runs()
        log_in(bob, "bob")
        mine = upload(bob, GOOD + b"'bob'\n").json()["id"]
        before = views(bob, site, mine)
        assert before[f"/submissions/{mine}"][1]["state"] == "queued"
        assert site.report(hidden, finished=site.store_runs(hidden))
        check = site.claim()
        assert check is not None
        assert str(check.submission_id) == mine
        assert views(bob, site, mine) == before
        report = {
            "stdout": "said in the check",
            "stderr": "",
            "traceback": "",
            "wall_s": 1.0,
            "cpu_s": 1.0,
            "peak_memory_bytes": 1,
        }
        assert site.report(check, check=report, **({"fault": FAULT} if fails else {}))
        assert views(bob, site, mine) == before
        if not fails:
            job = site.claim()
            assert job is not None
            records = site.store_runs(job)
            beat = site.work("heartbeat", work_id=str(job.work_id), token=job.token, finished=records)
            assert beat.json()["stop"] is False
            assert views(bob, site, mine) == before
        step_passes(site)
        after = views(bob, site, mine)[f"/submissions/{mine}"][1]
        assert after["state"] == ("checking" if fails else "running")  # control has not looked yet
        if fails:
            site.expire_leases()
            site.evaluate()
            ended = bob.get(f"/submissions/{mine}").json()
            assert (ended["state"], ended["error"]["code"]) == ("failed", "exception")
            assert bob.get(f"/competitions/{SLUG}/quota").json()["submissions_left_today"] == 9  # refunded


def test_the_first_run_and_what_is_ahead_of_it_show_at_a_step(site: Site) -> None:
    """bob's runs wait behind ann's; one of hers ends, and a worker takes up more of hers, and then his."""
    site.change_specification(leaks=LeaksSpec(step_s=STEP_S), quotas=QUOTAS)
    with site.register("ann") as ann, site.register("bob") as bob:
        upload(ann)
        hidden = site.begin_runs()
        log_in(bob, "bob")
        mine = upload(bob, GOOD + b"'bob'\n").json()["id"]
        check = site.claim()
        assert check is not None
        assert str(check.submission_id) == mine
        assert site.report(check)
        step_passes(site)
        before = views(bob, site, mine)
        shown = before[f"/submissions/{mine}"][1]
        assert (shown["state"], shown["queue_position"]) == ("running", 1)
        assert "Waiting for a worker" in before[f"page /competitions/{SLUG}/submissions"][1]
        taken = hidden
        while str(taken.submission_id) != mine:
            assert site.report(taken, finished=site.store_runs(taken))
            job = site.claim()
            assert job is not None
            taken = job
            assert views(bob, site, mine) == before
        assert site.report(taken, finished=site.store_runs(taken))
        assert views(bob, site, mine) == before
        step_passes(site)
        assert bob.get(f"/submissions/{mine}").json()["queue_position"] is None


def test_a_new_place_in_the_queue_says_nothing_of_the_last_claim(site: Site) -> None:
    """What is served counts as of the last step: a turn that is given out later in the step is the same."""
    site.change_specification(leaks=LeaksSpec(step_s=STEP_S))
    with site.register("ann") as ann, site.register("bob") as bob, site.register("cem") as cem:
        upload(ann)
        upload(ann, GOOD + b"'2'\n")
        first = upload(bob, GOOD + b"'bob'\n").json()
        assert site.claim() is not None
        assert site.claim() is not None
        second = upload(cem, GOOD + b"'cem'\n").json()
        with site.context.database.read() as session:
            turns = {
                str(row.submission_id): row.turn
                for row in session.execute(select(WorkItem.submission_id, WorkItem.turn))
            }
        assert turns[first["id"]] == turns[second["id"]]


def test_an_estimate_says_nothing_of_the_second_in_which_a_chunk_ended(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluation = EvaluationSpec(runs=RUNS, oracles=RUNS, ceiling_oracles=RUNS, chunk_runs=1)
    site.change_specification(leaks=LeaksSpec(step_s=60), evaluation=evaluation)
    with site.register("ann") as ann, site.register("bob") as bob:
        theirs = UUID(upload(ann).json()["id"])
        site.evaluate()
        mine = upload(bob, GOOD + b"'bob'\n").json()["id"]
        begin = last_step(utc_now(), 60) - timedelta(hours=2)
        shown = {}
        asked_at = utc_now()
        monkeypatch.setattr(estimates, "utc_now", lambda: asked_at)  # it counts down between two steps
        for end_s in (400, 401, 419, 420, 479, 900):
            with site.context.database.write() as session:
                session.execute(
                    update(WorkItem)
                    .where(WorkItem.submission_id == theirs, WorkItem.stage == Stage.RUN)
                    .values(claimed_at=begin + timedelta(seconds=7), done_at=begin + timedelta(seconds=400))
                )
                session.execute(
                    update(WorkItem)
                    .where(WorkItem.submission_id == theirs, WorkItem.stage == Stage.RUN, WorkItem.chunk == 0)
                    .values(done_at=begin + timedelta(seconds=end_s))
                )
            shown[end_s] = bob.get(f"/submissions/{mine}").json()["eta_s"]
        asked_at += timedelta(seconds=20)
        assert bob.get(f"/submissions/{mine}").json()["eta_s"] == shown[900] - 20
    assert shown[400] is not None
    assert shown[400] == shown[401] == shown[419]
    assert shown[420] == shown[479]
    assert shown[900] > shown[400]  # it is an estimate, not a constant
