"""The entry point: parse, run, turn every error into advice and an exit code."""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Sequence
from typing import Final, TextIO

import click

from reconciler import __version__
from reconciler.cli import commands, options
from reconciler.cli.console import complain, err, out, safe, safe_json
from reconciler.cli.interrupt import sigterm_as_ctrl_c
from reconciler.cli.prepare import Time
from reconciler.errors import ReconcilerError

_EXIT_CODES = """\b
Exit codes:
  0    everything is settled (plan: the plan was made)
  1    a batch failed in a way that a re-run may mend
  2    usage
  3    something needs a person: held, quarantined, refused, corrupt
  4    another reconciler holds this workspace
  5    plan --detailed-exitcode: changes are pending
  75   still in flight: run again later
  77   key missing or refused
  78   configuration invalid
  130  interrupted; everything is resumable
  141  the reader of stdout has gone"""


INTERRUPTED: Final = 130
"""What a shell reports for a program that Ctrl-C has ended."""

HUNG_UP: Final = 141
"""What a shell reports for a program that writes to a closed pipe."""

SHELVES: Final = (
    ("What happens by itself", ("run", "plan", "status", "check", "watch")),
    ("What you decide", ("submit", "cancel", "limit", "retry", "dismiss", "process")),
    ("When something went wrong at a provider", ("adopt", "resubmit", "resume", "audit")),
    ("What came of it", ("results", "cost", "explain", "replay", "retain")),
    ("To begin with", ("init", "add", "prompt", "split", "registry", "demo", "trust")),
)
"""The verbs as help shows them; what stands on no shelf comes last."""


class Verbs(click.Group):
    """A group whose default verb is `run`: `reconcile PATH` and `reconcile run PATH` are the same."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Take the first word as a verb, or else as the workspace of `run`."""
        if args and args[0] not in self.commands:
            self._refuse_typo(ctx, args)
            return "run", self.commands["run"], args
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The verbs by what they are for."""
        placed = {name for _, names in SHELVES for name in names}
        others = tuple(name for name in self.list_commands(ctx) if name not in placed)
        width = max(map(len, self.commands))
        for heading, names in (*SHELVES, ("More", others)):
            rows = [(name.ljust(width), self.commands[name].get_short_help_str(80)) for name in names]
            if rows:
                with formatter.section(heading):
                    formatter.write_dl(rows)

    def _valued(self) -> set[str]:
        """Every option of any verb that takes a value: the word after it is no verb."""
        options = (each for command in self.commands.values() for each in command.params)
        valued = (each for each in options if isinstance(each, click.Option) and not each.is_flag)
        return {name for option in valued if not option.count for name in option.opts}

    def _refuse_typo(self, ctx: click.Context, args: list[str]) -> None:
        """Say so when the first word is neither a folder nor a verb, but close to one."""
        from reconciler.workspace.reading import locate

        if locate(args[0])[1] is not None:
            return
        from difflib import get_close_matches

        close = get_close_matches(args[0], self.commands, n=1, cutoff=0.75)
        if close:
            message = f"no folder and no verb is called {safe(args[0])}; did you mean {close[0]}?"
            raise click.UsageError(message, ctx)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Hand options that stand before the workspace over to `run`: `reconcile --json PATH`."""
        own = {"--version", "-V", "--help", "-h"}
        if args and args[0] == "help":
            args = ["--help"]
        if args and args[0].startswith("-") and args[0] not in own:
            valued = self._valued()
            named = [word for before, word in zip(["", *args], args, strict=False) if before not in valued]
            verb = next((word for word in named if not word.startswith("-")), "")
            if verb in self.commands:
                what = "FILE" if verb in ("prompt", "split") else "WORKSPACE"
                raise click.UsageError(f"put the verb first: reconcile {verb} {what} {args[0]}", ctx)
            args = ["run", *args]
        return super().parse_args(ctx, args)


@click.group(
    cls=Verbs,
    invoke_without_command=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=_EXIT_CODES,
)
@click.version_option(__version__, "-V", "--version", message="reconcile %(version)s")
def cli() -> None:
    """
    Put batch files of LLM requests in a folder; reconcile works out what each one still needs and does it.

    \b
    reconcile WORKSPACE           one pass: do all that can be done now
    reconcile WORKSPACE --wait    pass after pass, until nothing waits any more
    reconcile plan WORKSPACE      the same decision, printed; touches nothing
    reconcile demo                see it work: no key, no network, a few seconds
    """  # noqa: D301 - click reads the \b as "leave these lines alone"


@cli.command("demo", short_help="See it work: no key, no network.")
@click.option(
    "--keep", metavar="PATH", type=click.Path(), help="Make the workspace at PATH and leave it there."
)
@options.DEBUG
def demo_(keep: str | None) -> int:
    """A whole run in a temporary workspace: no key, no network, a few seconds."""
    from reconciler.cli.demo import demo

    return demo(keep, main)


