"""The plot over all submissions: what it says, numbers and leaves out."""

import re
import xml.etree.ElementTree as ET

from lethe.server.plots.overview import DOTS, NUMBERED, Dot, overview_plot


def dots(count: int) -> list[Dot]:
    """Of falling scores; every second one is the best of its team."""
    return [
        Dot(score=0.5 / (n + 1), forgetting=0.55 / (n + 1), utility=0.9, place=None if n % 2 else n // 2 + 1)
        for n in range(count)
    ]


def test_places_are_numbered_and_the_words_carry_the_numbers() -> None:
    plot = overview_plot(dots(40))
    assert ET.fromstring(plot.svg).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314
    numbers = re.findall(r">(\d+)</text>", plot.svg.decode())
    assert numbers == [str(place) for place in range(1, NUMBERED + 1)]
    assert plot.text == (
        "40 scored submissions: forgetting quality up to 0.5500, utility from 0.9000 to 0.9000. The best score, "
        "0.5000, has forgetting quality 0.5500 and utility 0.9000."
    )


def test_one_submission_is_enough() -> None:
    assert overview_plot(dots(1)).text.startswith("1 scored submission:")


def test_zeros_are_drawn() -> None:
    nothing = overview_plot([Dot(score=0.0, forgetting=0.0, utility=0.0, place=1)])
    assert "forgetting quality up to 0.0000, utility from 0.0000 to 0.0000" in nothing.text
    assert b"nan" not in nothing.svg


def test_too_many_are_cut_and_it_says_so() -> None:
    plot = overview_plot(dots(DOTS + 1))
    assert plot.text.startswith("The best 3,000 scored submissions are shown:")
    assert plot.svg.count(b"<use ") <= DOTS + 60  # ticks are marks as well


def test_the_same_dots_give_the_same_bytes() -> None:
    assert overview_plot(dots(5)).svg == overview_plot(dots(5)).svg
