"""The verbs, one function each: settings in, a call to the engine, a rendered answer, an exit code."""

from __future__ import annotations

import os
from typing import Any, Final

import click

from reconciler.cli import authoring, keeping, money, online, registry, splitting
from reconciler.cli.console import data, err, safe
from reconciler.cli.options import (
    CAP,
    DEBUG,
    HOOKS,
    JOBS,
    JSON,
    NAMES,
    ONLY,
    PROVIDER,
    REGISTRY,
    RESCUE,
    TABLES,
    TALK,
    WAITING,
    WORKSPACE,
    decided,
    tell,
    verb,
    with_options,
)
from reconciler.cli.prepare import Listening, flags_of, load
from reconciler.cli.prompt import prompt_
from reconciler.cli.results import results_
from reconciler.cli.trusting import trust_
from reconciler.cli.watching import watch_, watched
from reconciler.model.words import pasted


@click.command("run", short_help="One pass: do all that can be done now.")
@with_options(
    WORKSPACE, *WAITING, CAP, ONLY, RESCUE, PROVIDER, *HOOKS, *TABLES, REGISTRY, JOBS, JSON, *TALK, DEBUG
)
@verb
def run_(
    workspace: str,
    only: tuple[str, ...],
    rescue: tuple[str, ...],
    as_json: bool,
    quiet: bool,
    verbose: int,
    log_level: str | None,
    jobs: int | None,
    write_registry: bool,
    write_csv: bool,
    combined: str | None,
    wait: bool,
    timeout: float | None,
    **flags: Any,
) -> int:
    """One pass: do all that can be done now. `reconcile WORKSPACE` is the same."""
    from reconciler.cli import render
    from reconciler.engine import reconcile

    if not wait and (timeout is not None or flags.get("interval") is not None):
        raise click.UsageError("--timeout and --interval go with --wait")
    if rescue and only:
        raise click.UsageError("--rescue names the batches of the pass; leave --only out")
    given = {**flags_of(flags), "log.level": log_level, "limits.jobs": jobs}
    given |= {"results.registry": True} if write_registry else {}
    given |= {"results.csv": True} if write_csv else {}
    given |= {"results.combined": combined}
    ready = load(workspace, given)
    if rescue:
        from reconciler import decide_online

        with Listening(ready, (), quiet, verbose) as options:
            if wait:
                decision = decide_online.rescue_until_settled(
                    ready.root, ready.settings, rescue, options, timeout
                )
            else:
                decision = decide_online.rescue(ready.root, ready.settings, rescue, options)
        return tell(decision, workspace, as_json, quiet)
    with Listening(ready, only, quiet, verbose) as options:
        if wait:
            from reconciler.cli.following import followed
            from reconciler.waiting import reconcile_until_settled

            talks = quiet or bool(verbose)
            with followed(ready.root, ready.settings, options, shown=not talks) as watched_:
                report = reconcile_until_settled(ready.root, ready.settings, watched_, timeout)
        else:
            report = reconcile(ready.root, ready.settings, options)
    if as_json:
        render.document(render.report_fields(report), workspace, report.exit_code)
    elif not quiet:
        render.report(report, workspace)
    return report.exit_code


@click.command("plan", short_help="What the next pass would do, and why.")
@with_options(WORKSPACE, ONLY, CAP, PROVIDER, *HOOKS)
@click.option("--detailed-exitcode", is_flag=True, help="Exit 5 when changes are pending.")
@with_options(JSON, DEBUG)
@verb
def plan_(
    workspace: str,
    only: tuple[str, ...],
    detailed_exitcode: bool,
    as_json: bool,
    **hooks: str | None,
) -> int:
    """What the next pass would do, and why; touches nothing."""
    from reconciler.cli import render
    from reconciler.cli.progress import watched
    from reconciler.model.operation import MatchRequestIds
    from reconciler.preview import preview

    ready = load(workspace, flags_of(hooks), "plan")
    seen = preview(workspace, ready.settings, only=only, deep=True, progress=watched(), plugged=ready.plugged)
    # Matching alone changes nothing that a person would wait for.
    pending = any(not isinstance(step, MatchRequestIds) for _, plan in seen.batches for step in plan.steps)
    code = 5 if detailed_exitcode and (pending or seen.removals) else 0
    if as_json:
        render.document(render.preview_fields(seen), workspace, code)
    else:
        render.preview(seen, workspace)
    return code


