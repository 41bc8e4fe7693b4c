"""
A registry of batches as a CSV file: one row a batch.

The first columns, their order and how values are written are those of pairwiseLLM's `jobs_registry.csv`,
which R's readr writes: UTF-8, commas, `NA` for a value that is missing, `TRUE` and `FALSE`. Ours follow.

Pure: texts in, values out.
"""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import attrs

from reconciler.codec.cells import guarded, row_writer, unguarded
from reconciler.errors import BadLine, UsageError

FILE: Final = "jobs_registry.csv"
ANCESTOR: Final = (
    *("segment_index", "provider", "model", "batch_id", "batch_input_path", "batch_output_path"),
    *("csv_path", "pairs_path", "done"),
)
OURS: Final = ("name", "state", "status", "requests", "answered", "failed", "parent", "attempt")
COLUMNS: Final = (*ANCESTOR, *OURS)
REQUIRED: Final = ("provider", "batch_id", "batch_input_path")
"""Without these a row says too little to be imported."""

HEADER: Final = (",".join(COLUMNS) + "\n").encode()

_NA: Final = "NA"
"""What a cell begins with that a spreadsheet would run."""

_TRUE: Final = frozenset({"true", "t", "1"})
_FALSE: Final = frozenset({"false", "f", "0", ""})


@attrs.frozen
class Row:
    """
    One row as it was read; cells that are missing are empty.

    Attributes:
        where: File and line, for messages.
        number: Which row it is, from 1.
        cells: What stands in it, by column.
    """

    where: str
    number: int
    cells: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "")

    @property
    def segment(self) -> int:
        """Its `segment_index`, or else its own number."""
        text = self["segment_index"].removesuffix(".0")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else self.number  # noqa: PLR2004 - more are no index

    @property
    def attempt(self) -> int:
        """How often its requests were sent; 1 where nobody says."""
        text = self["attempt"]
        return max(int(text), 1) if text.isascii() and text.isdigit() and len(text) < 10 else 1  # noqa: PLR2004 - likewise

    @property
    def done(self) -> bool:
        """
        Whether it is finished.

        Raises:
            BadLine: It says something else than TRUE or FALSE.
        """
        word = self["done"].lower()
        if word not in _TRUE | _FALSE:
            raise BadLine(self.where, 0, f"done is {self['done']!r:.40}, expected TRUE or FALSE")
        return word in _TRUE


def encode_line(cells: Iterable[str | int | None]) -> bytes:
    """One line of a registry, its newline included; None is `NA`."""
    text = io.StringIO()
    row_writer(text)(map(_written, cells))
    return text.getvalue().encode()


def decode(data: bytes, path: str) -> list[Row]:
    """
    Read a registry.

    Args:
        data: The whole file.
        path: What it is called, for messages.

    Raises:
        UsageError: It is no registry: no text, no CSV, or without a column that is needed.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 (byte {error.start})", hint="save it as UTF-8") from error
    head = text.partition("\n")[0]
    # What readr's write_csv2, and spreadsheets in many countries, put between columns.
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=";" if ";" in head and "," not in head else ",", strict=True
    )
    begins = 1
    rows: list[tuple[int, list[str]]] = []
    try:
        for cells in reader:
            if any(cells):
                rows.append((begins, cells))
            begins = reader.line_num + 1
    except csv.Error as error:
        raise UsageError(f"{path}:{begins}: not CSV ({error})") from error
    columns = [cell.strip() for cell in rows[0][1]] if rows else []
    _check_columns(columns, path)
    return list(_rows(columns, rows[1:], path))


def from_mappings(mappings: Iterable[Mapping[str, Any]]) -> list[Row]:
    """
    Rows that a program hands over, with the same columns; missing values may be None or NaN.

    Raises:
        UsageError: A column that is needed is in none of them.
    """
    found = list(mappings)
    if found:
        _check_columns(list(dict.fromkeys(str(key) for each in found for key in each)), "the rows")
    return [
        Row(f"row {number}", number, {str(key): _read(_as_text(value)) for key, value in each.items()})
        for number, each in enumerate(found, 1)
    ]


def _check_columns(columns: Sequence[str], path: str) -> None:
    """
    Hold the header to what is needed.

    Raises:
        UsageError: A column is missing, or stands there twice.
    """
    missing = [column for column in REQUIRED if column not in columns]
    if missing:
        found = ", ".join(columns)[:200] or "nothing"
        raise UsageError(
            f"{path} is no registry of batches: no column {', '.join(missing)}; found {found}",
            hint="pairwiseLLM writes one with write_registry = TRUE, and so does `reconcile registry export`",
        )
    twice = sorted(column for column, times in Counter(columns).items() if times > 1)
    if twice:
        raise UsageError(f"{path}: column {', '.join(twice)[:200]} stands there twice")


def _rows(columns: Sequence[str], lines: Iterable[tuple[int, list[str]]], path: str) -> Iterator[Row]:
    """
    The rows below a header.

    Raises:
        UsageError: One has more or fewer cells than the header: columns may be shifted, and ids wrong.
    """
    for number, (begins, cells) in enumerate(lines, 1):
        where = f"{path}:{begins}"
        if len(cells) != len(columns):
            raise UsageError(f"{where}: {len(cells)} cells under {len(columns)} columns")
        yield Row(where, number, dict(zip(columns, map(_read, cells), strict=True)))


def _written(value: str | int | None) -> str:
    """A value as it stands in a cell."""
    if value is None or value == "":
        return _NA
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    return guarded(str(value))


def _read(cell: str) -> str:
    """A cell as its value; empty when it is missing."""
    text = cell.strip()
    return "" if text == _NA else unguarded(text)


def _as_text(value: Any) -> str:
    """A value of a program as a cell."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
