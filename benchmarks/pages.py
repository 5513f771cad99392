"""What the board of 1,000 teams costs as a page: bytes, server time, first paint, and 500 open pages that follow it.

The server on PostgreSQL and one Chromium, on the same machine. Open pages are a load of their own: 450 ask every
15 seconds with their entity tag, as the page's script does, and 50 hold a stream of events, as many as one address may.
Run it with nothing else on the machine: `python -m benchmarks.pages [--teams 1000] [--watch-s 45]`.
"""

import argparse
import asyncio
import gzip
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import numpy as np
from playwright.sync_api import sync_playwright
from sqlalchemy import insert, select

from benchmarks.api import lethe, measure, row
from evaluator.contract.states import Evaluation
from server.db import Database, utc_now
from server.leaderboard.standings import rebuild
from server.models import Competition, Score, Submission, Team, TeamMember, User
from tests.conftest import running_postgres
from tests.integration.server.conftest import SLUG

PAGE = f"/competitions/{SLUG}/leaderboard"
POLL_S = 15
STREAMS = 50


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--teams", type=int, default=1_000)
    parser.add_argument("--entries", type=int, default=20, help="scores of each team")
    parser.add_argument("--watch-s", type=float, default=45.0, help="how long 500 pages stay open")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running_postgres() as url, lethe(Path(folder), url) as (port, tokens):
        database = Database(f"{url}/lethe")
        identifiers = fill(database, given.teams, given.entries)
        base = f"http://127.0.0.1:{port}"
        answer = httpx.get(base + PAGE, headers={"Accept-Encoding": "gzip"}, timeout=60)
        packed = gzip.compress(answer.content, 6)
        print(f"{'page, compressed':<28} {len(packed) / 1024:8.1f} KiB of {len(answer.content) / 1024:.0f}")
        tag = answer.headers["etag"]
        with httpx.Client(base_url=base, timeout=60) as client:
            row("first of each of 10 pages", measure(10, 1, ask(client, lambda n: f"{PAGE}?page={n + 1}")))
            row("again, cached", measure(200, 1, ask(client, lambda _: PAGE)))
            row("searched", measure(100, 1, ask(client, lambda n: f"{PAGE}?q=team+{n}")))
            row("unchanged", measure(400, 1, ask(client, lambda _: PAGE, {"If-None-Match": tag})))
        paint(base + PAGE)
        spent, asked = asyncio.run(watch(base, server_pid(port), tag, tokens, identifiers, given.watch_s))
        print(
            f"{'500 open pages':<28} {100 * spent:8.1f} % of one core, {asked / given.watch_s:.0f} questions a second"
        )
        database.dispose()


def ask(
    client: httpx.Client, path: Callable[[int], str], headers: dict[str, str] | None = None
) -> Callable[[int], None]:
    """A request to the path of its number; raises unless it is answered."""

    def request(number: int) -> None:
        answer = client.get(path(number), headers=headers)
        if answer.status_code not in {200, 304}:
            raise RuntimeError(f"{answer.status_code}: {answer.text[:300]}")

    return request


def paint(address: str) -> None:
    """Print when Chromium paints first, and has loaded, in five fresh contexts."""
    script = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), chromium_sandbox=False, args=["--disable-gpu"]
        )
        times = []
        for _ in range(5):
            context = browser.new_context(viewport={"width": 1280, "height": 900})
            page = context.new_page()
            page.goto(address)
            page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length > 0")
            loaded = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
            times.append((page.evaluate(script), loaded))
            context.close()
        browser.close()
    print(f"{'first paint, loaded':<28} " + ", ".join(f"{first:.0f}/{loaded:.0f} ms" for first, loaded in times))


