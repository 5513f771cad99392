"""From upload to the board through the REST and the internal API, on SQLite and on PostgreSQL."""

import csv
import hashlib
import io
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import update

from lethe.evaluator.artifacts import store
from lethe.evaluator.artifacts.oracles import read_record, record_key
from lethe.server.database.migration import schema_differences
from lethe.server.hosting import actions, creation
from lethe.server.models import IdempotencyKey
from lethe.server.models.times import utc_now
from lethe.server.submissions import uploads
from tests.integration.server.conftest import BANK, GOOD, RUNS, SLUG, Site, upload

pytestmark = pytest.mark.component("postgresql")


def test_schema_is_what_the_models_say(site: Site) -> None:
    assert schema_differences(site.context.database) == []


def test_upload_is_scored_and_appears_on_the_board(site: Site) -> None:
    with site.register("ann") as ann:
        answer = upload(ann)
        assert answer.status_code == 202
        submission = answer.json()
        assert answer.headers["location"] == f"/api/v1/submissions/{submission['id']}"
        assert (submission["state"], submission["queue_position"]) == ("queued", 1)
        site.evaluate()
        done = ann.get(f"/submissions/{submission['id']}").json()
        assert (done["state"], done["runs_done"], done["error"]) == ("scored", RUNS, None)
        assert done["interval"]["low"] <= done["score"] <= done["interval"]["high"]
        board = ann.get(f"/competitions/{SLUG}/leaderboard").json()
    rows = {row["team"]: row for row in board["rows"]}
    assert rows["ann"]["rank"] == 1
    assert rows["ann"]["score"] == done["score"]
    assert {row["reference"] for row in board["rows"] if row["rank"] is None} == {"ceiling", "floor"}
    assert [row["score"] for row in board["rows"]] == sorted((row["score"] for row in board["rows"]), reverse=True)


def test_the_same_bytes_answer_with_the_same_score_and_run_nothing(site: Site) -> None:
    with site.register("ann") as ann:
        first = upload(ann).json()
        site.evaluate()
        again = upload(ann, name="renamed.py")
        assert again.status_code == 200
        assert again.json()["id"] == first["id"]
        assert again.json()["score"] is not None
        assert site.claim() is None


def test_an_upload_is_hashed_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[bytes] = []

    def counted(data: bytes) -> str:
        hashed.append(data)
        return hashlib.sha256(data).hexdigest()

    monkeypatch.setattr(uploads, "sha256_hex", counted)
    monkeypatch.setattr(store, "sha256_hex", counted)
    with site.register("ann") as ann:
        new = upload(ann, GOOD, **{"Idempotency-Key": "k"})
        assert new.status_code == 202
        assert hashed.count(GOOD) == 1
        assert ann.get(f"/submissions/{new.json()['id']}/source").content == GOOD


def test_notebook_is_stored_as_the_python_that_runs(site: Site) -> None:
    cells = [{"cell_type": "code", "source": "%pip install einops\nimport torch\n" + GOOD.decode()}]
    notebook = json.dumps({"nbformat": 4, "cells": cells}).encode()
    with site.register("ann") as ann:
        answer = upload(ann, notebook, name="mine.ipynb")
        assert answer.status_code == 202, answer.text
        submission = answer.json()
        assert submission["filename"] == "mine.ipynb"
        assert submission["notes"] == [
            "cell 1: left out '%pip install einops'; it counts as a script block with einops"
        ]
        source = ann.get(f"/submissions/{submission['id']}/source").text
        assert "pass  # %pip install einops\nimport torch\n" in source
        job = site.claim()
        assert job is not None
        assert site.context.artifacts.get(job.source).decode() == source
        refused = upload(ann, b"{}", name="mine.ipynb")
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_notebook")


def test_another_team_with_the_same_bytes_gets_the_same_score(site: Site) -> None:
    with site.register("ann") as ann, site.register("bob") as bob:
        mine = upload(ann).json()
        yours = upload(bob).json()
        assert mine["id"] != yours["id"]
        site.evaluate()
        scores = {ann.get(f"/submissions/{mine['id']}").json()["score"],
                  bob.get(f"/submissions/{yours['id']}").json()["score"]}  # fmt: skip
        assert len(scores) == 1
        board = ann.get(f"/competitions/{SLUG}/leaderboard").json()
        assert [row["rank"] for row in board["rows"] if row["rank"]] == [1, 1]


def test_rerun_with_the_same_seeds_repeats_the_score_and_fresh_seeds_do_not(site: Site) -> None:
    with site.register("ann") as ann:
        identifier = upload(ann).json()["id"]
        site.evaluate()
        first = ann.get(f"/submissions/{identifier}").json()
        creation.rerun(site.context, str(identifier_of(identifier)), fresh_seeds=False)
        site.evaluate()
        assert ann.get(f"/submissions/{identifier}").json()["score"] == first["score"]
        creation.rerun(site.context, str(identifier_of(identifier)), fresh_seeds=True)
        assert ann.get(f"/competitions/{SLUG}/leaderboard").json()["rows"]
        site.evaluate()
        assert ann.get(f"/submissions/{identifier}").json()["score"] != first["score"]


def identifier_of(text: str) -> object:
    from uuid import UUID

    return UUID(text)


