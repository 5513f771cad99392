"""Quotas over HTTP: exact under parallel uploads, refunded where Lethe or the host is at fault, announced always."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import httpx
import pytest
from sqlalchemy import update

from lethe.evaluator.contract.faults import Fault, FaultCode
from lethe.evaluator.contract.specification import QuotasSpec
from lethe.server.hosting import account_administration, creation
from lethe.server.models import Submission, UploadAttempt, User
from lethe.server.models.times import utc_now
from tests.integration.server.conftest import GOOD, SLUG, Site, upload

pytestmark = pytest.mark.component("postgresql")
OPEN = {"submissions_per_day": 0, "submissions_total": 0, "in_flight": 0, "attempts_per_day": 0}


def limit(site: Site, **limits: int) -> None:
    site.change_specification(quotas=QuotasSpec(**OPEN | limits))


def file(number: int) -> bytes:
    return GOOD + f"'{number}'\n".encode()


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def quota(client: httpx.Client) -> dict[str, int | None]:
    shown: dict[str, int | None] = client.get(f"/competitions/{SLUG}/quota").json()
    return shown


def test_fifty_parallel_uploads_of_two_members_get_exactly_five(site: Site) -> None:
    limit(site, submissions_per_day=5)
    with site.register("ann") as ann, site.register("bob") as bob, ThreadPoolExecutor(10) as pool:
        team = ann.post(f"/competitions/{SLUG}/teams", json={"name": "Two"}).json()["id"]
        bob.post(f"/invites/{ann.post(f'/teams/{team}/invites').json()['code']}/accept")
        answers = list(pool.map(lambda number: upload((ann, bob)[number % 2], file(number)), range(50)))
        assert sorted(answer.status_code for answer in answers) == [202] * 5 + [429] * 45
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert refused.json()["code"] == "daily_quota_used"
        assert (refused.json()["limit"], refused.json()["left"]) == (5, 0)
        midnight = datetime.fromisoformat(refused.json()["resets_at"])
        assert (midnight.hour, midnight.minute, midnight.utcoffset()) == (0, 0, timedelta())
        assert abs(int(refused.headers["retry-after"]) - (midnight - utc_now()).total_seconds()) < 60
        assert refused.headers["ratelimit"].startswith('"day";r=0;t=')
        assert sorted(answer.json()["quota"]["submissions_left_today"] for answer in answers if answer.is_success) == [
            0, 1, 2, 3, 4,
        ]  # fmt: skip
        assert len(ann.get(f"/competitions/{SLUG}/submissions", params={"limit": 100}).json()["items"]) == 5
        assert upload(ann, _accepted(answers)).status_code == 200  # what is known costs nothing
        with site.context.database.write() as session:  # the next day
            session.execute(update(Submission).values(created_at=utc_now() - timedelta(days=1)))
        assert upload(ann, file(99)).status_code == 202


def _accepted(answers: list[httpx.Response]) -> bytes:
    return file(next(number for number, answer in enumerate(answers) if answer.status_code == 202))


def test_total_and_in_flight(site: Site) -> None:
    limit(site, submissions_total=2, in_flight=1)
    with site.register("ann") as ann:
        assert upload(ann, file(1)).json()["quota"] == quota(ann)
        assert code_of(upload(ann, file(2))) == (409, "too_many_in_flight")
        site.evaluate()
        assert upload(ann, file(2)).json()["quota"]["submissions_left"] == 0
        site.evaluate()
        assert code_of(upload(ann, file(3))) == (403, "total_quota_used")


def test_attempts_count_whatever_is_looked_at(site: Site) -> None:
    limit(site, attempts_per_day=3)
    with site.register("ann") as ann, site.register("bob") as bob:
        assert upload(ann, b"not python(").status_code == 422
        assert upload(ann, GOOD).json()["quota"]["attempts_left_today"] == 1
        assert upload(ann, GOOD).json()["quota"]["attempts_left_today"] == 1  # known already
        assert upload(ann, file(1)).status_code == 202
        refused = upload(ann, file(2))
        assert code_of(refused) == (429, "attempts_used")
        assert int(refused.headers["retry-after"]) > 0
        assert upload(bob, GOOD).status_code == 202  # another account, same address
        with site.context.database.write() as session:
            session.execute(update(UploadAttempt).values(day=utc_now().date() - timedelta(days=3)))
        assert upload(ann, file(2)).status_code == 202


def test_parallel_attempts_are_counted_exactly(site: Site) -> None:
    limit(site, attempts_per_day=7)
    with site.register("ann") as ann, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: upload(ann, f"bad {number}(".encode()), range(20)))
        assert sorted(answer.status_code for answer in answers) == [422] * 7 + [429] * 13


def test_addresses_have_attempts_too(site: Site) -> None:
    object.__setattr__(site.context.settings, "attempts_per_address", 2)
    with site.register("ann") as ann, site.register("bob") as bob:
        assert upload(ann, file(1)).status_code == 202
        assert upload(bob, file(1)).status_code == 202
        refused = upload(bob, file(2))
        assert code_of(refused) == (429, "attempts_used")
        assert "LETHE_ATTEMPTS_PER_ADDRESS" in refused.json()["detail"]
        with site.context.database.write() as session:  # a day later, bob is known at this address
            session.execute(update(User).where(User.username == "bob").values(created_at=utc_now() - timedelta(days=2)))
        assert upload(bob, file(3)).status_code == 202
        assert code_of(upload(ann, file(3))) == (429, "attempts_used")


def test_refunds(site: Site) -> None:
    """Faults of the check stage and of Lethe's own, and a host's cancellation, give the submission back."""
    limit(site, submissions_per_day=10)
    participant, platform = Fault(code=FaultCode.EXCEPTION), Fault(code=FaultCode.PLATFORM, owner="platform")
    with site.register("ann") as ann, site.register("hostess") as hostess:
        upload(ann, file(1))
        _fail(site, participant)
        assert quota(ann)["submissions_left_today"] == 10  # the check stage
        upload(ann, file(2))
        _pass_check(site)
        _fail(site, participant)
        assert quota(ann)["submissions_left_today"] == 9  # the run stage
        upload(ann, file(3))
        _pass_check(site)
        object.__setattr__(site.context.settings, "max_attempts", 1)  # else it is tried again, later
        _fail(site, platform)
        assert quota(ann)["submissions_left_today"] == 9
        mine = upload(ann, file(4)).json()["id"]
        assert ann.post(f"/submissions/{mine}/cancel").json()["owner"] == "participant"
        assert quota(ann)["submissions_left_today"] == 8
        other = upload(ann, file(5)).json()["id"]
        assert code_of(hostess.post(f"/submissions/{other}/cancel")) == (404, "submission_not_found")
        with site.context.database.write() as session:
            account_administration.set_host(session, "hostess", SLUG, is_host=True)
        cancelled = hostess.post(f"/submissions/{other}/cancel").json()
        assert (cancelled["state"], cancelled["owner"]) == ("cancelled", "host")
        assert quota(ann)["submissions_left_today"] == 8
        events = hostess.get(f"/competitions/{SLUG}/audit").json()["items"]
        assert (events[0]["actor"], events[0]["action"], events[0]["target"]) == (
            "user:hostess", "submission.cancel", other,
        )  # fmt: skip
        creation.rerun(site.context, other, fresh_seeds=False)
        site.evaluate()
        assert quota(ann)["submissions_left_today"] == 7  # what is scored counts after all


def _pass_check(site: Site) -> None:
    job = site.claim()
    assert job is not None
    assert job.stage == "check"
    assert site.report(job)


def _fail(site: Site, fault: Fault) -> None:
    job = site.claim()
    assert job is not None
    assert site.report(job, fault=fault.model_dump(mode="json"))
