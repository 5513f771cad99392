"""Outputs after the reveal: a team's own, where the specification says so, good for its score again to the bit."""

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import numpy as np
import pytest
from limits import parse
from sqlalchemy import select

from lethe.evaluator.contract.specification import MetricSpec
from lethe.evaluator.contract.states import Evaluation
from lethe.evaluator.scoring.reference_set import ReferenceSets
from lethe.server.client import Client
from lethe.server.competitions.disclosure import round_score
from lethe.server.control.submission_plotting import Plotter
from lethe.server.hosting import actions, finals
from lethe.server.models import Competition, OutputPack, Score, Submission, User
from lethe.server.models.score import METRIC_COLUMNS
from lethe.server.models.times import utc_now
from lethe.server.pages.formatting import score_text
from lethe.server.scoring import evidence
from lethe.server.scoring.endpoints import MEDIA_TYPE
from lethe.server.scoring.evidence import EvidenceFiles, find_evidence
from tests.commands import run_lethe
from tests.integration.server.conftest import FORGET, RUNS, SLUG, Site, upload

pytestmark = [pytest.mark.component("postgresql"), pytest.mark.one_database]

NEAR = 0.2
"""How far the runs' margins are from the oracles': near enough for a score above zero."""
POOLS = ("unlearned", "retrained", "ceiling")
ACCURACIES = ("retain_accuracy", "test_accuracy", "forget_accuracy")


def scored(site: Site, ann: httpx.Client, **changes: Any) -> str:
    """The id of ann's submission, with a score, under the specification with these changes."""
    site.change_specification(**changes)
    identifier: str = upload(ann).json()["id"]
    site.evaluate(shift=NEAR)
    return identifier


def reveal(site: Site) -> None:
    with site.context.database.write() as session:
        session.scalars(select(Competition)).one().revealed_at = utc_now()


def stored(site: Site, evaluation: Evaluation = Evaluation.PUBLIC) -> tuple[float, list[float]]:
    query = select(Score).where(Score.submission_id.is_not(None), Score.evaluation == evaluation)
    with site.context.database.read() as session:
        score = session.scalars(query).one()
        return score.final_score, [score.interval_low, score.interval_high]


def scored_again(file: Path, *options: str) -> tuple[float, list[float]]:
    """What `lethe score` makes of a file."""
    report = json.loads(run_lethe("score", str(file), "--json", *options, check=True).stdout)
    return report["final_score"], report["interval"]


@contextmanager
def browser(site: Site, name: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=site.url, timeout=30) as client:
        assert client.post("/login", data={"username": name, "password": "correct horse"}).status_code == 303
        yield client


@pytest.mark.parametrize(
    "metric", [MetricSpec(rule="exact"), MetricSpec(rule="competition", cap_ratios=False)], ids=lambda one: one.rule
)
def test_a_team_computes_its_score_again_to_the_bit(site: Site, metric: MetricSpec, tmp_path: Path) -> None:
    with site.register("ann") as ann, site.register("bob") as bob, site.client() as nobody:
        identifier = scored(site, ann, outputs_after_reveal=True, metric=metric)
        address = f"/submissions/{identifier}/evidence"
        assert ann.get(f"/competitions/{SLUG}").json()["outputs_after_reveal"] is True  # before anybody uploads
        hidden = ann.get(address)
        assert (hidden.status_code, hidden.json()["code"]) == (404, "evidence_hidden")
        reveal(site)
        shown = ann.get(address)
        assert (shown.status_code, shown.headers["content-type"]) == (200, MEDIA_TYPE)
        assert "content-encoding" not in shown.headers
        assert int(shown.headers["content-length"]) == len(shown.content)
        assert ann.get(address).content == shown.content
        assert ann.get(f"{address}?view=final").json()["code"] == "evidence_not_found"
        for other, expected in ((bob, (404, "submission_not_found")), (nobody, (401, "token_missing"))):
            answer = other.get(address)
            assert (answer.status_code, answer.json()["code"]) == expected
        with browser(site, "ann") as page, Client(site.url, ann.headers["Authorization"][7:]) as client:
            link = f"/api/v1{address}?view=public"
            assert f'href="{link}"' in page.get(f"/submissions/{identifier}").text
            assert page.get(link).content == shown.content
            file = client.evidence(shown_id(site), tmp_path / "mine.npz")
    assert file.read_bytes() == shown.content
    assert list(tmp_path.glob(".mine*")) == []
    score, interval = scored_again(file)  # the file says by which rule
    assert (score, interval) == stored(site)
    assert score > 0
    other_rule = "competition" if metric.rule == "exact" else "exact"
    assert scored_again(file, "--rule", other_rule)[0] != score


def shown_id(site: Site) -> Any:
    with site.context.database.read() as session:
        return session.scalars(select(Submission.id)).one()


def test_the_file_has_margins_accuracies_labels_and_pseudonyms_and_nothing_else(site: Site) -> None:
    with site.register("ann") as ann:
        identifier = scored(site, ann, outputs_after_reveal=True)
        reveal(site)
        arrays = np.load(io.BytesIO(ann.get(f"/submissions/{identifier}/evidence").content))
    of_pools = {f"{pool}_{kind}": (RUNS,) for pool in POOLS for kind in ACCURACIES}
    shapes = dict.fromkeys(POOLS, (RUNS, FORGET)) | of_pools
    shapes |= {"labels": (FORGET,), "identities": (FORGET,), "rule": (), "cap_ratios": ()}
    assert {name: arrays[name].shape for name in arrays.files} == shapes