@cli.command("fake-provider", short_help="Batch providers on loopback, for tests.")
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=0, help="Where to listen; a free port by default."
)
@click.option(
    "--polls", type=click.IntRange(0), default=1, metavar="N", help="Looks until a batch has ended."
)
@click.option(
    "--seconds", type=click.FloatRange(0), metavar="N", help="A batch ends after this long, not after looks."
)
@click.option(
    "--end",
    type=click.Choice(["completed", "failed", "expired", "cancelled"]),
    default="completed",
    help="How batches end.",
)
@click.option("--shuffle", is_flag=True, help="Results come in another order than the requests.")
@options.DEBUG
def fake_provider_(port: int, polls: int, seconds: float | None, end: str, shuffle: bool) -> int:
    """OpenAI, Azure, Anthropic, Gemini and Mistral on loopback: batches answered by an echo, until Ctrl-C."""
    from reconciler.cli.fake import serve

    return serve(port=port, polls=polls, seconds=seconds, end=end, shuffle=shuffle)


for command in commands.ALL:
    cli.add_command(command)


def main(args: Sequence[str] | None = None, time: Time | None = None) -> int:
    """
    Run the command line.

    Args:
        args: The words after `reconcile`; those of the process when None.
        time: Clock and pause, where they are not those of this machine.

    Returns:
        The exit code of docs/workspace.md and `reconcile --help`.
    """
    words = list(sys.argv[1:] if args is None else args)
    if not sys.platform.startswith(("linux", "darwin")):
        err("error: reconcile runs on Linux and macOS; on Windows, use WSL")
        return 1
    try:
        with sigterm_as_ctrl_c():
            return _ended(words, time)
    except KeyboardInterrupt:
        return INTERRUPTED  # nothing was left but to print


def script() -> int:
    """The command line as a process of its own: what `reconcile` and `python -m reconciler` are."""
    code = main()
    # Python would look for cycles among everything once more; they end with the process.
    gc.freeze()
    return code


def _ended(words: list[str], time: Time | None) -> int:
    """Carry out the words and print what is left."""
    code = _run(words or ["--help"], time)
    if not words:
        code = 2
    failed = _flush(sys.stdout)
    if isinstance(failed, BrokenPipeError):
        code = HUNG_UP  # the reader has gone, as in `reconcile status . | head`
    elif failed is not None:
        err(f"error: stdout could not be written to: {failed.strerror}")
        err("  -> what was done is done; reconcile status WORKSPACE tells it again")
        code = 1
    _flush(sys.stderr)
    return code


def _flush(stream: TextIO | None) -> OSError | None:
    """Print what is left; a stream that takes nothing is closed, so that Python does not complain of it."""
    if stream is None:
        return None
    try:
        stream.flush()
    except OSError as error:
        with contextlib.suppress(OSError):
            stream.close()
        return error
    return None


def _run(words: list[str], time: Time | None) -> int:
    """Carry out the words; every error becomes advice and an exit code."""
    try:
        result = cli.main(args=words, prog_name="reconcile", standalone_mode=False, obj=time)
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except SystemExit:
        # click leaves like this when it notices that the reader of stdout has gone.
        return HUNG_UP
    except (KeyboardInterrupt, click.Abort):
        return _tell(words, "interrupted; everything is resumable", "", INTERRUPTED)
    except Exception as error:
        # Even a fault of ours is told in a line or two; --debug shows where it was.
        if "--debug" in words and not isinstance(error, click.ClickException):
            raise
        return _tell(words, *_advice(words, error))
    return result if isinstance(result, int) else 0


def _advice(words: Sequence[str], error: Exception) -> tuple[str, str, int]:
    """Message, hint and exit code for an error."""
    if isinstance(error, click.ClickException):
        ctx = error.ctx if isinstance(error, click.UsageError) else None
        verb = words[0] if words[0] in cli.commands else "run"
        path = ctx.command_path if ctx is not None else f"reconcile {verb}"
        return error.format_message(), f"{path} --help", error.exit_code
    if isinstance(error, ReconcilerError):
        return error.message, error.hint, error.exit_code
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        hint = "look at the permissions in the workspace" if isinstance(error, PermissionError) else ""
        return f"{where}{error.strerror or error}", hint, 1
    told = f"{type(error).__name__}: {error}"
    return (
        f"a fault of reconcile itself ({told}); nothing was lost",
        "run it again with --debug and report it",
        1,
    )


def _tell(words: Sequence[str], message: str, hint: str, code: int) -> int:
    """An error for people on stderr and, when JSON was asked for, for machines on stdout."""
    with contextlib.suppress(OSError):
        complain(message, hint)
        if "--json" in words:
            import msgspec

            document = {"schema": 1, "error": {"message": message, "hint": hint}, "exit_code": code}
            out(safe_json(msgspec.json.format(msgspec.json.encode(document), indent=2).decode()))
    return code
