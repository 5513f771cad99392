"""Every file of `baselines/`, uploaded over HTTP as it is, ends with a score between floor and ceiling."""

import sys
from pathlib import Path

import httpx
import pytest

from tests.system.conftest import RUNS, SLUG, Installation, submit, wait

FILES = sorted(path for path in (Path(__file__).parents[3] / "baselines").glob("*.py") if path.stem != "__init__")

pytestmark = [pytest.mark.component("bubblewrap"), pytest.mark.long, pytest.mark.timeout(3600)]


def test_every_baseline_reaches_its_score(embedded: Installation) -> None:
    clients = {path.stem: embedded.register(path.stem) for path in FILES}
    views = {path.stem: submit(clients[path.stem], path.read_bytes()) for path in FILES}
    ended = {name: wait(clients[name], views[name]["id"], limit_s=3000) for name in clients}
    for client in clients.values():
        client.close()
    assert {name: (view["state"], view["runs_done"]) for name, view in ended.items()} == dict.fromkeys(
        clients, ("scored", RUNS)
    )
    rows = httpx.get(f"{embedded.url}/api/v1/competitions/{SLUG}/leaderboard", timeout=30).json()["rows"]
    for row in rows:
        sys.stdout.write(f"{row['rank'] or '':>4} {row['reference'] or row['team']:<24} {row['score']:.4f}\n")
    scores = {row["reference"] or row["team"]: row["score"] for row in rows}
    assert set(scores) >= set(clients) | {"floor", "ceiling"}
    assert scores["noop"] == scores["floor"] == 0
    assert all(scores["floor"] <= scores[name] for name in clients)
    assert max(scores[name] for name in clients) < 1.5 * scores["ceiling"]
    assert scores["gradient_ascent"] < scores["noise_finetune"]
