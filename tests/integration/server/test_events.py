"""Server-sent events over HTTP: every change until the end, of one's own submissions only, not too many at once."""

import json
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import delete
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnection

from lethe.server.hosting import account_administration
from lethe.server.models import TeamMember
from lethe.server.submissions import event_stream
from tests.integration.server.conftest import Site, upload

pytestmark = [pytest.mark.component("postgresql"), pytest.mark.one_database]


def told(client: httpx.Client, identifier: str) -> list[dict[str, Any]]:
    """Everything that a stream says until it ends."""
    with client.stream("GET", f"/submissions/{identifier}/events") as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        return [json.loads(line[5:]) for line in answer.iter_lines() if line.startswith("data:")]


def test_a_stream_tells_the_way_of_a_submission_and_ends_with_it(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "POLL_S", 0.02)
    with site.register("ann") as ann, site.register("bob") as bob:
        identifier = upload(ann).json()["id"]
        assert bob.get(f"/submissions/{identifier}/events").status_code == 404
        said: list[dict[str, Any]] = []
        stream = threading.Thread(target=lambda: said.extend(told(ann, identifier)))
        stream.start()
        site.evaluate()
        stream.join(timeout=60)
        assert said[-1] == ann.get(f"/submissions/{identifier}").json()
        assert said[-1]["state"] == "scored"
        assert told(ann, identifier) == [said[-1]]  # one that has ended is told once


def test_streams_are_limited_and_make_room_when_they_close(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "PER_ACCOUNT", 1)
    monkeypatch.setattr(event_stream, "POLL_S", 0.02)
    with site.register("ann") as ann, site.register("bob") as bob:
        mine, yours = upload(ann).json()["id"], upload(bob).json()["id"]
        with ann.stream("GET", f"/submissions/{mine}/events") as answer:
            lines = answer.iter_lines()  # kept: dropping it would close the stream
            next(lines)
            with site.client(ann.headers["authorization"].split()[1]) as again:
                refused = again.get(f"/submissions/{mine}/events")
            assert (refused.status_code, refused.json()["code"]) == (429, "too_many_streams")
            with bob.stream("GET", f"/submissions/{yours}/events") as other:
                assert other.status_code == 200
        assert ann.post(f"/submissions/{mine}/cancel").status_code == 200
        for _ in range(200):  # the server notices the closed connection in its own time
            answer = ann.get(f"/submissions/{mine}/events")
            if answer.status_code == 200:
                break
        assert '"cancelled"' in answer.text


def test_a_server_without_a_free_stream_says_so_and_answers_everything_else(site: Site) -> None:
    site.context.one(event_stream.Feed).limit = 0
    with site.register("ann") as ann:
        identifier = upload(ann).json()["id"]
        refused = ann.get(f"/submissions/{identifier}/events")
        assert (refused.status_code, refused.json()["code"]) == (503, "streams_taken")
        assert int(refused.headers["Retry-After"]) > 0
        assert ann.get(f"/submissions/{identifier}").status_code == 200


def leave(site: Site, ann: httpx.Client) -> None:
    with site.context.database.write() as session:
        session.execute(delete(TeamMember))


def disable(site: Site, ann: httpx.Client) -> None:
    with site.context.database.write() as session:
        account_administration.set_disabled(session, "ann", is_disabled=True)


def change_password(site: Site, ann: httpx.Client) -> None:
    body = {"password": "correct horse", "new_password": "another horse"}
    assert ann.post("/users/me/password", json=body).status_code == 204


@pytest.mark.parametrize("end", [leave, disable, change_password])
def test_a_stream_ends_with_the_right_to_see_it(
    site: Site, monkeypatch: pytest.MonkeyPatch, end: Callable[[Site, httpx.Client], None]
) -> None:
    monkeypatch.setattr(event_stream, "POLL_S", 0.02)
    with site.register("ann") as ann, site.client(ann.headers["authorization"].split()[1]) as other:
        identifier = upload(ann).json()["id"]
        with ann.stream("GET", f"/submissions/{identifier}/events") as answer:
            lines = answer.iter_lines()
            next(lines)
            end(site, other)
            assert list(lines) is not None  # it ends, long before its quarter of an hour


def test_a_stream_ends_after_its_longest_time(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "LONGEST_S", 3.0)
    with site.register("ann") as ann:
        assert [event["state"] for event in told(ann, upload(ann).json()["id"])] == ["queued"]


@pytest.mark.parametrize("error", [NoConnection("no connection"), OperationalError("SELECT 1", {}, Exception())])
def test_a_stream_outlives_a_database_that_does_not_answer(
    site: Site, monkeypatch: pytest.MonkeyPatch, error: SQLAlchemyError
) -> None:
    look, failures = event_stream.Feed._look, [error, error]

    def fail_twice(*arguments: Any) -> Any:
        if failures:
            raise failures.pop()
        return look(*arguments)

    monkeypatch.setattr(event_stream, "POLL_S", 0.02)
    monkeypatch.setattr(event_stream, "LONGEST_S", 20.0)
    monkeypatch.setattr(event_stream.Feed, "_look", fail_twice)
    with site.register("ann") as ann:
        identifier = upload(ann).json()["id"]
        assert ann.post(f"/submissions/{identifier}/cancel").status_code == 200
        assert [event["state"] for event in told(ann, identifier)] == ["cancelled"]
    assert not failures
