"""The verb that makes inputs of prompts and of rows of a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.console import err, out, safe
from reconciler.cli.options import DEBUG, DOLLARS, JSON, TALK, WORKSPACE, verb, with_options
from reconciler.model.words import pasted

if TYPE_CHECKING:
    from reconciler.authoring.adding import Added


@click.command("add", short_help="Make inputs of prompts or of rows of a table.")
@WORKSPACE
@click.argument("file")
@click.option("--model", metavar="NAME", default="", help="The model.")
@click.option("--provider", metavar="NAME", default="", help="Whom to ask; told by the model unless given.")
@click.option(
    "--endpoint", metavar="NAME", default="", help="chat or responses, for OpenAI's models; chat by default."
)
@click.option(
    "--template", metavar="T", help="Made into a prompt for each row of a CSV or JSONL file: {column}."
)
@click.option("--system", metavar="TEXT", default="", help="A system prompt.")
@click.option("--schema", metavar="FILE", help="A JSON Schema that answers are asked in.")
@click.option(
    "--file-column", metavar="C", help="The column with the path of a file that goes with the prompt."
)
@click.option(
    "--citations", is_flag=True, help="Have answers say where in the file they found it (Anthropic)."
)
@click.option("--id-column", metavar="C", help="The column with the id; made of the content by default.")
@click.option(
    "--param",
    "params",
    metavar="KEY=VALUE",
    multiple=True,
    help="temperature=0 and the like; may be repeated.",
)
@click.option("--batch-size", type=click.IntRange(1), metavar="N", help="Requests in a batch at the most.")
@click.option(
    "--time-limit",
    metavar="T",
    help="How long all of it may take, retries included: 2h30m, 45m, 90 (seconds).",
)
@click.option(
    "--canary",
    type=click.IntRange(1),
    metavar="N",
    help="So many go first; the rest if that goes well.",
)
@click.option(
    "--canary-share",
    type=click.FloatRange(0, 1, min_open=True),
    metavar="S",
    help="With --canary: how many of these need a valid answer, as a part of all; 0.9 by default.",
)
@click.option("--name", metavar="PREFIX", default="", help="What the names of the batches begin with.")
@click.option("--dedupe", is_flag=True, help="Ask equal requests once.")
@click.option("--fresh", is_flag=True, help="Ask everything anew, under new ids; it is paid for again.")
@click.option("--dry-run", is_flag=True, help="Say what would be made, and what it may cost; write nothing.")
@click.option(
    "--max-cost-usd",
    type=DOLLARS,
    metavar="USD",
    help="The most that the workspace may spend, in all; kept there for every pass.",
)
@with_options(JSON, TALK[0], DEBUG)
@verb
def add_(
    workspace: str,
    file: str,
    *,
    schema: str | None,
    params: tuple[str, ...],
    batch_size: int | None,
    time_limit: str | None,
    canary: int | None,
    canary_share: float | None,
    name: str,
    dry_run: bool,
    max_cost_usd: float | None,
    as_json: bool,
    quiet: bool,
    **asked: Any,
) -> int:
    """
    Make inputs of the prompts in FILE; nothing is sent.

    FILE holds one prompt a line, or is a .csv or .jsonl file whose rows --template makes prompts of.
    Run it again after FILE has grown: what was added before is not added again.
    """
    from reconciler.authoring.batch import Batch
    from reconciler.authoring.models import api_of, provider_of
    from reconciler.errors import UsageError
    from reconciler.naming import prefix_of

    if canary_share is not None and canary is None:
        raise UsageError("--canary-share of what?", hint="--canary 10 says how many go first")
    # Told before any row is read: these are no fault of a row.
    api_of(provider_of(asked["model"], asked["provider"]), asked["endpoint"])

    batch = Batch(
        workspace,
        asked["model"],
        provider=asked["provider"],
        endpoint=asked["endpoint"],
        system=asked["system"],
        name=name or prefix_of(file),
        dedupe=asked["dedupe"],
        fresh=asked["fresh"],
        items_per_batch=batch_size,
        params=_params(params),
    )
    if time_limit is not None:
        batch.limit(time=time_limit)
    if canary is not None:
        batch.canary(canary, at_least=0.9 if canary_share is None else canary_share)
    form = None if schema is None else _schema(schema)
    for where, row in _rows(file, asked["template"], asked["file_column"], asked["id_column"]):
        _add(batch, where, {**row, "response_model": form, "citations": asked["citations"]})
    if not len(batch):
        raise UsageError(f"{file} has nothing to ask", hint="a prompt a line; or a header, and rows below it")
    if max_cost_usd is not None:
        batch.limit(cost_usd=max_cost_usd)
    added = batch.plan() if dry_run else batch.write()
    _tell(added, workspace, dry_run=dry_run, as_json=as_json, quiet=quiet)
    return 0


def _add(batch: Any, where: str, row: Mapping[str, Any]) -> None:
    """
    Put down one row.

    Raises:
        UsageError: It cannot be asked; the message says where it stands.
    """
    from reconciler.errors import UsageError

    try:
        batch.add(**row)
    except UsageError as error:
        raise type(error)(f"{where}: {error}", hint=error.hint) from error


def _rows(
    file: str, template: str | None, file_column: str | None, id_column: str | None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """
    Where each row stands, and what `Batch.add` takes of it.

    Raises:
        UsageError: The file is not there, or a row lacks a column.
    """
    from os import fspath
    from pathlib import PurePath

    from reconciler.errors import UsageError
    from reconciler.prompt_rows import lines_of, rows_of, templated, text_of

    text = text_of(file)
    if template is None:
        if file_column or id_column:
            raise UsageError(
                "columns are of rows", hint="--template 'Summarise {title}.' makes prompts of rows"
            )
        for number, line in enumerate(lines_of(file, text), 1):
            yield f"{file}, prompt {number}", {"prompt": line}
        return
    for number, row in rows_of(file, text):
        where = f"{file}:{number}"
        (prompt,) = templated(template, [(number, row)], file)
        found: dict[str, Any] = {"prompt": prompt}
        for column, key in ((file_column, "file"), (id_column, "custom_id")):
            if column is not None:
                if column in row and not row[column]:
                    raise UsageError(f"{where}: the column {column} is empty")
                if column not in row:
                    raise UsageError(
                        f"{where}: no column {column}", hint=f"it has: {', '.join(map(str, row))}"
                    )
                found[key] = str(row[column])
        if "file" in found:
            found["file"] = fspath(PurePath(file).parent / found["file"])
        yield where, found


def _params(given: tuple[str, ...]) -> dict[str, Any]:
    """
    Parameters by name; a value is JSON where it can be read so, and text otherwise.

    Raises:
        UsageError: One has no name.
    """
    import json

    from reconciler.errors import UsageError

    found: dict[str, Any] = {}
    for each in given:
        key, mark, value = each.partition("=")
        if not key or not mark:
            raise UsageError(f"--param {each}: no KEY=VALUE", hint="--param temperature=0")
        try:
            found[key] = json.loads(value)
        except ValueError:
            found[key] = value
    return found


def _schema(file: str) -> Mapping[str, Any]:
    """
    A JSON Schema from a file.

    Raises:
        UsageError: It holds none.
    """
    import json

    from reconciler.errors import UsageError
    from reconciler.processors.extraction import BadSchema, compile_schema, refuse_wordless
    from reconciler.prompt_rows import text_of

    try:
        found = json.loads(text_of(file))
    except ValueError as error:
        raise UsageError(f"{file} is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise UsageError(f"{file} is no JSON Schema: it is no object")
    try:
        refuse_wordless(found)
        compile_schema(found)
    except BadSchema as error:
        raise UsageError(f"{file} is no JSON Schema: {error}") from error
    return found


def _tell(added: Added, workspace: str, *, dry_run: bool, as_json: bool, quiet: bool) -> None:
    """What was made, or would be."""
    from reconciler.authoring.parting import told_assumed
    from reconciler.model.words import many

    if as_json:
        from reconciler.cli import render, render_costs

        quotes = added.quotes if dry_run else {}
        rows = [
            {
                "name": part.name,
                "provider": part.provider,
                "model": part.model or None,
                "requests": len(part.items),
                "form_in_prompt": part.in_words,
                "canary": part.canary,
                "cost": render_costs.quote_fields(quotes[name])
                if (name := part.name or f"batch {at}") in quotes
                else None,
            }
            for at, part in enumerate(added.parts, 1)
        ]
        found = {"requests": added.requests, "there": added.there, "batches": rows}
        render.document(found | {"warnings": list(added.warnings)}, workspace, 0)
        return
    if quiet:
        return
    held = not all(part.canary for part in added.parts)
    for part in added.parts:
        told = f"{part.provider}, {part.model}" if part.model else part.provider
        first = ", goes first" if part.canary and held else ""
        assumed = told_assumed(part)
        first += f", {assumed}" if assumed else ""
        form = "; the prompt asks for the form of the answers" if part.in_words else ""
        out(safe(f"{part.name or 'a batch'}  {many(len(part.items), 'request')} for {told}{first}{form}"))
    for each in added.warnings:
        err(safe(f"warning: {each}"))
    if dry_run:
        _tell_cost(added)
    there = f"{added.there} there already; " if added.there else ""
    what = f"{there}nothing was {'written' if dry_run else 'sent'}"
    then = "" if dry_run or not added.requests else f"; then: reconcile {pasted(workspace)} --wait"
    err(safe(f"{many(added.requests, 'new request')}; {what}{then}"))


def _tell_cost(added: Added) -> None:
    """What it may cost, and what the limit leaves."""
    from reconciler.cli.render_costs import quotes
    from reconciler.pricing.money import nano, shown

    for line in quotes(added.quotes, None):
        out(line)
    if added.left is not None:
        cost = added.cost_usd
        fits = "fits" if cost is not None and nano(cost) <= added.left else "does not fit"
        out(f"it {fits}: {shown(added.left)} left of the limit of cost")


ALL = (add_,)
