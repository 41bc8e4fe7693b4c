"""
Rows of results as Parquet, through pyarrow, which is an extra: `pip install 'reconciler[parquet]'`.

Streamed by row groups. Every column is text but `attempt`, so that the schema depends on no answer.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from reconciler.errors import UsageError
from reconciler.model.rows import ResultRow
from reconciler.processors.tables import cell

ROWS: Final = 20_000
"""Rows of one row group, at most."""

TEXT: Final = 16 << 20
"""Characters of one row group from which the next one begins."""

_NUMBERS: Final = frozenset({"attempt"})


class _Sink:
    """Takes what pyarrow writes, until it is handed on."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self.closed = False

    def write(self, data: Any) -> int:
        """Keep a piece; it may stand in memory that is used again."""
        self._parts.append(bytes(data))
        self._size += len(data)
        return len(data)

    def tell(self) -> int:
        """How much was written."""
        return self._size

    def flush(self) -> None:
        """Everything is kept at once."""

    def close(self) -> None:
        """Nothing more comes."""
        self.closed = True

    def taken(self) -> bytes:
        """What was written since this was asked last."""
        data = b"".join(self._parts)
        self._parts.clear()
        return data


def pyarrow() -> tuple[Any, Any]:
    """
    The library and its Parquet part.

    Raises:
        UsageError: It is not installed.
    """
    try:
        return importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        message = f"Parquet is written by pyarrow, which cannot be imported ({error})"
        raise UsageError(message, hint="pip install 'reconciler[parquet]'") from error


def parquet_blocks(rows: Iterable[ResultRow], columns: Sequence[str]) -> Iterator[bytes]:
    """
    A Parquet file, a row group at a time.

    Raises:
        UsageError: pyarrow is not installed; said before the first row is asked for.
    """
    arrow, parquet = pyarrow()
    return _blocks(rows, columns, arrow, parquet)


def _blocks(rows: Iterable[ResultRow], columns: Sequence[str], arrow: Any, parquet: Any) -> Iterator[bytes]:
    """The file itself."""
    schema = arrow.schema([(name, arrow.int64() if name in _NUMBERS else arrow.string()) for name in columns])
    sink = _Sink()
    writer = parquet.ParquetWriter(arrow.PythonFile(sink, mode="w"), schema)
    try:
        for group in _groups(rows, columns):
            writer.write_table(arrow.Table.from_pydict(group, schema=schema))
            yield sink.taken()
    finally:
        writer.close()
    yield sink.taken()


def _groups(rows: Iterable[ResultRow], columns: Sequence[str]) -> Iterator[dict[str, list[Any]]]:
    """The rows by column, as many at a time as make one row group."""
    group: dict[str, list[Any]] = {name: [] for name in columns}
    count = size = 0
    for row in rows:
        for name, column in group.items():
            value = getattr(row, name)
            if name not in _NUMBERS:
                value = cell(value)
                size += len(value or "")
            column.append(value)
        count += 1
        if count == ROWS or size >= TEXT:
            yield group
            group = {name: [] for name in columns}
            count = size = 0
    if count:
        yield group
