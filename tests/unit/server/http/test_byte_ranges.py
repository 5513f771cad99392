"""Which bytes a Range header asks for, of a file of 1,000."""

import pytest

from lethe.server.http.byte_ranges import RangeNotSatisfiable, requested_range


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("bytes=0-", (0, 1000)),
        ("bytes=10-19", (10, 20)),
        ("Bytes = 990 - 2000", (990, 1000)),
        ("bytes=999-999", (999, 1000)),
        ("bytes=-1", (999, 1000)),
        ("bytes=-5000", (0, 1000)),
        ("", None),
        ("bytes=-", None),
        ("bytes=20-10", None),
        ("bytes=0-1,5-6", None),
        ("lines=1-2", None),
        ("bytes=one-two", None),
        ("bytes=0-99999999999999999999", None),
    ],
)
def test_ranges(header: str, wanted: tuple[int, int] | None) -> None:
    assert requested_range(header, 1000) == wanted


@pytest.mark.parametrize("header", ["bytes=1000-", "bytes=5000-6000", "bytes=-0"])
def test_what_is_behind_the_end_is_refused_with_the_size(header: str) -> None:
    with pytest.raises(RangeNotSatisfiable, match="The file has 1000 bytes") as refused:
        requested_range(header, 1000)
    assert refused.value.headers == {"Content-Range": "bytes */1000"}
