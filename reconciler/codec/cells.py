r"""
Write rows of CSV whose lines end at "\n", and nowhere else.

Pure. Python's own writer (before 3.13) quotes a lone "\r" only where lines end with it; unquoted, it ends a
row for spreadsheets, and what follows it in a text becomes a cell that may be a formula.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

_END: Final = "\r\n"


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
