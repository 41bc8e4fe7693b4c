"""The verb that makes inputs of a file of ready request lines."""

from __future__ import annotations

import os
from typing import Any

import click

from reconciler.cli.console import err, out, safe
from reconciler.cli.options import DEBUG, JSON, TALK, naming, with_options


@click.command("split", short_help="Make inputs of a file of request lines.")
@click.argument("file", type=click.Path())
@click.option("--batch-size", type=int, metavar="N", help="Requests in a batch; the last one may have fewer.")
@click.option("--segments", type=int, metavar="N", help="How many batches, as even as can be.")
@click.option("--into", metavar="WORKSPACE", type=click.Path(), help="The workspace that gets the inputs.")
@click.option("-o", "--output", metavar="DIR", type=click.Path(), help="Or any folder that gets them.")
@click.option(
    "--name", metavar="PREFIX", default="", help="What their names begin with; the file's name by default."
)
@click.option("--provider", metavar="NAME", default="", help="Whose limits and line shapes hold.")
@click.option("--again", is_flag=True, help="Split it though it was split in this workspace before.")
@with_options(JSON, TALK[0], DEBUG)
@naming("into")
def split_(
    file: str,
    batch_size: int | None,
    segments: int | None,
    into: str | None,
    output: str | None,
    as_json: bool,
    quiet: bool,
    **asked: Any,
) -> int:
    """
    Make inputs batch_input_PREFIX_<k>.jsonl of the request lines in FILE; bytes stay, nothing is sent.

    Everything that a pass would refuse is refused before the first input gets its name.
    """
    from reconciler.model.shares import Shares
    from reconciler.model.words import many, pasted
    from reconciler.splitting import Asked, Split, split_into_folder, split_into_workspace, told_of

    if (into is None) == (output is None):
        raise click.UsageError("give one of --into WORKSPACE and -o DIR")
    how = Asked(Shares(batch_size, segments), **asked)
    found: Split
    if into is not None:
        from reconciler.choices import asking
        from reconciler.cli.prepare import Listening, flags_of, load

        chosen, mode = asking({}, asked["provider"])
        ready = load(into, flags_of(chosen), mode.value)
        with Listening(ready, (), quiet, 0) as options:
            found = split_into_workspace(file, into, ready.settings, how, options)
    else:
        from reconciler.config import settle
        from reconciler.workspace.sources import settings_files

        named = os.environ.get("RECONCILER_USER_CONFIG")
        ours = {key: value for key, value in os.environ.items() if key.startswith("RECONCILER_")}
        found = split_into_folder(file, str(output), settle(settings_files("", named), ours), how)
    if as_json:
        from reconciler.cli import render

        rows = [
            {
                "name": each.name,
                "path": each.path,
                "requests": each.requests,
                "bytes": each.size,
                "made": each.made,
            }
            for each in found.batches
        ]
        fields = {"source": found.source, "sha256": found.sha256, "requests": found.requests, "batches": rows}
        render.document(fields, into or str(output), 0)
    elif not quiet:
        for line in told_of(found):
            out(safe(line))
        batches = many(len(found.batches), "batch", "batches")
        then = f"; then: reconcile {pasted(into)}" if into is not None else ""
        err(safe(f"{many(found.requests, 'request')} in {batches}; nothing was sent{then}"))
    return 0


ALL = (split_,)
