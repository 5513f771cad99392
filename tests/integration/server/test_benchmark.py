"""A revealed competition that is kept open: a board of its own, score and rank only; the old boards stay."""

import csv
import io
import json
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select

from lethe.evaluator.contract.specification import LeaksSpec, MeasuresSpec, QuotasSpec
from lethe.evaluator.contract.states import Evaluation, Stage
from lethe.evaluator.scoring.reference_set import ReferenceSets
from lethe.server.competitions.service import get_competition
from lethe.server.control.submission_plotting import Plotter
from lethe.server.hosting import actions, creation, finals
from lethe.server.hosting.archive import export
from lethe.server.models import AuditEvent, Competition, Score, Standing, Submission
from lethe.server.queue.jobs import run_seed
from tests.integration.server.conftest import GOOD, RUNS, SLUG, Site, upload

pytestmark = [pytest.mark.component("postgresql"), pytest.mark.one_database]

HERE = f"/competitions/{SLUG}"
NEAR = 0.2


def file(number: int) -> bytes:
    return GOOD + f"'{number}'\n".encode()


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def over(site: Site, ann: httpx.Client, bob: httpx.Client) -> None:
    """Ann and Bob have submitted, finals have run, and the host has revealed them."""
    for client, number in ((ann, 1), (ann, 2), (bob, 3)):
        assert upload(client, file(number)).status_code == 202
        site.evaluate(NEAR + number / 10)
    with site.context.database.write() as session:
        actions.close(session, SLUG)
    creation.start_finals(site.context, SLUG)
    site.evaluate(NEAR)
    with site.context.database.write() as session:
        finals.reveal(session, SLUG)


def old_boards(site: Site, client: httpx.Client) -> list[Any]:
    """Everything that is stored and shown of the competition's own boards."""
    shown = [client.get(f"{HERE}/leaderboard?view={view}&format={kind}").text
             for view in ("public", "final") for kind in ("json", "csv")]  # fmt: skip
    own = (Evaluation.PUBLIC, Evaluation.FINAL)
    with site.context.database.read() as session:
        standings = session.scalars(select(Standing).where(Standing.evaluation.in_(own)))
        rows = [{column.name: getattr(one, column.name) for column in Standing.__table__.columns} for one in standings]
        scores = session.scalars(select(Score).where(Score.evaluation.in_(own)))
        numbers = [(str(one.id), one.final_score, one.replicates, one.receipt) for one in scores]
    return [shown, sorted(rows, key=str), sorted(numbers, key=str)]


def board(client: httpx.Client) -> dict[str, Any]:
    answer = client.get(f"{HERE}/leaderboard?view=benchmark")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_uploads_go_on_after_the_reveal_on_a_board_of_their_own(site: Site) -> None:
    with site.register("ann") as ann, site.register("bob") as bob, site.register("new") as new:
        over(site, ann, bob)
        before = old_boards(site, ann)
        assert code_of(upload(ann, file(4))) == (403, "competition_closed")
        assert code_of(ann.get(f"{HERE}/leaderboard?view=benchmark")) == (404, "no_benchmark")
        assert ann.get(HERE).json()["benchmark"] is False
        creation.start_benchmark(site.context, SLUG)
        facts = ann.get(HERE).json()
        assert (facts["phase"], facts["benchmark"], facts["benchmark_ended_at"]) == ("revealed", True, None)
        sent = [upload(ann, file(1)), upload(new, file(5))]  # Ann's is a file that she sent before the deadline
        assert [answer.status_code for answer in sent] == [202, 202]
        assert [answer.json()["evaluation"] for answer in sent] == ["benchmark"] * 2
        assert upload(ann, file(1)).json()["id"] == sent[0].json()["id"]  # and again it is answered with the first
        site.evaluate(NEAR)
        found = board(ann)
        assert {row["team"] for row in found["rows"] if row["rank"]} == {"ann", "new"}
        assert [row["reference"] for row in found["rows"] if row["reference"]] == ["ceiling", "floor"]
        assert (found["view"], found["frozen"]) == ("benchmark", False)
        assert old_boards(site, ann) == before
        (row, *_) = csv.DictReader(io.StringIO(ann.get(f"{HERE}/leaderboard?view=benchmark&format=csv").text))
        assert row["team"] in {"ann", "new", "Ceiling: other oracles"}
        ids = {one["id"] for one in ann.get(f"{HERE}/submissions").json()["items"]}
        assert sent[0].json()["id"] in ids
        assert len(ids) == 3


