"""CSV whose text spreadsheets do not run as formulas."""

import csv
import io
from collections.abc import Iterable, Sequence

_STARTS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def csv_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return header and rows as CSV (RFC 4180); None becomes an empty cell.

    Text that a spreadsheet would take for a formula starts with an apostrophe (OWASP: CSV injection); numbers do not.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(header)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return buffer.getvalue()


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_STARTS_FORMULA) else value
