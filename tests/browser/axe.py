"""axe-core, which looks in a page for what people with disabilities would stumble over."""

from importlib.resources import files

from playwright.sync_api import Page

SCRIPT = files("axe_playwright_python").joinpath("axe.min.js")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def assert_accessible(page: Page, scheme: str) -> None:
    """Nothing is found on the page in the colour scheme, light or dark."""
    page.emulate_media(color_scheme=scheme)
    page.evaluate(SCRIPT.read_text(encoding="utf-8"))
    found = page.evaluate(
        "rules => axe.run(document, {runOnly: rules}).then(result => result.violations.map("
        "one => [one.id, one.nodes.map(node => node.html.slice(0, 200)).slice(0, 3)]))",
        RULES,
    )
    assert found == [], (page.url, scheme)
