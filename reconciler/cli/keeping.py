"""The verbs for settled batches: `retain`, `replay` and `explain`."""

from __future__ import annotations

from typing import Any, Final

import click

from reconciler.cli.options import DEBUG, HOOKS, JSON, TALK, WORKSPACE, verb, with_options
from reconciler.cli.prepare import Listening, flags_of, load

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
    with Listening(ready, (), talk["quiet"], talk["verbose"]) as options:
        found = retain(ready.root, ready.settings, names, options, dry_run=dry_run)
    if as_json:
        render.document(render_settled.retention_fields(found), workspace, found.exit_code)
    elif not talk["quiet"]:
        render_settled.retention(found)
    return found.exit_code


@click.command("replay", short_help="Run processors over settled answers again.")
@with_options(WORKSPACE, _NAMES)
@click.option("--model", metavar="M", help="Only batches in which a request or an answer names this model.")
@click.option("--since", metavar="D", help="Only batches that settled since 2026-11-01, or in the last 7d.")
@click.option("--dry-run", is_flag=True, help="Show what would change; publish nothing.")
@with_options(*HOOKS, JSON, *TALK, DEBUG)
@verb
def replay_(
    workspace: str,
    names: tuple[str, ...],
    model: str | None,
    since: str | None,
    dry_run: bool,
    as_json: bool,
    **talk: Any,
) -> int:
    """
    Hand the answers of settled batches to the output processor of today, and publish what changed.

    Nobody is asked anything: no way to a provider is open. NAME may be a pattern; without one it is all of
    done/. A dry run calls your code too.
    """
    from reconciler.cli import render, render_settled
    from reconciler.replaying import replay

    ready = load(workspace, {**flags_of(talk), "log.level": talk["log_level"]})
    with Listening(ready, (), talk["quiet"], talk["verbose"]) as options:
        found = replay(ready.root, ready.settings, names, options, model=model, since=since, dry_run=dry_run)
    if as_json:
        render.document(render_settled.replay_fields(found), workspace, found.exit_code)
    elif not talk["quiet"]:
        render_settled.replay(found, workspace)
    return found.exit_code


@click.command("explain", short_help="The life of one request.")
@with_options(WORKSPACE)
@click.argument("custom_id", metavar="CUSTOM_ID")
@with_options(JSON, DEBUG)
@verb
def explain_(workspace: str, custom_id: str, as_json: bool) -> int:
    """
    The life of one request: batches, attempts, outcomes, file and line, processors, tokens, history.

    Reads only. An id that several batches have asked independently is shown for each of them.
    """
    from reconciler.cli import render, render_life
    from reconciler.cli.progress import watched
    from reconciler.explaining import explain

    found = explain(workspace, load(workspace, mode="look").settings, custom_id, watched())
    if as_json:
        render.document(render_life.explanation_fields(found), workspace, 0)
    else:
        render_life.explanation(found)
    return 0


ALL: Final = (explain_, replay_, retain_)
