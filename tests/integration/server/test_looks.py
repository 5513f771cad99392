"""Looks: what is worse than its team's best stops after a part of its runs, and can be completed."""

from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from lethe.evaluator.contract.specification import EvaluationSpec
from lethe.evaluator.contract.states import Stage
from lethe.server.control.sweeper import restore_items
from lethe.server.hosting import actions, creation
from lethe.server.models import Submission, WorkItem
from lethe.server.scoring.queries import run_items
from lethe.server.scoring.scorer import Scorer
from lethe.server.submissions import reruns
from tests.integration.server.conftest import GOOD, SLUG, Site, store_oracles, upload
from tests.integration.server.conftest import RUNS as FEW

RUNS = 64
LOOKS = (32, 48)
EVALUATION = EvaluationSpec(runs=RUNS, oracles=RUNS, ceiling_oracles=RUNS, chunk_runs=16, looks=LOOKS)
GOOD_SHIFT, BAD_SHIFT = 0.0, 4.0


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'lethe.db'}"


@pytest.fixture
def looking(site: Site) -> Site:
    """A competition of 64 runs with looks, whose oracles are drawn."""
    store_oracles(site.context.artifacts, range(2 * FEW, 2 * RUNS))
    site.change_specification(evaluation=EVALUATION)
    return site


def evaluate(site: Site, shift: float) -> None:
    """Do all work, looks and the chunks after them included."""
    scorer = Scorer(site.context, "test")
    for _ in range(2 * len(LOOKS) + 2):
        site.evaluate(shift)
        scorer.score_next()


def send(site: Site, client: httpx.Client, number: int, shift: float) -> dict[str, Any]:
    """Upload and evaluate a file; the submission as its team sees it then."""
    identifier = upload(client, GOOD + f"'{number}'\n".encode()).json()["id"]
    evaluate(site, shift)
    found: dict[str, Any] = client.get(f"/submissions/{identifier}").json()
    return found


def stored_runs(site: Site, identifier: str) -> int:
    with site.context.database.read() as session:
        submission = session.get_one(Submission, UUID(identifier))
        return sum(len(item.finished) for item in run_items(session, submission))


def test_the_worse_of_two_stops_at_the_first_look_and_is_on_no_board(looking: Site) -> None:
    with looking.register("ann") as ann:
        first = send(looking, ann, 1, GOOD_SHIFT)
        assert (first["state"], first["runs_done"], first["stopped"]) == ("scored", RUNS, None)
        worse = send(looking, ann, 2, BAD_SHIFT)
        assert (worse["state"], worse["runs_done"], worse["runs_total"]) == ("scored", 32, RUNS)
        assert worse["score"] is None
        stopped = worse["stopped"]
        assert stopped["best"] == first["id"]
        assert stopped["best_score"] == first["score"]
        assert stopped["difference"] < 0 < stopped["difference_error"]
        assert stopped["text"].startswith(f"stopped after 32 of 64 runs: below your best ({first['score']:g}) by ")
        assert stored_runs(looking, worse["id"]) == 32
        board = ann.get(f"/competitions/{SLUG}/leaderboard").json()["rows"]
        assert [row["entries"] for row in board if row["team"] == "ann"] == [1]
        receipt = ann.get(f"/submissions/{worse['id']}/receipt").json()["public"]
        assert receipt["runs"] == 32
        assert receipt["stopped"] == stopped["text"]
        assert ann.get(f"/competitions/{SLUG}/submissions").json()["items"][0]["stopped"] == stopped


def test_what_is_as_good_runs_whole(looking: Site) -> None:
    with looking.register("ann") as ann:
        send(looking, ann, 1, GOOD_SHIFT)
        equal = send(looking, ann, 2, GOOD_SHIFT)
        assert (equal["stopped"], equal["runs_done"]) == (None, RUNS)
        assert equal["score"] is not None
    with looking.context.database.read() as session:
        looks = session.get_one(Submission, UUID(equal["id"])).looks
    assert looks is not None
    assert [found["runs"] for found in looks["found"]] == list(LOOKS)