def test_a_benchmark_tells_score_and_rank_only(site: Site) -> None:
    site.change_specification(outputs_after_reveal=True, measures=MeasuresSpec(columns=("u_lira",)))
    with site.register("ann") as ann, site.register("bob") as bob:
        over(site, ann, bob)
        creation.start_benchmark(site.context, SLUG)
        sent = upload(ann, file(9)).json()["id"]
        site.evaluate(NEAR)
        with site.context.database.write() as session:
            for score in session.scalars(select(Score)):
                score.shown_measures = {"u_lira": 0.7}
        plotter = Plotter(site.context, ReferenceSets(site.context.artifacts))
        while plotter.draw_next():
            pass
        public = next(one for one in ann.get(f"{HERE}/submissions").json()["items"] if one["evaluation"] == "public")
        shown = ann.get(f"/submissions/{sent}").json()
        assert shown["score"] is not None
        assert (shown["metric"], shown["final"]) == (None, None)
        assert public["metric"] is not None  # of the competition it is revealed
        assert code_of(ann.get(f"/submissions/{sent}/measures")) == (404, "measures_hidden")
        assert code_of(ann.get(f"/submissions/{sent}/evidence")) == (404, "evidence_hidden")
        assert ann.get(f"/submissions/{public['id']}/evidence").status_code == 200
        assert "rule" not in ann.get(f"/submissions/{sent}/receipt").json()["public"]
        assert "findings" not in ann.get(f"/submissions/{sent}/receipt").text
        assert (board(ann)["columns"], {str(row["measures"]) for row in board(ann)["rows"]}) == ([], {"{}"})
        with httpx.Client(base_url=site.url, timeout=30) as browser:
            browser.post("/login", data={"username": "ann", "password": "correct horse"})
            page = browser.get(f"/submissions/{sent}").text
            assert "after the deadline" in page
            assert "How the score was computed" not in page
            assert browser.get(f"/submissions/{sent}/plots/histogram.svg").status_code == 404
            assert browser.get(f"/submissions/{public['id']}").text.count("How the score was computed") == 1
            assert browser.get(f"{HERE}/analysis?view=benchmark").status_code == 404
            assert browser.get(f"{HERE}/analysis/benchmark.svg").status_code == 404
            assert browser.get(f"{HERE}/leaderboard?view=benchmark").status_code == 200


def test_ends_of_a_benchmark_show_at_a_step_of_the_clock(site: Site) -> None:
    with site.register("ann") as ann, site.register("bob") as bob:
        over(site, ann, bob)
        creation.start_benchmark(site.context, SLUG)
        site.change_specification(leaks=LeaksSpec(step_s=3600))
        sent = upload(ann, file(9)).json()["id"]
        site.evaluate(NEAR)
        waiting = ann.get(f"/submissions/{sent}").json()
        assert (waiting["state"], waiting["score"]) == ("queued", None)
        assert [row for row in board(ann)["rows"] if row["rank"]] == []


def test_runs_of_a_benchmark_have_seeds_that_no_file_had_before(site: Site) -> None:
    with site.register("ann") as ann, site.register("bob") as bob:
        over(site, ann, bob)
        creation.start_benchmark(site.context, SLUG)
        sent = UUID(upload(ann, file(1)).json()["id"])
        job = site.begin_runs()
        with site.context.database.read() as session:
            competition = session.scalars(select(Competition)).one()
            submission = session.get_one(Submission, sent)
            assert len({competition.secret, competition.final_secret, competition.benchmark_secret}) == 3
            assert competition.benchmark_secret is not None
            expected = [
                run_seed(
                    competition.benchmark_secret, stage=Stage.RUN, epoch=0, index=index, source=submission.source_sha256
                )
                for index in range(RUNS)
            ]
        assert [order.seed for order in job.runs] == expected[: len(job.runs)]


def test_quotas_hold_and_begin_anew(site: Site) -> None:
    with site.register("ann") as ann, site.register("bob") as bob:
        over(site, ann, bob)
        site.change_specification(
            quotas=QuotasSpec(submissions_per_day=2, submissions_total=2, in_flight=0, attempts_per_day=0)
        )
        creation.start_benchmark(site.context, SLUG)
        assert ann.get(f"{HERE}/quota").json()["submissions_left"] == 2
        assert [upload(ann, file(number)).status_code for number in (5, 6, 7)] == [202, 202, 403]
        assert ann.get(f"{HERE}/quota").json()["submissions_left"] == 0
        site.evaluate(NEAR)
        assert code_of(upload(ann, file(8))) == (403, "total_quota_used")


