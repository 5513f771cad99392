"""Measures of scored submissions: computed apart from the score, in a process of their own, and shown to hosts."""

import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from lethe.evaluator.contract.specification import MeasuresSpec
from lethe.evaluator.measures.measurements import Measurements, from_document
from lethe.evaluator.measures.registry import measures
from lethe.server.control.measurer import Measurer
from lethe.server.hosting.creation import UnknownMeasure, create
from lethe.server.models import Competition, Score
from lethe.server.models.times import utc_now
from lethe.server.scoring import rescoring
from tests.integration.server.conftest import SLUG, Site, spec, upload
from tests.integration.server.test_plots import browser, make_host

pytestmark = pytest.mark.one_database


class Measuring:
    """A measurer whose jobs a test waits for."""

    def __init__(self, site: Site) -> None:
        self._woken = threading.Event()
        self.measurer = Measurer(site.context, self._woken.set)

    def store_next(self) -> bool:
        """Store the measures of one score, when its job is done; False when there is none."""
        while not self.measurer.advance():
            if self.measurer._job is None:
                return False
            assert self._woken.wait(60), "the measures never came"
            self._woken.clear()
        return True

    def kill(self) -> None:
        """Kill its process, as a machine without memory would."""
        process: Any = self.measurer._process
        os.kill(process.pid, signal.SIGKILL)
        process.join(20)


@pytest.fixture
def measuring(site: Site) -> Iterator[Measuring]:
    found = Measuring(site)
    yield found
    found.measurer.close()


def stored(site: Site, reference: str | None = None) -> Measurements | None:
    """The measurements of the newest submission's score, or of ceiling or floor."""
    is_it = Score.submission_id.is_not(None) if reference is None else Score.reference == reference
    query = select(Score.measures).where(is_it).order_by(Score.created_at.desc(), Score.generation.desc())
    with site.context.database.read() as session:
        document = session.scalars(query).first()
    return None if document is None else from_document(document)


def scored(site: Site) -> None:
    with site.register("ann") as ann:
        assert upload(ann).status_code == 202
    site.evaluate()


def test_everything_is_measured_beside_ceiling_and_floor(site: Site, measuring: Measuring) -> None:
    while measuring.store_next():
        pass  # ceiling and floor of both evaluations
    scored(site)
    assert stored(site) is None
    assert measuring.store_next()
    assert not measuring.store_next()
    of_submission, of_oracles, of_original = stored(site), stored(site, "ceiling"), stored(site, "floor")
    assert of_submission is not None
    assert of_oracles is not None
    assert of_original is not None
    assert set(of_submission.measures) == set(of_oracles.measures) == set(measures())
    for name, found in of_submission.measures.items():
        assert bool(found.values) != bool(found.absent), name
    value = {key: one for found in of_submission.measures.values() for key, one in found.values.items()}
    floor = {key: one for found in of_original.measures.values() for key, one in found.values.items()}
    # The runs' logits lie 2.5 beside the oracles', those of the original network 3.
    assert 0.5 < value["u_lira"].value <= 1
    assert value["klom_p50"].value > 0
    assert floor["forgetting_quality"].value == 0
    assert len(of_submission.measures["klom"].each) == 10


def test_columns_come_first_and_the_rest_when_it_is_asked_for(site: Site, measuring: Measuring) -> None:
    site.change_specification(measures=MeasuresSpec(columns=("u_lira", "klom_p95"), always=False))
    scored(site)
    while measuring.store_next():
        pass
    found = stored(site)
    assert found is not None
    assert set(found.measures) == {"u_lira", "klom"}
    with site.context.database.write() as session:
        session.scalars(select(Score).where(Score.submission_id.is_not(None))).one().measures_asked = True
    assert measuring.store_next()
    found = stored(site)
    assert found is not None
    assert set(found.measures) == set(measures())


def test_nothing_is_computed_that_nobody_asked_for(site: Site, measuring: Measuring) -> None:
    while measuring.store_next():
        pass
    site.change_specification(measures=MeasuresSpec(always=False))
    scored(site)
    assert measuring.store_next()
    found = stored(site)
    assert found is not None
    assert found.measures == {}


def test_a_killed_process_costs_the_measures_of_one_score(site: Site, measuring: Measuring) -> None:
    while measuring.store_next():
        pass
    scored(site)
    assert not measuring.measurer.advance()  # begun
    measuring.kill()
    assert measuring.store_next()
    found = stored(site)
    assert found is not None
    assert found.measures == {}
    with site.context.database.write() as session:
        session.scalars(select(Score).where(Score.submission_id.is_not(None))).one().measures_asked = True
    assert measuring.store_next()
    found = stored(site)
    assert found is not None
    assert set(found.measures) == set(measures())


def test_a_process_that_dies_between_two_jobs_is_replaced(site: Site, measuring: Measuring) -> None:
    assert measuring.store_next()
    measuring.kill()
    assert not measuring.measurer.advance()  # finds out
    assert measuring.store_next()


