"""The database away or being migrated: people get a page that comes back by itself, programs a problem document."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import psycopg
import pytest
from sqlalchemy import text
from starlette.datastructures import URL

from lethe.server.security.sessions import cookie_name
from tests.integration.server.conftest import SLUG, Site

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
PAGES = ["/", f"/competitions/{SLUG}", f"/competitions/{SLUG}/leaderboard", "/account"]


@contextmanager
def refused_connections(site: Site) -> Iterator[None]:
    """PostgreSQL ends the connections to the site's database and takes no more of them."""
    url = site.context.database.url
    admin = f"postgresql://{url.username}@{url.host}:{url.port}/postgres"
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {url.database} ALLOW_CONNECTIONS false")  # type: ignore[call-overload]
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [url.database])
        try:
            yield
        finally:
            connection.execute(f"ALTER DATABASE {url.database} ALLOW_CONNECTIONS true")  # type: ignore[call-overload]


@contextmanager
def another_schema(site: Site, revision: str) -> Iterator[None]:
    """A migration has been applied that this process does not know, or is not through yet."""
    with site.context.database.write() as session:
        before = session.scalar(text("SELECT version_num FROM alembic_version"))
        session.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
        session.execute(text("ALTER TABLE web_sessions RENAME TO other_sessions"))
        session.execute(text("ALTER TABLE competitions RENAME TO other_competitions"))
    try:
        yield
    finally:
        with site.context.database.write() as session:
            session.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": before})
            session.execute(text("ALTER TABLE other_sessions RENAME TO web_sessions"))
            session.execute(text("ALTER TABLE other_competitions RENAME TO competitions"))


def assert_away(site: Site) -> None:
    with httpx.Client(base_url=site.url, timeout=30, headers=BROWSER) as browser:
        browser.cookies.set(cookie_name(URL(site.url), ""), "x" * 43)
        for path in PAGES:
            answer = browser.get(path)
            assert answer.status_code == 503, path
            assert answer.headers["content-type"].startswith("text/html")
            assert "Back in a moment" in answer.text
            assert "reloads by itself" in answer.text
            assert answer.headers["refresh"] == answer.headers["retry-after"] == "15"
            assert answer.headers["cache-control"] == "no-store"
        assert browser.get("/static/site.css").status_code == 200
        sent = browser.post(f"/competitions/{SLUG}/team", data={"name": "x"})
        assert sent.status_code == 503
        assert "send it again" in sent.text
        assert "refresh" not in sent.headers
        problem = browser.get(f"/api/v1/competitions/{SLUG}")
    assert problem.status_code == 503
    assert problem.headers["content-type"] == "application/problem+json"
    assert problem.headers["retry-after"] == "5"
    assert "refresh" not in problem.headers
    assert problem.json()["code"] == "unavailable"


def test_without_the_database_people_get_a_page_that_comes_back(site: Site) -> None:
    if site.context.database.is_sqlite:
        pytest.skip("a file is not away")
    with refused_connections(site):
        assert_away(site)
    assert httpx.get(site.url, headers=BROWSER).status_code == 200


@pytest.mark.parametrize("revision", ["0001", "9999"])
def test_during_a_migration_people_get_the_same_page(site: Site, revision: str) -> None:
    with another_schema(site, revision):
        assert_away(site)
    assert httpx.get(site.url, headers=BROWSER).status_code == 200


def test_a_wrong_statement_on_the_right_schema_is_a_fault_of_lethe(site: Site) -> None:
    if site.context.database.is_sqlite:
        pytest.skip("SQLite does not tell it from a database that is away")
    with site.context.database.write() as session:
        session.execute(text("ALTER TABLE announcements RENAME TO other_announcements"))
    answer = httpx.get(f"{site.url}/competitions/{SLUG}", headers=BROWSER)
    assert answer.status_code == 500
    assert "Internal error" in answer.text
