"""What verbs need first: settings and code of a workspace, and someone to listen to a pass."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import click

if TYPE_CHECKING:
    from reconciler.choices import Prepared
    from reconciler.session import Options


class Time(NamedTuple):
    """The time that a command lives in, where it is not that of this machine."""

    clock: Callable[[], float]
    pause: Callable[[float, Callable[[], bool]], None]


def load(workspace: str, flags: dict[str, Any] | None = None, mode: str = "run") -> Prepared:
    """
    Settings and code that hold for a workspace: built-in, user file, workspace file, environment, flags.

    Args:
        workspace: Its path, as typed.
        flags: Values given on the command line, by `section.key`.
        mode: What they are wanted for: `run`, `plan` or `look`.

    Raises:
        ConfigError: One of them cannot be obeyed, or names code that the user has not trusted.
    """
    from reconciler.choices import prepare
    from reconciler.plugins import Mode

    # What user code prints while it is imported is no data either.
    with contextlib.redirect_stdout(sys.stderr):
        return prepare(workspace, flags or {}, environment=os.environ, mode=Mode(mode))


def flags_of(hooks: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that flags about providers and processors give."""
    names = {
        "provider": "provider.name",
        "content": "output.content",
        "output_processor": "output.processor",
        "error_processor": "output.error_processor",
        "worker": "local.worker",
        "interval": "provider.poll_seconds",
        "per_batch_delay": "provider.per_batch_delay",
        "max_retries": "provider.max_retries",
        "max_cost_usd": "budget.max_cost_usd",
    }
    return {names[flag]: value for flag, value in hooks.items() if flag in names}


def _time() -> dict[str, Any]:
    """Clock and pause that the caller of `main` gave, if any."""
    context = click.get_current_context(silent=True)
    given = None if context is None else context.find_object(Time)
    return {} if given is None else given._asdict()


class Listening:
    """Options for a pass that is logged, shows its progress and can be interrupted."""

    def __init__(self, ready: Prepared, only: tuple[str, ...], quiet: bool, verbose: int) -> None:
        from reconciler.cli.interrupt import Stop
        from reconciler.cli.logs import LogWatcher
        from reconciler.cli.progress import watched
        from reconciler.session import Options

        self._stop = Stop()
        self._logs = LogWatcher(ready.root, ready.settings["log.level"], quiet=quiet, verbose=verbose)
        self._options = Options(
            only=only,
            watcher=self._logs,
            progress=watched(quiet=quiet),
            stopping=self._stop.asked,
            plugged=ready.plugged,
            **_time(),
        )

    def __enter__(self) -> Options:
        """Take over the signals, and keep what user code prints out of the data on stdout."""
        self._stop.install()
        self._aside = contextlib.redirect_stdout(sys.stderr)
        self._aside.__enter__()
        return self._options

    def __exit__(self, *_error: object) -> None:
        """Give the signals and stdout back, and close the log."""
        self._aside.__exit__(None, None, None)
        self._stop.restore()
        self._logs.close()
        with contextlib.suppress(OSError):
            sys.stderr.flush()
