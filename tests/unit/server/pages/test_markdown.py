"""Markdown of hosts: what becomes HTML, what stays text, and what must not become a link or a picture."""

import io

import numpy as np
import pytest
from PIL import Image

from lethe.server.pages.competition.contact_sheet import MOST_BYTES, to_webp
from lethe.server.pages.markdown import markdown
from tests.browser.hostile import ATTACK


def test_text_becomes_paragraphs_lists_and_code() -> None:
    made = markdown("One `x_y`,\r\nand **more**.\n\n- a\n- b\n\n# Part\n")
    assert "<p>One <code>x_y</code>,\nand <strong>more</strong>.</p>" in made
    assert "<li>a</li>" in made
    assert "<h3>Part</h3>" in made
    assert "<h4>Part</h4>" in markdown("# Part", 4)


def test_addresses_become_links_that_give_nothing_away() -> None:
    made = markdown("See https://example.org/a?b=1, mail host@example.org or [here](https://example.org).")
    assert made.count(' rel="nofollow noopener"') == made.count("<a ") == 3
    assert 'href="https://example.org/a?b=1"' in made
    assert 'href="mailto:host@example.org"' in made


@pytest.mark.parametrize(
    "text",
    [
        *("<script>owned=1</script>", "<img src=x onerror=owned=1>", "<a href=javascript:owned=1>x</a>"),
        *("[x](javascript:owned=1)", "[x](data:text/html,owned)", "[x](//example.org)", "[x](https://a@example.org)"),
        *("![x](https://example.org/x.png)", '<https://example.org/"onclick=owned>', "[x](vbscript:owned)", ATTACK),
        *('```x" onclick=owned=1\n<b>\n```', "| a |\n|:-:|\n| <img src=x> |", "[a]: javascript:owned\n\n[a]"),
    ],
)
def test_nothing_runs_loads_or_leads_astray(text: str) -> None:
    made = markdown(text)
    tags = [part.partition(">")[0] for part in made.split("<")[1:]]
    assert not [tag for tag in tags if tag.startswith(("img", "script", "style", "iframe"))]
    links = [tag for tag in tags if tag.startswith("a ") and "href" in tag]
    assert all(tag.startswith(('a href="https://example.org', 'a href="mailto:')) for tag in links)
    assert not [tag for tag in tags if "onclick" in tag.split('"')[0] or "style=" in tag or "class=" in tag]


def test_a_large_sheet_is_made_small() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (1100, 1100, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    sheet = to_webp(buffer.getvalue())
    assert len(sheet.webp) <= MOST_BYTES
    assert Image.open(io.BytesIO(sheet.webp)).size == (sheet.width, sheet.height)
