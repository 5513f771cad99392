"""The whole path over HTTP against real processes, on the embedded default and on PostgreSQL, Redis and S3."""

from pathlib import Path

import pytest

from tests.system.conftest import RUNS, SLUG, Installation, submit, wait

BASELINES = Path(__file__).parents[2] / "baselines"

pytestmark = [
    pytest.mark.component("bubblewrap", "postgresql", "redis"),
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


def test_noop_is_at_the_floor(installation: Installation) -> None:
    with installation.register("nora") as nora:
        scored = wait(nora, submit(nora, (BASELINES / "noop.py").read_bytes())["id"])
    assert (scored["state"], scored["score"]) == ("scored", 0.0)