def test_a_failure_keeps_the_columns_that_are_stored(site: Site, measuring: Measuring) -> None:
    while measuring.store_next():
        pass
    site.change_specification(measures=MeasuresSpec(columns=("u_lira",), always=True))
    scored(site)
    assert measuring.store_next()  # the column
    assert not measuring.measurer.advance()  # all others are begun
    measuring.kill()
    assert measuring.store_next()
    found = stored(site)
    assert found is not None
    assert set(found.measures) == {"u_lira"}
    with site.context.database.read() as session:
        score = session.scalars(select(Score).where(Score.submission_id.is_not(None))).one()
        assert set(score.shown_measures) == {"u_lira"}
        assert not score.measures_asked  # until a host asks for them


def test_a_host_sees_every_measure_beside_the_oracles_and_its_team_after_the_reveal(
    site: Site, measuring: Measuring
) -> None:
    with site.register("ann") as ann, site.register("hos") as host, site.register("eve") as stranger:
        identifier = upload(ann).json()["id"]
        address = f"/submissions/{identifier}/measures"
        make_host(site, "hos")
        assert host.get(address).json()["code"] == "not_scored"
        site.change_specification(measures=MeasuresSpec(always=False))
        site.evaluate()
        while measuring.store_next():
            pass
        assert host.get(address).json() == {"is_pending": True, "is_asked": False, "measures": []}
        assert ann.get(address).json()["code"] == "measures_hidden"
        assert stranger.get(address).json()["code"] == ann.post(address).json()["code"] == "submission_not_found"
        assert host.post(address).status_code == 202
        while measuring.store_next():
            pass

        found = {one["key"]: one for one in host.get(address).json()["measures"]}
        assert set(found) == {key for one in measures().values() for key in one.keys}
        assert found["u_lira"]["oracles"] < found["u_lira"]["value"] <= found["u_lira"]["untouched"]
        assert found["u_lira"]["low"] <= found["u_lira"]["value"] <= found["u_lira"]["high"]
        assert found["klom_p95"]["title"].endswith("95th percentile of images")
        with browser(site, "hos") as pages:
            page = pages.get(f"/submissions/{identifier}").text
        assert "Can the runs be told from oracles?" in page
        assert "Likelihood ratio attack, accuracy" in page
        with browser(site, "ann") as pages:
            assert "Likelihood ratio attack" not in pages.get(f"/submissions/{identifier}").text

        with site.context.database.write() as session:
            session.scalars(select(Competition)).one().revealed_at = utc_now()
        rounded = {one["key"]: one for one in ann.get(address).json()["measures"]}
        assert rounded["u_lira"]["value"] == round(found["u_lira"]["value"], 3)
        assert {one["low"] for one in rounded.values()} == {None}
        assert "klom_p95" not in rounded  # of images, of which only finals tell


def test_columns_stand_on_every_form_of_the_board(site: Site, measuring: Measuring) -> None:
    site.change_specification(measures=MeasuresSpec(columns=("u_lira", "klom_p95"), always=False))
    scored(site)
    with site.client() as visitor:
        assert visitor.get(f"/competitions/{SLUG}/leaderboard").json()["columns"] == []  # nothing is measured yet
        while measuring.store_next():
            pass
        board = visitor.get(f"/competitions/{SLUG}/leaderboard").json()
        assert [(one["key"], one["title"], one["unit"]) for one in board["columns"]] == [
            ("u_lira", "U-LiRA", ""),
            ("klom_p95", "KLoM p95", "nats"),
        ]
        rows = {row["reference"] or row["team"]: row["measures"] for row in board["rows"]}
        assert 0.5 < rows["ann"]["u_lira"] <= 1
        assert rows["ceiling"]["u_lira"] < rows["floor"]["u_lira"]
        table = visitor.get(f"/competitions/{SLUG}/leaderboard?format=csv").text.splitlines()
        assert table[0].endswith("public_rank,method,link,u_lira,klom_p95")
        assert f",{rows['ann']['u_lira']}," in next(line for line in table if ",ann," in line)
        page = httpx.get(f"{site.url}/competitions/{SLUG}/leaderboard").text
        assert "U-LiRA</th>" in page
        assert f'data-as="KLoM p95, nats">{rows["ann"]["klom_p95"]:.2f}' in page

        made = rescoring.draft(site.context, SLUG, {"rule": "competition"}, lambda *_: None)
        rescoring.apply(site.context, made, lambda *_: None)
        assert visitor.get(f"/competitions/{SLUG}/leaderboard").json()["columns"] == []  # not those of former scores
        assert measuring.store_next()
        assert visitor.get(f"/competitions/{SLUG}/leaderboard").json()["columns"] == board["columns"]


def test_a_column_that_is_no_measure_is_refused_before_any_work(site: Site) -> None:
    wrong = spec(measures=MeasuresSpec(columns=("u_lyra",)))
    with pytest.raises(UnknownMeasure, match=r"'u_lyra' is no value of a measure.* Did you mean u_lira"):
        create(site.context, wrong, jobs=1, progress=lambda _: None)
