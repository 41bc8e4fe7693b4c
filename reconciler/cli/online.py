"""The verbs for batches at a provider."""

from __future__ import annotations

from typing import Any, Final

import click

from reconciler.cli.console import err, out, safe
from reconciler.cli.options import (
    CAP,
    DEBUG,
    HOOKS,
    JSON,
    NAMES,
    ONLINE,
    PROVIDER,
    TALK,
    WORKSPACE,
    decided,
    verb,
    with_options,
)
from reconciler.model.words import pasted


@click.command("submit", short_help="Send inputs that a person has to send.")
@with_options(WORKSPACE, NAMES, PROVIDER, *HOOKS, *ONLINE, CAP, JSON, *TALK, DEBUG)
@verb
def submit_(workspace: str, names: tuple[str, ...], as_json: bool, **talk: Any) -> int:
    """Send inputs now, also where [policy] submit = "manual" leaves that to you."""
    from reconciler.decide_online import submit

    return decided(submit, workspace, names, as_json, **talk)


@click.command("resubmit", short_help="Send inputs once more, and maybe pay twice.")
@with_options(WORKSPACE, NAMES, PROVIDER, *HOOKS, *ONLINE, CAP, JSON, *TALK, DEBUG)
@verb
def resubmit_(workspace: str, names: tuple[str, ...], as_json: bool, **talk: Any) -> int:
    """
    Send inputs once more that may have been sent, or that the provider refused or lost.

    It is looked for first, and what is found is not sent. Where the provider makes batches of uploaded files,
    the file of the earlier attempt is removed, so that it cannot become a batch any more.
    """
    from reconciler.decide_online import resubmit

    return decided(resubmit, workspace, names, as_json, **talk)


@click.command("resume", short_help="Send again where batches were refused.")
@with_options(WORKSPACE, JSON, DEBUG)
@verb
def resume_(workspace: str, as_json: bool) -> int:
    """
    Let batches be sent again to where others were refused, every request alike.

    What waits for a sample that did not go well (add --canary) goes too.

    Where a whole batch is refused for want of credit, for its key, its model or its form, nothing more
    is sent to that provider for that model until this is said. It only says so; the next pass sends.
    """
    from reconciler.cli import render
    from reconciler.cli.prepare import load
    from reconciler.resuming import resume

    lifted = resume(workspace, load(workspace, mode="look").settings)
    if as_json:
        render.document({"lifted": list(lifted)}, workspace, 0)
        return 0
    for told in lifted:
        out(f"lifted: {safe(told)}")
    err(f"then: reconcile {safe(pasted(workspace))}" if lifted else "nothing is held back")
    return 0


@click.command("cancel", short_help="Stop batches that are under way.")
@with_options(WORKSPACE, NAMES, PROVIDER, *HOOKS, *ONLINE, JSON, *TALK, DEBUG)
@verb
def cancel_(workspace: str, names: tuple[str, ...], as_json: bool, **talk: Any) -> int:
    """Ask the provider to stop batches; what is answered until then is paid for, and fetched."""
    from reconciler.decide_online import cancel

    return decided(cancel, workspace, names, as_json, **talk)


@click.command("adopt", short_help="Say which remote batch, or which file, answers an input.")
@with_options(WORKSPACE)
@click.argument("name")
@click.argument("what", metavar="BATCH_ID|FILE")
@with_options(PROVIDER, *HOOKS, *ONLINE, JSON, *TALK, DEBUG)
@verb
def adopt_(workspace: str, name: str, what: str, as_json: bool, **talk: Any) -> int:
    """
    Take over a remote batch, or a results file downloaded by hand, as the answers of the input NAME.

    A file is held against the ids of the input first; it may lie anywhere, is read, and stays where it is.
    """
    from reconciler.decide_online import adopt

    def this(path: str, settings: Any, names: tuple[str, ...], options: Any) -> Any:
        return adopt(path, settings, names[0], what, options)

    return decided(this, workspace, (name,), as_json, **talk)


@click.command("audit", short_help="Compare with what lies at the providers.")
@with_options(WORKSPACE)
@click.option(
    "--delete-remote",
    is_flag=True,
    help="Remove remote files whose content is settled here; the local files are read again first.",
)
@with_options(PROVIDER, *ONLINE, JSON, *TALK, DEBUG)
@verb
def audit_(workspace: str, delete_remote: bool, as_json: bool, **talk: Any) -> int:
    """Remote batches without files here, batches here that are gone there, and what the providers keep."""
    from reconciler.cli import render_online
    from reconciler.cli.prepare import Listening, flags_of, load
    from reconciler.inventory import audit

    ready = load(workspace, {**flags_of(talk), "log.level": talk["log_level"]})
    with Listening(ready, (), talk["quiet"], talk["verbose"]) as options:
        found = audit(ready.root, ready.settings, options, delete_remote=delete_remote)
    code = render_online.exit_code(found)
    if as_json:
        from reconciler.cli import render

        render.document(render_online.inventory_fields(found), workspace, code)
    else:
        render_online.inventory(found)
    return code


ALL: Final = (submit_, resubmit_, cancel_, resume_, adopt_, audit_)
