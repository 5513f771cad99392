"""Two sources side by side: nothing is lost, what is equal is folded, and hostile files cost little."""

import random

import pytest

from lethe.server.pages.submissions import difference as module
from lethe.server.pages.submissions.difference import Difference, difference


def sides(found: Difference) -> tuple[str, str]:
    """Both sources, put together again from what is shown."""
    left: list[str] = []
    right: list[str] = []
    for part in found.parts:
        if part.count:
            folded = part.folded.split("\n")
            assert len(folded) == part.count
            left += folded
            right += folded
        left += [row.left for row in part.rows if row.left_number]
        right += [row.right for row in part.rows if row.right_number]
    return "\n".join(left), "\n".join(right)


@pytest.mark.parametrize("seed", range(20))
def test_both_sources_are_shown_whole(seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311 - no secret
    before = [draw.choice(("", "a", "b", f"x{number}")) for number in range(draw.randint(1, 60))]
    after = [line for line in before if draw.random() < 0.9]
    for _ in range(draw.randint(0, 4)):
        after.insert(draw.randint(0, len(after)), "new")
    old, new = "\n".join(before), "\n".join(after)
    found = difference(f"{old}\n".encode(), f"{new}\n".encode())
    assert sides(found) == (old, new)
    rows = [row for part in found.parts for row in part.rows if row.is_changed]
    assert sum(row.right_number is not None for row in rows) == found.added
    assert sum(row.left_number is not None for row in rows) == found.removed


def test_numbers_are_those_of_the_lines() -> None:
    before = [f"line {number}" for number in range(1, 41)]
    after = [*before[:19], "new", *before[20:]]
    found = difference("\n".join(before).encode(), "\n".join(after).encode())
    (changed,) = (row for part in found.parts for row in part.rows if row.is_changed)
    assert (changed.left_number, changed.left, changed.right_number, changed.right) == (20, "line 20", 20, "new")
    assert [part.count for part in found.parts] == [16, 17]
    assert [len(part.rows) for part in found.parts] == [7, 0]


def test_equal_sources_differ_in_nothing() -> None:
    found = difference(b"a\nb\n", b"a\r\nb\n")
    assert (found.added, found.removed, found.problem) == (0, 0, "")


def test_a_long_difference_is_cut() -> None:
    found = difference(b"", "\n".join(f"x{number}" for number in range(5_000)).encode())
    assert sum(len(part.rows) for part in found.parts) == module.ROWS
    assert "Only the first 2,000 lines" in found.problem


@pytest.mark.slow
def test_files_that_take_difflib_for_ever_are_given_up() -> None:
    """Each line a hundredth of the file, so that difflib looks at all of them again and again."""
    draw = random.Random(0)  # noqa: S311 - no secret
    lines = [str(number) for number in range(110)] * 300
    before, after = draw.sample(lines, len(lines)), draw.sample(lines, len(lines))
    found = difference("\n".join(before).encode(), "\n".join(after).encode())
    assert found.parts == ()
    assert "take too long" in found.problem
