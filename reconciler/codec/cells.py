r"""
Write rows of CSV whose lines end at "\n", and nowhere else, and cells that are no formulas.

Pure. A spreadsheet takes a cell that begins with =, +, -, @, a tab or a line break for a formula; an
apostrophe before it makes it text. Python's own writer (before 3.13) quotes a lone "\r" only where lines end
with it; unquoted, it ends a row for spreadsheets, and what follows it in a text becomes a cell that may be a
formula.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

_END: Final = "\r\n"

_FORMULA: Final = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
"""How a text begins that is a formula somewhere; the full-width forms count as well."""


class _Out(Protocol):
    """Where rows go."""

    def write(self, text: str, /) -> object:
        """Take a text."""


class _Rows:
    """Takes whole rows of the writer, and passes them on with the end that they are to have."""

    def __init__(self, out: _Out) -> None:
        self._out = out

    def write(self, row: str) -> None:
        """Take a row."""
        self._out.write(f"{row.removesuffix(_END)}\n")


def row_writer(out: _Out) -> Callable[[Iterable[Any]], object]:
    """A function that writes one row to *out*."""
    return csv.writer(_Rows(out), lineterminator=_END).writerow


def guarded(text: str) -> str:
    """A text as a cell that no spreadsheet takes for a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def unguarded(cell: str) -> str:
    """The text of a cell that `guarded` has made."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell, 1) else cell