def test_idempotency_key(site: Site) -> None:
    with site.register("ann") as ann:
        first = upload(ann, **{"Idempotency-Key": "k1"})
        again = upload(ann, **{"Idempotency-Key": "k1"})
        assert (again.status_code, again.json()["id"]) == (first.status_code, first.json()["id"])
        other = upload(ann, GOOD + b"'other'\n", **{"Idempotency-Key": "k1"})
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
        with site.register("bob") as bob:  # another account's keys are its own
            assert upload(bob, GOOD + b"'other'\n", **{"Idempotency-Key": "k1"}).status_code == 202
        with site.context.database.write() as session:  # a day later the key is free again
            session.execute(update(IdempotencyKey).values(created_at=utc_now() - timedelta(hours=25)))
        assert upload(ann, GOOD + b"'other'\n", **{"Idempotency-Key": "k1"}).status_code == 202


def test_parallel_uploads_of_one_file_make_one_submission(site: Site) -> None:
    with site.register("ann") as ann, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: upload(ann), range(16)))
        assert {answer.status_code for answer in answers} <= {200, 202}
        assert len({answer.json()["id"] for answer in answers}) == 1
        assert len(ann.get(f"/competitions/{SLUG}/submissions").json()["items"]) == 1


def test_csv_and_etag(site: Site) -> None:
    with site.register("ann") as ann:
        upload(ann)
        site.evaluate()
        url = f"/competitions/{SLUG}/leaderboard"
        answer = ann.get(url, params={"format": "csv"})
        assert answer.headers["content-type"].startswith("text/csv")
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        assert [row["team"] for row in rows if row["rank"] == "1"] == ["ann"]
        unchanged = ann.get(url, headers={"If-None-Match": ann.get(url).headers["etag"]})
        assert (unchanged.status_code, unchanged.content) == (304, b"")
        final = ann.get(url, params={"view": "final"})
        assert (final.status_code, final.json()["code"]) == (404, "final_not_revealed")


def test_what_is_not_yours_answers_404(site: Site) -> None:
    with site.register("ann") as ann, site.register("bob") as bob:
        identifier = upload(ann).json()["id"]
        for path in (
            f"/submissions/{identifier}",
            f"/submissions/{identifier}/source",
            f"/submissions/{identifier}/log",
        ):
            assert ann.get(path).status_code == 200
            assert (bob.get(path).status_code, bob.get(path).json()["code"]) == (404, "submission_not_found")
        assert bob.post(f"/submissions/{identifier}/cancel").status_code == 404
        assert bob.get(f"/submissions/{uuid4()}").status_code == 404
        assert ann.get(f"/submissions/{identifier}/source").content == GOOD


def test_cancelled_submission_stops_its_worker_and_is_not_scored(site: Site) -> None:
    with site.register("ann") as ann:
        identifier = upload(ann).json()["id"]
        job = site.claim()
        assert job is not None
        cancelled = ann.post(f"/submissions/{identifier}/cancel").json()
        assert (cancelled["state"], cancelled["owner"], cancelled["error"]["code"]) == (
            "cancelled", "participant", "cancelled",
        )  # fmt: skip
        beat = site.work("heartbeat", work_id=str(job.work_id), token=job.token)
        assert beat.json()["stop"] is True
        assert site.report(job) is False
        again = ann.post(f"/submissions/{identifier}/cancel")
        assert (again.status_code, again.json()["code"]) == (409, "submission_ended")
        assert upload(ann).status_code == 202  # a cancelled file may be sent again


def test_closed_competition_takes_no_uploads(site: Site) -> None:
    with site.context.database.write() as session:
        actions.close(session, SLUG)
    with site.register("ann") as ann:
        answer = upload(ann)
        assert (answer.status_code, answer.json()["code"]) == (403, "competition_closed")


def test_receipt_says_what_the_score_depends_on(site: Site) -> None:
    from sqlalchemy import select

    from lethe.server.models import Score

    with site.register("ann") as ann:
        upload(ann)
        site.evaluate()
        shown = ann.get(f"/competitions/{SLUG}/leaderboard").text
    with site.context.database.read() as session:
        receipt = session.scalars(select(Score).where(Score.submission_id.is_not(None))).one().receipt
    assert receipt["bank_digest"] == "b" * 64
    assert (receipt["rule"], receipt["runs"], receipt["sandbox_modes"]) == ("exact", RUNS, ["test"])
    assert isinstance(receipt["findings"], list)
    assert receipt["bank_digest"] not in shown
    assert "imported_oracles" not in receipt


def test_receipt_says_how_many_oracles_were_imported(site: Site) -> None:
    artifacts = site.context.artifacts
    for index in range(RUNS):
        record = read_record(artifacts, BANK, index).model_copy(update={"imported": index > 0})
        artifacts.delete([record_key(BANK, index)])
        artifacts.put(record_key(BANK, index), record.model_dump_json().encode())
    with site.register("ann") as ann:
        sent = upload(ann).json()
        site.evaluate()
        receipt = ann.get(f"/submissions/{sent['id']}/receipt").json()["public"]
    assert (receipt["oracles"], receipt["imported_oracles"]) == (RUNS, RUNS - 1)
