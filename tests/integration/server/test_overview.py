"""`lethe admin competition show` has everything about one competition, and a host in a team is warned of."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lethe.server.cli import app
from lethe.server.competitions.service import CompetitionNotFound
from lethe.server.hosting import actions
from lethe.server.hosting.photographs import delete_photographs
from tests.integration.server.conftest import RUNS, SLUG, Site, upload


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'home' / 'lethe.db'}"


@pytest.fixture
def lethe(site: Site, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("LETHE_HOME", str(site.context.settings.home))
    monkeypatch.setenv("LETHE_DATABASE_URL", site.context.settings.database)
    return lambda *words: CliRunner().invoke(app, ["admin", *words])


def test_a_host_sees_all_of_a_competition(site: Site, lethe: Any) -> None:
    with site.register("ann") as ann:
        assert upload(ann).status_code == 202
    site.evaluate()
    assert lethe("user", "role", "ann", "host", "-c", SLUG).exit_code == 0
    with site.context.database.write() as session:
        actions.close(session, SLUG)
    found = json.loads(lethe("competition", "show", SLUG, "--json").stdout)
    assert (found["title"], found["phase"], found["teams"], found["hosts"]) == ("Faces", "closed", 1, ["ann"])
    assert found["counts"]["public"]["forget"] == 10
    assert found["figures"]["public"]["original_forget_accuracy"] == 0.5
    assert found["banks"][0] == {"bank": "public", "trained": 2 * RUNS, "wanted": 2 * RUNS}
    assert found["submissions"] == {"public": {"scored": 1}}
    assert found["disk"]["banks"] == sum(one.size_bytes for one in site.context.artifacts.entries("banks"))
    assert [one["action"] for one in found["events"]][:2] == ["competition.close", "user.role"]
    assert {"created_at", "opened_at", "closed_at"} <= found["dates"].keys()
    lines = lethe("competition", "show", SLUG).stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0] == "Faces (faces)"
    assert lines[1].startswith("faces is closed since ")
    assert "  public bank    16 of 16 models" in lines
    assert "  public runs    1: 1 scored" in lines
    with pytest.raises(CompetitionNotFound, match="Did you mean faces"):
        raise lethe("competition", "show", "fases").exception
    delete_photographs(site.context, SLUG)
    after = json.loads(lethe("competition", "show", SLUG, "--json").stdout)
    assert (after["banks"], after["submissions"]) == ([], {"public": {"scored": 1}})


def test_a_member_of_a_team_who_becomes_host_is_warned_of(site: Site, lethe: Any) -> None:
    with site.register("ann") as ann, site.register("bob"):
        assert upload(ann).status_code == 202
    warned = lethe("user", "role", "ann", "host", "-c", SLUG)
    assert warned.exit_code == 0
    assert warned.stdout == "ann is host of faces.\n"
    assert "warning: ann is in the team 'ann' of faces" in warned.stderr
    assert "lethe admin team baseline faces ann" in warned.stderr
    assert lethe("user", "role", "bob", "host", "-c", SLUG).stderr == ""
    assert lethe("user", "role", "ann", "host", "-c", SLUG, "--remove").stderr == ""
    assert lethe("team", "baseline", SLUG, "ann").exit_code == 0
    assert json.loads(lethe("user", "role", "ann", "host", "-c", SLUG, "--json").stdout)["team"] is None
