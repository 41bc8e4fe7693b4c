"""Results for people: a table that fits the terminal, made while the rows come in."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Final

from rich.cells import cell_len, set_cell_size

from reconciler.cli.console import safe
from reconciler.model.rows import ResultRow
from reconciler.processors.tables import cell

SHOWN: Final = ("custom_id", "outcome", "batch", "attempt", "provider", "answer")
"""What people see unless they name columns; `answer` is the text, or else the value, or why there is none."""

_MEASURED: Final = 200
"""Rows from which the widths of the columns are taken."""

_LEAST: Final = 8
"""Cells that a column keeps when a terminal is narrow."""


def table(
    rows: Iterable[ResultRow], columns: Sequence[str] = SHOWN, width: int | None = None
) -> Iterator[str]:
    """
    The lines of a table.

    Args:
        rows: Its rows.
        columns: Their columns, or `answer`.
        width: Cells of the terminal; None: as wide as it comes.
    """
    lines = ([_shown(row, name) for name in columns] for row in rows)
    first = list(islice(lines, _MEASURED))
    widths = [max(map(cell_len, column)) for column in zip(columns, *first, strict=True)]
    if width is not None:
        _narrow(widths, width)
    for line in chain([list(columns)], first, lines):
        # The last column ends where its text does, so that lines can be copied.
        *left, last = (
            _fitted(text, size, cut=width is not None) for text, size in zip(line, widths, strict=True)
        )
        yield "  ".join((*left, last.rstrip())).rstrip()


def terminal_width() -> int | None:
    """Cells of the terminal, None when the output goes elsewhere."""
    if sys.stdout is None or not sys.stdout.isatty():
        return None
    import shutil

    return shutil.get_terminal_size().columns


def _shown(row: ResultRow, name: str) -> str:
    """One cell, without anything that could move a cursor or end a line."""
    if name == "answer":
        told = f"{row.error_class}: {row.error_message or row.error_code or ''}" if row.error_class else None
        value = next((each for each in (row.text, row.value, row.refusal, told) if each is not None), None)
    else:
        value = getattr(row, name)
    return safe(str(cell(value) if value is not None else ""))


def _narrow(widths: list[int], width: int) -> None:
    """Take cells from the widest column until the line fits."""
    over = sum(widths) + 2 * (len(widths) - 1) - width
    while over > 0:
        widest = max(range(len(widths)), key=widths.__getitem__)
        if widths[widest] <= _LEAST:
            return
        # Down to the next one, and never more than is too much.
        others = max((size for at, size in enumerate(widths) if at != widest), default=_LEAST)
        cut = min(over, max(widths[widest] - max(others, _LEAST), 1))
        widths[widest] -= cut
        over -= cut


def _fitted(text: str, size: int, *, cut: bool) -> str:
    """A text in a column, cut if it must be."""
    length = cell_len(text)
    if length > size and cut:
        return f"{set_cell_size(text, size - 1)}\u2026"
    return text + " " * (size - length)
