"""
The results of a workspace: rows, streamed, and files made of them.

Takes no lock and changes nothing in the workspace, unless it is told to put a file there.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import attrs

from reconciler.config import Settings
from reconciler.errors import Interrupted, UsageError
from reconciler.executor.context import Progress, Silent, viewing
from reconciler.executor.standings import rows_of
from reconciler.model.rows import COLUMNS, ResultRow
from reconciler.processors.tables import Format, cell, chosen_columns, chosen_rows, format_of, written
from reconciler.workspace.exporting import destination, export
from reconciler.workspace.layout import find

FRAMES: Final = ("pandas", "polars")


@attrs.define
class Results:
    """
    The best answer of every request, over the batches that asked it; read anew whenever it is gone through.

    Attributes:
        path: The workspace.
        settings: Every setting.
        names: Names or patterns of batches; empty: all of them.
        only: `ok`, `failed`, or None for every request.
        finished: Only what has settled counts.
        progress: Told about long reading.
        stopping: Whether someone asked for an end.
        problems: What could not be read the last time, for people: there are requests without a row, or rows
            that say less than there was.
    """

    path: str
    settings: Settings
    names: Sequence[str] = ()
    only: str | None = None
    finished: bool = False
    progress: Progress = attrs.field(factory=Silent)
    stopping: Callable[[], bool] = lambda: False
    problems: list[str] = attrs.field(factory=list, init=False)

    def __iter__(self) -> Iterator[ResultRow]:
        """
        The rows, batch by batch, in input order.

        Raises:
            UserError: There is no workspace, or a name matches no batch.
            TransientError: A pass moved files while they were read.
            Interrupted: `stopping` asked for an end.
        """
        self.problems.clear()
        with viewing(self.path, self.settings, self.progress) as seen:
            view = attrs.evolve(seen, stopping=self.stopping)
            rows = rows_of(view, self.problems, self.names, finished=self.finished)
            for row in chosen_rows(rows, self.only):
                if self.stopping():
                    raise Interrupted("stopped while reading; nothing was written")
                yield row

    def write(
        self,
        path: str | os.PathLike[str],
        kind: str | None = None,
        columns: Sequence[str] = COLUMNS,
        *,
        raw: bool = False,
    ) -> str:
        """
        Put them into a file, whole.

        Args:
            path: The file; it may lie outside the workspace.
            kind: `jsonl`, `csv` or `parquet`; None: as the end of its name says.
            columns: Which columns, in order.
            raw: Leave CSV cells that a spreadsheet takes for formulas as they are.

        Returns:
            The file, as an absolute path.

        Raises:
            UsageError: No format, no column, or no file of that name can be.
            OSError: It cannot be written; what stood there stands.
        """
        named = os.fspath(path)
        known = [each.value for each in Format]
        if kind is not None and kind not in known:
            raise UsageError(f"no format is called {kind!r:.40}", hint=f"one of: {', '.join(known)}")
        found = format_of(named) if kind is None else Format(kind)
        if found is None:
            hint = f"--format is one of: {', '.join(known)}"
            raise UsageError(f"{named}: no format is known by that name", hint=hint)
        where = destination(find(self.path).root, named)
        export(where, written(self, found, chosen_columns(",".join(columns)), raw=raw))
        return where.whole

    def dataframe(self, columns: Sequence[str] = COLUMNS) -> Any:
        """
        All of them as a DataFrame of pandas or, if that is not there, of polars.

        Cells are those of a Parquet file: text, `attempt` a number, and what is no text as JSON.

        Raises:
            UsageError: Neither is installed.
        """
        found: dict[str, list[Any]] = {name: [] for name in chosen_columns(",".join(columns))}
        library = frames()
        for row in self:
            for name, column in found.items():
                value = getattr(row, name)
                column.append(value if name == "attempt" else cell(value))
        return library.DataFrame(found)


def frames() -> Any:
    """Pandas or polars, whichever is installed."""
    for name in FRAMES:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise UsageError(
        "a DataFrame takes pandas or polars, and neither is installed", hint="pip install pandas"
    )