def test_no_chunk_waits_before_its_look_was_taken(looking: Site) -> None:
    with looking.register("ann") as ann:
        send(looking, ann, 1, GOOD_SHIFT)
        upload(ann, GOOD + b"'2'\n")
        while (job := looking.claim()) is not None:
            assert all(run.index < 32 for run in job.runs)
            assert looking.report(job, finished=[] if job.stage == "check" else looking.store_runs(job, GOOD_SHIFT))
        with looking.context.database.write() as session:
            restore_items(session)  # the sweeper adds nothing to what waits for control
        assert looking.claim() is None
        assert Scorer(looking.context, "test").score_next()
        job = looking.claim()
        assert job is not None
        assert [run.index for run in job.runs] == list(range(32, 48))


def test_its_team_completes_one_a_day_and_gets_the_score_of_all_runs(looking: Site) -> None:
    with looking.register("ann") as ann:
        send(looking, ann, 1, GOOD_SHIFT)
        worse, other = send(looking, ann, 2, BAD_SHIFT), send(looking, ann, 3, BAD_SHIFT)
        assert ann.post(f"/submissions/{worse['id']}/complete").json()["state"] == "running"
        evaluate(looking, BAD_SHIFT)
        found = ann.get(f"/submissions/{worse['id']}").json()
        assert (found["runs_done"], found["stopped"]) == (RUNS, None)
        assert found["score"] is not None
        refused = ann.post(f"/submissions/{other['id']}/complete")
        assert (refused.status_code, refused.json()["code"]) == (409, "completion_used")
        assert ann.post(f"/submissions/{worse['id']}/complete").json()["code"] == "not_stopped"
        # Selecting completes it, and so does the host, whatever the team has used.
        assert ann.post(f"/submissions/{other['id']}/select").json()["state"] == "running"
        evaluate(looking, BAD_SHIFT)
        assert ann.get(f"/submissions/{other['id']}").json()["score"] is not None


def test_a_host_completes_it_with_the_same_score_as_without_looks(looking: Site) -> None:
    with looking.register("ann") as ann, looking.register("bob") as bob:
        send(looking, ann, 1, GOOD_SHIFT)
        stopped = send(looking, ann, 2, BAD_SHIFT)
        whole = send(looking, bob, 2, BAD_SHIFT)  # the first of its team, and the same file
        assert creation.complete(looking.context, stopped["id"][:8]) == UUID(stopped["id"])
        evaluate(looking, BAD_SHIFT)
        assert ann.get(f"/submissions/{stopped['id']}").json()["score"] == whole["score"]


def test_reruns_finals_and_baselines_run_whole(looking: Site) -> None:
    with looking.register("ann") as ann:
        send(looking, ann, 1, GOOD_SHIFT)
        stopped = send(looking, ann, 2, BAD_SHIFT)
        with looking.context.database.write() as session:
            reruns.rerun(session, session.get_one(Submission, UUID(stopped["id"])), fresh_seeds=False)
        evaluate(looking, BAD_SHIFT)
        assert ann.get(f"/submissions/{stopped['id']}").json()["score"] is not None
        with looking.context.database.write() as session:
            actions.set_baseline(session, actions.find_team(session, SLUG, "ann"), is_baseline=True)
        assert send(looking, ann, 3, BAD_SHIFT)["score"] is not None


def test_without_the_outputs_of_the_best_there_is_no_look(looking: Site) -> None:
    with looking.register("ann") as ann:
        first = send(looking, ann, 1, GOOD_SHIFT)
        looking.context.artifacts.delete(looking.context.artifacts.list(f"submissions/{first['id']}/0"))
        assert send(looking, ann, 2, BAD_SHIFT)["score"] is not None


def test_a_look_after_a_crash_finds_the_same(looking: Site) -> None:
    with looking.register("ann") as ann:
        send(looking, ann, 1, GOOD_SHIFT)
        once = send(looking, ann, 2, BAD_SHIFT)["stopped"]
        upload(ann, GOOD + b"'3'\n")
        while (job := looking.claim()) is not None:
            assert looking.report(job, finished=[] if job.stage == "check" else looking.store_runs(job, BAD_SHIFT))
        with looking.context.database.write() as session:  # the holder of the look dies
            item = session.query(WorkItem).filter_by(stage=Stage.SCORE, state="ready", chunk=32).one()
            item.state, item.worker, item.token = "leased", "dead", item.token + 1
        looking.expire_leases()
        evaluate(looking, BAD_SHIFT)
        again = ann.get(f"/competitions/{SLUG}/submissions").json()["items"][0]["stopped"]
        assert again["runs"] == once["runs"] == 32
