"""Audits of weights on their way: ordered with the first runs, recorded beside their outputs, kept when these go."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from lethe.evaluator.artifacts.audits import load_audits
from lethe.evaluator.contract.audits import AuditQuantity
from lethe.evaluator.contract.specification import AuditsSpec
from lethe.evaluator.contract.work import Job
from lethe.server.competitions.service import get_competition, prepared_competition, specification
from lethe.server.hosting.artifact_references import bank_references, references
from lethe.server.hosting.prune import delete_waste, find_waste
from lethe.server.models import Score, Submission
from lethe.server.models.times import utc_now
from lethe.server.queue.estimates import longest_s
from lethe.server.scoring.scorer import Scorer
from lethe.server.scoring.stored_outputs import run_outputs
from tests.integration.server.conftest import AUDITED, BANK, SLUG, Site, spec, upload

pytestmark = [pytest.mark.component("postgresql"), pytest.mark.one_database]

AUDITS = 4  # in chunks of three runs: the first is audited whole, the second in part, the last not at all


@pytest.fixture
def audited(site: Site) -> Site:
    site.change_specification(audits=AuditsSpec(runs=AUDITS))
    return site


def audit_keys(site: Site) -> set[str]:
    return {key for key in site.context.artifacts.list("submissions") if "/audits/" in key}


def jobs_of_runs(site: Site) -> list[Job]:
    jobs = [site.begin_runs()]
    while (job := site.claim(f"w{len(jobs) + 1}")) is not None:
        jobs.append(job)
    return jobs


def test_jobs_with_the_first_runs_say_what_these_are_audited_against(audited: Site) -> None:
    with audited.register("ann") as ann:
        upload(ann)
        jobs = jobs_of_runs(audited)
    plan, same, last = (job.audit for job in jobs)
    assert plan is not None
    assert (same, last) == (plan, None)
    assert (plan.bank_digest, plan.references) == (BANK, (0, 1, 2, 3))
    assert (plan.recipe.epochs, plan.wall_s) == (3, 600)
    assert [order.index for job in jobs for order in job.runs if job.is_audited(order.index)] == [0, 1, 2, 3]


def test_a_competition_from_before_audits_has_none(site: Site) -> None:
    with site.context.database.write() as session:
        stored = get_competition(session, SLUG)
        stored.specification = {name: part for name, part in stored.specification.items() if name != "audits"}
    with site.register("ann") as ann:
        upload(ann)
        assert all(job.audit is None for job in jobs_of_runs(site))


def test_audits_arrive_after_their_runs_and_are_read_beside_the_score(audited: Site) -> None:
    """As a worker reports them: the runs at once, the audits when they are done, in whatever order."""
    with audited.register("ann") as ann:
        upload(ann)
        for job in jobs_of_runs(audited):
            records = audited.store_runs(job)
            beat = {"work_id": str(job.work_id), "token": job.token}
            unaudited = [record | {"audit": None} for record in records]
            assert audited.work("heartbeat", **beat, finished=unaudited).status_code == 200
            assert audited.work("heartbeat", **beat, finished=records[::-1]).status_code == 200
            assert audited.report(job, finished=unaudited)  # an audit that is there stays
        while Scorer(audited.context, "test").score_next():
            pass
    with audited.context.database.read() as session:
        competition = get_competition(session, SLUG)
        refs = run_outputs(session, session.scalars(select(Submission)).one()).audits
        split = prepared_competition(competition).public
        found = load_audits(audited.context.artifacts, specification(competition), split, refs)
    assert found.runs[AuditQuantity.FORGET_MARGIN].tolist() == [AUDITED + index for index in range(AUDITS)]
    assert len(found.missing) == AUDITS + 1  # nobody has audited oracles and original here
    assert (found.oracles, found.original) == ({}, {})


def test_scores_are_the_same_bits_with_and_without_audits(site: Site) -> None:
    with site.register("ann") as ann, site.register("bob") as bob:
        upload(ann)
        site.evaluate()
        site.change_specification(audits=AuditsSpec(runs=AUDITS))
        upload(bob)
        site.evaluate()
    with site.context.database.read() as session:
        first, second = session.scalars(select(Score).where(Score.submission_id.is_not(None))).all()
    assert len(audit_keys(site)) == AUDITS
    assert (first.final_score, first.replicates) == (second.final_score, second.replicates)


def wrong(record: dict[str, Any], **changes: str) -> dict[str, Any]:
    return record | {"audit": record["audit"] | changes}


def test_an_audit_that_is_not_stored_under_the_lease_is_refused(audited: Site) -> None:
    with audited.register("ann") as ann:
        upload(ann)
        job = audited.begin_runs()
    good = audited.store_runs(job)
    beat = {"work_id": str(job.work_id), "token": job.token}
    for key in (good[1]["audit"]["key"], good[0]["outputs"]["key"], "banks/x", job.audit_key(0).replace("-", "-9")):
        answer = audited.work("heartbeat", **beat, finished=[wrong(good[0], key=key)])
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_report")
        assert "audit of run 0" in answer.json()["detail"]
    assert audited.work("heartbeat", **beat, finished=good).status_code == 200


def prune(site: Site) -> set[str]:
    waste = find_waste(site.context, older_than=timedelta(days=7), now=utc_now() + timedelta(days=8))
    return {one.key for one in delete_waste(site.context, waste)}


def test_audits_of_scores_stay_and_are_backed_up(audited: Site) -> None:
    with audited.register("ann") as ann:
        upload(ann)
        audited.evaluate()
    bank_audit = audited.context.artifacts.put(f"banks/{BANK}/audits/0000/00008.json", b"{}")
    kept = audit_keys(audited)
    assert len(kept) == AUDITS
    assert prune(audited) == set()
    assert audit_keys(audited) == kept
    with audited.context.database.read() as session:
        assert kept <= {ref.key for ref in references(session)}
        assert bank_audit in set(bank_references(session, audited.context.artifacts))


def test_audits_of_evaluations_that_ended_without_a_score_go(audited: Site) -> None:
    with audited.register("ann") as ann:
        identifier = upload(ann).json()["id"]
        job = audited.begin_runs()
        records = audited.store_runs(job)
        audited.work("heartbeat", work_id=str(job.work_id), token=job.token, finished=records)
        ann.post(f"/submissions/{identifier}/cancel")
    assert prune(audited) == {record[part]["key"] for record in records for part in ("outputs", "audit")}
    assert prune(audited) == set()


def test_the_deadline_leaves_room_for_audits() -> None:
    without, with_audits = spec(), spec(audits=AuditsSpec(runs=2, wall_s=50))
    assert longest_s(with_audits) == longest_s(without) + 3 * 2 * 50