async def watch(
    base: str, pid: int, tag: str, tokens: list[str], identifiers: list[UUID], length_s: float
) -> tuple[float, int]:
    """The share of a core that the server spends on 500 open pages, and how many questions they asked."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    asked = 0

    async def follow(client: httpx.AsyncClient, number: int) -> None:
        nonlocal asked
        await asyncio.sleep(POLL_S * number / (500 - STREAMS))
        while True:
            answer = await client.get(PAGE, headers={"If-None-Match": tag})
            if answer.status_code != 304:
                raise RuntimeError(f"an unchanged page was answered with {answer.status_code}")
            asked += 1
            await asyncio.sleep(POLL_S)

    async def listen(client: httpx.AsyncClient, number: int) -> None:
        # Of 32 accounts each uploaded one; a stream of a submission that waits sends nothing but signs of life.
        who = number % len(identifiers)
        headers = {"Authorization": f"Bearer {tokens[who]}"}
        async with client.stream("GET", f"/api/v1/submissions/{identifiers[who]}/events", headers=headers) as answer:
            answer.raise_for_status()
            async for _ in answer.aiter_bytes():
                pass

    async with httpx.AsyncClient(base_url=base, timeout=httpx.Timeout(60, read=None), limits=limits) as client:
        pages = [asyncio.create_task(follow(client, number)) for number in range(500 - STREAMS)]
        pages += [asyncio.create_task(listen(client, number)) for number in range(STREAMS)]
        await asyncio.sleep(3)
        asked, before, started = 0, cpu_s(pid), time.monotonic()
        await asyncio.sleep(length_s)
        spent = (cpu_s(pid) - before) / (time.monotonic() - started)
        for page in pages:
            if page.done():
                page.result()
            page.cancel()
        await asyncio.gather(*pages, return_exceptions=True)
    return spent, asked


def cpu_s(pid: int) -> float:
    """Seconds of processor time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def server_pid(port: int) -> int:
    """The process that serves on `port`: the child whose command line names it."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        words = path.read_bytes().split(b"\0")
        if str(port).encode() in words and b"uvicorn" in words:
            return int(path.parent.name)
    raise RuntimeError("the server is not running")


def fill(database: Database, teams: int, entries: int) -> list[UUID]:
    """Give every team a member and some scores; returns a waiting submission of each of the 32 accounts."""
    generator, now = np.random.default_rng(0), utc_now()
    with database.write() as session:
        competition = session.scalars(select(Competition)).one()
        accounts = list(session.scalars(select(User).order_by(User.created_at)))
        names = [f"person {number}" for number in range(teams)]
        people = [
            {
                "id": uuid4(),
                "username": name,
                "username_key": name,
                "email": name,
                "email_key": name,
                "password_hash": "",
            }
            for name in names
        ]
        session.execute(insert(User), people)
        groups = [
            {"id": uuid4(), "name": f"team {n}", "name_key": f"team {n}", "competition_id": competition.id}
            for n in range(teams)
        ]
        own = [
            {"id": uuid4(), "name": user.username, "name_key": user.username_key, "competition_id": competition.id}
            for user in accounts
        ]
        session.execute(insert(Team), groups + own)
        pairs = list(zip(groups, [person["id"] for person in people], strict=True)) + list(
            zip(own, [user.id for user in accounts], strict=True)
        )
        session.execute(
            insert(TeamMember),
            [{"competition_id": competition.id, "team_id": team["id"], "user_id": user} for team, user in pairs],
        )
        common: dict[str, Any] = {
            "competition_id": competition.id,
            "filename": "a.py",
            "source_key": "s",
            "source_sha256": "0",
            "runs_total": 8,
        }
        submissions, scores = [], []
        for team, person in zip(groups, people, strict=True):
            level = float(generator.random())
            for number in range(entries):
                when = now - timedelta(days=entries - number)
                submission = uuid4()
                submissions.append(
                    {
                        "id": submission,
                        "team_id": team["id"],
                        "user_id": person["id"],
                        "state": "scored",
                        "deadline_at": now,
                        "finished_at": when,
                        "created_at": when,
                        **common,
                    }
                )
                final = level * (0.5 + 0.5 * float(generator.random()))
                scores.append(
                    {
                        "id": uuid4(),
                        "competition_id": competition.id,
                        "submission_id": submission,
                        "final_score": final,
                        "interval_low": final - 0.02,
                        "interval_high": final + 0.02,
                        "forgetting_quality": final,
                        "retain_ratio": 1.0,
                        "test_ratio": 1.0,
                        "replicates": [float(value) for value in final + 0.01 * generator.normal(size=16)],
                        "receipt": {},
                    }
                )
        waiting = [
            {
                "id": uuid4(),
                "team_id": team["id"],
                "user_id": user,
                "state": "queued",
                "deadline_at": now + timedelta(days=1),
                **common,
            }
            for team, user in pairs[teams:]
        ]
        session.execute(insert(Submission), submissions)
        session.execute(insert(Submission), waiting)
        session.execute(insert(Score), scores)
        rebuild(session, competition, Evaluation.PUBLIC)
    return [one["id"] for one in waiting]


if __name__ == "__main__":
    main()
