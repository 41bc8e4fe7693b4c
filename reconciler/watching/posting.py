"""
Events of a workspace on their way to hooks: at least once each, in order, through any crash.

What settles is taken from history, which a crash does not part from the settling; where a batch stands is
held against where it stood when it was last told of. Both are kept with the events (`workspace/outbox.py`).
Hooks are told from a thread of their own, so that one that is down holds up no pass.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from math import inf
from threading import Lock
from typing import Any, Final

import attrs

from reconciler.choices import Prepared
from reconciler.errors import Clash, ReconcilerError, WorkspaceLocked
from reconciler.model.report import BatchReport, State
from reconciler.watching.hooks import Hook
from reconciler.watching.schedule import back_off
from reconciler.watching.telling import Tell
from reconciler.workspace import ledger, outbox
from reconciler.workspace.effects import Effects, Syncs, Tap, no_tap
from reconciler.workspace.layout import PRIVATE, QUARANTINE, WORKSPACE_ID, find
from reconciler.workspace.outbox import Posted
from reconciler.workspace.reading import Reading
from reconciler.workspace.together import sync_now

TURN: Final = 1.0
"""Seconds before a watcher looks again whether another has told everything."""

SETTLED: Final = "batch.settled"
DISMISSED: Final = "batch.dismissed"
_COUNTS: Final = ("requests", "answered", "failed", "retried", "dismissed")


@attrs.define
class _Trying:
    """How telling one hook goes: tries in a row that failed, and when it is tried again."""

    tries: int = 0
    not_before: float = 0.0


class Posting:
    """
    The hooks of one workspace.

    Args:
        path: The workspace, as its user named it.
        hooks: The hooks that settings name.
        tell: Told what happens.
        clock: Seconds since the epoch.
        stopping: Whether somebody asks for an end.
        wake: Ends the wait for what is due next.
        tap: Called before each change of the outbox.
        syncs: Brings open files and folders to disk.
    """

    def __init__(  # noqa: PLR0913 - what it stands on, and no more
        self,
        path: str,
        hooks: Callable[[Prepared], Sequence[Hook]],
        tell: Tell,
        clock: Callable[[], float],
        *,
        stopping: Callable[[], bool] = lambda: False,
        wake: Callable[[], None] = lambda: None,
        tap: Tap = no_tap,
        syncs: Syncs = sync_now,
    ) -> None:
        self.path = path
        self._hooks_of = hooks
        self._tell = tell
        self._clock = clock
        self._stopping = stopping
        self._wake = wake
        self._tap = tap
        self._syncs = syncs
        self._lock = Lock()
        self._hooks: dict[str, Hook] = {}
        self._trying: dict[str, _Trying] = {}
        self._posted: Posted | None = None
        self._waits = False

    # By the thread that makes passes

    def follow(self, ready: Prepared) -> Posting | None:
        """
        Take the hooks of new settings; None when there are none.

        From here on events are kept for them; what happened before they were named is not told.

        Raises:
            ReconcilerError: They cannot be obeyed, or the outbox cannot be read.
        """
        hooks = {hook.name: hook for hook in self._hooks_of(ready)}
        with self._lock:
            self._hooks = hooks
            self._trying = {name: self._trying.get(name, _Trying()) for name in hooks}
            self._posted = None
            self._waits = bool(hooks)
        self._wake()
        return self if hooks else None

    def passing(self) -> None:
        """
        A pass is about to begin: history from here on is told of.

        Raises:
            ReconcilerError: The outbox cannot be read.
            OSError: It cannot be written.
        """
        if self._posted is None:
            fx = self._reading_history()
            try:
                self._begun(fx)
            finally:
                fx.close()

    def passed(self, reports: Sequence[BatchReport]) -> None:
        """
        A pass has ended.

        Args:
            reports: Where each batch stands.

        Raises:
            ReconcilerError: The outbox cannot be read.
            OSError: It cannot be written; all of it is found again after the next pass.
        """
        fx = self._reading_history()
        try:
            before = self._begun(fx)
            entries, end = ledger.since(fx, before.ledger)
            events, told = self._found(fx, before, entries, reports)
            if events:
                after = Posted(before.last + len(events), end, told)
                outbox.commit(fx, before, events, after)
                self._posted = after
                self._waits = True
                self._wake()
            else:
                # What was taken away stands nowhere any more; it is no event, and kept with the next one.
                self._posted = attrs.evolve(before, told=told)
        except Clash:
            # Another watcher has told of it.
            self._posted = None
        finally:
            fx.close()

    # By the thread that tells hooks

    def due(self) -> float:
        """When `step` has something to do."""
        with self._lock:
            if not self._waits:
                return inf
            return min((each.not_before for each in self._trying.values()), default=inf)

    def step(self) -> None:
        """Tell hooks what they have not heard."""
        with self._lock:
            hooks, self._waits = dict(self._hooks), False
        for hook in hooks.values():
            trying = self._trying.setdefault(hook.name, _Trying())
            if trying.not_before > self._clock():
                self._waits = True
                continue
            try:
                fx = self._room()
            except (ReconcilerError, OSError):
                # The workspace is gone for the moment, which is told elsewhere.
                self._later(trying)
                continue
            try:
                with fx.lock(outbox.TELLING):
                    self._tell_all(fx, hook, trying)
            except WorkspaceLocked:
                # Another watcher tells what there is; what it leaves, as one that dies does, is told then.
                trying.not_before = self._clock() + TURN
                self._waits = True
            except (ReconcilerError, OSError) as error:
                self._put_off(hook, trying, error)
            finally:
                fx.close()

    def close(self) -> None:
        """Tell nobody any more; what is not told yet is told by whoever watches next."""

    # Within

    def _begun(self, fx: Effects) -> Posted:
        """How far events have been told; hooks that are new begin here."""
        if self._posted is None:
            found = outbox.newest(fx)
            if found is None:
                found = Posted(ledger=ledger.size(fx))
                outbox.commit(fx, None, (), found)
            heard = outbox.delivered(fx)
            if not self._hooks.keys() <= heard.keys():
                outbox.note_delivered(fx, dict.fromkeys(self._hooks, found.last) | heard)
            self._posted = found
        return self._posted

    def _found(
        self, look: Reading, before: Posted, entries: Sequence[ledger.Entry], reports: Sequence[BatchReport]
    ) -> tuple[list[Mapping[str, Any]], dict[str, str]]:
        """The events that are new, and where each batch stands once they are told."""
        whose = look.read(WORKSPACE_ID).split()[0].decode("ascii", "replace")[:12]
        events: list[Mapping[str, Any]] = []

        def add(event: str, batch: str, at: float, facts: Mapping[str, Any]) -> None:
            number = before.last + 1 + len(events)
            when = dt.datetime.fromtimestamp(at, dt.UTC).isoformat(timespec="milliseconds")
            head = {"schema": 1, "id": f"{whose}-{number}", "event": event, "batch": batch, "at": when}
            more = {key: value for key, value in facts.items() if value not in (None, "")}
            events.append({**head, "workspace": look.root, **more})

        told = dict(before.told)
        for entry in entries:
            if entry.problem is not None:
                continue
            name, at = str(entry.fields.get("batch", "")), float(entry.fields.get("at", 0.0))
            if entry.event == SETTLED:
                counts = {key: entry.fields.get(key) for key in _COUNTS}
                add(SETTLED, name, at, {**counts, "before": told.pop(name, None)})
            elif entry.event == DISMISSED and "folder" in entry.fields:
                # Without it, whoever was told that a batch needs attention would never hear of it again.
                place = f"{QUARANTINE}/{entry.fields['folder']}"
                add(
                    DISMISSED,
                    name,
                    at,
                    {"because": f"given up by a person; it was in {place}/", "before": told.pop(place, None)},
                )
        stands: dict[str, str] = {}
        for report in reports:
            if report.state is State.SETTLED:
                continue
            key = report.path if report.path.startswith(f"{QUARANTINE}/") else str(report.name)
            stands[key] = report.state.value
            if told.get(key) != report.state.value:
                facts = {"because": report.because, "hint": report.hint, "before": told.get(key)}
                add(f"batch.{report.state.value.replace(' ', '-')}", report.name, look.now(), facts)
        return events, stands

    def _reading_history(self) -> Effects:
        """A room in which history is on disk before anybody is told of it: somebody may be adding to it."""
        fx = self._room()
        fx.doubt((PRIVATE, ledger.PATH))
        return fx

    def _room(self) -> Effects:
        return Effects(find(self.path).root, self._tap, self._syncs, self._clock)

    def _tell_all(self, fx: Effects, hook: Hook, trying: _Trying) -> None:
        """Tell one hook all that it has not heard, in order."""
        heard = outbox.delivered(fx)
        for number, event in outbox.pending(fx, heard.get(hook.name, 0)):
            if self._stopping():
                return
            hook.tell(event, trying.tries + 1)
            if trying.tries:
                self._tell("info", "hook.recovered", self.path, hook=hook.name)
            trying.tries, trying.not_before = 0, 0.0
            heard = outbox.delivered(fx) | {hook.name: number}
            kept = {name: last for name, last in heard.items() if name in self._hooks}
            outbox.note_delivered(fx, kept)
            self._tell("debug", "hook.told", self.path, hook=hook.name, id=event["id"])

    def _later(self, trying: _Trying) -> None:
        """Try again, later each time."""
        trying.tries += 1
        trying.not_before = self._clock() + back_off(trying.tries)
        self._waits = True

    def _put_off(self, hook: Hook, trying: _Trying, error: Exception) -> None:
        """A hook did not take an event: it gets it again, later each time."""
        self._later(trying)
        if trying.tries == 1:
            hint = error.hint if isinstance(error, ReconcilerError) else ""
            because = f"{error}; it is told again until it takes it"
            self._tell("warning", "hook.failed", self.path, hook=hook.name, because=because, hint=hint)
