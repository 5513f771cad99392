"""What operators see: true metrics, a readiness that names the part and never hangs, logs that can be joined."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from math import inf
from pathlib import Path

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from lethe import __version__
from lethe.server.app import create_app
from lethe.server.audit_log.events import record
from lethe.server.control.sweeper import sweep
from lethe.server.database.engine import CONNECTIONS
from lethe.server.database.migration import require_newest
from lethe.server.errors import ConfigurationError
from lethe.server.hosting.backup import BACKUP
from lethe.server.hosting.queries import schema_revision
from lethe.server.monitoring import prometheus, readiness
from lethe.server.settings import Settings
from tests.conftest import free_port
from tests.integration.server.conftest import GOOD, RUNS, Site, upload

pytestmark = pytest.mark.one_database

ROOT = Path(__file__).parents[3]


def samples(url: str) -> dict[str, float]:
    """Every sample of /metrics by name and labels."""
    families = text_string_to_metric_families(httpx.get(f"{url}/metrics", timeout=30).text)
    return {
        sample.name + json.dumps(sample.labels, sort_keys=True): sample.value
        for family in families
        for sample in family.samples
    }


def test_metrics_count_what_happened(site: Site) -> None:
    with site.register("ann") as ann, site.register("bob") as bob, site.register("cat") as cat:
        upload(ann)
        site.evaluate()
        identifier = upload(bob, GOOD + b"'bob'\n").json()["id"]
        upload(cat, GOOD + b"'cat'\n")
        waiting = samples(site.url)
        assert waiting['lethe_queue_depth{"stage": "check"}'] == 2
        assert 0 <= waiting['lethe_queue_oldest_seconds{"stage": "check"}'] < 120
        bob.post(f"/submissions/{identifier}/cancel")
        job = site.claim()
        assert job is not None
        busy = samples(site.url)
        assert busy['lethe_workers{"state": "busy"}'] == 1
        assert busy['lethe_queue_depth{"stage": "check"}'] == 0
        assert busy['lethe_work_items{"sandbox_mode": "test", "stage": "check", "state": "leased"}'] == 1
        fault = {"code": "timeout", "message": "", "line": None}
        assert site.report(job, fault=fault)
    assert sweep(site.context, "test")
    after = samples(site.url)
    assert after['lethe_outcomes_total{"code": "", "owner": "", "state": "scored"}'] == 1
    assert after['lethe_outcomes_total{"code": "timeout", "owner": "participant", "state": "failed"}'] == 1
    assert after['lethe_outcomes_total{"code": "cancelled", "owner": "participant", "state": "cancelled"}'] == 1
    assert sum(value for name, value in after.items() if name.startswith("lethe_submissions")) == 0
    assert (after["lethe_runs_total{}"], after["lethe_scorings_total{}"]) == (RUNS, 1)
    assert after["lethe_scoring_seconds_total{}"] > 0
    assert after["lethe_sweeps_total{}"] == 1
    assert after["lethe_sweeper_lease_seconds{}"] > 0


def test_alarms_dashboard_and_documents_name_every_metric_of_a_server_and_no_other(site: Site) -> None:
    httpx.get(f"{site.url}/healthz", timeout=30)  # the first request to be measured
    shown = httpx.get(f"{site.url}/metrics", timeout=30).text
    families = {family.name for family in text_string_to_metric_families(shown) if not family.name.endswith("_created")}
    families = {name for name in families if name.startswith("lethe")}
    rules = yaml.safe_load((ROOT / "deploy" / "alerts.yml").read_text())["groups"][0]["rules"]
    board = json.loads((ROOT / "deploy" / "grafana.json").read_text())
    asked = [rule["expr"] for rule in rules]
    asked += [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
    for expression in asked:
        used = {re.sub(r"_(total|bucket|count)$", "", name) for name in re.findall(r"\blethe_\w+", expression)}
        assert used <= families, expression
    document = (ROOT / "docs" / "operations.md").read_text()
    for rule in rules:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert re.search(rf"^\| `{rule['alert']}` \| {rule['labels']['severity']} \|", document, re.MULTILINE), rule
    assert {re.sub(r"_total$", "", name) for name in re.findall(r"`(lethe_\w+)", document)} == families


def test_metrics_tell_what_a_process_has_left(site: Site) -> None:
    with site.register("ann") as ann:
        identifier = upload(ann).json()["id"]
        with ann.stream("GET", f"/submissions/{identifier}/events") as answer:
            lines = answer.iter_lines()  # kept: dropping it would close the stream
            next(lines)
            shown = samples(site.url)
    assert (shown["lethe_streams{}"], shown["lethe_streams_limit{}"]) == (1, 1500)
    assert 2 <= shown["lethe_connections{}"] <= 10 < shown["lethe_connections_limit{}"]
    assert 0 <= shown["lethe_database_connections{}"] < shown["lethe_database_connections_limit{}"] == 15
    assert shown["lethe_database_waiting{}"] == 0
    assert {part: shown[f'lethe_part_up{{"part": "{part}"}}'] for part in ("database", "broker", "artifacts")} == {
        "database": 1, "broker": 1, "artifacts": 1
    }  # fmt: skip
    for folder in ("home", "artifacts"):
        labels = f'{{"folder": "{folder}"}}'
        assert 0 < shown[f"lethe_disk_free_bytes{labels}"] < shown[f"lethe_disk_size_bytes{labels}"]
    assert shown["lethe_rates_paused_total{}"] == 0
    (info,) = (name for name in shown if name.startswith("lethe_info"))
    with site.context.database.read() as session:
        assert json.loads(info.removeprefix("lethe_info")) == {
            "version": __version__,
            "schema": schema_revision(session),
        }
    assert shown["lethe_backup_age_seconds{}"] == inf
    with site.context.database.write() as session:
        record(session, BACKUP, "database")
    assert 0 <= samples(site.url)["lethe_backup_age_seconds{}"] < 600


def test_monitoring_answers_while_all_request_threads_wait_for_the_database(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prometheus, "PROBE_LIMIT_S", 1.0)
    database = site.context.database
    with ThreadPoolExecutor(60) as callers, ExitStack() as held:
        for _ in range(CONNECTIONS):
            held.enter_context(database.engine.connect())
        for _ in range(60):
            callers.submit(httpx.get, f"{site.url}/api/v1/competitions", timeout=60)
        deadline = time.monotonic() + 60
        while database.pool.use().waiting < 40 and time.monotonic() < deadline:  # anyio's threads
            time.sleep(0.01)
        assert httpx.get(f"{site.url}/healthz", timeout=60).status_code == 200
        shown = samples(site.url)
        held.close()
    assert shown['lethe_part_up{"part": "database"}'] == 0
    assert shown["lethe_database_connections{}"] == CONNECTIONS
    assert shown["lethe_database_waiting{}"] >= 40
    assert "lethe_runs_total{}" not in shown
    assert samples(site.url)['lethe_part_up{"part": "database"}'] == 1


def test_stored_runs_are_counted_from_their_heartbeat_on_and_never_fewer(site: Site) -> None:
    def counted() -> float:
        return samples(site.url)["lethe_runs_total{}"]

    with site.register("ann") as ann, site.register("bob") as bob:
        identifier = upload(ann).json()["id"]
        job = site.begin_runs()
        records = site.store_runs(job)
        held = {"work_id": str(job.work_id), "token": job.token}
        assert site.work("heartbeat", **held, finished=records[:2]).json()["stop"] is False
        assert counted() == 2
        assert site.report(job, finished=records)
        assert counted() == 3
        (site.context.settings.home / "artifacts" / job.outputs_key(0)).unlink()
        site.evaluate()  # run 0 is found to be missing, is repeated, and was stored twice
        assert ann.get(f"/submissions/{identifier}").json()["state"] == "running"
        assert counted() == RUNS
        site.evaluate()
        assert ann.get(f"/submissions/{identifier}").json()["state"] == "scored"
        assert counted() == RUNS + 1

        other = upload(bob).json()["id"]
        job = site.begin_runs()
        held = {"work_id": str(job.work_id), "token": job.token}
        site.work("heartbeat", **held, finished=site.store_runs(job)[:1])
        bob.post(f"/submissions/{other}/cancel")
        assert site.work("heartbeat", **held, finished=site.store_runs(job)).json()["stop"] is True
    assert counted() == RUNS + 2


def test_expired_leases_are_counted_once(site: Site) -> None:
    with site.register("ann") as ann:
        upload(ann)
        assert site.claim() is not None
        site.expire_leases()
        assert site.claim("w2") is not None
    assert samples(site.url)["lethe_leases_expired_total{}"] == 1


def test_latencies_are_kept_by_route_template_whatever_strangers_ask_for(site: Site) -> None:
    with site.register("ann") as ann:
        identifier = upload(ann).json()["id"]
        for path in (f"/submissions/{identifier}", "/competitions/faces", "/competitions/nowhere", "/no/such/call"):
            ann.get(path)
        for number in range(20):
            httpx.get(f"{site.url}/stray/{number}")
        httpx.request("BREW", site.url)
        httpx.get(f"{site.url}/static/style.css")
        httpx.get(f"{site.url}/docs")
    known = set(httpx.get(f"{site.url}/openapi.json").json()["paths"])
    shown = samples(site.url)
    counts = {key: value for key, value in shown.items() if key.startswith("lethe_request_seconds_count")}
    routes = {json.loads(key.partition("_count")[2])["route"] for key in counts}
    assert {"/api/v1/submissions/{submission_id}", "/api/v1/competitions/{slug}", "/docs", "unmatched"} <= routes
    assert not {route for route in routes if identifier in route or "stray" in route}
    assert routes - known <= {"/", "/docs", "/static", "unmatched", "/openapi.json"} | {
        route for route in routes if route.startswith(("/internal/", "/competitions", "/submissions"))
    }
    assert counts['lethe_request_seconds_count{"method": "GET", "route": "unmatched", "status": "4xx"}'] >= 21
    assert {json.loads(key.partition("_count")[2])["method"] for key in counts} <= {"GET", "POST", "other"}


def test_the_time_that_a_slow_line_takes_is_not_the_servers(site: Site) -> None:
    body = json.dumps({"username": "ann", "email": "ann@example.org", "password": "correct horse"}).encode()
    head = f"POST /api/v1/users HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", httpx.URL(site.url).port or 0)) as line:
        line.sendall(f"{head}\r\n\r\n".encode() + body[:10])
        time.sleep(1.5)
        sent = time.monotonic()
        line.sendall(body[10:])
        assert b" 201 " in line.recv(100)
    answered = time.monotonic()
    spent = samples(site.url)['lethe_request_seconds_sum{"method": "POST", "route": "/api/v1/users", "status": "2xx"}']
    assert 0 < spent <= answered - sent < answered - started - 1.4


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port where somebody listens and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        yield listener.getsockname()[1]


@pytest.mark.parametrize("part", ["database", "broker", "artifacts"])
@pytest.mark.parametrize("how", ["hangs", "refuses"])
def test_readiness_names_the_part_that_does_not_answer(
    part: str, how: str, silent_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lethe.server.database.migration import migrate

    port = silent_port if how == "hangs" else free_port()
    for name, value in (("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}"), ("AWS_ACCESS_KEY_ID", "x")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "y")
    urls = {
        "database": {"database_url": f"postgresql://lethe@127.0.0.1:{port}/lethe"},
        "broker": {"broker_url": f"redis://127.0.0.1:{port}/0"},
        "artifacts": {"artifacts_url": "s3://bucket/x"},
    }
    settings = Settings(home=tmp_path, **urls[part])  # type: ignore[arg-type]
    app = create_app(settings)
    if part != "database":
        migrate(app.state.context.database)
    asked = app.state.context.one(readiness.Readiness)
    for _ in range(2):
        started = time.monotonic()
        parts = asked.ask(4.0)  # within which the other parts answer on any machine
        assert time.monotonic() - started < 60  # the silent part would take for ever
        assert {name: answer for name, answer in parts.items() if answer != "ok"}.keys() == {part}, parts
    assert sum(thread.name == "probe" and thread.is_alive() for thread in threading.enumerate()) <= 2
    app.state.context.database.dispose()


def test_readiness_says_how_to_mend_the_schema(site: Site) -> None:
    from sqlalchemy import text

    for found, words in (("0001", "run lethe migrate"), ("9999", "upgrade this installation")):
        with site.context.database.write() as session:
            session.execute(text("UPDATE alembic_version SET version_num = :found"), {"found": found})
        answer = httpx.get(f"{site.url}/readyz", timeout=30)
        assert (answer.status_code, answer.json()["status"]) == (503, "not ready")
        assert words in answer.json()["parts"]["database"]
        with pytest.raises(ConfigurationError, match=words):  # what serve and control ask before they start
            require_newest(site.context.database)


def test_logs_can_be_joined_from_the_upload_to_the_score(site: Site) -> None:
    with capture_logs(processors=[merge_contextvars]) as lines, site.register("ann") as ann:
        answer = upload(ann)
        request_id = answer.headers["X-Request-Id"]
        job = site.claim()
        assert job is not None
        assert job.request_id == request_id
        assert site.report(job, finished=[])
        site.evaluate()
        token = ann.headers["Authorization"].split()[1]
    access = [line for line in lines if line["event"] == "request"]
    uploaded = next(line for line in access if line["route"].endswith("/submissions"))
    assert (uploaded["method"], uploaded["status"], uploaded["slug"]) == ("POST", 202, "faces")
    assert uploaded["route"] == "/api/v1/competitions/{slug}/submissions"
    claimed = next(line for line in lines if line["event"] == "work_claimed")
    assert (claimed["submission_id"], claimed["work_id"]) == (answer.json()["id"], str(job.work_id))
    for name, identifier in (("request_id", request_id), ("submission_id", answer.json()["id"])):
        found = [line["event"] for line in lines if line.get(name) == identifier]
        way = ("submission_queued", "work_claimed", "check_passed", "runs_done", "score_claimed", "submission_scored")
        assert [event for event in dict.fromkeys(found) if event in way] == list(way), name
    text = json.dumps(lines, default=str)
    for secret in (token, site.worker_key, "correct horse"):
        assert secret not in text


def test_serve_believes_proxies_only_where_it_is_told_and_ends_in_order(tmp_path: Path) -> None:
    seen = {trusted: _first_access_line(tmp_path / f"home{trusted or '-'}", trusted) for trusted in ("", "127.0.0.1")}
    assert seen[""]["client"] == "127.0.0.1"
    assert seen["127.0.0.1"]["client"] == "203.0.113.7"
    for line in seen.values():
        assert (line["route"], line["level"], len(line["request_id"])) == ("/api/v1/competitions", "info", 16)
        assert "hush" not in json.dumps(line)


def _first_access_line(home: Path, trusted: str) -> dict[str, str]:
    port = free_port()
    environment = {
        **os.environ,
        "LETHE_HOME": str(home),
        "LETHE_PORT": str(port),
        "LETHE_LOG_FORMAT": "json",
        "LETHE_TRUSTED_PROXIES": trusted,
    }
    lethe = [sys.executable, "-m", "lethe.server.cli"]
    unmigrated = subprocess.run([*lethe, "serve"], env=environment, capture_output=True, text=True, check=False)
    assert (unmigrated.returncode, "run lethe migrate" in unmigrated.stderr) == (1, True), unmigrated.stderr
    subprocess.run([*lethe, "migrate"], env=environment, check=True, capture_output=True)
    process = subprocess.Popen([*lethe, "serve"], env=environment, stderr=subprocess.PIPE, text=True)
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 60
        while True:
            try:
                httpx.get(f"{url}/healthz", timeout=30)
                break
            except httpx.TransportError:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        with httpx.Client(base_url=url, headers={"X-Forwarded-For": "203.0.113.7"}, timeout=30) as kept_alive:
            kept_alive.get("/api/v1/competitions?token=hush", headers={"Authorization": "Bearer hush"})
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode in {0, -signal.SIGTERM}, errors
    assert not re.search("Traceback|unexpected_error", errors)
    lines = [json.loads(line) for line in errors.splitlines() if line.startswith("{")]
    found: dict[str, str] = next(line for line in lines if line["event"] == "request")
    return found