@click.command("status", short_help="Where every batch stands.")
@with_options(WORKSPACE)
@click.option("--all", "everything", is_flag=True, help="Every settled batch too, not only their number.")
@click.option("--watch", is_flag=True, help="Redraw it in place, until Ctrl-C.")
@with_options(JSON, DEBUG)
@verb
def status_(workspace: str, everything: bool, watch: bool, as_json: bool) -> int:
    """Where every batch stands: state, age, counts, and why it waits."""
    from reconciler.cli import render
    from reconciler.status import status

    if watch and as_json:
        raise click.UsageError("--watch is for people, --json for programs; give one of the two")
    ready = load(workspace, mode="look")
    if watch:
        return watched(lambda: status(workspace, ready.settings, ready.plugged), everything=everything)
    found = status(workspace, ready.settings, ready.plugged)
    if as_json:
        render.document(render.status_fields(found), workspace, 0)
    else:
        render.status(found, workspace, everything=everything)
    return 0


@click.command("check", short_help="Recount every id from the files alone.")
@with_options(WORKSPACE)
@click.option("--repair", "mend", is_flag=True, help="Mend what is provably safe to mend, then check again.")
@with_options(JSON, DEBUG)
@verb
def check_(workspace: str, mend: bool, as_json: bool) -> int:
    """Recount every id from the files alone; exit 3 when a promise does not hold."""
    from reconciler.check import check, keys_in
    from reconciler.cli import render, render_check
    from reconciler.cli.progress import watched

    ready = load(workspace, mode="look")
    if mend:
        from reconciler.repairing import repair

        with Listening(ready, (), quiet=False, verbose=0) as options:
            found = repair(ready.root, ready.settings, options, keys_in(os.environ))
        if as_json:
            render.document(render_check.repaired_fields(found), workspace, found.exit_code)
        else:
            render_check.repaired(found, workspace)
        return found.exit_code
    verdict = check(workspace, ready.settings, watched(), keys_in(os.environ))
    code = 3 if verdict.findings else 0
    if as_json:
        render.document(render_check.verdict_fields(verdict), workspace, code)
    else:
        render_check.verdict(verdict)
    return code


@click.command("init", short_help="Make a new workspace.")
@click.argument("path", type=click.Path())
@with_options(DEBUG)
def init_(path: str) -> int:
    """Make a new workspace at PATH."""
    from reconciler.workspace.template import create

    data((f"{create(path)}\n".encode(errors="surrogateescape"),), as_json=False)
    name = safe(pasted(path))
    err(f"put batch_input_<name>.jsonl files into {name}/workdir/, then: reconcile {name}")
    return 0


@click.command("retry", short_help="Ask failed and missing requests again.")
@with_options(WORKSPACE)
@click.argument("names", nargs=-1, metavar="[NAME...]")
@click.option(
    "--class",
    "classes",
    multiple=True,
    metavar="CLASS",
    help="Only failures of this error class, whatever [policy.classes] says of it; repeatable.",
)
@click.option("--print", "print_", is_flag=True, help="Print the failed request lines; touch nothing.")
@with_options(CAP, PROVIDER, *HOOKS, JSON, *TALK, DEBUG)
@verb
def retry_(
    workspace: str,
    names: tuple[str, ...],
    classes: tuple[str, ...],
    print_: bool,
    as_json: bool,
    **talk: Any,
) -> int:
    """
    Ask the failed and missing requests of live or settled batches again, each as a child batch.

    Without a NAME: of all that have something to ask again. [policy] max_attempts holds in any case.
    """
    from functools import partial

    from reconciler.decide import retry

    if print_ and as_json:
        raise click.UsageError("--print prints request lines, which are JSON already; leave --json out")
    if print_:
        from reconciler.failed_requests import failed_requests

        lines = failed_requests(workspace, load(workspace, mode="look").settings, names, classes)
        data(lines, as_json=True)
        return 0
    return decided(partial(retry, classes=classes), workspace, names, as_json, **talk)


@click.command("dismiss", short_help="Accept a loss.")
@with_options(WORKSPACE, NAMES, CAP, PROVIDER, *HOOKS, JSON, *TALK, DEBUG)
@verb
def dismiss_(workspace: str, names: tuple[str, ...], as_json: bool, **talk: Any) -> int:
    """Accept a loss: a quarantined batch whole, or what keeps a live one: missing, failed, unhandled."""
    from reconciler.decide import dismiss

    return decided(dismiss, workspace, names, as_json, **talk)


@click.command("process", short_help="Hand answers to the output processor once more.")
@with_options(WORKSPACE, NAMES, CAP, PROVIDER, *HOOKS, JSON, *TALK, DEBUG)
@verb
def process_(workspace: str, names: tuple[str, ...], as_json: bool, **talk: Any) -> int:
    """Hand all answers of live batches to the output processor once more, after it could not handle some."""
    from reconciler.decide import process

    return decided(process, workspace, names, as_json, **talk)


ALL: Final = (
    run_,
    plan_,
    status_,
    check_,
    init_,
    retry_,
    dismiss_,
    process_,
    trust_,
    results_,
    *authoring.ALL,
    *splitting.ALL,
    *registry.ALL,
    *online.ALL,
    *keeping.ALL,
    *money.ALL,
    prompt_,
    watch_,
)
