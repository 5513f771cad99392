"""CSV whose text spreadsheets do not run as formulas."""

import csv
import io
import re
from collections.abc import Iterable, Sequence

_FORMULA = re.compile(r"""(^|[;\t\r\n])(?=[\s"']*[=+\-@]|[\t\r\n])""")


def csv_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return header and rows as CSV (RFC 4180); None becomes an empty cell.

    Text that a spreadsheet would take for a formula starts with an apostrophe (OWASP: CSV injection); numbers do not.
    So does what follows on a semicolon or a tab, at which a spreadsheet of another language begins the next cell.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(header)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return buffer.getvalue()


def _cell(value: object) -> object:
    return _FORMULA.sub(r"\1'", value) if isinstance(value, str) else value
