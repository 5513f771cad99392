"""What a host may still change of a competition that exists, and what she is told of the rest."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from lethe.evaluator.contract.specification import (
    CompetitionSpec,
    EvaluationSpec,
    LimitsSpec,
    MeasuresSpec,
    MetricSpec,
    PhasesSpec,
    QuotasSpec,
    SplitSpec,
)
from lethe.server.cli import app
from lethe.server.competitions import service
from lethe.server.hosting import editing
from lethe.server.models import AuditEvent, Score
from lethe.server.models.times import utc_now
from tests.integration.server.conftest import SLUG, Site, spec, upload

pytestmark = pytest.mark.one_database


def edited(site: Site, wanted: CompetitionSpec) -> list[str]:
    """The keys that changed."""
    with site.context.database.write() as session:
        return [one.key for one in editing.edit(session, SLUG, wanted, actor="user:host")]


def stored(site: Site) -> CompetitionSpec:
    with site.context.database.read() as session:
        return service.specification(service.get_competition(session, SLUG))


def test_texts_and_quotas_change_and_the_page_says_when(site: Site) -> None:
    with site.client() as client:
        assert client.get(f"/competitions/{SLUG}").json()["edited_at"] is None
    wanted = spec(title="Other faces", description="New", quotas=QuotasSpec(submissions_per_day=3), team_size=2)
    assert set(edited(site, wanted)) == {"title", "description", "team_size", "quotas.submissions_per_day"}
    assert stored(site).quotas == QuotasSpec(
        submissions_per_day=3, submissions_total=0, in_flight=0, attempts_per_day=0
    )  # what the file leaves out stays
    assert edited(site, wanted) == []
    with site.client() as client:
        view = client.get(f"/competitions/{SLUG}").json()
        assert (view["title"], view["quotas"]["submissions_per_day"]) == ("Other faces", 3)
        assert view["edited_at"] is not None
    with site.context.database.read() as session:
        (event,) = session.scalars(select(AuditEvent).where(AuditEvent.action == "competition.edit")).all()
        assert (event.actor, "title" in event.details["keys"]) == ("user:host", True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"slug": "others"}, "The file is of 'others', not of 'faces'"),
        ({"split": SplitSpec(forget_fraction=0.3)}, "split.forget_fraction: data and models were made from it"),
        ({"evaluation": EvaluationSpec(runs=16, oracles=16, ceiling_oracles=16)}, "evaluation.runs: data and models"),
        ({"metric": MetricSpec(cap_ratios=False)}, "metric.cap_ratios: .*lethe admin rescore"),
        ({"phases": PhasesSpec(public_end=utc_now() - timedelta(days=1))}, "competition close ends uploads now"),
    ],
    ids=["slug", "split", "runs", "metric", "past"],
)
def test_what_has_to_stay_is_refused_with_the_reason(site: Site, changes: dict[str, Any], message: str) -> None:
    before = stored(site)
    with pytest.raises((editing.FixedByNow, editing.InvalidEdit), match=message):
        edited(site, spec(title="Other", **changes))
    assert stored(site) == before


def test_limits_of_runs_change_until_something_is_uploaded(site: Site) -> None:
    assert edited(site, spec(limits=LimitsSpec(run_wall_s=30.0))) == ["limits.run_wall_s"]
    with site.register("ann") as ann:
        assert upload(ann).status_code == 202
    with pytest.raises(editing.FixedByNow, match=r"limits.run_wall_s: submissions were measured under it"):
        edited(site, spec(limits=LimitsSpec(run_wall_s=40.0)))
    assert edited(site, spec(limits=LimitsSpec(run_wall_s=30.0, log_bytes=2**15))) == ["limits.log_bytes"]


def test_dates_change_and_those_that_a_host_has_moved_since_stay(site: Site) -> None:
    end, later = utc_now() + timedelta(days=2), utc_now() + timedelta(days=9)
    assert edited(site, spec(phases=PhasesSpec(public_end=end))) == ["phases.public_end"]
    with site.context.database.write() as session:
        competition = service.get_competition(session, SLUG)
        assert competition.public_ends_at == end
        competition.public_ends_at = later
    promised = later + timedelta(days=1)
    assert edited(site, spec(phases=PhasesSpec(public_end=end, final_end=promised))) == ["phases.final_end"]
    with site.context.database.read() as session:
        competition = service.get_competition(session, SLUG)
        assert (competition.public_ends_at, competition.final_ends_at) == (later, promised)


def test_other_columns_of_measures_are_measured(site: Site) -> None:
    with site.register("ann") as ann:
        assert upload(ann).status_code == 202
        site.evaluate()
    with site.context.database.write() as session:
        for score in session.scalars(select(Score)):
            score.measures, score.shown_measures = {"version": 0}, {"old": 1.0}
    edited(site, spec(measures=MeasuresSpec(columns=("klom.mean",))))
    with site.context.database.read() as session:
        assert {(score.measures is None, str(score.shown_measures)) for score in session.scalars(select(Score))} == {
            (True, "{}")
        }


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_command_shows_changes_and_asks(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LETHE_HOME", str(site.context.settings.home))
    monkeypatch.setenv("LETHE_DATABASE_URL", site.context.settings.database)
    file = tmp_path / "faces.toml"
    file.write_text(f'slug = "{SLUG}"\ntitle = "New faces"\n[audits]\nruns = 0\n')

    def lethe(*words: str, typed: str = "") -> Any:
        return CliRunner().invoke(app, ["admin", "competition", "edit", SLUG, str(file), *words], input=typed)

    assert lethe(typed="n\n").exit_code == 1
    assert stored(site).title == "Faces"
    done = lethe(typed="y\n")
    assert (done.exit_code, done.stdout.strip().endswith(f"Changed {SLUG}.")) == (0, True), done.output
    assert 'title: "Faces" → "New faces"' in done.stderr
    assert stored(site).title == "New faces"
    assert json.loads(lethe("--yes", "--json").stdout) == {"competition": SLUG, "changes": []}
