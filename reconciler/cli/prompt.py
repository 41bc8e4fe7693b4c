"""`reconcile prompt`: prompts in, one a line or as rows of a table; answers out; nothing else to set up."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

import click

from reconciler.cli.console import data, err, out, safe
from reconciler.cli.options import DEBUG, verb, with_options
from reconciler.errors import Later, UsageError

if TYPE_CHECKING:
    from reconciler.prompts import PromptRecord
    from reconciler.workspace.exporting import Destination

FORMATS: Final = ("jsonl", "csv", "text")
_SUFFIXES: Final = {"jsonl": "jsonl", "ndjson": "jsonl", "csv": "csv", "text": "text", "txt": "text"}


@click.command("prompt", short_help="Ask prompts live, and print the answers.")
@click.argument("file", default="-")
@click.option(
    "--template", metavar="T", help="Made into a prompt for each row of a CSV or JSONL file: {column}."
)
@click.option("--model", metavar="NAME", default="", help="The model.")
@click.option("--system", metavar="TEXT", default="", help="A system prompt.")
@click.option(
    "--service", metavar="NAME", default="", help="Who answers: openai, openrouter, ollama, vllm, ..."
)
@click.option("--base-url", metavar="URL", default="", help="Where an endpoint of your own is.")
@click.option("--worker", metavar="NAME", default="http", help="http, or echo for trying things out.")
@click.option(
    "--concurrency", type=click.IntRange(1), default=32, show_default=True, help="Requests at once."
)
@click.option("--rpm", type=click.FloatRange(0), default=0.0, help="Requests in a minute; 0: any number.")
@click.option(
    "--max-attempts", type=click.IntRange(1), default=8, show_default=True, help="Sends of one request."
)
@click.option("--workspace", metavar="PATH", help="Keep the batches there; otherwise in a cache folder.")
@click.option("--env-file", metavar="FILE", help="Read NAME=value lines; the environment counts more.")
@click.option(
    "--format", "kind", type=click.Choice(FORMATS), help="How answers are written; by -o, or else text."
)
@click.option("-o", "--output", metavar="FILE", help="Write this file, whole, in place of an older one.")
@with_options(DEBUG)
@verb
def prompt_(
    file: str,
    template: str | None,
    model: str,
    system: str,
    service: str,
    base_url: str,
    worker: str,
    concurrency: int,
    rpm: float,
    max_attempts: int,
    workspace: str | None,
    env_file: str | None,
    kind: str | None,
    output: str | None,
) -> int:
    """
    Ask prompts live, and print the answers in the order of the prompts.

    FILE holds one prompt a line, or is a .csv or .jsonl file whose rows --template makes prompts of;
    - is stdin. Run it again to go on where it stopped: what has an answer is not asked again.
    Exit 3 when a prompt has failed, 75 when one has no answer yet.
    Without a single prompt it says so, and exits 0.
    """
    from reconciler.cli.interrupt import Stop
    from reconciler.cli.progress import watched
    from reconciler.prompt_choices import Asking
    from reconciler.prompts import prompt_map_sync
    from reconciler.workspace.exporting import destination

    if output == "-":
        output = None
    kind = kind or _kind_of(output)
    # Whatever is wrong with it is told before anything is asked.
    where = None if output is None else destination("/dev/null", output)
    prompts = list(_prompts(file, template))
    if not prompts:
        err(f"there is no prompt {'on stdin' if file == '-' else f'in {safe(file)}'}: nothing was asked")
    stop, progress = Stop(), watched()
    asking: Asking = {
        "worker": worker,
        "model": model,
        "system": system,
        "service": service,
        "base_url": base_url,
        "concurrency": concurrency,
        "requests_per_minute": rpm,
        "max_attempts": max_attempts,
        "on_progress": partial(progress.answering, "prompts"),
        "progress_every": 0,
        "stopping": stop.asked,
    }
    if workspace is not None:
        asking["workspace"] = workspace
    if env_file is not None:
        asking["env_file"] = env_file
    stop.install()
    try:
        records = prompt_map_sync(prompts, **asking)
    finally:
        stop.restore()
    _written(records, kind, where)
    failed = sum(record.outcome == "failed" for record in records)
    if failed:
        err(f"{failed} of {len(records)} prompts failed; the same command asks them again")
    pending = sum(record.outcome == "pending" for record in records)
    if pending:
        err(f"{pending} of {len(records)} prompts have no answer yet; the same command later goes on there")
    return 3 if failed else Later.exit_code if pending else 0


def _kind_of(output: str | None) -> str:
    """
    The format that the name of a file asks for.

    Raises:
        UsageError: It asks for one that is not written here.
    """
    if output is None:
        return "text"
    from pathlib import Path

    kind = _SUFFIXES.get(Path(output).suffix[1:].lower())
    if kind is None:
        message = f"{output}: its name says none of the formats that can be written"
        raise UsageError(message, hint=f"--format {' or '.join(FORMATS)}, or a name in .jsonl, .csv or .txt")
    return kind


def _prompts(file: str, template: str | None) -> Iterator[str]:
    """
    The prompts of a file.

    Raises:
        UsageError: It is not there, or its rows lack a column of the template.
    """
    from reconciler.prompt_rows import decoded, lines_of, rows_of, templated, text_of

    if file == "-":
        if sys.stdin is None:
            raise UsageError("stdin is closed, and no file of prompts is named")
        if sys.stdin.isatty():
            err("reading prompts from this terminal, one a line; Ctrl-D ends them")
        file, text = "stdin", decoded("stdin", sys.stdin.buffer.read())
    else:
        text = text_of(file)
    return lines_of(file, text) if template is None else templated(template, rows_of(file, text), file)


def _written(records: Sequence[PromptRecord], kind: str, where: Destination | None) -> None:
    """The answers, in a format, on stdout or in a file."""
    from reconciler.prompt_rows import blocks_of
    from reconciler.workspace.exporting import export

    if where is not None:
        export(where, blocks_of(records, kind))
        err(safe(f"written: {where.whole}"))
    elif kind == "text":
        for record in records:
            told = (
                record.text
                if record.text is not None
                else f"({record.outcome}: {record.error or 'no answer'})"
            )
            out("\n".join(map(safe, told.split("\n"))))
    else:
        data(blocks_of(records, kind), as_json=kind == "jsonl")
