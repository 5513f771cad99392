"""Plots of scored submissions: drawn apart from the score, stored once, and shown to those who may see the metric."""

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import event, select

from lethe.evaluator.scoring.reference_set import ReferenceSets
from lethe.server.control import overview_plotting, submission_plotting
from lethe.server.control.overview_plotting import Overviews
from lethe.server.control.submission_plotting import Plotter
from lethe.server.hosting.artifact_references import references, refs_in
from lethe.server.models import Competition, CompetitionHost, OverviewPlot, Score, Submission, User
from lethe.server.models.times import utc_now
from lethe.server.submissions import reruns
from tests.integration.server.conftest import GOOD, SLUG, Site, upload

pytestmark = pytest.mark.one_database

NAMES = ["epsilon", "margins", "accuracies", "times", "histogram"]
ROUNDED = "histogram"


@contextmanager
def browser(site: Site, name: str) -> Iterator[httpx.Client]:
    """A client with a session of that account, as the pages need one."""
    with httpx.Client(base_url=site.url, timeout=30) as client:
        answer = client.post("/login", data={"username": name, "password": "correct horse"})
        assert answer.status_code == 303, answer.text
        yield client


def plotter(site: Site) -> Plotter:
    return Plotter(site.context, ReferenceSets(site.context.artifacts))


def stored(site: Site) -> Any:
    """The plots of the newest generation."""
    query = select(Score.plots).where(Score.submission_id.is_not(None)).order_by(Score.generation.desc())
    with site.context.database.read() as session:
        return session.scalars(query).first()


def keys_of_overviews(site: Site) -> set[str]:
    with site.context.database.read() as session:
        return {ref.key for plot in session.scalars(select(OverviewPlot.plot)) for ref in refs_in(plot)}


def make_host(site: Site, name: str) -> None:
    with site.context.database.write() as session:
        user = session.scalars(select(User).where(User.username == name)).one()
        competition = session.scalars(select(Competition)).one()
        session.add(CompetitionHost(competition_id=competition.id, user_id=user.id))


def test_plots_are_drawn_once_stored_and_shown_to_whom_the_metric_is_shown(site: Site) -> None:
    with (
        site.register("ann") as ann,
        site.register("hos"),
        browser(site, "hos") as host,
        browser(site, "ann") as team,
    ):
        identifier = upload(ann).json()["id"]
        assert not plotter(site).draw_next()
        site.evaluate()
        make_host(site, "hos")
        assert "are being drawn" in host.get(f"/submissions/{identifier}").text

        assert plotter(site).draw_next()
        assert not plotter(site).draw_next()
        assert [plot["name"] for plot in stored(site)] == NAMES
        with site.context.database.read() as session:
            needed = {ref.key for ref in references(session)}
        assert {plot["svg"]["key"] for plot in stored(site)} <= needed

        page = host.get(f"/submissions/{identifier}").text
        for plot in stored(site):
            address = f"/submissions/{identifier}/plots/{plot['name']}.svg"
            if plot["name"] == ROUNDED:  # the host has the exact one
                assert host.get(address).status_code == team.get(address).status_code == 404
                continue
            assert f'src="{address}?v=' in page
            shown = host.get(address)
            assert shown.headers["content-type"] == "image/svg+xml"
            assert "sandbox" in shown.headers["content-security-policy"]
            assert ET.fromstring(shown.content).tag.endswith("svg")  # noqa: S314
            assert host.get(address, headers={"If-None-Match": shown.headers["etag"]}).status_code == 304
            assert team.get(address).status_code == 404
        assert "How the score was computed" not in team.get(f"/submissions/{identifier}").text
        assert team.get(f"/competitions/{SLUG}/analysis").status_code == 404
        assert "All submissions as a picture" not in host.get(f"/competitions/{SLUG}/analysis").text  # not drawn yet

        with site.context.database.write() as session:
            session.scalars(select(Competition)).one().revealed_at = utc_now()
        assert team.get(f"/submissions/{identifier}/plots/{ROUNDED}.svg").status_code == 200
        assert "How the score was computed" in team.get(f"/submissions/{identifier}").text
        assert httpx.get(f"{site.url}/competitions/{SLUG}/analysis").status_code == 200


