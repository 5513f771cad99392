"""Errors for people are pages, for programs problem documents; /docs needs nothing from elsewhere."""

import re

import httpx
import pytest

from tests.integration.server.conftest import Site

pytestmark = [pytest.mark.component("postgresql"), pytest.mark.one_database]
BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


def test_unknown_page_is_a_page_and_unknown_call_a_document(site: Site) -> None:
    page = httpx.get(f"{site.url}/competitions/nowhere", headers=BROWSER)
    assert page.status_code == 404
    assert page.headers["content-type"].startswith("text/html")
    assert "nowhere" in page.text
    call = httpx.get(f"{site.url}/api/v1/competitions/nowhere", headers=BROWSER)
    assert call.headers["content-type"] == "application/problem+json"


def test_docs_load_only_from_this_server(site: Site) -> None:
    text = httpx.get(f"{site.url}/docs").text
    addresses = re.findall(r"""(?:src|href)=["']([^"']+)["']""", text)
    assert addresses
    for address in addresses:
        assert address.startswith(("/", site.url)), address
        assert httpx.get(address if address.startswith("http") else site.url + address).status_code == 200


def test_openapi_names_the_calls_and_the_token(site: Site) -> None:
    document = httpx.get(f"{site.url}/openapi.json").json()
    assert "/api/v1/competitions/{slug}/submissions" in document["paths"]
    assert not any(path.startswith("/internal") for path in document["paths"])
    assert document["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"


def test_health(site: Site) -> None:
    assert httpx.get(f"{site.url}/healthz").json() == {"status": "ok"}
    ready = httpx.get(f"{site.url}/readyz")
    assert (ready.status_code, ready.json()["parts"]["database"]) == (200, "ok")
    metrics = httpx.get(f"{site.url}/metrics").text
    assert 'lethe_submissions{state="queued"} 0.0' in metrics


def test_large_answers_are_compressed(site: Site) -> None:
    answer = httpx.get(f"{site.url}/openapi.json", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
