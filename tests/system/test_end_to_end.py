"""The whole path over HTTP against real processes, on the embedded default and on PostgreSQL, Redis and S3."""

import json
import shlex
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from tests.system.conftest import RUNS, SLUG, Installation, submit, wait

BASELINES = Path(__file__).parents[2] / "baselines"
OPERATIONS = Path(__file__).parents[2] / "docs/operations.md"
WAY = {
    "serve": {"submission_queued", "work_claimed", "check_passed", "runs_done"},
    "worker": {"work_started", "work_done"},
    "control": {"score_claimed", "submission_scored"},
}
"""The events of each process by which a submission is followed."""

pytestmark = [
    pytest.mark.component("bubblewrap", "postgresql", "redis", "jq"),
    pytest.mark.timeout(600),
    # The embedded default is what the other system tests run on.
    pytest.mark.parametrize("kind", [pytest.param("embedded", marks=pytest.mark.long), "production"]),
]


@pytest.fixture
def installation(kind: str, request: pytest.FixtureRequest) -> Installation:
    found: Installation = request.getfixturevalue(kind)
    return found


def test_baseline_is_scored_between_floor_and_ceiling(installation: Installation) -> None:
    source = (BASELINES / "noise_finetune.py").read_bytes()
    with installation.register("zoe") as ann:  # the docs have an ann
        first = submit(ann, source)
        scored = wait(ann, first["id"])
        assert (scored["state"], scored["runs_done"]) == ("scored", RUNS), scored
        again = submit(ann, source)
        assert (again["id"], again["score"]) == (first["id"], scored["score"])
        board = ann.get(f"/competitions/{SLUG}/leaderboard").json()["rows"]
        log = ann.get(f"/submissions/{first['id']}/log").json()
    rows = {row["reference"] or row["team"]: row for row in board}
    assert rows["floor"]["score"] == 0 < rows["zoe"]["score"] < rows["ceiling"]["score"]
    assert log["wall_s"] > 0
    assert log["peak_memory_bytes"] is None or log["peak_memory_bytes"] > 2**20

    installation.lethe("admin", "submission", "rerun", first["id"])
    with ann_again(installation, ann) as client:
        assert wait(client, first["id"])["score"] == scored["score"]
    installation.lethe("admin", "submission", "rerun", first["id"], "--fresh-seeds")
    with ann_again(installation, ann) as client:
        fresh = wait(client, first["id"])
    assert scored["interval"]["low"] <= fresh["score"] <= scored["interval"]["high"]
    assert fresh["score"] != scored["score"]


def ann_again(installation: Installation, client):  # type: ignore[no-untyped-def]
    import httpx

    return httpx.Client(
        base_url=f"{installation.url}/api/v1", headers={"Authorization": client.headers["Authorization"]}, timeout=60
    )


def test_noop_is_at_the_floor_and_one_id_finds_its_way_in_every_log(installation: Installation, tmp_path: Path) -> None:
    with installation.register("nora") as nora:
        scored = wait(nora, submit(nora, (BASELINES / "noop.py").read_bytes())["id"])
    assert (scored["state"], scored["score"]) == ("scored", 0.0)
    if installation.environment.get("LETHE_LOG_FORMAT") != "json":
        return
    printed = _logs_of_processes(installation)
    lines = {name: [json.loads(line) for line in text] for name, text in printed.items()}  # every line is JSON
    (queued,) = (
        line
        for line in lines["serve"]
        if line["event"] == "submission_queued" and line["submission_id"] == scored["id"]
    )
    for identifier in (scored["id"], queued["request_id"]):
        for name, events in WAY.items():
            found = _events(printed[name], identifier, tmp_path / "log")
            assert events <= set(found), (name, identifier, found)


def _logs_of_processes(installation: Installation) -> dict[str, list[str]]:
    """What each process of `lethe up` printed, without what the command says of them."""
    printed: dict[str, list[str]] = defaultdict(list)
    for line in (installation.home / "up.log").read_text().splitlines():
        name, bar, text = line.partition("| ")
        if bar and not text.startswith("ended with code"):
            printed[name.strip()].append(text)
    return printed


def _events(lines: list[str], identifier: str, log: Path) -> list[str]:
    """The events that the command line of docs/operations.md finds, of each the second word that it prints."""
    log.write_text("\n".join(lines))
    (command,) = (line for line in OPERATIONS.read_text().splitlines() if line.startswith("journalctl -o cat"))
    search = command.partition(" | ")[2].replace("grep ID", f"grep {identifier} {shlex.quote(str(log))}")
    done = subprocess.run(["bash", "-c", search], capture_output=True, text=True, check=True)
    return [line.split()[1] for line in done.stdout.splitlines()]