def test_the_final_evaluation_has_a_file_of_its_own(site: Site, tmp_path: Path) -> None:
    with site.register("ann") as ann:
        identifier = scored(site, ann, outputs_after_reveal=True)
        with site.context.database.write() as session:
            actions.close(session, SLUG)
            finals.start(session, SLUG)
        site.evaluate(shift=NEAR)
        reveal(site)
        address = f"/submissions/{identifier}/evidence"
        with browser(site, "ann") as page:
            assert f'href="/api/v1{address}?view=final"' in page.get(f"/submissions/{identifier}").text
        for view in (Evaluation.PUBLIC, Evaluation.FINAL):
            (tmp_path / f"{view}.npz").write_bytes(ann.get(address, params={"view": view.value}).content)
            assert scored_again(tmp_path / f"{view}.npz") == stored(site, view)
    public, final = (np.load(tmp_path / f"{view}.npz") for view in (Evaluation.PUBLIC, Evaluation.FINAL))
    # Without a final split the pools of oracles change places.
    assert np.array_equal(public["retrained"], final["ceiling"])
    assert not np.array_equal(public["unlearned"], final["unlearned"])


def test_where_the_specification_does_not_say_so_a_team_sees_rounded_numbers(site: Site) -> None:
    with site.register("ann") as ann, browser(site, "ann") as page:
        identifier = scored(site, ann)
        assert Plotter(site.context, ReferenceSets(site.context.artifacts)).draw_next()
        reveal(site)
        answer = ann.get(f"/submissions/{identifier}/evidence")
        assert (answer.status_code, answer.json()["code"]) == (404, "evidence_hidden")
        assert ann.get(f"/competitions/{SLUG}").json()["outputs_after_reveal"] is False
        shown = page.get(f"/submissions/{identifier}").text
        assert "/evidence" not in shown
        assert "in steps of 5%" in shown
        plots = [name for name in ("epsilon", "margins", "accuracies", "times", "histogram") if f"{name}.svg" in shown]
        assert plots == ["histogram"]
        assert page.get(f"/submissions/{identifier}/plots/histogram.svg").status_code == 200
        assert page.get(f"/submissions/{identifier}/plots/epsilon.svg").status_code == 404
        analysis = page.get(f"/competitions/{SLUG}/analysis").text
        with site.context.database.read() as session:
            score = session.scalars(select(Score).where(Score.submission_id.is_not(None))).one()
        hidden = {f"{getattr(score, name):.4f}" for name in METRIC_COLUMNS}
        hidden -= {score_text(round_score(getattr(score, name))) for name in METRIC_COLUMNS}
        assert len(hidden) >= 2
        assert not [number for number in hidden if number in shown or number in analysis]
        site.change_specification(outputs_after_reveal=True)
        assert page.get(f"/submissions/{identifier}/plots/epsilon.svg").status_code == 200


def test_files_are_counted_and_few_may_wait(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with site.register("ann") as ann:
        identifier = scored(site, ann, outputs_after_reveal=True)
        address = f"/submissions/{identifier}/evidence"
        monkeypatch.setattr(evidence, "PER_ACCOUNT", parse("2 per hour"))
        for _ in range(3):  # what is refused is not counted
            assert ann.get(address).json()["code"] == "evidence_hidden"
        reveal(site)
        monkeypatch.setattr(evidence, "WAITING", 0)
        busy = ann.get(address)
        assert (busy.status_code, busy.json()["code"]) == (429, "rate_limited")
        monkeypatch.undo()
        monkeypatch.setattr(evidence, "PER_ACCOUNT", parse("2 per hour"))
        assert [ann.get(address).status_code for _ in range(2)] == [200, 429]
        assert int(ann.get(address).headers["Retry-After"]) > 60


def test_outputs_that_are_gone_or_damaged_are_said_to_be(site: Site) -> None:
    with site.register("ann") as ann:
        identifier = scored(site, ann, outputs_after_reveal=True)
        reveal(site)
        address = f"/submissions/{identifier}/evidence"
        with site.context.database.read() as session:
            key = session.scalars(select(OutputPack.key)).one()
        data = site.context.artifacts.get(key)
        site.context.artifacts.delete([key])
        assert ann.get(address).json()["code"] == "evidence_not_found"
        site.context.artifacts.put(key, data[:-4] + b"\x00\x00\x00\x00")
        assert ann.get(address).json()["code"] == "evidence_not_found"
        site.context.artifacts.delete([key])
        site.context.artifacts.put(key, data)
        assert ann.get(address).status_code == 200


def test_the_oracles_are_read_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with site.register("ann") as ann:
        scored(site, ann, outputs_after_reveal=True)
    reveal(site)
    with site.context.database.read() as session:
        user, one = session.scalars(select(User)).one(), session.scalars(select(Submission.id)).one()
        order = find_evidence(session, one, user, Evaluation.PUBLIC)
    files = EvidenceFiles(site.context)
    with anyio.run(files.make, order) as file:
        first = file.read()

    def refuse(*_: object) -> None:
        raise AssertionError("the oracles were read again")

    monkeypatch.setattr(evidence, "iterate_pool", refuse)
    with anyio.run(files.make, order) as file:
        assert file.read() == first
