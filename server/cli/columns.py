"""The one way in which commands print tables.

On a terminal columns are aligned, and those that matter least are left out until a line fits. Names are cut where that
is not enough, numbers and ids never. Elsewhere, as in a pipe or a file, a line has all columns, separated by tabs,
below a line with their titles, and nothing is cut.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import typer
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lethe.server.plain_text import one_line

SHORT_ID = 8
SHORTEST_NAME = 8
GAP = 2
CUT = "..."


@dataclass(frozen=True)
class Column:
    """A column with one cell for each line of the table.

    Those with the highest `dropped` are left out first where a terminal is too narrow, 0 never. Cells may be cut to
    `least` characters; 0: never. Numbers stand at the `right`.
    """

    title: str
    cells: Sequence[str]
    dropped: int = 0
    least: int = 0
    right: bool = False

    @property
    def width(self) -> int:
        return max(cell_len(text) for text in (self.title, *self.cells))

    @property
    def narrowest(self) -> int:
        return min(self.width, max(self.least, cell_len(self.title))) if self.least else self.width


def short_id(identity: UUID | str) -> str:
    """Return the first digits of an id, which every command takes instead of it."""
    return str(identity)[:SHORT_ID]


def print_table(
    columns: Sequence[Column],
    console: Console | None = None,
    *,
    title: str = "",
    styles: Mapping[int, str] | None = None,
) -> None:
    """Print the columns under their titles.

    A terminal also gets the table's `title`, and the lines at some places in one of Rich's `styles`.
    """
    console = console or Console()
    columns = [replace(one, cells=[one_line(cell) for cell in one.cells]) for one in columns]
    if not console.is_terminal:
        for cells in ([one.title for one in columns], *zip(*(one.cells for one in columns), strict=True)):
            typer.echo("\t".join(cells), file=console.file)
        return
    shown = _fitting(columns, console.width)
    console.width = max(console.width, _total(shown))  # a line that is folded beats a number that is cut
    widths = _widths(shown, console.width)
    table = Table(title=Text(one_line(title)) if title else None, title_justify="left", box=None, pad_edge=False)
    for one in shown:
        table.add_column(Text(one.title), justify="right" if one.right else "left", no_wrap=True)
    for place, cells in enumerate(zip(*(one.cells for one in shown), strict=True)):
        fitted = [Text(_cut(cell, width)) for cell, width in zip(cells, widths, strict=True)]
        table.add_row(*fitted, style=(styles or {}).get(place, ""))
    console.print(table)


def _fitting(columns: Sequence[Column], width: int) -> list[Column]:
    """Return the columns that fit into `width`, or those that are never left out."""
    kept = list(columns)
    while _total(kept) > width and any(one.dropped for one in kept):
        kept.remove(max(kept, key=lambda one: one.dropped))
    return kept


def _total(columns: Sequence[Column]) -> int:
    """Return the characters of a line whose cells are cut as far as they may be."""
    return sum(one.narrowest + GAP for one in columns) - GAP


def _widths(columns: Sequence[Column], width: int) -> list[int]:
    """Return the width of each column: cells that may be cut share what the others leave, the first ones first."""
    room = width - _total(columns)
    widths = []
    for one in columns:
        more = min(room, one.width - one.narrowest)
        widths.append(one.narrowest + more)
        room -= more
    return widths


def _cut(cell: str, width: int) -> str:
    return cell if cell_len(cell) <= width else set_cell_size(cell, width - len(CUT)) + CUT
