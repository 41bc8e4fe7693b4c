"""The verbs, one function each: settings in, a call to the engine, a rendered answer, an exit code."""

from __future__ import annotations

import functools
import os
import shlex
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import click

from reconciler.cli.console import complain, err, out, safe, typed
from reconciler.cli.prepare import Listening, flags_of, load
from reconciler.errors import ReconcilerError

_F = TypeVar("_F", bound=Callable[..., Any])

_WORKSPACE: Final = click.argument("workspace", type=click.Path(), required=True)
_NAMES: Final = click.argument("names", nargs=-1, required=True, metavar="NAME...")
_JSON: Final = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
_ONLY: Final = click.option(
    "--only", multiple=True, metavar="NAME", help="Only this batch; a pattern such as '7*' works; repeatable."
)
_PROVIDER: Final = click.option("--provider", metavar="NAME", help="Who answers; overrides [provider] name.")
_JOBS: Final = click.option(
    "--jobs", type=int, metavar="N", help="Cores that work on large workspaces; overrides [limits] jobs."
)
_HOOKS: Final = (
    click.option("--content", metavar="KIND", help="What answers are read as: text, json or jsonl."),
    click.option(
        "--output-processor",
        metavar="M:F",
        help="results, files, module:function or file.py:function; overrides [output] processor.",
    ),
    click.option(
        "--error-processor",
        metavar="M:F",
        help="summary, module:function or file.py:function; overrides [output] error_processor.",
    ),
    click.option("--worker", metavar="M:F", help="What the provider local runs; overrides [local] worker."),
)
_TALK: Final = (
    click.option("-q", "--quiet", is_flag=True, help="Only errors on stderr, no summary."),
    click.option("-v", "--verbose", count=True, help="Say each step on stderr; -vv says why."),
    click.option(
        "--log-level",
        type=click.Choice(["debug", "info", "warning", "error"]),
        help="What is worth a line in logs/; overrides [log] level.",
    ),
)
DEBUG: Final = click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks.")


def _options(*options: Callable[[_F], _F]) -> Callable[[_F], _F]:
    """Put several options on one command, in the order in which help shows them."""

    def put(command: _F) -> _F:
        for option in reversed(options):
            command = option(command)
        return command

    return put


def _verb(command: _F) -> _F:
    """Let the hints of a verb's errors name the workspace as it was typed."""

    @functools.wraps(command)
    def run(workspace: str, *args: Any, **words: Any) -> Any:
        try:
            return command(workspace, *args, **words)
        except ReconcilerError as error:
            error.hint = typed(error.hint, workspace)
            raise

    return cast("_F", run)


@click.command("run", short_help="One pass: do all that can be done now.")
@_options(_WORKSPACE, _ONLY, _PROVIDER, *_HOOKS, _JOBS, _JSON, *_TALK, DEBUG)
@_verb
def run_(
    workspace: str,
    only: tuple[str, ...],
    as_json: bool,
    quiet: bool,
    verbose: int,
    log_level: str | None,
    jobs: int | None,
    **hooks: str | None,
) -> int:
    """One pass: do all that can be done now. `reconcile WORKSPACE` is the same."""
    from reconciler.cli import render
    from reconciler.engine import reconcile

    flags = {**flags_of(hooks), "log.level": log_level, "limits.jobs": jobs}
    ready = load(workspace, flags)
    with Listening(workspace, ready, only, quiet, verbose) as options:
        report = reconcile(workspace, ready.settings, options)
    if as_json:
        render.document(render.report_fields(report), workspace, report.exit_code)
    elif not quiet:
        render.report(report, workspace)
    return report.exit_code


@click.command("plan", short_help="What the next pass would do, and why.")
@_options(_WORKSPACE, _ONLY, _PROVIDER, *_HOOKS)
@click.option("--detailed-exitcode", is_flag=True, help="Exit 5 when changes are pending.")
@_options(_JSON, DEBUG)
@_verb
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
    code = 5 if detailed_exitcode and pending else 0
    if as_json:
        render.document(render.preview_fields(seen), workspace, code)
    else:
        render.preview(seen, workspace)
    return code


@click.command("status", short_help="Where every batch stands.")
@_options(_WORKSPACE)
@click.option("--all", "everything", is_flag=True, help="Every settled batch too, not only their number.")
@_options(_JSON, DEBUG)
@_verb
def status_(workspace: str, everything: bool, as_json: bool) -> int:
    """Where every batch stands: state, age, counts, and why it waits."""
    from reconciler.cli import render
    from reconciler.status import status

    ready = load(workspace, mode="look")
    found = status(workspace, ready.settings, ready.plugged)
    if as_json:
        render.document(render.status_fields(found), workspace, 0)
    else:
        render.status(found, workspace, everything=everything)
    return 0


