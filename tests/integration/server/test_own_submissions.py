"""A team sees whether a change helped, compares two of its own, and selects from one list."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import httpx
import pytest
from limits import parse
from sqlalchemy import select
from typer.testing import CliRunner

from lethe.evaluator.contract.specification import EvaluationSpec
from lethe.evaluator.contract.states import Evaluation
from lethe.server.cli import app
from lethe.server.client import ApiError, Client
from lethe.server.competitions.disclosure import round_score
from lethe.server.hosting import account_administration
from lethe.server.leaderboard import score_queries
from lethe.server.models import Competition, Submission
from lethe.server.models.times import utc_now
from lethe.server.pages.analysis.comparison import compare as compare_in_analysis
from lethe.server.queue import fair_order
from lethe.server.submissions import comparisons, improvement
from lethe.server.submissions.service import SubmissionNotFound
from lethe.server.submissions.short_ids import id_range, the_only
from tests.integration.server.conftest import GOOD, RUNS, SLUG, Site, upload

pytestmark = [pytest.mark.component("postgresql"), pytest.mark.one_database]
PAGE = f"/competitions/{SLUG}/submissions"
FAR, NEAR = 3.0, 0.0


def scored(site: Site, client: httpx.Client, *shifts: float) -> list[str]:
    """Submissions of one team with outputs that are moved by these from the oracles', in this order."""
    found = []
    for number, shift in enumerate(shifts):
        source = GOOD + f"'<b>{number}</b>'\n".encode()
        found.append(upload(client, source, f"m<i>{number}.py").json()["id"])
        site.evaluate(shift)
    return found


@contextmanager
def browser(site: Site, name: str) -> Iterator[httpx.Client]:
    """A browser that is logged in."""
    with httpx.Client(base_url=site.url, headers={"Accept": "text/html"}, timeout=30) as client:
        login = client.post("/api/v1/session", json={"username": name, "password": "correct horse"})
        assert login.status_code == 200
        client.headers["X-Proof"] = login.json()["csrf_token"]
        yield client


def send(pages: httpx.Client, path: str, **fields: str) -> httpx.Response:
    """Send a form."""
    return pages.post(path, data={"csrf_token": pages.headers["X-Proof"], **fields}, follow_redirects=False)


def reveal(site: Site) -> None:
    with site.context.database.write() as session:
        session.scalars(select(Competition)).one().revealed_at = utc_now()


def test_a_score_stands_beside_the_best_and_the_last_before_it(site: Site) -> None:
    with site.register("ann") as ann:
        ids = scored(site, ann, FAR, NEAR, FAR)
        listed = ann.get(f"/competitions/{SLUG}/submissions").json()["items"]
        first, second, third = (ann.get(f"/submissions/{one}").json() for one in ids)
    assert listed == [third, second, first]
    assert (first["against_best"], first["against_last"], first["is_best"]) == (None, None, False)
    gain = round_score(second["score"] - first["score"])
    assert second["against_best"] == {"submission": ids[0], "difference": gain, "verdict": "better"}
    assert second["against_last"] == second["against_best"]
    assert (second["is_best"], second["rank"]) == (True, 1)
    assert (third["against_best"]["submission"], third["against_best"]["verdict"]) == (ids[1], "worse")
    assert third["against_last"] == third["against_best"]
    assert (third["is_best"], third["rank"]) == (False, None)


def test_the_verdict_is_that_of_the_analysis(site: Site) -> None:
    with site.register("ann") as ann:
        ids = scored(site, ann, NEAR, 0.01, 0.3)
        shown = {one["id"]: one for one in ann.get(f"/competitions/{SLUG}/submissions").json()["items"]}
    with site.context.database.read() as session:
        competition = session.scalars(select(Competition)).one()
        for one in ids[1:]:
            change = shown[one]["against_last"]
            pair = UUID(change["submission"]), UUID(one)
            found = compare_in_analysis(session, competition, Evaluation.PUBLIC, *pair)
            assert found is not None
            assert ("may be chance" in found.verdict) == (change["verdict"] == "chance")
    assert {shown[one]["against_last"]["verdict"] for one in ids[1:]} >= {"chance"}


