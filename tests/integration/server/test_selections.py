"""A limit holds at every door: selections when a failed one comes back, and the texts of hosts."""

from collections.abc import Callable
from uuid import UUID

import pytest
from sqlalchemy.orm import Session

from lethe.evaluator.contract.faults import platform_fault
from lethe.evaluator.contract.states import SubmissionState
from lethe.server.competitions.service import get_competition
from lethe.server.errors import InvalidValue
from lethe.server.hosting import actions, finals
from lethe.server.lifecycle.transitions import OfSubmission
from lethe.server.models import Submission
from lethe.server.models.times import utc_now
from lethe.server.queue.planning import fail
from lethe.server.submissions import reruns
from lethe.server.submissions.selections import select_submission
from tests.integration.server.conftest import GOOD, SLUG, Site, upload

pytestmark = pytest.mark.component("postgresql")


def scored(site: Site, count: int) -> list[UUID]:
    """Submissions of one team, ann's, with scores."""
    with site.register("ann") as ann:
        found = [UUID(upload(ann, GOOD + f"'{number}'\n".encode()).json()["id"]) for number in range(count)]
    site.evaluate()
    return found


def select(site: Site, *submissions: UUID) -> None:
    with site.context.database.write() as session:
        for one in submissions:
            select_submission(session, session.get_one(Submission, one))


def planned(site: Site) -> set[UUID]:
    with site.context.database.read() as session:
        return set(finals.plan(session, get_competition(session, SLUG)).submissions)


def lose(site: Site, submission_id: UUID) -> None:
    """Run the submission again, and let it fail by Lethe's fault."""
    with site.context.database.write() as session:
        one = session.get_one(Submission, submission_id)
        reruns.rerun(session, one, fresh_seeds=False)
    with site.context.database.write() as session:
        one = session.get_one(Submission, submission_id)
        one.state = SubmissionState.RUNNING
        fail(session, one, OfSubmission.FAILED, platform_fault("the machine burned down"))


def test_a_selection_that_failed_and_was_replaced_stays_out_after_its_rerun(site: Site) -> None:
    first, lost, other = scored(site, 3)
    select(site, first, lost)
    lose(site, lost)
    select(site, other)
    with site.context.database.write() as session:
        reruns.rerun(session, session.get_one(Submission, lost), fresh_seeds=False)
    site.evaluate()
    assert planned(site) == {first, other}


def test_a_selection_that_failed_comes_back_if_nothing_took_its_place(site: Site) -> None:
    first, lost, _ = scored(site, 3)
    select(site, first, lost)
    lose(site, lost)
    with site.context.database.write() as session:
        reruns.rerun(session, session.get_one(Submission, lost), fresh_seeds=False)
    site.evaluate()
    assert planned(site) == {first, lost}


def test_finals_run_no_more_of_a_team_than_its_limit_whatever_is_stored(site: Site) -> None:
    submissions = scored(site, 3)
    with site.context.database.write() as session:
        for one in submissions:
            session.get_one(Submission, one).selected_at = utc_now()
    assert len(planned(site)) == 2


@pytest.mark.parametrize("reason", ["", " ", "x" * (actions.REASON_CHARS + 1)])
def test_a_reason_has_the_same_length_at_every_door(site: Site, reason: str) -> None:
    (one,) = scored(site, 1)
    doors: list[Callable[[Session], None]] = [
        lambda session: actions.disqualify_submission(session, session.get_one(Submission, one), reason=reason),
        lambda session: actions.disqualify_team(session, actions.find_team(session, SLUG, "ann"), reason=reason),
    ]
    for door in doors:
        with site.context.database.write() as session, pytest.raises(InvalidValue, match="Give a reason"):
            door(session)


@pytest.mark.parametrize(("title", "body"), [(" ", ""), ("x" * 121, ""), ("x", "y" * 10_001)])
def test_an_announcement_has_the_same_length_at_every_door(site: Site, title: str, body: str) -> None:
    with site.context.database.write() as session, pytest.raises(InvalidValue, match="announcement needs"):
        actions.announce(session, SLUG, title=title, body=body)
