"""
What a pass does, as events: JSON lines in `logs/`, and on stderr as much as was asked for.

structlog is imported with the first event, so a pass that does nothing writes nothing and loads nothing.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from reconciler.cli.console import err, safe
from reconciler.errors import ReconcilerError
from reconciler.model.identity import BatchName
from reconciler.model.receipt import Receipt
from reconciler.model.report import BatchReport, State

if TYPE_CHECKING:
    from reconciler.model.plan import Plan
    from reconciler.providers.calls import Exchange
    from reconciler.workspace.effects import Effects

_LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_ENDINGS: Final = {
    State.SETTLED: ("debug", "batch.settled"),
    State.WAITING: ("debug", "batch.waiting"),
    State.HELD: ("debug", "batch.held"),
    State.ATTENTION: ("warning", "batch.needs-attention"),
    State.FAILED: ("error", "batch.failed"),
    State.INTERRUPTED: ("warning", "batch.interrupted"),
}


class LogWatcher:
    """
    Watches a pass and logs it.

    Args:
        workspace: The workspace, as the user named it.
        level: The least that is worth a line in `logs/`.
        quiet: Only errors on stderr.
        verbose: 1 for each step, 2 for the reasons too.
        calls: Told of each call too.
    """

    def __init__(
        self,
        workspace: str,
        level: str,
        *,
        quiet: bool,
        verbose: int,
        calls: Callable[[Exchange], None] | None = None,
    ) -> None:
        self._workspace = workspace
        self._file_level = _LEVELS[level]
        self._screen_level = 45 if quiet else (45, 20, 10)[min(verbose, 2)]
        self._fx: Effects | None = None
        self._emit: Any = None
        self._mute = False
        self._calls = calls

    def planned(self, decision: Plan) -> None:
        """A batch got a plan that has steps."""
        steps = [step.verb for step in decision.steps]
        self._log("debug", "batch.planned", decision.name, because=decision.because, steps=steps)

    def called(self, exchange: Exchange) -> None:
        """A call to a provider was made; neither bodies nor keys are in what is told of it."""
        if self._calls is not None:
            self._calls(exchange)
        self._log(
            "debug",
            "provider.called",
            None,
            **exchange.facts,
            sent=exchange.sent,
            received=exchange.received,
            number=exchange.number,
        )

    def done(self, receipt: Receipt) -> None:
        """An operation took place."""
        from reconciler.model.operation import MatchRequestIds

        facts = {key: value for key, value in receipt.facts.items() if isinstance(value, str | int | float)}
        # Matching happens anew in every pass over a batch that cannot settle.
        level = "debug" if receipt.verb == MatchRequestIds.verb else "info"
        self._log(
            level, "operation.done", receipt.name, operation=receipt.verb, summary=receipt.summary, **facts
        )

    def ended(self, report: BatchReport) -> None:
        """The pass is through with a batch."""
        level, event = _ENDINGS[report.state]
        self._log(level, event, report.name, because=report.because)

    def close(self) -> None:
        """Let go of the log file."""
        if self._fx is not None:
            self._fx.close()

    def _log(self, level: str, event: str, batch: BatchName | None, **facts: Any) -> None:
        """One event, to those who want to hear it."""
        weight = _LEVELS[level]
        if weight >= min(self._file_level, self._screen_level):
            if self._emit is None:
                self._emit = self._configure()
            about = {} if batch is None else {"batch": batch}
            self._emit(level, event, **about, **facts)

    def _configure(self) -> Any:
        """A structlog logger of our own; the global configuration of the process is left alone."""
        import structlog

        from reconciler.workspace.effects import Effects
        from reconciler.workspace.layout import LOGS, find

        self._fx = fx = Effects(find(self._workspace).root)
        as_json = structlog.processors.JSONRenderer()

        def write(_logger: Any, method: str, event: Any) -> Any:
            weight = _LEVELS[method]
            if weight >= self._file_level and not self._mute:
                day = dt.datetime.now(tz=dt.UTC).date().isoformat()
                line = as_json(_logger, method, dict(event))
                try:
                    fx.append(f"{LOGS}/{day}.jsonl", str(line).encode(), sync=False)
                except (OSError, ReconcilerError) as error:
                    # A log that cannot be written must not keep a batch from settling.
                    self._mute = True
                    err(f"warning: {LOGS}/ cannot be written ({safe(str(error))}); going on without it")
            if weight >= self._screen_level:
                err(_line(event))
            raise structlog.DropEvent

        logger = structlog.wrap_logger(
            structlog.PrintLogger(sys.stderr),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
                write,
            ],
            wrapper_class=structlog.BoundLogger,
        )
        return lambda level, event, **facts: getattr(logger, level)(event, **facts)


def _line(event: Mapping[str, Any]) -> str:
    """An event as one line for people."""
    if "call" in event:
        tried = f", try {event['number']}" if event["number"] > 1 else ""
        told = f"{event['result']} ({event['seconds']} s{tried})"
        return safe(f"{event['provider']}  {event['kind']} {event['call']}: {told}")
    what = event.get("operation") or str(event["event"]).partition(".")[2]
    told = event.get("summary") or event.get("because") or ""
    steps = f" ({', '.join(event['steps'])})" if "steps" in event else ""
    return safe(f"{event['batch']}  {what}: {told}{steps}")
