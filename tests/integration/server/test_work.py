"""Leases, fencing tokens and the sweeper, on SQLite and on PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor, wait
from uuid import UUID

import httpx
import pytest
from sqlalchemy import delete, select

from lethe.evaluator.contract.faults import Fault, FaultCode
from lethe.server.cli.descriptions import describe_log
from lethe.server.competitions.service import get_competition
from lethe.server.control.sweeper import sweep
from lethe.server.lifecycle.transitions import OfSubmission
from lethe.server.models import Competition, Submission, WorkItem
from lethe.server.queue.planning import fail
from lethe.server.submissions.schemas import SubmissionLog
from tests.integration.server.conftest import RUNS, SLUG, Site, upload

pytestmark = pytest.mark.component("postgresql")


def test_chunks_are_claimed_once_by_parallel_workers(site: Site) -> None:
    with site.register("ann") as ann:
        upload(ann)
        check = site.claim()
        assert check is not None
        assert check.stage == "check"
        assert site.claim() is None
        site.report(check)
        with ThreadPoolExecutor(6) as pool:
            jobs = [job for job in pool.map(lambda n: site.claim(f"w{n}"), range(6)) if job]
    indices = [order.index for job in jobs for order in job.runs]
    assert sorted(indices) == list(range(RUNS))
    assert len({order.seed for job in jobs for order in job.runs}) == RUNS


def test_silent_worker_loses_its_lease_and_its_late_outcome_changes_nothing(site: Site) -> None:
    with site.register("ann") as ann:
        upload(ann)
        site.report(site.claim())
        late = site.claim("slow")
        records = site.store_runs(late)
        beat = site.work("heartbeat", work_id=str(late.work_id), token=late.token, finished=records[:1])
        assert beat.json()["stop"] is False
        site.expire_leases()
        jobs = [job for job in (site.claim("quick") for _ in range(RUNS)) if job]
        taken = next(job for job in jobs if job.work_id == late.work_id)
        assert taken.token > late.token
        assert [order.index for order in taken.runs] == [order.index for order in late.runs][1:]  # one is stored
        assert site.report(late, finished=records) is False
        assert site.report(taken, finished=site.store_runs(taken)) is True


def test_foreign_key_cannot_touch_a_lease(site: Site) -> None:
    from lethe.server.queue.worker_keys import create_worker_key

    with site.register("ann") as ann:
        upload(ann)
        job = site.claim()
        with site.context.database.write() as session:
            site.worker_key = create_worker_key(session, "other")
        assert site.report(job) is False
        site.worker_key = "lethew_wrong"
        answer = site.work("claim", worker="w")
        assert (answer.status_code, answer.json()["code"]) == (401, "worker_key_invalid")


def test_a_worker_that_isolates_nothing_gets_work_only_where_the_server_says_so(site: Site) -> None:
    mode = "unsafe-subprocess+rlimits"
    with site.register("ann") as ann:
        upload(ann)
        refused = site.enlist("w", sandbox_mode=mode)
        assert (refused.status_code, refused.json()["code"]) == (403, "unsafe_worker")
        object.__setattr__(site.context.settings, "sandbox_backend", "unsafe-subprocess")
        assert site.enlist("w", sandbox_mode=mode).status_code == 200
        assert site.claim("w") is not None
        object.__setattr__(site.context.settings, "sandbox_backend", "")
        assert site.work("claim", worker="w").json()["code"] == "unsafe_worker"
    with httpx.Client(base_url=site.url) as client:
        assert 'sandbox_mode="unsafe-subprocess+rlimits"' in client.get("/metrics").text


def test_runs_that_took_too_long_together_are_the_participants_fault(site: Site) -> None:
    with site.context.database.write() as session:
        competition = session.scalars(select(Competition)).one()
        limits = {**competition.specification["limits"], "total_wall_s": RUNS * 0.1 - 0.05}
        competition.specification = {**competition.specification, "limits": limits}
    with site.register("ann") as ann:
        identifier = upload(ann).json()["id"]
        left = []
        while (job := site.claim()) is not None:
            left.append(job.wall_left_s)
            assert site.report(job, finished=[] if job.stage == "check" else site.store_runs(job))  # 0.1 s each
        assert left[0] is None
        assert left[1:] == pytest.approx([RUNS * 0.1 - 0.05 - 0.1 * done for done in range(0, RUNS, 3)])
        view = ann.get(f"/submissions/{identifier}").json()
        assert (view["state"], view["owner"], view["error"]["code"]) == ("failed", "participant", "timeout")


def test_a_worker_that_dies_every_time_is_the_platforms_fault(site: Site) -> None:
    with site.register("ann") as ann:
        identifier = upload(ann).json()["id"]
        for _ in range(site.context.settings.max_attempts):
            assert site.claim() is not None
            site.expire_leases()
        assert site.claim() is None
        view = ann.get(f"/submissions/{identifier}").json()
        assert (view["state"], view["owner"], view["error"]["code"]) == ("failed", "platform", "platform")
        assert view["error"]["output"] is None  # it may name hosts and paths of ours


def test_handed_back_work_costs_no_attempt(site: Site) -> None:
    with site.register("ann") as ann:
        upload(ann)
        for _ in range(5):
            job = site.claim()
            assert job is not None
            assert site.report(job, handed_back=True)


@pytest.mark.parametrize("code", [FaultCode.EXCEPTION, FaultCode.NOT_FINITE])
def test_participant_fault_in_a_hidden_run_shows_its_code_only(site: Site, code: FaultCode) -> None:
    with site.register("ann") as ann:
        identifier = upload(ann).json()["id"]
        site.report(site.claim())
        job = site.claim()
        assert job is not None
        fault = {"code": code, "owner": "participant", "message": "", "line": 2}
        assert site.report(job, fault=fault, finished=site.store_runs(job)[:-1])  # one run of many is enough
        view = ann.get(f"/submissions/{identifier}").json()
        assert (view["state"], view["score"]) == ("failed", None)
        assert view["error"]["code"] == code
        assert view["error"]["line"] is None
        assert view["error"]["output"] is None
        assert site.claim() is None  # its other chunks are worthless


def test_an_end_that_commits_while_a_lease_is_lost_stays_the_end(site: Site) -> None:
    with site.register("ann") as ann:
        identifier = upload(ann).json()["id"]
        site.report(site.claim())
        assert site.claim("silent") is not None
        with ThreadPoolExecutor(1) as pool:
            with site.context.database.write() as session:
                submission = session.get_one(Submission, UUID(identifier), with_for_update=True)
                fail(session, submission, OfSubmission.FAILED, Fault(code=FaultCode.EXCEPTION))
                session.flush()
                losing = pool.submit(site.expire_leases)
                wait([losing], timeout=1)  # it waits for the end, or would be done with what it saw before
            losing.result()
        assert site.claim() is None
        assert ann.get(f"/submissions/{identifier}").json()["state"] == "failed"


def test_sweeper_restores_lost_items_of_every_state(site: Site) -> None:
    with site.register("ann") as ann:
        identifier = upload(ann).json()["id"]
        for expected in ("queued", "running", "scoring"):
            with site.context.database.write() as session:
                assert session.scalars(select(Submission.state)).one() == expected
                session.execute(delete(WorkItem).where(WorkItem.state == "ready"))
            assert sweep(site.context, "one") is True
            if expected == "scoring":
                break
            job = site.claim()
            while job is not None and (expected == "running" or job.stage == "check"):
                site.report(job, finished=[] if job.stage == "check" else site.store_runs(job))
                job = site.claim() if expected == "running" else None
        site.evaluate()
        assert ann.get(f"/submissions/{identifier}").json()["state"] == "scored"


def test_only_one_sweeper_at_a_time(site: Site) -> None:
    assert sweep(site.context, "one") is True
    assert sweep(site.context, "two") is False
    assert sweep(site.context, "one") is True


def test_progress_moves_in_tenths_and_seeds_do_not_show_the_index(site: Site) -> None:
    with site.register("ann") as ann:
        upload(ann)
        site.report(site.claim())
        jobs = [site.claim() for _ in range(3)]
    seeds = [order.seed for job in jobs for order in job.runs]
    assert seeds != sorted(seeds)
    with site.context.database.read() as session:
        assert session.scalars(select(WorkItem.attempt)).all() == [1, 1, 1, 1]


def test_packages_that_the_check_installed_are_those_of_every_run(site: Site) -> None:
    report = {"stdout": "", "stderr": "", "traceback": "", "wall_s": 1.0, "cpu_s": None, "peak_memory_bytes": None}
    with site.register("ann") as ann:
        upload(ann)
        check = site.claim()
        assert check.packages is None
        assert check.dependencies.mode == "allow-list"
        site.report(check, check=report | {"packages": ["einops==0.8.1"]})
        assert [site.claim().packages for _ in range(3)] == [("einops==0.8.1",)] * 3


def test_only_a_check_has_public_data_and_its_team_sees_curve_and_practice_score(site: Site) -> None:
    points = [{"step": step, "retain": 1.0, "forget": 0.5, "test": 0.25} for step in (0, 4, 9)]
    hidden = {"wall_s": 6.0, "wall_limit_s": 60.0, "peak_memory_bytes": None}
    scored = {
        "rule": "exact", "runs": 8, "oracles": 32, "score": 0.25, "low": 0.125, "high": 0.5, "forgetting_quality": 0.5,
        "retain_ratio": 1.0, "test_ratio": 0.5, "epsilon": [0.5, 1.25], "margins": [-1.5, 2.5],
        "oracle_margins": [-2.0, 3.0], "trained_s": None,
    }  # fmt: skip
    report = {
        "stdout": "", "stderr": "", "traceback": "", "wall_s": 1.0, "cpu_s": None, "peak_memory_bytes": None,
        "wall_limit_s": 60.0, "hidden": hidden, "curve": {"images": 32, "points": points}, "practice": scored,
    }  # fmt: skip
    bundle = {"artifact": {"key": "bundle", "sha256": "a" * 64}, "size_bytes": 9, "oracles": 32, "format": 1}
    with site.context.database.write() as session:
        competition = get_competition(session, SLUG)
        counts = competition.prepared["public"]["counts"]
        fewer = counts | {"retain": counts["retain"] // 2, "forget": counts["forget"]}
        practice = competition.prepared["practice"] | {"counts": fewer, "bundle": bundle}
        competition.prepared = competition.prepared | {"practice": practice}
    with site.register("ann") as ann:
        identifier = upload(ann).json()["id"]
        check = site.claim()
        assert (check.is_practice, check.evaluation.key) == (True, practice["evaluation"]["key"])
        assert check.hidden.images_ratio == 2.0
        assert check.practice_score.bundle.key == "bundle"
        further = check.practice_score.runs
        assert [order.index for order in (*check.runs, *further)] == list(range(8))
        assert len({order.seed for order in (*check.runs, *further)}) == 8
        backwards = report | {"curve": {"images": 32, "points": [*points, points[0]]}}
        answer = site.work(
            "outcome", work_id=str(check.work_id), token=check.token, sandbox_mode="test", check=backwards
        )
        assert answer.status_code == 422
        site.report(check, check=report)
        runs = [site.claim() for _ in range(3)]
        assert {(job.is_practice, job.hidden, job.practice_score, job.evaluation.key) for job in runs} == {
            (False, None, None, "evaluation.safetensors")
        }
        log = ann.get(f"/submissions/{identifier}/log").json()
    assert (log["curve"]["points"], log["hidden"], log["wall_limit_s"]) == (points, hidden, 60.0)
    assert (log["practice"], log["practice_missing"]) == (scored, "")
    told = describe_log(SubmissionLog.model_validate(log), with_output=False).splitlines()
    assert told[-1].startswith("practice score 0.2500, 95% interval [0.1250, 0.5000]: forgetting quality 0.5000 × ")
