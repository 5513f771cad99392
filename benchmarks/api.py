"""What the API carries on PostgreSQL with one uvicorn process, beside a bare Starlette server in the same run.

Boards of 10,000 teams: as they come from memory, unchanged (304), and uncached, where every request asks for another
page. The bare server answers with as many bytes, prepared before. Uploads: every one is another file, from 32 accounts,
with attempts counted by account; the bare server reads the form and counts the bytes. Routes: the median of each with
24,000 submissions in the database and with 540,000 (1,200 teams, 450 each), which may cost a fifth more.

Run it with nothing else on the machine; wrk (Debian: apt-get install wrk) makes the load.
Downloads: a practice bundle of 16 MiB and one of a megabyte, beside nginx sending the same file from the same disk.

`python -m benchmarks.api [boards] [uploads] [routes] [downloads] [--seconds 8]`
"""

import argparse
import contextlib
import math
import tempfile
import urllib.request
from pathlib import Path

from sqlalchemy import select

from benchmarks.goals import note
from benchmarks.load.files import running_nginx
from benchmarks.load.routes import ROUTES, Caller, medians_ms
from benchmarks.load.servers import Served, bare, lethe, prepare
from benchmarks.load.wrk import Load, load, other_pages, uploads
from lethe.evaluator.contract.prepared_competition import PracticeFile
from lethe.server.competitions import service
from lethe.server.context import Context
from lethe.server.models import User
from lethe.server.security import sessions
from tests import many_rows as rows
from tests.conftest import running_postgres
from tests.integration.server.conftest import GOOD, SLUG

API = f"/api/v1/competitions/{SLUG}"
PAGE = f"/competitions/{SLUG}/leaderboard"
PARTS = ("boards", "uploads", "routes", "downloads")
SLOWER_AT_MOST = 1.2
LEAST_OF_NGINX = 0.8
TEAMS = 1_200


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help=f"some of {', '.join(PARTS)}; all of them by default")
    parser.add_argument("--seconds", type=int, default=8, help="of each load")
    parser.add_argument("--teams", type=int, default=10_000, help="on the board; for the routes at most 1,200")
    parser.add_argument("--times", type=int, default=40, help="requests to each route")
    given = parser.parse_args()
    parts = given.parts or PARTS
    if not set(parts) <= set(PARTS):
        parser.error(f"the parts are {', '.join(PARTS)}")
    if "boards" in parts:
        boards(given.seconds, given.teams)
    if "uploads" in parts:
        measure_uploads(given.seconds)
    if "downloads" in parts:
        downloads(given.seconds)
    if "routes" in parts:
        routes(given.times, min(given.teams, TEAMS))


def boards(seconds: int, teams: int) -> None:
    """Boards from memory, unchanged and uncached."""
    with tempfile.TemporaryDirectory() as folder, running_postgres() as url:
        home = Path(folder)
        context = prepare(home, url)
        rows.add_teams(context, teams)
        print(f"standings of {teams:,} teams made in {rows.add_submissions(context, 1, 1):.1f} s")
        context.database.dispose()
        with lethe(context) as server:
            kinds = {"board": f"{API}/leaderboard", "page": PAGE}
            found = {name: _ask(server, path) for name, path in kinds.items()}
            sizes = {name: size for name, (_, size) in found.items()}
            with bare(home / "bare.py", **sizes) as plain_server:
                for name, path in kinds.items():
                    etag, size = found[name]
                    plain = load(plain_server.url(f"/{name}"), seconds=seconds, connections=16)
                    kept = load(server.url(path), seconds=seconds, connections=16)
                    known = load(server.url(path), seconds=seconds, connections=16, headers={"If-None-Match": etag})
                    row(f"{name} ({size:,} bytes): bare", plain)
                    row(f"{name}: kept", kept, plain)
                    note("api", f"{name} from memory, rate over bare", kept.rate / plain.rate)
                    row(f"{name}: unchanged", known, plain)
            for connections in (1, 4):
                script = other_pages(f"{API}/leaderboard", teams)
                name = f"board: uncached, {connections} at a time"
                row(name, load(server.url("/"), seconds=seconds, connections=connections, script=script))