@click.command("check", short_help="Recount every id from the files alone.")
@_options(_WORKSPACE, _JSON, DEBUG)
@_verb
def check_(workspace: str, as_json: bool) -> int:
    """Recount every id from the files alone; exit 3 when a promise does not hold."""
    from reconciler.check import check
    from reconciler.cli import render
    from reconciler.cli.progress import watched

    verdict = check(workspace, load(workspace, mode="look").settings, watched())
    code = 3 if verdict.findings else 0
    if as_json:
        render.document(render.verdict_fields(verdict), workspace, code)
    else:
        render.verdict(verdict)
    return code


@click.command("init", short_help="Make a new workspace.")
@click.argument("path", type=click.Path())
@_options(DEBUG)
def init_(path: str) -> int:
    """Make a new workspace at PATH."""
    from reconciler.workspace.template import create

    out(create(path))
    name = safe(shlex.quote(path))
    err(f"put batch_input_<name>.jsonl files into {name}/workdir/, then: reconcile {name}")
    return 0


@click.command("retry", short_help="Ask failed and missing requests again.")
@_options(_WORKSPACE, _NAMES, _PROVIDER, *_HOOKS, _JSON, *_TALK, DEBUG)
@_verb
def retry_(workspace: str, names: tuple[str, ...], as_json: bool, **talk: Any) -> int:
    """Ask the failed and missing requests of live or settled batches again, each as a child batch."""
    from reconciler.decide import retry

    return _decided(retry, workspace, names, as_json, **talk)


@click.command("dismiss", short_help="Accept a loss.")
@_options(_WORKSPACE, _NAMES, *_HOOKS, _JSON, *_TALK, DEBUG)
@_verb
def dismiss_(workspace: str, names: tuple[str, ...], as_json: bool, **talk: Any) -> int:
    """Accept a loss: a quarantined batch whole, or what keeps a live one: missing, failed, unhandled."""
    from reconciler.decide import dismiss

    return _decided(dismiss, workspace, names, as_json, **talk)


@click.command("process", short_help="Hand answers to the output processor once more.")
@_options(_WORKSPACE, _NAMES, *_HOOKS, _JSON, *_TALK, DEBUG)
@_verb
def process_(workspace: str, names: tuple[str, ...], as_json: bool, **talk: Any) -> int:
    """Hand all answers of live batches to the output processor once more, after it could not handle some."""
    from reconciler.decide import process

    return _decided(process, workspace, names, as_json, **talk)


@click.command("trust", short_help="Let this workspace name code.")
@_options(_WORKSPACE, _JSON, DEBUG)
@_verb
def trust_(workspace: str, as_json: bool) -> int:
    """Let the settings file of this workspace name code, as both are now; any change ends it."""
    from reconciler.cli import render
    from reconciler.config import settle
    from reconciler.trust import grant
    from reconciler.workspace.layout import find
    from reconciler.workspace.sources import own_file, settings_files, user_file

    find(workspace)
    named = os.environ.get("RECONCILER_USER_CONFIG")
    mine = own_file(workspace)
    granted = grant(settle(settings_files(workspace, named)), mine, user_file(named).rpartition("/")[0])
    if as_json:
        told = [
            {"setting": each.setting, "name": each.name, "path": each.path, "sha256": each.sha256}
            for each in granted
        ]
        render.document({"settings_file": mine, "trusted": told}, workspace, 0)
        return 0
    for each in granted:
        out(safe(f"trusted  {each.setting} = {each.name}  ({each.path}, sha256 {each.sha256[:12]}...)"))
    told_of = (
        "trusted until it or that code changes" if granted else "it names no code; there is nothing to trust"
    )
    err(safe(f"{mine}: {told_of}"))
    return 0


ALL: Final = (run_, plan_, status_, check_, init_, retry_, dismiss_, process_, trust_)


def _decided(
    verb: Callable[..., Any], workspace: str, names: tuple[str, ...], as_json: bool, **talk: Any
) -> int:
    """Carry out a person's decision and say what came of it."""
    from reconciler.cli import render

    ready = load(workspace, {**flags_of(talk), "log.level": talk["log_level"]})
    with Listening(workspace, ready, (), talk["quiet"], talk["verbose"]) as options:
        decision = verb(workspace, ready.settings, names, options)
    if as_json:
        fields = {**render.report_fields(decision.report), "told": list(decision.told)}
        fields["changed"] = bool(decision.told)
        fields["refused"] = [{"message": each.message, "hint": each.hint} for each in decision.refused]
        render.document(fields, workspace, decision.exit_code)
    elif not talk["quiet"]:
        render.told(decision.told)
        if decision.report.batches:
            render.report(decision.report, workspace)
    for refusal in decision.refused:
        complain(refusal.message, typed(refusal.hint, workspace))
    return int(decision.exit_code)
