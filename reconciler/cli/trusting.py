"""`reconcile trust`: what a workspace may name, and whose it may be."""

from __future__ import annotations

import os

import click

from reconciler.cli.console import err, out, safe
from reconciler.cli.options import DEBUG, JSON, WORKSPACE, verb, with_options


@click.command("trust", short_help="Let this workspace name code and base URLs.")
@with_options(WORKSPACE)
@click.option(
    "--owner", is_flag=True, help="Accept whose it is instead, or that everybody may write to it; no code."
)
@with_options(JSON, DEBUG)
@verb
def trust_(workspace: str, owner: bool, as_json: bool) -> int:
    """Let the settings file of this workspace name code and base URLs, as all are now; any change ends it."""
    from reconciler.config import settle
    from reconciler.reaching import refuse_unknown
    from reconciler.trust import grant, require_own
    from reconciler.workspace.layout import find
    from reconciler.workspace.sources import own_file, settings_files, user_file

    named = os.environ.get("RECONCILER_USER_CONFIG")
    if owner:
        return _accept(workspace, user_file(named).rpartition("/")[0], as_json)
    require_own(workspace, named)
    find(workspace)
    mine = own_file(workspace)
    settings = settle(settings_files(workspace, named))
    refuse_unknown(settings)
    granted = grant(settings, mine, user_file(named).rpartition("/")[0])
    if as_json:
        from reconciler.cli import render

        told = [
            {"setting": each.setting, "name": each.name, "path": each.path, "sha256": each.sha256}
            for each in granted
        ]
        render.document({"settings_file": mine, "trusted": told}, workspace, 0)
        return 0
    for each in granted:
        of_file = f"  ({each.path}, sha256 {each.sha256[:12]}...)" if each.path else ""
        out(safe(f"trusted  {each.setting} = {each.name}{of_file}"))
    told_of = (
        "trusted until it or that code changes"
        if granted
        else "it names no code and no base URL; there is nothing to trust"
    )
    err(safe(f"{mine}: {told_of}"))
    return 0


def _accept(workspace: str, user_folder: str, as_json: bool) -> int:
    """Remember that the user works in a workspace that is not theirs alone."""
    from reconciler.cli import render
    from reconciler.trust import accept_owner, told_owner
    from reconciler.workspace.layout import find

    find(workspace)
    accepted = accept_owner(workspace, user_folder)
    if as_json:
        told = [{"path": path, "uid": each.uid, "open": each.open} for path, each in accepted.items()]
        render.document({"owners": told}, workspace, 0)
        return 0
    for path, each in accepted.items():
        out(safe(f"accepted  {told_owner(path, each)}"))
    err("accepted until that changes" if accepted else "it is yours alone; there is nothing to accept")
    return 0
