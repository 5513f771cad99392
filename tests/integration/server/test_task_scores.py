"""Tasks beside a score: their scores at once, what each is made of after the reveal, on the page as in the API."""

import httpx
import pytest
from sqlalchemy import select

from lethe.server.models import Competition, Score
from lethe.server.models.times import utc_now
from tests.integration.server.conftest import Site, upload

pytestmark = [pytest.mark.component("postgresql"), pytest.mark.one_database]
TASK = {
    "name": "digits",
    "share": 1.0,
    "score": 0.812345,
    "interval": [0.7, 0.9],
    "forgetting_quality": 0.4010101,
    "retain_ratio": 0.9,
    "test_ratio": 0.8,
    "ceiling": 0.5,
}


def test_what_a_task_is_made_of_shows_after_the_reveal(site: Site) -> None:
    with site.register("ann") as ann:
        identifier = upload(ann).json()["id"]
        site.evaluate()
        with site.context.database.write() as session:
            score = session.scalars(select(Score).where(Score.submission_id.is_not(None))).one()
            originals = {"scores": [0.8, 0.82], "standard_error": 0.0123456, "degrees": 1}
            score.breakdown = {"tasks": [TASK], "originals": originals}

        (task,) = ann.get(f"/submissions/{identifier}").json()["tasks"]
        assert (task["score"], task["metric"]) == (0.812, None)
        page = _page(site, identifier)
        assert "0.8120" in page
        assert "a standard error of 0.0123, with 1 degree of freedom" in page
        assert "Utility" not in page

        with site.context.database.write() as session:
            session.scalars(select(Competition)).one().revealed_at = utc_now()
        shown = ann.get(f"/submissions/{identifier}").json()
        assert shown["tasks"][0]["metric"] == {
            "forgetting_quality": 0.401, "ceiling": 0.5, "retain_ratio": 0.9, "test_ratio": 0.8,
        }  # fmt: skip
        assert '<td data-as="Utility" class="number">0.7200</td>' in _page(site, identifier)


def _page(site: Site, identifier: str) -> str:
    with httpx.Client(base_url=site.url, timeout=30) as pages:
        assert pages.post("/login", data={"username": "ann", "password": "correct horse"}).status_code == 303
        return pages.get(f"/submissions/{identifier}").text
