"""`reconcile results`: the best answer of every request, as a table."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import click

from reconciler.cli.console import complain, data, err, out, safe
from reconciler.cli.options import DEBUG, WORKSPACE, verb, with_options
from reconciler.cli.prepare import load

if TYPE_CHECKING:
    from reconciler.model.rows import ResultRow

FORMATS: Final = ("jsonl", "csv", "parquet", "table")


@click.command("results", short_help="The best answer of every request, as one table.")
@with_options(WORKSPACE)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--format",
    "kind",
    type=click.Choice(FORMATS),
    help="By default as the name of -o ends, or a table on a terminal and jsonl elsewhere.",
)
@click.option("-o", "--output", metavar="FILE", help="Write this file, whole, in place of an older one.")
@click.option(
    "--only",
    type=click.Choice(["ok", "failed"]),
    help="ok: requests with an answer; failed: those that have none and get none.",
)
@click.option("--columns", metavar="A,B,C", help="These columns, in this order.")
@click.option("--raw-cells", is_flag=True, help="CSV: no apostrophe before what a spreadsheet would run.")
@with_options(DEBUG)
@verb
def results_(
    workspace: str,
    names: tuple[str, ...],
    kind: str | None,
    output: str | None,
    only: str | None,
    columns: str | None,
    raw_cells: bool,
) -> int:
    """
    The best answer of every request, over all batches and attempts, in input order; takes no lock.

    Of a batch and its retry children an answer counts more than a failure, and of failures the last.
    Exit 3 says that something could not be read; stderr says what.
    """
    from reconciler.cli.interrupt import Stop
    from reconciler.cli.progress import watched
    from reconciler.processors.tables import chosen_columns
    from reconciler.results import Results

    if output == "-":
        output = None
    kind = kind or ("" if output is not None else _by_reader())
    wanted = chosen_columns(columns)
    stop = Stop()
    # A table that is read while it grows needs no bar beside it.
    progress = watched(quiet=output is None and sys.stdout is not None and sys.stdout.isatty())
    found = Results(
        workspace, load(workspace, mode="look").settings, names, only, progress=progress, stopping=stop.asked
    )
    stop.install()
    try:
        if kind == "table":
            _show(found, workspace, output, None if columns is None else wanted)
        elif output is not None:
            err(safe(f"written: {found.write(output, kind or None, wanted, raw=raw_cells)}"))
        else:
            _stream(found, kind, wanted, raw=raw_cells)
    finally:
        stop.restore()
    for problem in found.problems:
        complain(problem, "")
    return 3 if found.problems else 0


def _by_reader() -> str:
    """What stdout gets unless it is said: a table for eyes, lines for programs."""
    return "table" if sys.stdout is not None and sys.stdout.isatty() else "jsonl"


def _show(
    found: Iterable[ResultRow], workspace: str, output: str | None, columns: tuple[str, ...] | None
) -> None:
    """A table for people, on stdout or in a file."""
    from reconciler.cli.render_results import SHOWN, table, terminal_width
    from reconciler.workspace.exporting import destination, export
    from reconciler.workspace.layout import find

    if output is None:
        for line in table(found, columns or SHOWN, terminal_width()):
            out(line)
        return
    where = destination(find(workspace).root, output)
    export(where, (f"{line}\n".encode() for line in table(found, columns or SHOWN)))
    err(safe(f"written: {where.whole}"))


def _stream(found: Iterable[ResultRow], kind: str, wanted: tuple[str, ...], *, raw: bool) -> None:
    """The bytes of a format on stdout."""
    from reconciler.processors.tables import Format, written

    if sys.stdout is None:
        return
    if kind == "parquet" and sys.stdout.isatty():
        raise click.UsageError("Parquet is no text; name a file with -o, or redirect the output")
    data(written(found, Format(kind), wanted, raw=raw), as_json=kind == "jsonl")
