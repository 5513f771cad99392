"""What the board of 1,000 teams costs as a page: bytes, server time, first paint, and 500 open pages that follow it.

The server on PostgreSQL and one Chromium, on the same machine. Open pages are a load of their own: 450 ask every
15 seconds with their entity tag, as the page's script does, and 50 hold a stream of events, as many as one address may.
Run it with nothing else on the machine: `python -m benchmarks.pages [--teams 1000] [--watch-s 45]`.
"""

import argparse
import asyncio
import gzip
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx
from playwright.sync_api import sync_playwright

from benchmarks.goals import note
from benchmarks.load.servers import Served, lethe, prepare
from tests import many_rows as rows
from tests.conftest import running_postgres
from tests.integration.server.conftest import GOOD, SLUG

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
    with tempfile.TemporaryDirectory() as folder, running_postgres() as url:
        home = Path(folder)
        context = prepare(home, url)
        tokens = rows.add_teams(context, given.teams)
        rows.add_submissions(context, 1, given.entries)
        context.database.dispose()
        with lethe(context) as server, httpx.Client(base_url=server.url(""), timeout=60) as client:
            answer = client.get(PAGE)
            packed = gzip.compress(answer.content, 6)
            print(f"{'page, compressed':<28} {len(packed) / 1024:8.1f} KiB of {len(answer.content) / 1024:.0f}")
            tag = answer.headers["etag"]
            row("first of 9 other pages", measure(9, ask(client, lambda n: f"{PAGE}?page={n + 2}")))
            row("again", measure(200, ask(client, lambda _: PAGE)))
            searched = measure(100, ask(client, lambda n: f"{PAGE}?q=team+{n}"))
            row("searched", searched)
            note("pages", "search of the board, median", 1e3 * statistics.median(searched), "ms")
            row("unchanged", measure(400, ask(client, lambda _: PAGE, {"If-None-Match": tag})))
            paint(server.url(PAGE))
            streams = [wait_in_queue(client, number, token) for number, token in enumerate(tokens)]
            spent, asked = asyncio.run(watch(server, tag, streams, given.watch_s))
        note("pages", "500 open pages, of one core", 100 * spent, "%")
        print(
            f"{'500 open pages':<28} {100 * spent:8.1f} % of one core, {asked / given.watch_s:.0f} questions a second"
        )


def row(name: str, times_s: list[float]) -> None:
    """One line of the table."""
    ordered = sorted(times_s)
    print(
        f"{name:<28} median {1e3 * statistics.median(ordered):7.1f} ms   slowest {1e3 * ordered[-1]:7.1f} ms",
        flush=True,
    )


def measure(count: int, request: Callable[[int], None]) -> list[float]:
    """The seconds of each of `count` requests, one after the other."""
    times_s = []
    for number in range(count):
        started = time.perf_counter()
        request(number)
        times_s.append(time.perf_counter() - started)
    return times_s


def wait_in_queue(client: httpx.Client, number: int, token: str) -> tuple[str, dict[str, str]]:
    """The stream of a submission that waits for a worker, and who may follow it."""
    headers = {"Authorization": f"Bearer {token}"}
    source = GOOD + f"'{number}'".encode()
    answer = client.post(f"/api/v1/competitions/{SLUG}/submissions", files={"file": ("a.py", source)}, headers=headers)
    return f"/api/v1/submissions/{answer.raise_for_status().json()['id']}/events", headers


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
    script = """() => new Promise(found => new PerformanceObserver(list =>
        list.getEntriesByName("first-contentful-paint").forEach(entry => found(entry.startTime))
    ).observe({type: "paint", buffered: true}))"""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), chromium_sandbox=False, args=["--disable-gpu"]
        )
        times = []
        for _ in range(5):
            context = browser.new_context(viewport={"width": 1280, "height": 900})
            page = context.new_page()
            page.goto(address)
            painted = page.evaluate(script)
            times.append((painted, page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")))
            context.close()
        browser.close()
    print(f"{'first paint, loaded':<28} " + ", ".join(f"{first:.0f}/{loaded:.0f} ms" for first, loaded in times))


async def watch(
    server: Served, tag: str, streams: list[tuple[str, dict[str, str]]], length_s: float
) -> tuple[float, int]:
    """The share of a core that the server spends on 500 open pages, and how many questions they asked."""
    limits = httpx.Limits(
        max_connections=None, max_keepalive_connections=None, keepalive_expiry=3
    )  # the server closes after 5
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
        path, headers = streams[number % len(streams)]
        async with client.stream("GET", path, headers=headers) as answer:
            answer.raise_for_status()
            async for _ in answer.aiter_bytes():
                pass

    async with httpx.AsyncClient(
        base_url=server.url(""), timeout=httpx.Timeout(60, read=None), limits=limits
    ) as client:
        pages = [asyncio.create_task(follow(client, number)) for number in range(500 - STREAMS)]
        pages += [asyncio.create_task(listen(client, number)) for number in range(STREAMS)]
        await asyncio.sleep(3)
        asked, before, started = 0, server.cpu_s(), time.monotonic()
        await asyncio.sleep(length_s)
        spent = (server.cpu_s() - before) / (time.monotonic() - started)
        for page in pages:
            if page.done():
                page.result()
            page.cancel()
        await asyncio.gather(*pages, return_exceptions=True)
    return spent, asked


if __name__ == "__main__":
    main()
