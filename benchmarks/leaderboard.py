"""What a board of 10,000 teams costs on PostgreSQL, beside a bare Starlette endpoint that answers as many bytes.

One uvicorn process each, asked by threads of one other process over kept connections. `first` asks for another page
every time, so that each is rendered; `again` for one page that was rendered before; `unchanged` sends its ETag.
Run it with nothing else on the machine: `python -m benchmarks.leaderboard [--teams 10000] [--requests 1000]`.
"""

import argparse
import http.client
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from threading import local
from typing import Any
from uuid import UUID, uuid4

import numpy as np
from sqlalchemy import insert, select, text

from benchmarks.api import lethe, measure, rate, row, running
from evaluator.contract.states import Evaluation
from server.db import Database, utc_now
from server.leaderboard.standings import rebuild
from server.models import Competition, Score, Submission, Team, User
from tests.conftest import running_postgres
from tests.integration.server.conftest import SLUG

BARE = """
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

BODY = b"x" * {size}


async def board(request):
    return Response(BODY, media_type="application/json")


app = Starlette(routes=[Route("/board", board)])
"""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--teams", type=int, default=10_000)
    parser.add_argument("--requests", type=int, default=1_000, help="of each kind")
    parser.add_argument("--threads", type=int, default=8)
    given = parser.parse_args()
    path = f"/api/v1/competitions/{SLUG}/leaderboard"
    with tempfile.TemporaryDirectory() as folder, running_postgres() as url, lethe(Path(folder), url) as (port, _):
        database = Database(f"{url}/lethe")
        print(f"standings of {given.teams:,} teams made anew in {fill(database, given.teams):.1f} s")
        explain(database)
        status, etag, size = ask(port, path)(0)
        assert status == 200  # noqa: S101
        offsets = [f"{path}?offset={number % max(1, given.teams - 100)}" for number in range(given.requests)]
        first = measure(given.requests, given.threads, lambda n: ask(port, offsets[n])(n))
        again = measure(given.requests, given.threads, ask(port, path))
        unchanged = measure(given.requests, given.threads, ask(port, path, {"If-None-Match": etag}))
        with running(BARE.format(size=size), Path(folder) / "bare_board.py", {}) as bare_port:
            bare = measure(given.requests, given.threads, ask(bare_port, "/board"))
        database.dispose()
    for name, times in (("bare Starlette", bare), ("first", first), ("again", again), ("unchanged", unchanged)):
        row(name, times)
    print(f"{'again, of the bare rate':<28} {rate(again) / rate(bare):8.3f}")


_KEPT = local()


def ask(port: int, path: str, headers: dict[str, str] | None = None) -> Callable[[int], tuple[int, str, int]]:
    """A request over its thread's connection: status, ETag and bytes of the answer."""

    def request(_: int) -> tuple[int, str, int]:
        connections = _KEPT.__dict__.setdefault("connections", {})
        connection = connections.setdefault(port, http.client.HTTPConnection("127.0.0.1", port, timeout=60))
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        body = answer.read()
        if answer.status not in {200, 304}:
            raise RuntimeError(f"{answer.status}: {body.decode()[:300]}")
        return answer.status, answer.headers.get("ETag", ""), len(body)

    return request


def fill(database: Database, teams: int) -> float:
    """Give every team one score, and return the seconds of making the standings from them."""
    generator, now = np.random.default_rng(0), utc_now()
    ids = [{name: uuid4() for name in ("team", "submission", "score")} for _ in range(teams)]
    with database.write() as session:
        competition = session.scalars(select(Competition)).one()
        user = session.scalars(select(User)).first()
        assert user is not None  # noqa: S101
        place = {"competition_id": competition.id, "created_at": now}
        rows = [
            {"id": one["team"], "name": f"team {number}", "name_key": f"team {number}", **place}
            for number, one in enumerate(ids)
        ]
        session.execute(insert(Team), rows)
        common: dict[str, Any] = {
            "user_id": user.id,
            "filename": "a.py",
            "source_key": "s",
            "source_sha256": "0",
            "state": "scored",
        }
        common |= {"runs_total": 8, "deadline_at": now, **place}
        session.execute(
            insert(Submission), [{"id": one["submission"], "team_id": one["team"], **common} for one in ids]
        )
        finals = [float(value) for value in generator.random(teams)]
        scores = [_score(one, final, generator, place) for one, final in zip(ids, finals, strict=True)]
        session.execute(insert(Score), scores)
        started = time.perf_counter()
        rebuild(session, competition, Evaluation.PUBLIC)
        session.flush()
        return time.perf_counter() - started


def _score(ids: dict[str, UUID], final: float, generator: np.random.Generator, place: dict[str, Any]) -> dict[str, Any]:
    replicates = [float(value) for value in final + 0.01 * generator.normal(size=16)]
    return {
        "id": ids["score"], "submission_id": ids["submission"], "final_score": final, "interval_low": final - 0.02,
        "interval_high": final + 0.02, "forgetting_quality": final, "retain_ratio": 1.0, "test_ratio": 1.0,
        "replicates": replicates, "receipt": {}, **place,
    }  # fmt: skip


def explain(database: Database) -> None:
    """Raise if PostgreSQL reads a page of standings in sequence."""
    query = (
        "EXPLAIN SELECT * FROM standings "
        "WHERE competition_id = :id AND evaluation = 'public' AND position > 500 AND position <= 600"
    )
    with database.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("ANALYZE"))
        identifier = connection.scalar(text("SELECT id FROM competitions"))
        plan = "\n".join(line for (line,) in connection.execute(text(query), {"id": identifier}))
    if "Seq Scan" in plan:
        raise RuntimeError(plan)


if __name__ == "__main__":
    main()
