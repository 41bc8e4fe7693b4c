"""
What a watcher tells on stderr: one event a line, for people or as JSON.

The names of events and their fields are in docs/watching.md. Told from several threads.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from reconciler.cli.console import err, paint, safe, typed

if TYPE_CHECKING:
    from reconciler.providers.calls import Exchange

_LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_COLOURS: Final = {"warning": "waiting", "error": "error", "debug": "faint", "info": "settled"}


class Events:
    """
    Tells events on stderr.

    Args:
        as_json: As JSON, not as a line for people.
        level: The least that is told.
        clock: Seconds since the epoch.
    """

    def __init__(self, *, as_json: bool, level: str, clock: Callable[[], float] | None = None) -> None:
        import time

        self._as_json = as_json
        self._level = _LEVELS[level]
        self._clock = clock or time.time
        self._lock = Lock()

    def tell(self, level: str, event: str, workspace: str = "", **facts: Any) -> None:
        """Something happened; see `watching.rounds.Tell`."""
        if _LEVELS[level] < self._level:
            return
        at = dt.datetime.fromtimestamp(self._clock(), dt.UTC).isoformat(timespec="milliseconds")
        known = {key: value for key, value in facts.items() if value not in (None, "")}
        if "hint" in known and workspace:
            known["hint"] = typed(known["hint"], workspace)
        if self._as_json:
            import msgspec

            place = {"workspace": workspace} if workspace else {}
            line = msgspec.json.encode({"at": at, "level": level, "event": event, **place, **known}).decode()
        else:
            line = _line(at, level, event, workspace, known)
        with self._lock:
            err(line)
            _flush()

    def calls(self, workspace: str) -> Callable[[Exchange], None] | None:
        """What is told of each call to a provider; None where nobody wants to hear it."""
        if self._level > _LEVELS["debug"]:
            return None

        def called(exchange: Exchange) -> None:
            self.tell("debug", "provider.called", workspace, **exchange.facts)

        return called


def _flush() -> None:
    import sys

    if sys.stderr is not None:
        sys.stderr.flush()


def _line(at: str, level: str, event: str, workspace: str, facts: Mapping[str, Any]) -> str:
    """An event as one line for people."""
    import sys

    facts = dict(facts)
    where = f"{workspace}  " if workspace else ""
    what = [str(facts.pop("batch"))] if "batch" in facts else []
    because, hint = facts.pop("because", ""), facts.pop("hint", "")
    more = [f"{key}={_word(value)}" for key, value in facts.items()]
    said = "  ".join(part for part in (" ".join(what), because, " ".join(more)) if part)
    ways = "".join(f"  -> {safe(way)}" for way in str(hint).splitlines())
    shown = paint(event, _COLOURS[level], sys.stderr)
    return f"{at[:19]}Z  {safe(where)}{shown}  {safe(said)}{ways}"


def _word(value: Any) -> str:
    """A value in a line."""
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
