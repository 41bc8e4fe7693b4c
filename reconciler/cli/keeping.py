"""The verbs for settled batches: `retain`, `replay` and `explain`."""

from __future__ import annotations

from typing import Any, Final

import click

from reconciler.cli.options import DEBUG, JSON, TALK, WORKSPACE, verb, with_options
from reconciler.cli.prepare import Listening, load

_NAMES: Final = click.argument("names", nargs=-1, metavar="[NAME]...")


@click.command("retain", short_help="Remove the JSONL of settled batches, as [retain] says.")
@with_options(WORKSPACE, _NAMES)
@click.option("--jsonl", metavar="KIND", help="keep or remove; overrides [retain] jsonl for this call.")
@click.option(
    "--after-days", type=float, metavar="N", help="Keep it so many days; overrides [retain] after_days."
)
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@with_options(JSON, *TALK, DEBUG)
@verb
def retain_(
    workspace: str,
    names: tuple[str, ...],
    jsonl: str | None,
    after_days: float | None,
    dry_run: bool,
    as_json: bool,
    **talk: Any,
) -> int:
    """
    Remove input and answers of settled batches whose results are published, and say why the rest are kept.

    Results are read again first. A manifest and a tombstone stay, so that check can still prove the account.
    """
    from reconciler.cli import render, render_settled
    from reconciler.retention import retain

    given = {"retain.jsonl": jsonl, "retain.after_days": after_days, "log.level": talk["log_level"]}
    ready = load(workspace, given, "look")
    with Listening(workspace, ready, (), talk["quiet"], talk["verbose"]) as options:
        found = retain(workspace, ready.settings, names, options, dry_run=dry_run)
    if as_json:
        render.document(render_settled.retention_fields(found), workspace, found.exit_code)
    elif not talk["quiet"]:
        render_settled.retention(found)
    return found.exit_code


ALL: Final = (retain_,)