def test_a_benchmark_ends_and_may_begin_again(site: Site) -> None:
    with site.register("ann") as ann, site.register("bob") as bob:
        with pytest.raises(actions.PhaseConflict), site.context.database.write() as session:
            actions.start_benchmark(session, SLUG)
        over(site, ann, bob)
        with pytest.raises(actions.PhaseConflict), site.context.database.write() as session:
            actions.end_benchmark(session, SLUG)
        creation.start_benchmark(site.context, SLUG)
        creation.start_benchmark(site.context, SLUG)  # nothing changes
        with site.context.database.read() as session:
            secret = get_competition(session, SLUG).benchmark_secret
        waiting = upload(ann, file(5)).json()["id"]
        creation.end_benchmark(site.context, SLUG)
        refused = upload(ann, file(6))
        assert code_of(refused) == (403, "competition_closed")
        assert "benchmark" in refused.json()["detail"]
        site.evaluate(NEAR)  # what was taken is ranked
        assert ann.get(f"/submissions/{waiting}").json()["state"] == "scored"
        assert [row["team"] for row in board(ann)["rows"] if row["rank"]] == ["ann"]
        creation.start_benchmark(site.context, SLUG)
        assert upload(ann, file(6)).status_code == 202
        with site.context.database.read() as session:
            assert get_competition(session, SLUG).benchmark_secret == secret
            recorded = session.scalars(select(AuditEvent.action).order_by(AuditEvent.created_at)).all()
        ours = [action for action in recorded if action.startswith("competition.benchmark")]
        assert ours == ["competition.benchmark", "competition.benchmark_end", "competition.benchmark"]


def test_teams_form_for_a_benchmark_but_those_of_the_competition_stay(site: Site) -> None:
    with site.register("ann") as ann, site.register("bob") as bob, site.register("cem") as cem, \
            site.register("dora") as dora:  # fmt: skip
        over(site, ann, bob)
        assert code_of(cem.post(f"{HERE}/teams", json={"name": "New"})) == (403, "competition_closed")
        creation.start_benchmark(site.context, SLUG)
        team = cem.post(f"{HERE}/teams", json={"name": "New"}).json()["id"]
        invitation = cem.post(f"/teams/{team}/invites").json()["code"]
        assert dora.post(f"/invites/{invitation}/accept").status_code == 200
        old = ann.get(f"{HERE}/team").json()["id"]
        assert code_of(ann.post(f"/teams/{old}/invites")) == (409, "team_fixed")
        public = ann.get(f"{HERE}/submissions").json()["items"][0]["id"]
        assert code_of(ann.post(f"/submissions/{public}/select")) == (403, "competition_closed")


def test_disqualifying_what_came_after_the_deadline_leaves_the_other_boards(site: Site) -> None:
    with site.register("ann") as ann, site.register("bob") as bob:
        over(site, ann, bob)
        creation.start_benchmark(site.context, SLUG)
        sent = UUID(upload(ann, file(5)).json()["id"])
        site.evaluate(NEAR)
        before = old_boards(site, ann)
        with site.context.database.write() as session:
            actions.disqualify_submission(session, session.get_one(Submission, sent), reason="copied")
        assert [row for row in board(ann)["rows"] if row["rank"]] == []
        assert old_boards(site, ann) == before


def test_the_archive_has_the_benchmark_beside_the_competition(site: Site, tmp_path: Any) -> None:
    with site.register("ann") as ann, site.register("bob") as bob:
        over(site, ann, bob)
        creation.start_benchmark(site.context, SLUG)
        sent = upload(ann, file(5)).json()["id"]
        site.evaluate(NEAR)
    export(site.context, SLUG, tmp_path / "archive")
    names = {path.name for path in (tmp_path / "archive").glob("leaderboard-*.csv")}
    assert names == {f"leaderboard-{one}.csv" for one in ("public", "final", "benchmark")}
    outputs = {path.name for path in (tmp_path / "archive" / "outputs").iterdir()}
    assert {f"{sent}.npz", "oracles-public.npz", "oracles-final.npz"} <= outputs
    assert "oracles-benchmark.npz" not in outputs
    submissions = json.loads((tmp_path / "archive" / "archive.json").read_text())["submissions"]
    assert [one["evaluation"] for one in submissions].count("benchmark") == 1
