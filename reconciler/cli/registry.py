"""The verbs for registries of batches: write one, and take over what one names."""

from __future__ import annotations

from typing import Final

import click

from reconciler.cli.console import complain, err, out, safe, typed
from reconciler.cli.options import DEBUG, JSON, TALK, WORKSPACE, verb, with_options
from reconciler.cli.prepare import Listening, load
from reconciler.model.words import pasted


@click.group("registry", no_args_is_help=False, short_help="One row a batch, as CSV: export and import.")
def registry_() -> None:
    """A CSV file with one row a batch, whose first columns are those of pairwiseLLM's jobs_registry.csv."""


@registry_.command("export", short_help="Write every batch as a row of a CSV file.")
@with_options(WORKSPACE)
@click.argument("file", metavar="FILE.csv", type=click.Path())
@with_options(JSON, DEBUG)
@verb
def export_(workspace: str, file: str, as_json: bool) -> int:
    """Write every batch of WORKSPACE as a row of FILE.csv; changes nothing in the workspace."""
    from reconciler.registry import export

    if file == "-":
        raise click.UsageError("a registry is a file; name one, such as jobs_registry.csv")
    rows = export(workspace, load(workspace, mode="look").settings, file)
    if as_json:
        from reconciler.cli import render

        render.document({"file": file, "rows": rows}, workspace, 0)
    else:
        out(safe(f"{file}  {rows} {'batch' if rows == 1 else 'batches'}"))
    return 0


@registry_.command("import", short_help="Take over the batches that a registry names.")
@with_options(WORKSPACE)
@click.argument("source", metavar="FILE.csv|FOLDER", type=click.Path())
@click.option(
    "--name", metavar="PREFIX", default="", help="What names begin with that the registry does not give."
)
@with_options(JSON, TALK[0], DEBUG)
@verb
def import_(workspace: str, source: str, name: str, as_json: bool, quiet: bool) -> int:
    """
    Take over the batches that a registry names, from FILE.csv or FOLDER/jobs_registry.csv.

    Files are copied, never moved; nothing is sent. The next pass asks for what is not done.
    """
    from reconciler.importing import import_registry

    ready = load(workspace, mode="look")
    with Listening(ready, (), quiet, 0) as options:
        found = import_registry(workspace, ready.settings, source, options, name=name)
    if as_json:
        from reconciler.cli import render

        rows = [
            {
                "where": each.where,
                "name": each.name or None,
                "batch_id": each.batch_id or None,
                "outcome": each.outcome,
                "because": each.because,
                "hint": each.hint,
            }
            for each in found.rows
        ]
        render.document({"rows": rows}, workspace, found.exit_code)
        return found.exit_code
    for row in found.rows:
        if row.outcome == "refused":
            which = f" ({row.batch_id})" if row.batch_id else ""
            complain(f"{row.where}{which}: {row.because}", typed(row.hint, workspace))
        elif not quiet:
            out(safe(f"{row.name}  {row.outcome}: {row.because}"))
    if not quiet:
        counts = ", ".join(
            f"{found.count(word)} {word}" for word in ("imported", "known", "refused") if found.count(word)
        )
        err(safe(f"{counts or 'no rows'}; nothing was sent; then: reconcile {pasted(workspace)}"))
    return found.exit_code


ALL: Final = (registry_,)
