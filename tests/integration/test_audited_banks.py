"""Audits as a host meets them: create says what one costs, seed does those of oracles, prune leaves what they need."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lethe.evaluator.artifacts.audits import load_audits
from lethe.evaluator.contract.audits import AuditQuantity, AuditRecord
from lethe.server.cli import app
from lethe.server.competitions.service import get_competition, prepared_competition, specification
from lethe.server.context import create_context
from lethe.server.hosting.creation import describe_audits
from lethe.server.settings import Settings

pytestmark = pytest.mark.slow

SPEC = """slug = "tiny"
title = "Tiny"
[data]
source = "synthetic-faces"
identities = 16
images_per_identity = 5
image_size = 16
classes = 2
[split]
retain_sample = 8
final = true
[practice]
identities = 8
oracles = 0
[training]
epochs = 4
batch_size = 16
[evaluation]
runs = 8
oracles = 8
ceiling_oracles = 8
batch_size = 16
[audits]
runs = {runs}
epochs = 1
"""

Lethe = Callable[..., str]


@pytest.fixture
def lethe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lethe:
    monkeypatch.setenv("LETHE_HOME", str(tmp_path / "home"))

    def call(*words: str) -> str:
        done = CliRunner().invoke(app, ["admin", *words])
        assert done.exit_code == 0, f"{done.output} {done.exception!r}"
        return done.stdout

    return call


def test_a_host_is_told_what_audits_cost_and_oracles_are_audited_once(lethe: Lethe, tmp_path: Path) -> None:
    (tmp_path / "spec.toml").write_text(SPEC.format(runs=2))
    created = lethe("competition", "create", str(tmp_path / "spec.toml"))
    assert "\naudits of 2 runs of each submission, " in created
    assert "s together: one took " in created
    lethe("oracles", "seed", "tiny", "--jobs", "2")
    store = create_context(Settings()).artifacts
    audits = [key for key in store.list("banks") if "/audits/" in key]
    assert sorted(key.rsplit("/")[-1] for key in audits) == sorted(
        2 * ["00008.json", "00009.json", "original.json"]  # of either split
    )
    said = lethe("calibrate", "tiny")
    assert "public split: audits of 2 runs of each submission, " in said
    assert "final split: audits of 2 runs" in said
    assert "no audit of" not in said
    rows = json.loads(lethe("calibrate", "tiny", "--json"))
    assert {row["split"] for row in rows} == {"public", "final"}
    assert all(row["audit_s"] > 0 for row in rows)
    pruned = json.loads(lethe("oracles", "prune", "tiny", "--yes", "--json"))
    assert pruned["checkpoints"] == 2 * (16 - 4)
    with create_context(Settings()).database.read() as session:
        competition = get_competition(session, "tiny", drafts=True)
        found = load_audits(store, specification(competition), prepared_competition(competition).public, ())
    assert found.missing == ("2 of 2 runs: there is no record",)
    assert {len(values) for values in found.oracles.values()} == {2}
    assert found.original[AuditQuantity.DISTANCE_TO_ORIGINAL].tolist() == [0]
    assert json.loads(lethe("oracles", "verify", "tiny", "--json"))["sound"]


def test_a_competition_without_audits_says_nothing_of_them(lethe: Lethe, tmp_path: Path) -> None:
    (tmp_path / "spec.toml").write_text(SPEC.format(runs=0))
    assert "audit" not in lethe("competition", "create", str(tmp_path / "spec.toml"))


def test_a_cost_that_could_not_be_measured_says_why() -> None:
    late = AuditRecord(place=0, quantities={}, missing="the audit took more than 9 s", wall_s=9.0)
    done = AuditRecord(place=0, quantities={AuditQuantity.FORGET_MARGIN: 1.0}, wall_s=2.0)
    assert describe_audits(4, [late]).endswith("how long one takes is not known: the audit took more than 9 s")
    assert describe_audits(4, []).endswith("not known: none was done")
    assert describe_audits(4, [late, done]) == "audits of 4 runs of each submission, 8 s together: one took 2.0 s here"
