"""Attacks in everything that people, hosts and workers can write: on every page they are text and nothing else."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.routing import APIRoute
from playwright.sync_api import Browser, Dialog, Page, expect

from tests.browser import hostile
from tests.browser.hostile import ATTACK

pytestmark = pytest.mark.component("chromium")

SHORT = "'\"><img src=x onerror=window.owned=1>"  # as long as a team's name may be
LOOK = """() => {
  const faults = window.owned === undefined ? [] : ["something ran"];
  for (const element of document.querySelectorAll("*")) {
    for (const {name, value} of element.attributes) {
      if (name.startsWith("on") || name === "style") faults.push(`${name}=${value}`);
      const outward = element.localName === "a" && /^https?:/.test(value) && element.rel === "nofollow noopener";
      if (outward && name === "href") continue;
      if (["href", "src", "action", "formaction", "srcdoc", "data"].includes(name) && !/^[/#]/.test(value))
        faults.push(`${element.localName} ${name}=${value}`);
    }
  }
  for (const script of document.scripts)
    if (!script.getAttribute("src")?.startsWith("/static/") || script.textContent) faults.push(script.outerHTML);
  const forbidden = "iframe, object, embed, base, style, foreignObject, meta[http-equiv], svg animate, svg set";
  for (const element of document.querySelectorAll(forbidden)) faults.push(element.outerHTML);
  return faults;
}"""
READ = """() => [document.body.textContent, ...[...document.querySelectorAll("*")].flatMap(
  element => [...element.attributes].map(attribute => attribute.value))].join("\\n")"""
FILL = """(number) => {
  const form = document.querySelectorAll("form[method=post]")[number];
  const fields = [...form.querySelectorAll("input, textarea, select")].filter(
    field => field.name && field.name !== "csrf_token" && !["checkbox", "file"].includes(field.type));
  for (const field of fields) {
    if (field.localName === "input") field.type = "text";
    field.value = ATTACK;
  }
  return fields.map(field => field.name);
}"""
# Fields of page forms that are filled nowhere below, and why.
LEFT_OUT = {
    "csrf_token": "compared only",
    "sha256": "compared only; shown where there are terms that the visitor has not accepted",
    "notices": "one of a few words, shown where there is mail",
    "events": "one of a few words",
    "daily": "a box to tick, shown where there is mail",
    "end_access": "a box to tick behind the link of a mail",
    "account": "compared only, shown where there is mail",
    "sure": "a box to tick, shown after the close",
    "outputs": "a box to tick",
    "code": "compared only, on the page for a program that waits",
    "reply": "one of two buttons",
    "invite": "shown where registration is by invitation; the address's `invite` fills it",
}

Visitors = dict[str, tuple[Page, list[str]]]


@pytest.fixture(scope="module")
def addresses(site: Any) -> list[str]:
    """Empty until `visitors` has filled the site."""
    return []


@pytest.fixture(scope="module")
def visitors(site: Any, chromium: Browser, addresses: list[str]) -> Iterator[Visitors]:
    """A page each of a stranger, a participant and a host, with what their browsers complained about."""
    participant, host, submissions = hostile.fill(site)
    addresses += submissions
    pages: Visitors = {}
    for name, state, width in (("stranger", None, 390), ("participant", participant, 1280), ("host", host, 390)):
        page = chromium.new_context(storage_state=state, viewport={"width": width, "height": 900}).new_page()
        said: list[str] = []

        def dialog(opened: Dialog, said: list[str] = said) -> None:
            said.append(f"dialog: {opened.message}")
            opened.dismiss()

        page.on("dialog", dialog)
        page.on("pageerror", lambda error, said=said: said.append(str(error)))
        page.on("console", lambda message, said=said: said.append(message.text))
        pages[name] = page, said
    yield pages
    for page, _ in pages.values():
        page.context.close()


def _routes(routes: Iterable[Any]) -> Iterator[APIRoute]:
    """Those of the pages' own, in routers inside of routers too."""
    for route in routes:
        if hasattr(route, "original_router"):
            yield from _routes(route.original_router.routes)
        elif isinstance(route, APIRoute) and route.endpoint.__module__.startswith("lethe.server.pages."):
            yield route


def _paths(site: Any, submissions: list[str]) -> list[str]:
    """Every address at which a page can be read: as it is, and with the attack in each place of the address."""
    found = []
    for route in _routes(site.app.routes):
        template = route.path
        if "GET" not in route.methods or re.search(r"\.(webp|svg|py|ipynb|csv|json|atom|bib)$", template):
            continue
        if "{submission_id}" in template:
            plain = submissions
        else:
            plain = [template.replace("{slug}", slug) for slug in ("evil", "over")] if "{" in template else [template]
        found += plain
        found += [re.sub(r"\{\w+\}", quote(SHORT, safe=""), template)] * ("{" in template)
        found += [f"{plain[0]}?{field.alias}={quote(ATTACK)}" for field in route.dependant.query_params]
    found += ["/competitions/over/leaderboard?view=benchmark", f"/competitions/over/sources/{submissions[9][13:]}"]
    found.append(f"/device?code={hostile.USER_CODE}")
    return [*found, f"/{quote(SHORT, safe='')}", f"/account?done={quote(ATTACK)}"]


def test_every_text_of_the_database_is_listed() -> None:
    lists = [hostile.SHOWN, hostile.DIGESTS, hostile.CLOSED, hostile.SECRETS, hostile.INTERNAL]
    assert sorted(name for one in lists for name in one) == sorted(hostile.text_columns())


def test_every_text_that_programs_send_is_listed(site: Any) -> None:
    document = site.app.openapi()
    found = set()
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            for body in call.get("requestBody", {}).get("content", {}).values():
                name = body["schema"].get("$ref", "").rpartition("/")[2]
                schema = document["components"]["schemas"][name] if name else body["schema"]
                texts = (field for field, about in schema["properties"].items() if '"string"' in json.dumps(about))
                found |= {f"{method.upper()} {path} {field}" for field in texts}
    assert found == set(hostile.SENT)
    assert set(hostile.SENT.values()) <= hostile.SHOWN | {""}


def test_attacks_are_text_on_every_page(site: Any, visitors: Visitors, addresses: list[str]) -> None:
    seen: set[str] = set()
    for page, said in visitors.values():
        for path in _paths(site, addresses):
            page.goto(site.url + path)
            seen |= set(re.findall(r"\[(\w+\.\w+)\]", page.evaluate(READ)))
            _require_text(page, said, path)
        page.goto(f"{site.url}/competitions/over/analysis?view=public")
        page.locator("select[name=b]").select_option(index=1)
        page.get_by_role("button", name="Compare").click()
        expect(page.get_by_text("paired 95% interval")).to_be_visible()
        _require_text(page, said, page.url)
    assert hostile.SHOWN - seen == set()


def test_attacks_in_forms_are_text(site: Any, visitors: Visitors, addresses: list[str]) -> None:
    forms = {
        "stranger": ["/login", "/register"],
        "participant": [
            *("/account", "/join", "/competitions/evil/submit", "/competitions/evil/submissions"),
            *("/competitions/evil/team", "/competitions/evil/team/webhooks", "/competitions/over/submit"),
            *(addresses[3], addresses[9]),  # scored ones: to describe, and to publish
        ],
        "host": ["/host/evil", "/host/evil/edit", "/host/evil/delete", "/competitions/evil/team"],
    }
    filled: set[str] = set()
    for who, path in ((who, path) for who, found in forms.items() for path in found):
        page, said = visitors[who]
        done: list[list[str]] = []
        page.goto(site.url + path)
        for number in range(page.locator("form[method=post]").count()):
            if number >= page.locator("form[method=post]").count():
                break  # a withdrawn source cannot be withdrawn
            names = page.evaluate(FILL.replace("ATTACK", repr(SHORT)), number)
            if not names or names in done:
                continue
            done.append(names)
            with page.expect_navigation():
                page.evaluate(f"document.querySelectorAll('form[method=post]')[{number}].submit()")
            _require_text(page, said, f"{path} {names}")
            page.goto(site.url + path)
        filled |= {name for names in done for name in names}
    assert _declared(site) - filled - LEFT_OUT.keys() == set()


def _require_text(page: Page, said: list[str], where: str) -> None:
    """Nothing of the page is an attack's, nothing ran, the policy had nothing to stop; and long words break nothing."""
    assert page.evaluate(LOOK) == [], where
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, where
    assert [text for text in said if "Failed to load resource" not in text] == [], where
    said.clear()


def _declared(site: Any) -> set[str]:
    """The fields of all forms that the pages take."""
    found = set()
    for route in _routes(site.app.routes):
        for dependant in (route.dependant, *route.dependant.dependencies):
            found |= {field.alias for field in dependant.body_params}
    return found