def test_a_page_reads_the_replicates_of_its_own_lines_only(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    def counted(session: Any, score_ids: Any) -> Any:
        read.append(len(list(score_ids)))
        return score_queries.replicates(session, score_ids)

    with site.register("ann") as ann:
        scored(site, ann, FAR, NEAR, FAR, FAR, FAR)
        monkeypatch.setattr(improvement, "replicates", counted)
        assert len(ann.get(f"/competitions/{SLUG}/submissions?limit=1").json()["items"]) == 1
        assert read == [3]  # its own, the best, the last


def test_any_two_are_compared_by_a_word_until_the_reveal(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparisons, "COMPARISONS", parse("2/day"))
    with site.register("ann") as ann, site.register("bob") as bob:
        first, second = scored(site, ann, FAR, NEAR)
        other = scored(site, bob, NEAR)[0]
        waiting = upload(ann, GOOD + b"'waits'\n").json()["id"]

        def compare(before: str, after: str) -> httpx.Response:
            return ann.get(f"/submissions/{before}/compare/{after}")

        found = compare(first, second).json()
        scores = [ann.get(f"/submissions/{one}").json()["score"] for one in (first, second)]
        assert found == {
            "before": first,
            "after": second,
            "difference": round_score(scores[1] - scores[0]),
            "verdict": "better",
            "interval": None,
        }
        assert compare(second, first).json()["verdict"] == "worse"
        unscored = compare(first, waiting)  # says nothing, so it does not count
        assert (unscored.status_code, unscored.json()["verdict"], unscored.json()["difference"]) == (
            200,
            "unknown",
            None,
        )
        assert compare(first, other).json()["code"] == compare(other, first).json()["code"] == "submission_not_found"
        assert compare(first, second).json()["code"] == "rate_limited"
        with browser(site, "ann") as pages:
            page = pages.get(f"{PAGE}/compare?a={first}&b={second}").text
        assert "A team may compare 2 pairs" in page
        assert "1 added, 1 removed" in page  # the sources are the team's own
        reveal(site)
        low, high = compare(first, second).json()["interval"].values()
        assert 0 < low < high
        assert (round_score(low), round_score(high)) == (low, high)


def test_a_short_id_is_enough_for_its_own_team(site: Site) -> None:
    with site.register("ann") as ann, site.register("bob") as bob:
        mine = upload(ann).json()["id"]
        assert ann.get(f"/submissions?prefix={mine[:8]}").json() == [mine]
        assert ann.get(f"/submissions?prefix={mine.upper()}").json() == [mine]
        assert bob.get(f"/submissions?prefix={mine[:8]}").json() == []
        assert ann.get(f"/submissions?prefix={mine.replace('-', '')}0").json() == []
        for wrong in (mine[:7], "--------", "no digits", "0" * 37):
            assert ann.get(f"/submissions?prefix={wrong}").json()["code"] == "invalid_request"
        with Client(site.url, ann.headers["Authorization"].removeprefix("Bearer ")) as client:
            assert client.find_submission(mine[:8]) == client.find_submission(mine) == UUID(mine)
            with pytest.raises(ApiError, match="you have no submission 0000000"):
                client.find_submission("00000000")


def test_every_call_and_command_takes_a_short_id(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with site.register("ann") as ann, site.register("bob") as bob, site.register("hans") as hans:
        mine = upload(ann).json()["id"]
        other = upload(ann, GOOD + b"2\n").json()["id"]
        with site.context.database.write() as session:
            account_administration.set_host(session, "hans", SLUG, is_host=True)
        short, dashed = mine[:8], mine[:13]
        for part in ("", "/source", "/log", "/receipt", f"/compare/{other[:9]}"):
            assert ann.get(f"/submissions/{short}{part}").text == ann.get(f"/submissions/{mine}{part}").text, part
        assert ann.get(f"/submissions/{dashed.upper()}").json()["id"] == mine
        assert ann.get(f"/submissions/{mine.replace('-', '')}").json()["id"] == mine
        for nobodys in (f"/submissions/{short}", "/submissions/00000000"):
            assert bob.get(nobodys).json()["code"] == "submission_not_found"
        assert ann.get(f"/submissions/{mine[:7]}").json()["code"] == "invalid_request"
        assert hans.get(f"/submissions?prefix={short}").json() == [mine]
        disqualification = f"/submissions/{short}/disqualification"
        assert bob.put(disqualification, json={"reason": "copied"}).status_code == 404
        assert hans.put(disqualification, json={"reason": "copied"}).status_code == 204
        assert ann.get(f"/submissions/{short}").json()["disqualified"] == "copied"
        with browser(site, "ann") as pages:
            assert f"/submissions/{mine}/cancel" in pages.get(f"{site.url}/submissions/{short}").text
        with browser(site, "hans") as pages:
            found = pages.get(f"{site.url}/host/{SLUG}?q={short}").text
            assert f"/submissions/{mine}" in found
            assert f"/submissions/{other}" not in found
        assert ann.post(f"/submissions/{dashed}/cancel").json()["state"] == "cancelled"
        site.evaluate()
        monkeypatch.setenv("LETHE_HOME", str(site.context.settings.home))
        monkeypatch.setenv("LETHE_DATABASE_URL", site.context.settings.database)
        admin = CliRunner()
        said = admin.invoke(app, ["admin", "submission", "disqualify", short, "--undo", "--json"])
        assert json.loads(said.stdout) == {"submission": mine, "disqualified": None}
        again = admin.invoke(app, ["admin", "submission", "rerun", other[:8]])
        assert again.stdout.endswith(f"{other} is queued again.\n"), again.exception
        for wrong, sentence in (
            ("1234567", "is no id: give its first 8 digits or more"),
            ("0" * 8, "no submission 0000"),
        ):
            refused = admin.invoke(app, ["admin", "submission", "rerun", wrong])
            assert sentence in str(refused.exception)


def test_an_ambiguous_short_id_is_refused() -> None:
    assert id_range("0123abcd-12") == (
        UUID("0123abcd-1200-0000-0000-000000000000"),
        UUID("0123abcd-12ff-ffff-ffff-ffffffffffff"),
    )
    with pytest.raises(SubmissionNotFound, match="give more of its digits"):
        the_only([UUID(int=1), UUID(int=2)])


def test_the_list_and_a_submission_say_if_it_helped(site: Site) -> None:
    with site.register("ann") as ann, browser(site, "ann") as pages:
        assert "Nothing yet" in pages.get(PAGE).text
        first = scored(site, ann, FAR)[0]
        page = pages.get(PAGE).text
        assert "There is nothing to compare yet" in page
        assert "It is your first score" in pages.get(f"/submissions/{first}").text
        assert "There is nothing to compare yet" in pages.get(f"{PAGE}/compare").text
        second = upload(ann, GOOD + b"'second'\n", "second.py").json()["id"]
        site.evaluate(NEAR)
        page, own, before = (pages.get(path).text for path in (PAGE, f"/submissions/{second}", f"/submissions/{first}"))
        gain = ann.get(f"/submissions/{second}").json()["against_best"]["difference"]
    for text in (page, own):
        assert f"<b>+{gain:.4f}</b>, significantly better" in text
        assert "Your best, rank 1" in text
    assert re.search(rf"Your best is <a href=\"/submissions/{second}\">", before)
    assert "History of scores" in page
    assert "m<i>" not in page
    assert "m&lt;i&gt;0.py" in page


def test_a_third_selection_is_a_notice_beside_the_two(site: Site) -> None:
    with site.register("ann") as ann, browser(site, "ann") as pages:
        one, two, three = scored(site, ann, FAR, NEAR, FAR)
        assert send(pages, f"/submissions/{one}/select", back="list").headers["location"] == f"{PAGE}?done=selected"
        assert "<b>1 of 2</b> selected" in pages.get(PAGE).text
        assert send(pages, f"/submissions/{two}/select").headers["location"] == f"/submissions/{two}?done=selected"
        for back, place in (("list", PAGE), ("", f"/submissions/{three}")):
            refused = send(pages, f"/submissions/{three}/select", back=back)
            assert (refused.status_code, refused.headers["location"]) == (303, f"{place}?full={three}#choice")
            page = pages.get(refused.headers["location"])
            assert page.status_code == 200
            notice = re.findall(r'<div class="refusal" role="alert">(.*?)</div>', page.text, flags=re.DOTALL)[0]
            assert "all 2 selections are used" in notice
            assert set(re.findall(r'action="/submissions/(\S+)/unselect"', notice)) == {one, two}
        assert ann.post(f"/submissions/{three}/select").json()["code"] == "selections_full"
        back_to = send(pages, f"/submissions/{one}/unselect", back=three).headers["location"]
        assert back_to == f"/submissions/{three}?done=unselected"
        assert 'role="alert"' not in pages.get(f"{PAGE}?full={three}").text  # it can be selected now
        assert send(pages, f"/submissions/{three}/select", back="//elsewhere.example").status_code == 303
        with site.context.database.read() as session:
            chosen = session.scalars(select(Submission.id).where(Submission.selected_at.is_not(None))).all()
        assert {str(one) for one in chosen} == {two, three}


def test_sources_stand_side_by_side_and_escaped(site: Site) -> None:
    same = b"".join(b"x = %d\n" % number for number in range(40))
    with site.register("ann") as ann, browser(site, "ann") as pages:
        ids = []
        for tail in (b"y = '<script>1</script>'\n", b"y = '<script>2</script>'\nz = 1\n"):
            ids.append(upload(ann, GOOD + same + tail).json()["id"])
            site.evaluate()
        page = pages.get(f"{PAGE}/compare?a={ids[0]}&b={ids[1]}").text
        assert "<script>1" not in page
        assert "&lt;script&gt;1" in page
        assert "2 added, 1 removed" in page
        assert re.search(r"<summary>\d+ equal lines</summary>", page)
        assert "Choose two different" in pages.get(f"{PAGE}/compare?a={ids[0]}&b={ids[0]}").text
        strange = pages.get(f"{PAGE}/compare?a={ids[0]}&b={'0' * 8}-0000-4000-8000-{'0' * 12}")
        assert "Only submissions of your team" in strange.text


def test_what_waits_for_its_first_run_says_how_many_are_ahead(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """One worker: of three submissions whose check has passed one is run, and the others are not said to run."""
    monkeypatch.setattr(fair_order, "CHECK_SHARE", 1.0)  # all checks come first
    evaluation = EvaluationSpec(runs=RUNS, oracles=RUNS, ceiling_oracles=RUNS, chunk_runs=RUNS // 2)
    site.change_specification(evaluation=evaluation)
    with site.register("ann") as ann, site.register("bob") as bob, site.register("cem") as cem:
        people = {"ann": ann, "bob": bob, "cem": cem}
        ids = {name: upload(client, GOOD + f"'{name}'\n".encode()).json()["id"] for name, client in people.items()}
        for _ in ids:
            check = site.claim()
            assert check is not None
            assert check.stage == "check"
            assert site.report(check)

        def places() -> list[tuple[str, int | None]]:
            views = [client.get(f"/submissions/{ids[name]}").json() for name, client in people.items()]
            return [(one["state"], one["queue_position"]) for one in views]

        assert places() == [("running", 1), ("running", 2), ("running", 3)]
        job = site.claim()
        assert job is not None
        assert str(job.submission_id) == ids["ann"]
        assert places() == [("running", None), ("running", 1), ("running", 2)]
        with browser(site, "cem") as pages:
            page = pages.get(f"/submissions/{ids['cem']}").text
            assert "Waiting for a worker, 1 ahead" in page
            assert "under 1 min since the upload" in page.lower()
            assert "Waiting for a worker, 1 ahead" in pages.get(PAGE).text
            assert "Waiting for a worker, 1 ahead" in pages.get("/account").text
            with site.context.database.write() as session:
                account_administration.set_host(session, "cem", SLUG, is_host=True)
            table = pages.get(f"/host/{SLUG}").text
            assert re.findall(r'class="state running">([^<]+)', table).count("Waiting for a worker") == 2
        assert site.report(job, finished=site.store_runs(job))
        assert places()[0] == ("running", None)  # between its chunks it counts as running
