"""What the verbs share: options, and how a person's decision is carried out and told."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import click

from reconciler.cli.console import complain, out, typed
from reconciler.cli.prepare import Listening, flags_of, load
from reconciler.errors import ReconcilerError

if TYPE_CHECKING:
    from reconciler.deciding import Decision

_F = TypeVar("_F", bound=Callable[..., Any])

WORKSPACE: Final = click.argument("workspace", type=click.Path(), required=True)
NAMES: Final = click.argument("names", nargs=-1, required=True, metavar="NAME...")
JSON: Final = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
ONLY: Final = click.option(
    "--only", multiple=True, metavar="NAME", help="Only this batch; a pattern such as '7*' works; repeatable."
)
RESCUE: Final = click.option(
    "--rescue",
    multiple=True,
    metavar="NAME",
    help="Stop this batch at its provider and ask what is unanswered live, by --worker; repeatable.",
)
PROVIDER: Final = click.option("--provider", metavar="NAME", help="Who answers; overrides [provider] name.")
JOBS: Final = click.option(
    "--jobs", type=int, metavar="N", help="Cores that work on large workspaces; overrides [limits] jobs."
)
REGISTRY: Final = click.option(
    "--write-registry", is_flag=True, help="Keep target/jobs_registry.csv; overrides [results] registry."
)
TABLES: Final = (
    click.option(
        "--csv",
        "write_csv",
        is_flag=True,
        help="Publish target/<name>.results.csv too; overrides [results] csv.",
    ),
    click.option(
        "--combined",
        metavar="[PATH]",
        is_flag=False,
        flag_value="true",
        help="Keep one file over all finished batches: .csv, .jsonl or .parquet, by default"
        " target/combined_results.csv; put it after WORKSPACE. Overrides [results] combined.",
    ),
)
HOOKS: Final = (
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


class Duration(click.ParamType[float]):
    """Seconds, or a number with s, m, h or d behind it."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """`90`, `90s`, `15m`, `2h`, `1d` as seconds."""
        units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
        text = str(value).strip().lower()
        try:
            seconds = float(text[:-1]) * units[text[-1]] if text[-1:] in units else float(text)
        except ValueError:
            seconds = -1.0
        if not 0 < seconds < float("inf"):
            self.fail(f"{value!r:.40} is no duration; write 90, 90s, 15m, 2h or 1d", param, ctx)
        return seconds


class Dollars(click.ParamType[float]):
    """An amount of money."""

    name = "dollars"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """`5`, `0.5`."""
        try:
            return float(value)
        except ValueError:
            self.fail(f"{value!r:.40} is no number of dollars; write 5 or 0.50", param, ctx)


DOLLARS: Final = Dollars()
_DURATION: Final = Duration()
CAP: Final = click.option(
    "--max-cost-usd",
    type=DOLLARS,
    metavar="USD",
    help="The most that the workspace may spend, in all; it may lower [budget] max_cost_usd, not lift it.",
)
ONLINE: Final = (
    click.option(
        "--per-batch-delay",
        type=float,
        metavar="SECONDS",
        help="Between two questions how batches are doing; overrides [provider] per_batch_delay.",
    ),
    click.option(
        "--max-retries",
        type=int,
        metavar="N",
        help="Further tries of a call that may be repeated; overrides [provider] max_retries.",
    ),
)
WAITING: Final = (
    click.option("--wait", is_flag=True, help="Keep going until nothing waits any more; Ctrl-C is safe."),
    click.option(
        "--interval",
        type=_DURATION,
        metavar="DURATION",
        help="With --wait: time between two looks at a remote batch; overrides [provider] poll_seconds.",
    ),
    click.option(
        "--timeout", type=_DURATION, metavar="DURATION", help="With --wait: stop after so long (90, 15m, 2h)."
    ),
    *ONLINE,
)
TALK: Final = (
    click.option("-q", "--quiet", is_flag=True, help="Only errors on stderr, no summary."),
    click.option("-v", "--verbose", count=True, help="Say each step on stderr; -vv says why."),
    click.option(
        "--log-level",
        type=click.Choice(["debug", "info", "warning", "error"]),
        help="What is worth a line in logs/; overrides [log] level.",
    ),
)
DEBUG: Final = click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks.")


def with_options(*options: Callable[[_F], _F]) -> Callable[[_F], _F]:
    """Put several options on one command, in the order in which help shows them."""

    def put(command: _F) -> _F:
        for option in reversed(options):
            command = option(command)
        return command

    return put


def naming(parameter: str) -> Callable[[_F], _F]:
    """Let the hints of a verb's errors name the workspace as it was typed, in the parameter of that name."""

    def put(command: _F) -> _F:
        @functools.wraps(command)
        def run(**words: Any) -> Any:
            try:
                return command(**words)
            except ReconcilerError as error:
                if words[parameter] is not None:
                    error.hint = typed(error.hint, words[parameter])
                raise

        return cast("_F", run)

    return put


verb: Final = naming("workspace")


def decided(
    verb_: Callable[..., Any], workspace: str, names: tuple[str, ...], as_json: bool, **talk: Any
) -> int:
    """Carry out a person's decision and say what came of it."""
    ready = load(workspace, {**flags_of(talk), "log.level": talk["log_level"]})
    with Listening(ready, (), talk["quiet"], talk["verbose"]) as options:
        decision = verb_(ready.root, ready.settings, names, options)
    return tell(decision, workspace, as_json, talk["quiet"])


def tell(decision: Decision, workspace: str, as_json: bool, quiet: bool) -> int:
    """Say what came of a person's decision; gives the exit code."""
    from reconciler.cli import render

    if as_json:
        fields = {**render.report_fields(decision.report), "told": list(decision.told)}
        fields["changed"] = bool(decision.told)
        fields["refused"] = [{"message": each.message, "hint": each.hint} for each in decision.refused]
        render.document(fields, workspace, decision.exit_code)
    elif not quiet:
        render.told(decision.told)
        if decision.report.batches:
            render.report(decision.report, workspace)
        elif not decision.told and not decision.refused:
            out("nothing to do")
    for refusal in decision.refused:
        complain(refusal.message, typed(refusal.hint, workspace))
    return int(decision.exit_code)