def measure_uploads(seconds: int) -> None:
    """Uploads of small files that can be submissions; the commits and the files wait for the disk."""
    with tempfile.TemporaryDirectory() as folder, running_postgres(fsync="on") as url:
        home = Path(folder)
        context = prepare(home, url)
        tokens = rows.add_teams(context, 32)
        context.database.dispose()
        with bare(home / "bare.py") as plain_server:
            plain = load(
                plain_server.url("/"), seconds=seconds, connections=16, script=uploads("/upload", GOOD.decode(), tokens)
            )
        row("uploads: bare", plain)
        with lethe(context) as server:
            script = uploads(f"{API}/submissions", GOOD.decode(), tokens)
            load(server.url("/"), seconds=2, connections=16, script=script)
            before = server.cpu_s()
            found = load(server.url("/"), seconds=seconds, connections=16, script=script)
            used = server.cpu_s() - before
            row("uploads", found, plain)
            note("api", "uploads, rate over bare", found.rate / plain.rate)
            each = 1e3 * used / found.requests if found.requests else math.nan
            print(f"{'':<34} {each:.1f} ms of a processor each in the server")


def downloads(seconds: int) -> None:
    """Practice bundles, asked for by one and by four clients at a time; nginx and Lethe are loaded in turn."""
    with tempfile.TemporaryDirectory() as folder, running_postgres() as url:
        home = Path(folder)
        home.chmod(0o755)
        context = prepare(home, url)
        for size_bytes in (2**20, 2**24):
            _publish(context, size_bytes)
            name = f"{size_bytes}.safetensors"
            root = home / "files"
            root.mkdir(exist_ok=True)
            (root / name).write_bytes(b"\x5a" * size_bytes)
            with lethe(context) as server, running_nginx(root) as reference:
                for connections in (1, 4):
                    label = f"bundle of {size_bytes / 2**20:.0f} MiB, {connections} at a time"
                    plain = load(reference.url(f"/{name}"), seconds=seconds, connections=connections)
                    before = server.cpu_s()
                    found = load(server.url(f"{API}/practice"), seconds=seconds, connections=connections)
                    used = 1e3 * (server.cpu_s() - before) / max(1, found.requests)
                    row(f"{label}: nginx", plain)
                    row(label, found, plain, beside="nginx")
                    print(f"{'':<34} {used:.1f} ms of a processor each in the server")
                    note("api", f"{label}, rate over nginx", found.rate / plain.rate, at_least=LEAST_OF_NGINX)
        context.database.dispose()


def _publish(context: Context, size_bytes: int) -> None:
    """Put a file of so many bytes in the place of the practice bundle."""
    ref = context.artifacts.put(f"practice/{size_bytes}", b"\x5a" * size_bytes)
    bundle = PracticeFile(artifact=ref, size_bytes=size_bytes, oracles=0, format=1)
    with context.database.write() as session:
        competition = service.lock_competition(session, SLUG)
        prepared = service.prepared_competition(competition)
        practice = prepared.practice.model_copy(update={"bundle": bundle})
        competition.prepared = prepared.model_copy(update={"practice": practice}).model_dump(mode="json")


def routes(times: int, teams: int) -> None:
    """Each route with few submissions and with many, on two servers that are asked in turn."""
    with contextlib.ExitStack() as opened:
        few, many = (_caller(opened, teams, each) for each in (20, 450))
        print(f"{'route':<60} {20 * teams:,}     {450 * teams:,}  ratio")
        ratios = []
        for route in ROUTES:
            small, large = medians_ms((few, many), route, times)
            ratios.append(large / small)
            mark = "  slower" if large / small > SLOWER_AT_MOST else ""
            name = f"{route.method} {route.path}"
            print(f"{name:<60} {small:6.2f} ms {large:6.2f} ms  {large / small:5.2f}{mark}", flush=True)
        note("api", "slowest route, many rows over few", max(ratios), at_most=SLOWER_AT_MOST)


def _caller(opened: contextlib.ExitStack, teams: int, each: int) -> Caller:
    """An account, host and operator, on a server of its own where every team has `each` submissions."""
    home = Path(opened.enter_context(tempfile.TemporaryDirectory()))
    context = prepare(home, opened.enter_context(running_postgres()))
    token = rows.add_teams(context, teams)[0]
    rows.make_host(context, "u1")
    with context.database.write() as session:
        cookie = sessions.begin(session, session.scalars(select(User.id).where(User.username == "u1")).one())
    context.artifacts.put("s", GOOD)
    rows.add_submissions(context, 1, each)
    context.database.dispose()
    return Caller(opened.enter_context(lethe(context)).port, token, cookie)


def row(name: str, found: Load, plain: Load | None = None, *, beside: str = "bare") -> None:
    """One line of the table, with the share of the rate of the server `beside`."""
    share = "" if plain is None else f"   {found.rate / plain.rate:.3f} of {beside}"
    print(f"{name:<34} {found}{share}", flush=True)


def _ask(server: Served, path: str) -> tuple[str, int]:
    """ETag and bytes of an answer."""
    with urllib.request.urlopen(server.url(path)) as answer:  # noqa: S310 - our own server
        return answer.headers["ETag"], len(answer.read())


if __name__ == "__main__":
    main()
