"""Seeds belong to a file: none is shared by two files, and a file that comes again after an end gets others."""

import csv
import io
from collections.abc import Callable
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from lethe.evaluator.contract.states import Stage
from lethe.server.database.migration import migrate
from lethe.server.hosting import account_administration, actions
from lethe.server.hosting.actions import PhaseConflict
from lethe.server.hosting.recheck import recheck
from lethe.server.models import Submission
from lethe.server.queue.jobs import run_seed
from lethe.server.submissions import reruns
from tests.integration.server.conftest import GOOD, RUNS, SECRET, SLUG, Site, upload
from tests.integration.server.test_migrations import BEFORE_0017

pytestmark = [pytest.mark.component("postgresql"), pytest.mark.one_database]
FAULT = {"code": "exception", "owner": "participant", "message": "mine", "line": 1}


def seeds(site: Site, *, fault: bool = False) -> list[list[int]]:
    """Do all the work, and return the seeds of each job, check and chunks alike; or let each check fail."""
    found = []
    while (job := site.claim()) is not None:
        found.append([order.seed for order in job.runs])
        if fault:
            site.report(job, fault=FAULT)
        else:
            assert site.report(job, finished=[] if job.stage == "check" else site.store_runs(job))
    site.evaluate()
    return found


def flat(found: list[list[int]]) -> set[int]:
    return {seed for job in found for seed in job}


def test_no_seed_is_that_of_another_file(site: Site) -> None:
    with site.register("ann") as ann:
        upload(ann)
        first = seeds(site)
        upload(ann, GOOD + b"'another'\n")
        second = seeds(site)
    assert [len(job) for job in first] == [len(job) for job in second]
    assert len(flat(first)) == sum(map(len, first))
    assert not flat(first) & flat(second)


def cancelled(site: Site, ann: httpx.Client, submission_id: str) -> list[list[int]]:
    check = site.claim()
    assert check is not None
    assert ann.post(f"/submissions/{submission_id}/cancel").status_code == 200
    return [[order.seed for order in check.runs]]


def failed(site: Site, _: httpx.Client, __: str) -> list[list[int]]:
    return seeds(site, fault=True)


@pytest.mark.parametrize("end", [cancelled, failed])
def test_a_file_that_comes_again_has_other_seeds(
    site: Site, end: Callable[[Site, httpx.Client, str], list[list[int]]]
) -> None:
    known: set[int] = set()
    with site.register("ann") as ann:
        for _ in range(3):
            sent = upload(ann)
            assert sent.status_code == 202
            found = flat(end(site, ann, sent.json()["id"]))
            assert found
            assert not known & found
            known |= found


def test_a_rerun_of_the_host_repeats_them(site: Site) -> None:
    with site.register("ann") as ann:
        identifier = UUID(upload(ann).json()["id"])
    first = seeds(site)
    for fresh in (False, True):
        with site.context.database.write() as session:
            reruns.rerun(session, session.get_one(Submission, identifier), fresh_seeds=fresh)
        assert (flat(seeds(site)) == flat(first)) is not fresh


def test_old_submissions_keep_their_seeds(site: Site) -> None:
    """What was sent before migration 0017 has rule 1, and repeats its seeds in a rerun."""
    with site.register("ann") as ann:
        identifier = UUID(upload(ann).json()["id"])
    seeds(site)
    with site.context.database.write() as session:
        for statement in BEFORE_0017:
            session.execute(text(statement))
    site.context.database.dispose()
    migrate(site.context.database)
    with site.context.database.write() as session:
        reruns.rerun(session, session.get_one(Submission, identifier), fresh_seeds=False)
    expected = {run_seed(SECRET, stage=Stage.RUN, epoch=0, index=index) for index in range(RUNS)}
    assert expected < flat(seeds(site))


LAYOUTS = {
    "comments": GOOD + b"# and a comment\n",
    "empty lines": GOOD.replace(b"\n", b"\n\n"),
    "spaces": GOOD.replace(b", ", b" ,  "),
    "line ends": GOOD.replace(b"\n", b"\r\n"),
    "brackets": GOOD.replace(b"return net", b"return (net)"),
}


@pytest.mark.parametrize("kind", LAYOUTS)
def test_another_layout_is_the_same_submission(site: Site, kind: str) -> None:
    with site.register("ann") as ann, site.register("bob") as bob:
        first = upload(ann)
        again = upload(ann, LAYOUTS[kind])
        assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
        assert upload(bob, LAYOUTS[kind]).status_code == 202  # of another team it is another one


def test_what_a_script_block_names_is_no_comment(site: Site) -> None:
    block = b'# /// script\n# dependencies = ["einops"]\n# ///\n'
    with site.register("ann") as ann:
        assert upload(ann).status_code == 202
        assert upload(ann, block + GOOD).status_code == 202
        assert upload(ann, block + b"#\n" + GOOD).status_code == 200


EDITED = b"""def unlearning(model, keep, lose, valid):
    \"\"\"Better.\"\"\"
    pass
    return model
"""
OTHER = b"def unlearning(net, retain, forget, validation):\n    net.eval()\n    return net\n"


def test_a_host_sees_edits_without_meaning(site: Site) -> None:
    """They run, because a name or a value may matter, but the host sees how many there are."""
    with site.register("ann") as ann, site.register("hal") as hal:
        for data in (GOOD, EDITED, OTHER):
            assert upload(ann, data).status_code == 202
        with site.context.database.write() as session:
            account_administration.set_host(session, "hal", SLUG, is_host=True)
        assert hal.post("/session", json={"username": "hal", "password": "correct horse"}).status_code == 200
        table = csv.DictReader(io.StringIO(hal.get(f"{site.url}/host/{SLUG}/submissions.csv").text))
        assert sorted(row["alike"] for row in table) == ["0", "1", "1"]
        assert hal.get(f"{site.url}/host/{SLUG}").text.count("1 alike") == 2


def test_leading_submissions_run_again_before_the_finals(site: Site) -> None:
    """Lucky scores drop, others stay; the command runs nothing twice."""
    with site.register("ann") as ann, site.register("bob") as bob, site.register("cem") as cem:
        for client, shift in ((ann, 0.0), (bob, 0.1), (cem, 2.5)):
            upload(client, GOOD + f"'{shift}'\n".encode())
            site.evaluate(shift)
    database = site.context.database
    with database.write() as session, pytest.raises(PhaseConflict):
        recheck(session, SLUG, top=2)
    with database.write() as session:
        actions.close(session, SLUG)
    with database.write() as session:
        queued = recheck(session, SLUG, top=2)
        assert {one.team for one in queued} == {"ann", "bob"}
        assert [(one.state, one.after) for one in queued] == [("queued", None)] * 2
    for _ in range(2):  # a second call queues nothing more
        with database.write() as session:
            assert {one.submission_id for one in recheck(session, SLUG, top=2)} == {one.submission_id for one in queued}
    site.evaluate(4.0)  # the luck is gone
    with database.write() as session:
        found = recheck(session, SLUG, top=2)
        assert all(one.after is not None and one.after < one.before for one in found)
        assert all(one.change is not None and one.change.interval[0] < one.change.difference for one in found)
        assert any(one.has_dropped for one in found)
        assert len(recheck(session, SLUG, top=1, again=True)) == 1
