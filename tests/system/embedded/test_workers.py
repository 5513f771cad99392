"""A real worker, seen by the operator, freed by a cancellation, killed and started again."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from lethe.evaluator.artifacts.audits import load_audits
from lethe.evaluator.contract.audits import AuditQuantity
from lethe.server.competitions.service import get_competition, prepared_competition, specification
from lethe.server.context import create_context
from lethe.server.database.engine import Database
from lethe.server.models import Submission, WorkItem
from lethe.server.models.times import utc_now
from lethe.server.scoring.stored_outputs import run_outputs
from lethe.server.settings import Settings
from tests.system.conftest import SLUG, Installation, share_self_test, submit, wait

SLEEPER = "import time\ndef unlearning(net, retain, forget, validation):\n    time.sleep({seconds})\n"

pytestmark = [pytest.mark.component("bubblewrap"), pytest.mark.timeout(600)]


def workers(installation: Installation) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(installation.lethe("admin", "worker", "list", "--json").stdout)
    return rows


def until(condition: Callable[[], Any], limit_s: float = 120) -> Any:
    deadline = time.monotonic() + limit_s
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return found


def items(installation: Installation, identifier: str) -> list[tuple[str, str, datetime | None, int]]:
    """Stage, state, end and losses of a submission's work items."""
    database = Database(Settings(home=installation.home).database)
    with database.read() as session:
        rows = session.execute(
            select(WorkItem.stage, WorkItem.state, WorkItem.done_at, WorkItem.losses)
            .join(Submission, Submission.id == WorkItem.submission_id)
            .where(Submission.id.in_([one for one in session.scalars(select(Submission.id)) if str(one) == identifier]))
        )
        found = [tuple(row) for row in rows]
    database.dispose()
    return found  # type: ignore[return-value]


def worker_pid(installation: Installation) -> int | None:
    """The process that `lethe up` runs as the worker of this home."""
    wanted = f"LETHE_CACHE={installation.home / 'cache'}".encode()
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            is_worker = (folder / "cmdline").read_bytes().split(b"\0")[-2:-1] == [b"worker"]
            if is_worker and wanted in (folder / "environ").read_bytes().split(b"\0"):
                return int(folder.name)
        except OSError:
            continue
    return None


def test_a_cancelled_submission_frees_its_worker(embedded: Installation) -> None:
    with embedded.register("cora") as cora:
        identifier = submit(cora, SLEEPER.format(seconds=19))["id"]
        until(lambda: cora.get(f"/submissions/{identifier}").json()["state"] == "checking")
        (row,) = [row for row in workers(embedded) if row["state"] == "busy"]
        assert (row["doing"], row["submission_id"]) == ("check", identifier)
        assert row["capabilities"]["sandbox_mode"].startswith("bubblewrap")
        assert cora.post(f"/submissions/{identifier}/cancel").json()["state"] == "cancelled"
        cancelled_at = utc_now()  # the answer's own time is coarse
        freed_at = until(lambda: [done_at for _, state, done_at, _ in items(embedded, identifier) if state == "failed"])
    # One heartbeat of three seconds; the rest is for machines that have more to do, and shorter than the run.
    assert (freed_at[0] - cancelled_at).total_seconds() < 18


def test_a_worker_with_another_store_gets_no_work_and_says_so(embedded: Installation, tmp_path: Path) -> None:
    key = embedded.lethe("admin", "worker-key", "create", "astray").stdout.split()[-1]
    environment = {
        **embedded.environment,
        "LETHE_SERVER_URL": embedded.url,
        "LETHE_WORKER_KEY": key,
        "LETHE_ARTIFACTS_URL": (tmp_path / "elsewhere").as_uri(),
        "LETHE_CACHE": str(tmp_path / "cache"),
    }
    share_self_test(embedded.home, tmp_path / "cache")
    printed = tmp_path / "log"
    with printed.open("w") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", "lethe.server.cli", "worker"], env=environment, stderr=log, cwd=tmp_path
        )
    try:
        until(lambda: "worker_unfit" in printed.read_text())
        with embedded.register("astrid") as astrid:
            view = wait(astrid, submit(astrid, SLEEPER.format(seconds=0))["id"])
        assert view["state"] == "scored"
        assert {row["key"]: row["state"] for row in workers(embedded)}.get("astray") is None
    finally:
        worker.terminate()
        worker.wait(timeout=120)
    assert "is not the server's artifact store: set LETHE_ARTIFACTS_URL" in printed.read_text()


def test_a_killed_worker_costs_its_run_and_no_lease(embedded: Installation) -> None:
    with embedded.register("kim") as kim:
        identifier = submit(kim, SLEEPER.format(seconds=2))["id"]
        until(lambda: kim.get(f"/submissions/{identifier}").json()["state"] == "running")
        killed = until(lambda: worker_pid(embedded))
        os.kill(killed, signal.SIGKILL)
        until(lambda: sum(losses for *_, losses in items(embedded, identifier)), limit_s=120)
        assert worker_pid(embedded) != killed
        assert wait(kim, identifier)["state"] == "scored"
        assert sum(losses for *_, losses in items(embedded, identifier)) == 1


def test_runs_that_change_nothing_are_audited_as_the_original_is(embedded: Installation) -> None:
    with embedded.register("alma") as alma:
        identifier = submit(alma, "# leaves the network as it is\n" + SLEEPER.format(seconds=0))["id"]
        assert wait(alma, identifier)["state"] == "scored"
    context = create_context(Settings(home=embedded.home))
    with context.database.read() as session:
        competition = get_competition(session, SLUG)
        refs = run_outputs(session, session.get_one(Submission, UUID(identifier))).audits
        split = prepared_competition(competition).public
        found = load_audits(context.artifacts, specification(competition), split, refs)
    context.database.dispose()
    assert found.missing == ()
    assert {len(values) for values in (*found.runs.values(), *found.oracles.values())} == {2}
    for quantity, (value,) in found.original.items():
        assert found.runs[quantity][0] == pytest.approx(value, abs=1e-6)  # the same place, so the same seed
    assert found.runs[AuditQuantity.DISTANCE_TO_ORIGINAL].tolist() == [0, 0]
    assert (found.oracles[AuditQuantity.DISTANCE_TO_ORIGINAL] > 0.1).all()
