"""Rescoring from stored outputs: compared first, exchanged at once, former scores kept, verified to the bit."""

import json
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select, update
from typer.testing import CliRunner, Result

from lethe.evaluator.contract.oracle_pools import OraclePools
from lethe.evaluator.contract.specification import EvaluationSpec, MetricSpec
from lethe.evaluator.scoring.reference_set import ReferenceSet, ReferenceSets
from lethe.server.cli import app
from lethe.server.competitions import service as competitions
from lethe.server.hosting.archive import export
from lethe.server.models import AuditEvent, Competition, FormerScore, OutputPack, Score, Standing
from lethe.server.scoring import rescoring
from lethe.server.scoring.rescoring import MetricImpossible, OutputsMissing
from lethe.server.scoring.scorer import Scorer
from lethe.server.scoring.verification import verify
from tests.integration.server.conftest import GOOD, SLUG, Site, upload

pytestmark = pytest.mark.component("postgresql")
NAMES = ("ann", "bob", "cem")


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """SQLite, unless a test asks for the other one."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return f"sqlite:///{tmp_path / 'lethe.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


def quiet(done: int, total: int) -> None:
    assert 0 <= done <= total


@pytest.fixture
def scored(site: Site) -> Site:
    """Three scored teams, their runs ever further from the oracles."""
    for place, name in enumerate(NAMES):
        with site.register(name) as client:
            assert upload(client, GOOD + b"0\n" * place).status_code == 202
        site.evaluate(shift=0.6 * place)
    return site


def scores(site: Site) -> dict[UUID, tuple[float, str]]:
    with site.context.database.read() as session:
        return {one.id: (one.final_score, one.receipt.get("rule", "")) for one in session.scalars(select(Score))}


def ranks(site: Site) -> dict[UUID, int | None]:
    with site.context.database.read() as session:
        return {one.team_id: one.rank for one in session.scalars(select(Standing))}


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
def test_a_draft_changes_nothing_and_applying_it_everything(scored: Site) -> None:
    before, placed = scores(scored), ranks(scored)
    made = rescoring.draft(scored.context, SLUG, {"rule": "competition"}, quiet)
    assert (scores(scored), ranks(scored)) == (before, placed)
    assert (made.old_metric.rule, made.new_metric.rule) == ("exact", "competition")
    public = {move.team: move for move in made.moves["public"]}
    assert set(public) == {*NAMES, "ceiling", "floor"}
    assert any(move.new_score != move.old_score for move in public.values())

    rescoring.apply(scored.context, made, quiet)
    after = scores(scored)
    assert after.keys() == before.keys()
    assert {rule for _, rule in after.values()} == {"competition"}
    with scored.context.database.read() as session:
        former = {one.score_id: one.final_score for one in session.scalars(select(FormerScore))}
        assert former == {key: score for key, (score, _) in before.items()}
        competition = session.scalars(select(Competition)).one()
        assert competitions.specification(competition).metric == MetricSpec(rule="competition")
        board = session.scalars(select(Standing.rank).where(Standing.evaluation == "public"))
        assert sorted(board) == sorted(move.new_rank for move in public.values() if move.new_rank is not None)
        (event,) = session.scalars(select(AuditEvent).where(AuditEvent.action == "competition.rescore"))
        assert (event.details["old"]["rule"], event.details["new"]["rule"]) == ("exact", "competition")

    # Back again gives the same bits as before.
    rescoring.apply(scored.context, rescoring.draft(scored.context, SLUG, {"rule": "exact"}, quiet), quiet)
    assert {key: score for key, (score, _) in scores(scored).items()} == {k: s for k, (s, _) in before.items()}
    assert ranks(scored) == placed


def test_scores_that_come_meanwhile_are_taken_in(scored: Site) -> None:
    made = rescoring.draft(scored.context, SLUG, {"rule": "competition"}, quiet)
    with scored.register("dora") as client:
        assert upload(client, GOOD + b"'d'\n").status_code == 202
    scored.evaluate(shift=0.3)
    applied = rescoring.apply(scored.context, made, quiet)
    assert "dora" in {move.team for move in applied.moves["public"]}
    assert {rule for _, rule in scores(scored).values()} == {"competition"}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_scorer_that_began_before_the_exchange_scores_again_under_the_new_rule(scored: Site) -> None:
    with scored.register("dora") as client:
        sent = UUID(upload(client, GOOD + b"'d'\n").json()["id"])
    while (job := scored.claim()) is not None:
        assert scored.report(job, finished=[] if job.stage == "check" else scored.store_runs(job, 0.3))

    class ExchangedMeanwhile(ReferenceSets):
        """The rule changes after the scorer has read it, once."""

        changed = False

        def get(self, metric: MetricSpec, measure: OraclePools) -> ReferenceSet:
            if not self.changed:
                self.changed = True
                rescoring.apply(
                    scored.context, rescoring.draft(scored.context, SLUG, {"rule": "competition"}, quiet), quiet
                )
            return super().get(metric, measure)

    scorer = Scorer(scored.context, "slow", ExchangedMeanwhile(scored.context.artifacts))
    assert scorer.score_next()
    with scored.context.database.read() as session:
        assert session.scalar(select(Score).where(Score.submission_id == sent)) is None
    scored.expire_leases()
    assert scorer.score_next()
    with scored.context.database.read() as session:
        score = session.scalars(select(Score).where(Score.submission_id == sent)).one()
    assert score.receipt["rule"] == "competition"


def test_verify_finds_a_changed_number_and_missing_outputs(scored: Site) -> None:
    found = verify(scored.context, SLUG, quiet)
    assert (found.scores, found.identical, found.sound) == (len(NAMES) + 4, len(NAMES) + 4, True)
    with scored.context.database.write() as session:
        victim = session.scalars(select(Score).where(Score.submission_id.is_not(None)).limit(1)).one()
        kept = victim.final_score
        victim.final_score = kept + 1e-12
    assert verify(scored.context, SLUG, quiet).close == 1
    with scored.context.database.write() as session:
        session.execute(update(Score).where(Score.id == victim.id).values(final_score=kept + 1e-6))
    (reason,) = verify(scored.context, SLUG, quiet).different
    assert str(victim.submission_id) in reason
    assert "came out" in reason
    with scored.context.database.write() as session:
        session.execute(update(Score).where(Score.id == victim.id).values(final_score=kept))
        session.execute(
            update(OutputPack).where(OutputPack.submission_id == victim.submission_id).values(sha256="0" * 64)
        )
    (reason,) = verify(scored.context, SLUG, quiet).different
    assert "ArtifactCorrupt" in reason
    before = scores(scored)
    with pytest.raises(OutputsMissing, match=r"1 of \d+ scores cannot be computed again"):
        rescoring.draft(scored.context, SLUG, {"rule": "competition"}, quiet)
    assert scores(scored) == before
    scored.change_specification(evaluation=EvaluationSpec(runs=8, oracles=16, ceiling_oracles=8))
    with pytest.raises(MetricImpossible, match="runs = oracles"):
        rescoring.draft(scored.context, SLUG, {"rule": "competition"}, quiet)


def test_on_the_command_line(scored: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = scored.context.settings
    monkeypatch.setenv("LETHE_HOME", str(settings.home))
    monkeypatch.setenv("LETHE_DATABASE_URL", settings.database)
    before = scores(scored)

    def rescore(*more: str, answer: str = "") -> Result:
        return CliRunner().invoke(app, ["admin", "rescore", SLUG, *more], input=answer)

    assert rescore("--verify", "--rule", "exact").exit_code == 2
    verified = rescore("--verify", "--json")
    assert verified.exit_code == 0, verified.output
    assert json.loads(verified.stdout)["sound"] is True
    compared = json.loads(rescore("--rule", "competition", "--json").stdout)
    assert (compared["applied"], {row["team"] for row in compared["boards"]["public"]}) == (
        False, {*NAMES, "ceiling", "floor"},
    )  # fmt: skip
    declined = rescore("--rule", "competition", answer="n\n")
    assert declined.exit_code == 1
    assert "new rank" in declined.stdout
    assert scores(scored) == before
    done = rescore("--rule", "competition", "--yes")
    assert "the former ones are kept" in done.stdout, done.output
    assert {rule for _, rule in scores(scored).values()} == {"competition"}
    export(scored.context, SLUG, tmp_path / "archive", margins=False)
    for submission in json.loads((tmp_path / "archive/archive.json").read_text())["submissions"]:
        assert [former["receipt"]["rule"] for former in submission["former_scores"]] == ["exact"]
    with scored.context.database.write() as session:
        session.execute(update(Score).values(forgetting_quality=Score.forgetting_quality + 1))
    assert rescore("--verify").exit_code == 1
