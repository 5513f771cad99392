"""The plot of a comparison: who is on the front, what has no interval, and names with odd characters."""

import xml.etree.ElementTree as ET

from lethe.evaluator.measures.registry import Value
from lethe.server.plots.pareto import Point, front, pareto_plot


def point(name: str, forgetting: float, utility: float, *, is_reference: bool = False) -> Point:
    around = [Value(value, value - 0.01, value + 0.02, 0.01) for value in (forgetting, utility)]
    return Point(name, *around, is_reference)


POINTS = [
    point("ceiling", 0.9, 1.0, is_reference=True),
    point("both $a$ & <b>", 0.5, 0.9),
    point("forgets", 0.7, 0.6),
    point("beaten", 0.5, 0.8),
    point("useful", 0.1, 0.95),
]


def test_front_is_of_the_methods_that_none_dominates() -> None:
    assert [one.name for one in front(POINTS)] == ["useful", "both $a$ & <b>", "forgets"]
    twins = [point("one", 0.5, 0.5), point("two", 0.5, 0.5)]
    assert [one.name for one in front(twins)] == ["one", "two"]
    assert front(POINTS[:1]) == []


def test_every_name_is_in_the_picture_and_the_front_in_the_words() -> None:
    plot = pareto_plot(POINTS)
    root = ET.fromstring(plot.svg)  # noqa: S314
    shown = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {one.name for one in POINTS} <= shown
    assert plot.text.endswith("than: forgets (0.700, 0.600), both $a$ & <b> (0.500, 0.900), useful (0.100, 0.950).")
    assert pareto_plot(POINTS).svg == plot.svg


def test_references_alone_and_values_without_intervals_are_drawn() -> None:
    plot = pareto_plot([Point("floor", Value(0.0), Value(1.0), is_reference=True)])
    assert "no method has a score" in plot.text
    assert b"nan" not in plot.svg
