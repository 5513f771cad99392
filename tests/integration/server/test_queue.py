"""Fair order, queue position, deadlines and estimates, on SQLite and on PostgreSQL."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import insert, select, text, update

from lethe.evaluator.contract.specification import CompetitionSpec, EvaluationSpec, LimitsSpec, PracticeSpec
from lethe.evaluator.contract.states import Stage, WorkState
from lethe.server.competitions import service
from lethe.server.control.sweeper import sweep
from lethe.server.models import Submission, WorkItem
from lethe.server.models.times import utc_now
from lethe.server.queue import estimates, fair_order, queries
from tests.integration.server.conftest import GOOD, NO_QUOTAS, RUNS, SLUG, Site, upload

pytestmark = pytest.mark.component("postgresql")
OTHER = "other"


def variants(count: int) -> list[bytes]:
    """Different files that do the same."""
    return [GOOD + f"'{number}'\n".encode() for number in range(count)]


def team_names(site: Site, jobs: list[Any]) -> list[str]:
    """The file name, which is the team's, of each job's submission."""
    with site.context.database.read() as session:
        return [session.get_one(Submission, job.submission_id).filename.removesuffix(".py") for job in jobs]


def add_competition(site: Site, slug: str, **evaluation: Any) -> None:
    """A second open competition with the same data."""
    with site.context.database.write() as session:
        prepared = service.prepared_competition(service.get_competition(session, SLUG))
        given = {"runs": RUNS, "oracles": RUNS, "ceiling_oracles": RUNS, "chunk_runs": 3} | evaluation
        spec = CompetitionSpec(slug=slug, title=slug, evaluation=EvaluationSpec(**given), quotas=NO_QUOTAS)
        service.create(session, spec, prepared).opened_at = utc_now()


def test_teams_take_turns_however_much_one_of_them_sends(site: Site) -> None:
    with site.register("flood") as flood, site.register("late") as late:
        for data in variants(4):
            upload(flood, data, "flood.py")
        first = site.claim()
        assert late.get("/competitions").status_code == 200
        mine = upload(late, name="late.py").json()
        assert mine["queue_position"] == 1  # three of the other team wait, but that team was just served
        order = [first, *(site.claim() for _ in range(4))]
        assert team_names(site, order) == ["flood", "late", "flood", "flood", "flood"]


def test_position_in_the_queue_is_the_order_in_which_workers_take_up(site: Site) -> None:
    add_competition(site, OTHER)
    with site.register("ann") as ann, site.register("bob") as bob:
        for client, slug, name in ((ann, SLUG, "ann"), (bob, SLUG, "bob"), (ann, OTHER, "else")):
            for data in variants(3):
                files = {"file": (f"{name}.py", data)}
                assert client.post(f"/competitions/{slug}/submissions", files=files).status_code == 202
        with site.context.database.read() as session:
            waiting = session.scalars(select(Submission)).all()
            positions = {
                submission.id: fair_order.queue_position(session, submission, Stage.CHECK, utc_now())
                for submission in waiting
            }
    taken = [site.claim() for _ in waiting]
    assert [positions[job.submission_id] for job in taken] == list(range(1, len(waiting) + 1))


def test_competitions_take_turns_with_chunks_of_runs(site: Site) -> None:
    add_competition(site, OTHER)
    with site.register("ann") as ann:
        for slug, name in ((SLUG, "one"), (OTHER, "two")):
            ann.post(f"/competitions/{slug}/submissions", files={"file": (f"{name}.py", GOOD)})
        for _ in range(2):
            site.report(site.claim())
        names = team_names(site, [site.claim() for _ in range(6)])
    assert names in (["one", "two"] * 3, ["two", "one"] * 3)


def test_checks_come_first_until_they_had_their_quarter_while_runs_waited(site: Site) -> None:
    with site.register("ann") as ann:
        for data in variants(3):
            upload(ann, data)
        site.report(site.claim())
        check = site.claim()
        assert check.stage == Stage.CHECK  # runs wait only since a moment ago
        _move_into_the_past(site, check, 30)
        run = site.claim()
        assert run.stage == Stage.RUN
        _move_into_the_past(site, run, 200)
        assert site.claim().stage == Stage.CHECK


def _move_into_the_past(site: Site, job: Any, seconds: float) -> None:
    """As if `job` had been claimed, and runs had waited, for so long."""
    past = utc_now() - timedelta(seconds=seconds)
    with site.context.database.write() as session:
        session.execute(update(WorkItem).where(WorkItem.id == job.work_id).values(claimed_at=past))
        session.execute(update(WorkItem).where(WorkItem.state == WorkState.READY).values(created_at=past))


def test_only_workers_that_can_get_the_work(site: Site) -> None:
    site.change_specification(evaluation=EvaluationSpec(runs=8, oracles=8, ceiling_oracles=8, gpu=True))
    with site.register("ann") as ann:
        assert upload(ann).status_code == 202
        assert site.claim("plain") is None
        site.enlist("small", gpu="H200", memory_bytes=2**30)
        assert site.claim("small") is None
        site.enlist("large", gpu="H200", memory_bytes=2**36)
        assert site.claim("large") is not None


def test_a_submission_ends_at_its_deadline_and_is_refunded(site: Site) -> None:
    with site.register("ann") as ann:
        identifier = upload(ann).json()["id"]
        job = site.claim()
        with site.context.database.write() as session:
            session.execute(update(Submission).values(deadline_at=utc_now()))
        assert sweep(site.context, "one")
        view = ann.get(f"/submissions/{identifier}").json()
        assert (view["state"], view["owner"], view["error"]["code"]) == ("failed", "platform", "platform")
        assert site.work("heartbeat", work_id=str(job.work_id), token=job.token).json()["stop"] is True
        with site.context.database.read() as session:
            assert session.scalars(select(Submission.is_charged)).all() == [False]


def test_the_longest_time_follows_from_the_limits() -> None:
    def longest_s(oracles: int = 0, **limits: float) -> float:
        practice = PracticeSpec(oracles=oracles)
        return estimates.longest_s(CompetitionSpec(slug="a", title="a", practice=practice, limits=LimitsSpec(**limits)))

    own_s = longest_s(run_wall_s=60) - estimates.WAITING_S
    assert own_s == 3 * (120 + 2 * (60 + 60) + 32 * (60 + 60) + 900)
    assert longest_s(run_wall_s=120) - longest_s(run_wall_s=60) == 3 * (2 + 32) * 60
    assert longest_s(oracles=8) - longest_s() == 3 * (120 + 6 * 60)  # the further runs of a practice score
    assert longest_s(end_after_s=5) == 5
    assert longest_s(run_wall_s=120, total_wall_s=32 * 60) < longest_s(run_wall_s=120)


def test_estimate_needs_a_measurement_and_a_worker_and_never_passes_the_deadline(site: Site) -> None:
    with site.register("ann") as ann, site.register("bob") as bob:
        first = upload(ann).json()["id"]
        assert ann.get(f"/submissions/{first}").json()["eta_s"] is None
        site.evaluate()
        with site.context.database.write() as session:
            done_at = utc_now()
            claimed_at = done_at - timedelta(seconds=30)
            session.execute(update(WorkItem).values(claimed_at=claimed_at, done_at=done_at))
        sent = upload(bob).json()
        assert sent["eta_s"] is None  # an upload costs no estimate
        mine = bob.get(f"/submissions/{sent['id']}").json()
        # A check of 30 s, 8 runs of 90 s / 8 and a scoring of 30 s, by one worker.
        assert mine["eta_s"] == 150.0
        with site.context.database.write() as session:
            live = Submission.finished_at.is_(None)
            session.execute(update(Submission).where(live).values(deadline_at=utc_now() + timedelta(seconds=35)))
        assert bob.get(f"/submissions/{mine['id']}").json()["eta_s"] <= 40.0


def test_dropped_items_take_no_place_in_the_queue(site: Site) -> None:
    with site.register("ann") as ann, site.register("bob") as bob:
        ids = [upload(ann, data).json()["id"] for data in variants(3)]
        theirs = upload(bob).json()
        for identifier in ids:
            assert ann.post(f"/submissions/{identifier}/cancel").status_code == 200
        assert bob.get(f"/submissions/{theirs['id']}").json()["queue_position"] == 1
        assert team_names(site, [site.claim()]) == ["mine"]
        assert site.claim() is None


def test_ten_thousand_waiting_submissions_are_one_look_into_an_index(site: Site) -> None:
    if site.context.database.is_sqlite:
        pytest.skip("plans are PostgreSQL's")
    with site.register("ann") as ann:
        upload(ann)
    with site.context.database.write() as session:
        item = session.scalars(select(WorkItem)).one()
        copied = ("competition_id", "team_id", "stage", "chunk", "first_run", "run_count")
        template = {name: getattr(item, name) for name in copied}
        like = session.get_one(Submission, item.submission_id)
        names = ("competition_id", "team_id", "user_id", "filename", "source_key", "source_sha256", "deadline_at")
        base = {name: getattr(like, name) for name in names} | {"runs_total": RUNS}
        ids = [uuid4() for _ in range(10_000)]
        session.execute(insert(Submission), [base | {"id": identifier} for identifier in ids])
        rows = [
            template | {"submission_id": identifier, "generation": 0, "turn": number}
            for number, identifier in enumerate(ids)
        ]
        session.execute(insert(WorkItem), rows)
        session.execute(text("ANALYZE"))
        now = utc_now()
        claimant = {"of_worker": "w1", "of_worker_key": uuid4(), "failed_since": now, "seen_since": now}
        statement = queries.first_waiting.variant(Stage.CHECK).params(
            of_competition=like.competition_id, now=now, **claimant
        )
        compiled = statement.compile(site.context.database.engine, compile_kwargs={"literal_binds": True})
        plan = "\n".join(session.scalars(text(f"EXPLAIN {compiled}")))
        last = session.get_one(Submission, ids[-1])
        assert fair_order.queue_position(session, last, Stage.CHECK, utc_now()) == 10_001
    assert "ix_work_items_waiting" in plan
    assert "Sort" not in plan
    assert "Seq Scan on work_items" not in plan
    assert "Seq Scan on submissions" not in plan
    assert site.claim() is not None
