"""The application of a home, asked in this process by the people of the record."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal

from lethe.server.app import create_app
from lethe.server.settings import Settings
from tests.record.home import PASSWORD
from tests.record.page_text import page_text

STRANGER = "stranger"
VIEWERS = (STRANGER, "ann", "cem", "hal")
"""Nobody, a member of a team, one of another, and the host."""

Sessions = dict[str, tuple[str, str]]
"""Cookie and CSRF token by user name."""

_CLOCK = (
    (re.compile(r'(?<="resets_at": ")[^"]+'), "THE NEXT MIDNIGHT"),  # in UTC, when quotas begin anew
    (re.compile(r"(?<=counts start again at )[^.]+(?=\.)"), "THE NEXT MIDNIGHT"),
    (re.compile(r"(?<=This upload came )[^.]+(?= late\.)"), "SOME TIME"),  # after the close of this home
    (re.compile(r"[\d,]+ h( \d+ min)?(?= since the upload| so far)"), "SOME TIME"),
    (re.compile(r"(?<=, in )\d+ d( \d+ h)?(?=[.])"), "SOME TIME"),  # to a start or an end in the year 2999
)
"""What the moment of asking decides, each in its sentence or field."""
_UNTOLD = frozenset({"content-length", "date", "etag", "set-cookie", "x-request-id"})
"""Header fields that a new version, another clock or another session changes."""


@dataclass
class Answer:
    """What one viewer got. `text` has the status and the body as lines, `frame` what all pages share."""

    text: str
    frame: str
    headers: str


@dataclass
class Site:
    """The client of an application, and the sessions of those who have logged in."""

    portal: BlockingPortal
    client: httpx.AsyncClient
    sessions: Sessions = field(default_factory=dict)
    headers: list[tuple[str, str]] = field(default_factory=list)

    def log_in(self, who: str) -> tuple[str, str]:
        """The cookie and the CSRF token of a session that the login form began."""
        if who not in self.sessions:
            form = {"username": who, "password": PASSWORD, "next": "/account"}
            answer = self._send("POST", "/login", data=form, headers={"Accept": "text/html"})
            assert (answer.status_code, answer.headers["location"]) == (303, "/account"), answer.text
            cookie = answer.headers["set-cookie"].partition(";")[0]
            token = self._send("GET", "/api/v1/session", headers={"Cookie": cookie}).json()["csrf_token"]
            self.sessions[who] = (cookie, token)
        return self.sessions[who]

    def ask(self, who: str, method: str, path: str, **sent: Any) -> Answer:
        """The answer to a viewer's browser, or below /api to a program with the viewer's session."""
        headers = {"Accept": "*/*" if path.startswith("/api") else "text/html"}
        secrets = ()
        if who != STRANGER:
            cookie, proof = secrets = self.log_in(who)
            headers |= {"Cookie": cookie}
            if path.startswith("/api"):
                headers["X-CSRF-Token"] = proof
            elif "data" in sent or "files" in sent:
                sent["data"] = {"csrf_token": proof, **sent.get("data", {})}
        answer = _answer(self._send(method, path, headers={**headers, **sent.pop("headers", {})}, **sent), secrets)
        self.headers.append((f"{who}: {method} {path}", answer.headers))
        return answer

    def _send(self, method: str, path: str, **sent: Any) -> httpx.Response:
        answer = self.portal.call(partial(self.client.request, method, path, **sent))
        self.client.cookies.clear()  # each request says itself whose it is
        return answer


@contextmanager
def open_site(home: Path, sessions: Sessions | None = None, **settings: Any) -> Iterator[Site]:
    """The site of a home, with the `sessions` of an earlier one; nothing else of Lethe runs."""
    app = create_app(Settings(home=home, rate_per_address="", rate_per_token="", **settings))
    with (
        redirect_stdout(StringIO()),  # a line of log for each request would bury what a failed test says
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(app.router.lifespan_context(app)),
        portal.wrap_async_context_manager(
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver")
        ) as client,
    ):
        yield Site(portal, client, sessions or {})


def _answer(answer: httpx.Response, secrets: tuple[str, ...]) -> Answer:
    kind = answer.headers.get("content-type", "")
    head = " ".join(part for part in (str(answer.status_code), kind, answer.headers.get("location", "")) if part)
    body, frame = _body(kind, answer.content)
    for pattern, name in _CLOCK:
        body = pattern.sub(name, body)
    for secret in secrets:
        body = body.replace(secret, "SECRET OF THE SESSION")
    told = [f"{name}: {value}" for name, value in sorted(answer.headers.items()) if name not in _UNTOLD]
    told += [f"set-cookie: {re.sub('=[^;]*', '=…', value, count=1)}" for value in answer.headers.get_list("set-cookie")]
    return Answer(f"{head}\n{body}".rstrip(), frame, "\n".join(told))


def _body(kind: str, data: bytes) -> tuple[str, str]:
    if kind.startswith("text/html"):
        return page_text(data.decode())
    if "json" in kind and not kind.startswith("application/x-ipynb"):
        return json.dumps(json.loads(data), indent=1, ensure_ascii=False, sort_keys=True), ""
    if kind.startswith("text/"):
        return data.decode().replace("\r\n", "\n"), ""
    return f"{len(data)} bytes, sha256 {sha256(data).hexdigest()}" if data else "", ""
