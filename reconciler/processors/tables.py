r"""
Rows of results as a table: CSV, JSON Lines, and Parquet through `parquet.py`.

Pure: rows in, blocks of bytes out, one after the other. All formats have the same columns; a value that is no
text stands in CSV and Parquet as JSON.

A spreadsheet takes a cell that begins with =, +, -, @, a tab or a line break for a formula. Such a cell of
CSV gets an apostrophe in front; so does one that has apostrophes there already, so that taking one away again
gives the text back.
"""

from __future__ import annotations

import enum
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from reconciler.codec.cells import guarded, row_writer
from reconciler.errors import UsageError
from reconciler.model.rows import COLUMNS, LOST, ResultRow, Standing

BLOCK: Final = 1 << 16
"""Characters of CSV, or bytes of JSON Lines, that are handed on at once."""


class Format(enum.StrEnum):
    """What a table is written as."""

    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


SUFFIXES: Final = {
    "csv": Format.CSV,
    "jsonl": Format.JSONL,
    "ndjson": Format.JSONL,
    "parquet": Format.PARQUET,
    "pq": Format.PARQUET,
}
"""Which format the end of a file's name asks for."""


def format_of(path: str) -> Format | None:
    """The format that the end of a file's name asks for, None when it asks for none that is known."""
    leaf = path.rpartition("/")[2]
    return SUFFIXES.get(leaf.rpartition(".")[2].lower()) if "." in leaf else None


def chosen_columns(text: str | None) -> tuple[str, ...]:
    """
    The columns that a list with commas asks for; all of them for None.

    Raises:
        UsageError: One is unknown or given twice, or there is none.
    """
    if text is None:
        return COLUMNS
    wanted = tuple(filter(None, (name.strip() for name in text.split(","))))
    for name in wanted:
        if name not in COLUMNS:
            raise UsageError(f"no column is called {name!r:.60}", hint=f"there are: {', '.join(COLUMNS)}")
    if not wanted or len(set(wanted)) < len(wanted):
        raise UsageError(
            f"{text!r:.80} names no column, or one twice", hint=f"there are: {', '.join(COLUMNS)}"
        )
    return wanted


def chosen_rows(rows: Iterable[ResultRow], only: str | None) -> Iterator[ResultRow]:
    """The rows with an answer for `ok`, those that have none and get none for `failed`, all for None."""
    for row in rows:
        wanted = row.outcome is Standing.ANSWERED if only == "ok" else row.outcome in LOST
        if only is None or wanted:
            yield row


def written(
    rows: Iterable[ResultRow], kind: Format, columns: Sequence[str] = COLUMNS, *, raw: bool = False
) -> Iterator[bytes]:
    """
    A table in one of the formats, block by block.

    Args:
        rows: Its rows.
        kind: The format.
        columns: Its columns, in order.
        raw: Leave CSV cells as they are, formulas included.

    Raises:
        UsageError: Parquet is asked for, and what writes it is not installed.
    """
    if kind is Format.CSV:
        return csv_blocks(rows, columns, raw=raw)
    if kind is Format.JSONL:
        return jsonl_blocks(rows, columns)
    from reconciler.processors.parquet import parquet_blocks  # noqa: PLC0415 - an extra

    return parquet_blocks(rows, columns)


def cell(value: Any) -> Any:
    """A value as a cell: text and numbers of ours as they are, anything of a provider's shape as JSON."""
    if value is None or isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()


def csv_blocks(rows: Iterable[ResultRow], columns: Sequence[str], *, raw: bool = False) -> Iterator[bytes]:
    r"""CSV as RFC 4180 has it, in UTF-8, but that lines end at "\n"; nothing is an empty cell."""
    buffer = io.StringIO(newline="")
    write = row_writer(buffer)
    write(columns)
    text: Callable[[str], str] = (lambda value: value) if raw else guarded
    for row in rows:
        values = (getattr(row, name) for name in columns)
        # What is no text begins as JSON does, or is a number: no spreadsheet can be led astray with it.
        write([text(each) if isinstance(each, str) else cell(each) for each in values])
        if buffer.tell() >= BLOCK:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode()


def jsonl_blocks(rows: Iterable[ResultRow], columns: Sequence[str]) -> Iterator[bytes]:
    """One JSON object a line, every column on every line."""
    encode = msgspec.json.Encoder().encode
    parts: list[bytes] = []
    size = 0
    for row in rows:
        line = encode({name: getattr(row, name) for name in columns})
        parts += (line, b"\n")
        size += len(line) + 1
        if size >= BLOCK:
            yield b"".join(parts)
            parts, size = [], 0
    yield b"".join(parts)
