"""A competition from creation to reveal, by the host's commands and with a real worker: two splits, two boards."""

import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.system.conftest import Installation, wait

SLUG = "finals"
RUNS = 8
SPECIFICATION = f"""
slug = "{SLUG}"
title = "Finals"
[data]
source = "synthetic-faces"
identities = 24
images_per_identity = 5
classes = 4
[split]
final = true
[training]
epochs = 2
[evaluation]
runs = {RUNS}
oracles = {RUNS}
ceiling_oracles = {RUNS}
chunk_runs = 4
final_selections = 1
[limits]
run_wall_s = 20
run_cpu_s = 40
[leaks]
step_s = 1
[quotas]
in_flight = 0
"""
BASELINES = Path(__file__).parents[2] / "baselines"

pytestmark = [pytest.mark.component("bubblewrap"), pytest.mark.timeout(600)]


def upload(client: httpx.Client, name: str) -> str:
    """The id of a new submission of a baseline."""
    data = (BASELINES / f"{name}.py").read_bytes()
    answer = client.post(f"/competitions/{SLUG}/submissions", files={"file": (f"{name}.py", data)})
    assert answer.status_code == 202, answer.text
    identifier: str = answer.json()["id"]
    return identifier


def finish(installation: Installation, limit_s: float = 180) -> dict[str, Any]:
    """How the final evaluations stand once all of them have ended."""
    deadline = time.monotonic() + limit_s
    while True:
        command = installation.lethe("admin", "competition", "finals", SLUG, "--yes", "--json")
        found: dict[str, Any] = json.loads(command.stdout)
        if found["scored"] + found["failed"] == found["total"]:
            return found
        assert time.monotonic() < deadline, found
        time.sleep(1)


def test_final_evaluation_by_the_hosts_commands(embedded: Installation) -> None:
    path = embedded.home / "finals.toml"
    path.write_text(SPECIFICATION)
    embedded.lethe("admin", "competition", "create", str(path))
    embedded.lethe("admin", "oracles", "seed", SLUG)
    calibrated = json.loads(embedded.lethe("admin", "calibrate", SLUG, "--json").stdout)
    assert {row["split"] for row in calibrated} == {"public", "final"}
    embedded.lethe("admin", "competition", "open", SLUG)

    here = f"/competitions/{SLUG}"
    with embedded.register("fay") as fay, embedded.register("gus") as gus:
        # fay chooses the worse one of two, gus chooses nothing.
        chosen, other = upload(fay, "noop"), upload(fay, "reset_head")
        alone = upload(gus, "finetune")
        assert [wait(fay, chosen)["state"], wait(fay, other)["state"], wait(gus, alone)["state"]] == ["scored"] * 3
        assert fay.post(f"/submissions/{chosen}/select").json()["selected"] is True
        early = embedded.lethe("admin", "competition", "finals", SLUG, "--yes", check=False)
        assert early.returncode == 1
        assert f"lethe admin competition close {SLUG}" in early.stderr
        embedded.lethe("admin", "competition", "close", SLUG)

        assert finish(embedded) == {"total": 2, "scored": 2, "failed": 0}
        assert fay.get(f"/submissions/{chosen}").json()["final"] is None
        assert fay.get(f"{here}/leaderboard?view=final").status_code == 404
        revealed = embedded.lethe("admin", "competition", "reveal", SLUG, "--yes", "--json")

        board = fay.get(f"{here}/leaderboard?view=final").json()
        assert json.loads(revealed.stdout)["rows"] == board["rows"]
        assert sorted(row["team"] for row in board["rows"] if row["rank"]) == ["fay", "gus"]
        assert {row["reference"] for row in board["rows"]} == {None, "ceiling", "floor"}
        final = fay.get(f"/submissions/{chosen}").json()["final"]
        assert (final["state"], final["score"]) == ("scored", 0.0)  # what does nothing stays at the floor
        assert fay.get(f"/submissions/{other}").json()["final"] is None
        marks = gus.get(f"/submissions/{alone}/receipt").json()
        assert marks["public"]["source_sha256"] == marks["final"]["source_sha256"]
        for mark in ("data_mark", "oracles_mark", "seeds_mark"):
            assert marks["public"][mark] != marks["final"][mark]
