"""The stylesheet's colours can be read in light and dark, and nothing in the pages comes from elsewhere."""

import re

import pytest

from lethe.server.pages.rendering import PAGES, STATIC

STYLE = (STATIC / "site.css").read_text(encoding="utf-8")
SCHEMES = {
    "light": STYLE.partition("@media (prefers-color-scheme: dark)")[0],
    "dark": STYLE.partition("@media (prefers-color-scheme: dark)")[2].partition("/* Ground */")[0],
}
TEXT = ("ink", "muted", "water", "ceiling", "good")
GROUNDS = ("paper", "card")


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb` (WCAG 2.2)."""
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_computed_as_the_standard_says() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize("text", TEXT)
def test_every_text_colour_can_be_read(scheme: str, ground: str, text: str) -> None:
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", SCHEMES[scheme]))
    assert contrast(colours[text], colours[ground]) >= 4.5


def test_templates_and_files_need_nothing_that_the_policy_forbids() -> None:
    sources = [*PAGES.rglob("*.html"), *PAGES.rglob("*.svg"), *PAGES.rglob("*.js"), *PAGES.rglob("*.css")]
    assert len(sources) > 20
    for path in sources:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\sstyle=|\son[a-z]+=|javascript:", text), path.name
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text), path.name
        assert "|safe" not in text.replace(" ", ""), path.name
