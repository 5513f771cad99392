"""Errors as pages, and who gets them."""

from types import SimpleNamespace

import pytest
from fastapi import Request

from lethe.server.http.content_negotiation import wants_html
from lethe.server.pages.errors.problem_page import render_problem
from lethe.server.pages.rendering import SECURITY_HEADERS
from lethe.server.settings import Settings

CHROMIUM_ACCEPT = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


def request(path: str = "/nowhere", accept: str | None = CHROMIUM_ACCEPT) -> Request:
    headers = [] if accept is None else [(b"accept", accept.encode("latin-1"))]
    site = SimpleNamespace(state=SimpleNamespace(context=SimpleNamespace(settings=Settings())))
    return Request(
        {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": headers, "app": site}
    )


@pytest.mark.parametrize(
    ("path", "accept", "expected"),
    [
        ("/nowhere", CHROMIUM_ACCEPT, True),
        ("/apiary", CHROMIUM_ACCEPT, True),
        ("/api/v1/competitions/x", CHROMIUM_ACCEPT, False),
        ("/internal/v1/work/claim", CHROMIUM_ACCEPT, False),
        ("/healthz", CHROMIUM_ACCEPT, False),
        ("/nowhere", "*/*", False),
        ("/nowhere", None, False),
        ("/nowhere", "", False),
        ("/nowhere", "application/json", False),
        ("/nowhere", "application/json, text/html;q=0.5", False),
        ("/nowhere", "TEXT/HTML ; Q=0.9, application/json;q=0.9", True),
        ("/nowhere", "text/html;q=0", False),
        ("/nowhere", "text/html;q=high", False),
    ],
)
def test_who_wants_a_page(path: str, accept: str | None, expected: bool) -> None:
    assert wants_html(request(path, accept)) is expected


def test_page_escapes_what_it_is_told() -> None:
    answer = render_problem(request(), 404, "No such <b>", "There is no '<script>alert(1)</script>'.")
    text = bytes(answer.body).decode()
    assert answer.status_code == 404
    assert "No such &lt;b&gt;" in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "<script>" not in text


def test_page_has_the_security_headers_and_keeps_others() -> None:
    answer = render_problem(request(), 503, "Away", "Later.", headers={"Retry-After": "5"})
    for name, value in SECURITY_HEADERS.items():
        assert answer.headers[name] == value
    assert answer.headers["Retry-After"] == "5"
    assert answer.headers["Vary"] == "Accept"
    assert answer.headers["Cache-Control"] == "no-store"
