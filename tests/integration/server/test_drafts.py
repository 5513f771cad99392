"""A draft and a name that nobody uses answer alike, on every route that takes a competition's name."""

import re
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import uuid4

import httpx
import pytest

from lethe.server.competitions import service
from lethe.server.hosting import account_administration
from tests.integration.server.conftest import GOOD, SLUG, Site, spec

pytestmark = [pytest.mark.component("postgresql"), pytest.mark.one_database]
DRAFT, NOTHING = "secret-hospital", "public-hospital"  # names of one length, so that even lengths must agree
FIELDS = {"name": "n", "title": "t", "until": "2999-01-01T00:00:00Z", "reason": "r", "sure": "1"}


def named_routes(found: Sequence[Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Methods and addresses of all routes with a competition's name in them."""
    for route in found:
        if hasattr(route, "original_router"):
            yield from named_routes(route.original_router.routes, prefix)
        elif "{slug}" in getattr(route, "path", ""):
            path = route.path
            for method in route.methods:
                yield method, path
                if not path.startswith("/api"):
                    yield method, f"/api/v1{path}"


def fill(path: str, slug: str, action: str) -> str:
    values = {"slug": slug, "action": action, "view": "public"}
    return re.sub(r"\{(\w+)\}", lambda part: values.get(part[1], uuid4().hex), path)


def answers(client: httpx.Client, site: Site, slug: str, csrf_token: str) -> dict[str, tuple[int, str, dict[str, str]]]:
    """What each route says about `slug`, the name itself and what is drawn anew for each request left out."""
    found = {}
    for method, path in sorted(set(named_routes(site.app.routes))):
        for action in ("pause", "announce", "reveal", "rerun") if "{action}" in path else ("",):
            url = site.url + fill(path, slug, action)
            if path.startswith("/api"):
                body: dict[str, Any] = (
                    {"files": {"file": ("a.py", GOOD)}} if path.endswith("s/{slug}/submissions") else {}
                )
                answer = client.request(method, url, **(body if method == "POST" and body else {"json": FIELDS}))
            else:
                form = {"csrf_token": csrf_token, **FIELDS} if method == "POST" else None
                answer = client.request(method, url, data=form, headers={"Accept": "text/html"})
            text = re.sub(r"[0-9a-f]{32}|/api/v1", "", answer.text.replace(slug, "SLUG"))
            headers = {k: v for k, v in answer.headers.items() if k not in {"date", "x-request-id", "content-length"}}
            found[f"{method} {path} {action}"] = answer.status_code, text, headers | {"location": ""}
    return found


@pytest.fixture
def draft(site: Site) -> Site:
    """The site with a second competition, which was never opened."""
    with site.context.database.write() as session:
        prepared = service.prepared_competition(service.get_competition(session, SLUG))
        service.create(session, spec(slug=DRAFT, title="Secret hospital"), prepared)
    return site


@pytest.mark.parametrize("name", ["", "mallory", "hal"])
def test_a_draft_answers_as_a_name_that_nobody_uses(draft: Site, name: str) -> None:
    """To a stranger, a participant, and the host of another competition."""
    csrf_token = ""
    with draft.register(name) if name else draft.client() as client:
        if name:
            login = client.post("/session", json={"username": name, "password": "correct horse"})
            csrf_token = login.json()["csrf_token"]
        if name == "hal":
            with draft.context.database.write() as session:
                account_administration.set_host(session, name, SLUG, is_host=True)
        about_draft, about_nothing = (answers(client, draft, slug, csrf_token) for slug in (DRAFT, NOTHING))
    assert len(about_draft) > 40
    assert about_draft == about_nothing
    assert not [route for route, (_, text, _) in about_nothing.items() if DRAFT in text]


def test_the_host_of_a_draft_finds_it_over_http(draft: Site) -> None:
    with draft.register("hal") as hal:
        assert hal.get(f"/competitions/{DRAFT}/audit").status_code == 404
        with draft.context.database.write() as session:
            account_administration.set_host(session, "hal", DRAFT, is_host=True)
        assert hal.get(f"/competitions/{DRAFT}/audit").status_code == 200
        assert hal.get(f"/competitions/{DRAFT}").status_code == 404  # the public page comes with its opening
        assert hal.get(f"/competitions/{SLUG}/audit").json()["detail"] == "There is nothing here for this account."