def test_the_plot_of_all_submissions_follows_the_board(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with site.register("ann") as ann, site.register("hos"), browser(site, "hos") as host, browser(site, "ann") as team:
        overviews = Overviews(site.context)
        make_host(site, "hos")
        assert overviews.draw_next()  # calibrated, but without a submission
        assert "No submission is scored yet" in host.get(f"/competitions/{SLUG}/analysis").text
        upload(ann)
        site.evaluate()
        assert overviews.draw_next()
        assert not overviews.draw_next()

        page, picture = f"/competitions/{SLUG}/analysis", f"/competitions/{SLUG}/analysis/public.svg"
        assert "1 scored submission:" in host.get(page).text
        assert f'href="{picture}?v=' in host.get(page).text
        shown = host.get(picture)
        assert shown.headers["content-type"] == "image/svg+xml"
        assert "sandbox" in shown.headers["content-security-policy"]
        assert ET.fromstring(shown.content).tag.endswith("svg")  # noqa: S314
        assert host.get(picture, headers={"If-None-Match": shown.headers["etag"]}).status_code == 304
        assert team.get(picture).status_code == httpx.get(site.url + picture).status_code == 404
        before = keys_of_overviews(site)
        with site.context.database.read() as session:
            assert before <= {ref.key for ref in references(session)}

        upload(ann, GOOD + b"'again'\n")
        site.evaluate(shift=1.0)
        assert not overviews.draw_next()  # once a minute is enough
        monkeypatch.setattr(overview_plotting, "AT_MOST_EVERY", timedelta(0))
        assert overviews.draw_next()
        assert "2 scored submissions:" in host.get(page).text
        assert not any(site.context.artifacts.exists(key) for key in before)
        assert host.get(picture).content != shown.content


def test_an_overview_that_fails_waits_for_the_next_change(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def burst(*_: object) -> None:
        raise RuntimeError("no ink")

    with site.register("ann") as ann:
        upload(ann)
        site.evaluate()
        monkeypatch.setattr(overview_plotting, "overview_plot", burst)
        assert Overviews(site.context).draw_next()
        assert keys_of_overviews(site) == set()
        assert not Overviews(site.context).draw_next()


def test_a_plot_that_fails_costs_nothing_but_itself(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def burst(*_: object) -> None:
        raise RuntimeError("no ink")

    with site.register("ann") as ann:
        identifier = upload(ann).json()["id"]
        site.evaluate()
        monkeypatch.setattr(submission_plotting, "plot_runs", burst)
        assert plotter(site).draw_next()
        assert stored(site) == []
        assert not plotter(site).draw_next()
        assert ann.get(f"/submissions/{identifier}").json()["state"] == "scored"


def test_a_rerun_is_drawn_again(site: Site) -> None:
    with site.register("ann") as ann:
        upload(ann)
        site.evaluate()
        assert plotter(site).draw_next()
        before = stored(site)
        with site.context.database.write() as session:
            reruns.rerun(session, session.scalars(select(Submission)).one(), fresh_seeds=True)
        site.evaluate(shift=1.0)
        assert stored(site) is None
        assert plotter(site).draw_next()
        assert {plot["svg"]["key"] for plot in stored(site)}.isdisjoint(plot["svg"]["key"] for plot in before)


def statements(site: Site) -> list[str]:
    """What is asked of the database from now on."""
    found: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        found.append(statement)

    event.listen(site.context.database.engine, "before_cursor_execute", note)
    return found


def test_two_submissions_are_compared_by_their_paired_difference(site: Site) -> None:
    with site.register("ann") as ann, site.register("bob") as bob, site.register("hos"), browser(site, "hos") as host:
        ids = []
        for client, shift, extra in ((ann, 2.5, b"'a'"), (bob, 0.1, b"'b'")):
            source = b"def unlearning(net, retain, forget, validation):\n    return net\n" + extra
            ids.append(upload(client, source).json()["id"])
            site.evaluate(shift=shift)
        make_host(site, "hos")
        asked = statements(site)
        page = host.get(f"/competitions/{SLUG}/analysis").text
        assert not any("replicates" in statement for statement in asked)
        page = host.get(f"/competitions/{SLUG}/analysis?a={ids[0]}&b={ids[1]}").text
        assert sum("replicates" in statement for statement in asked) == 1
    assert "Difference of the scores" in page
    assert "paired 95% interval" in page
    assert "is significantly better than" in page
