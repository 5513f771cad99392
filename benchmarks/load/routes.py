"""Every call that reads, and the three that queue, timed one request after the other over a kept connection."""

import http.client
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from starlette.datastructures import URL

from lethe.server.security.sessions import cookie_name
from tests.integration.server.conftest import GOOD, SLUG

BOUNDARY = "benchmark"
_API = "/api/v1"
_HERE = f"{_API}/competitions/{SLUG}"
_UNKEPT = count()  # whatever has another address is not in memory


@dataclass(frozen=True)
class Route:
    """A request of an account; `{n}` in its path is another number each time, `{id}` a submission of the account.

    `is_visit`: with a browser's session instead of a token.
    """

    path: str
    method: str = "GET"
    is_visit: bool = False


ROUTES = (
    Route(f"{_HERE}/submissions", "POST"),
    *(Route(path) for path in ("/", f"/competitions/{SLUG}", f"/competitions/{SLUG}/leaderboard?n={{n}}")),
    *(Route(f"/competitions/{SLUG}/leaderboard?q={search}&n={{n}}") for search in ("team", "team+77")),
    *(Route(f"{_API}/{path}") for path in ("competitions", f"competitions/{SLUG}", "users/me", "tokens", "audit")),
    *(Route(f"{_HERE}/leaderboard?{query}&n={{n}}") for query in ("offset=0", "offset=500", "format=csv")),
    *(Route(f"{_HERE}/{path}") for path in ("announcements", "quota", "submissions", "team", "audit")),
    *(Route(f"{_API}/submissions/{{id}}{part}") for part in ("", "/log", "/receipt")),
    *(Route(path) for path in ("/metrics", "/readyz")),
    *(Route(path, is_visit=True) for path in ("/account", "/submissions/{id}")),
    *(Route(f"/competitions/{SLUG}/{page}", is_visit=True) for page in ("leaderboard", "submit", "team", "analysis")),
    *(Route(f"/host/{SLUG}{query}", is_visit=True) for query in ("", "?state=scored", "?q=team+77")),
    Route(f"{_API}/submissions/{{id}}/select", "POST"),
    Route(f"{_API}/submissions/{{id}}/unselect", "POST"),
)


class Caller:
    """One account over one connection."""

    def __init__(self, port: int, token: str, session: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = {"Authorization": f"Bearer {token}"}
        cookie = cookie_name(URL(f"http://127.0.0.1:{port}"), root="")
        self._visit = {"Cookie": f"{cookie}={session}"}
        self._submission = ""

    def timed(self, route: Route) -> float:
        """Seconds of one request; raises for an answer of 400 and above."""
        if not self._submission:
            self._submission = self._newest_id()
        number = next(_UNKEPT)
        path = route.path.replace("{n}", str(number)).replace("{id}", self._submission)
        body, headers = b"", self._visit if route.is_visit else self._headers
        if route.path.endswith("/submissions") and route.method == "POST":
            body, headers = _form(number), headers | {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        started = time.perf_counter()
        self._connection.request(route.method, path, body, headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status >= 400:
            raise RuntimeError(f"{route.method} {path}: {answer.status} {text[:300]!r}")
        return time.perf_counter() - started

    def _newest_id(self) -> str:
        import json

        self._connection.request("GET", f"{_HERE}/submissions?limit=1", headers=self._headers)
        identifier: str = json.loads(self._connection.getresponse().read())["items"][0]["id"]
        return identifier


def medians_ms(callers: Sequence[Caller], route: Route, times: int) -> list[float]:
    """Each caller's median of `times` requests, after three that are not timed.

    They ask in turn, so that whatever else the machine does falls on all of them.
    """
    each = [[caller.timed(route) for caller in callers] for _ in range(times + 3)]
    return [1e3 * statistics.median(found) for found in zip(*each[3:], strict=True)]


def _form(number: int) -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.py"\r\n\r\n'
    return head.encode() + GOOD + f"'{time.time()} {number}'\r\n--{BOUNDARY}--\r\n".encode()
