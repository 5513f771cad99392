"""Range requests for one file (RFC 9110, section 14): a download that was cut goes on where it stopped."""

import re

from lethe.server.errors import RequestError

_ONE_RANGE = re.compile(r"\s*bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.IGNORECASE)


class RangeNotSatisfiable(RequestError):
    """The range begins behind the end of the file."""

    status = 416
    code = "range_not_satisfiable"
    title = "Range not satisfiable"

    def __init__(self, size_bytes: int) -> None:
        super().__init__(
            f"The file has {size_bytes} bytes, and the range begins behind them. Leave Range out for the whole file.",
            headers={"Content-Range": f"bytes */{size_bytes}"},
        )


def requested_range(header: str, size_bytes: int) -> tuple[int, int] | None:
    """Return the first byte and the one after the last that a Range header asks for, of a file of `size_bytes`.

    None means the whole file: without a header, for several ranges, and for what is not a range of bytes, all of which
    a server may ignore. Raises RangeNotSatisfiable.
    """
    found = _ONE_RANGE.fullmatch(header)
    if found is None or not any(found.groups()):
        return None
    first, last = found.groups()
    if not first:  # the last bytes
        start, end = max(0, size_bytes - int(last)), size_bytes
    else:
        start, end = int(first), min(size_bytes, int(last) + 1 if last else size_bytes)
        if last and int(last) < start:
            return None
    if start >= end:
        raise RangeNotSatisfiable(size_bytes)
    return start, end
