"""
One workspace that is watched: when something is due for it, and what is done then.

Clock, sight, chance and the options of a pass are arguments, so that a test lives through weeks at once. The
lock is held for each pass and never between two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Any, Final, Protocol

import attrs

import reconciler.batches  # noqa: F401 - a pass over nothing leaves it out; the first file shall not wait
from reconciler.choices import Prepared
from reconciler.engine import reconcile
from reconciler.errors import ConfigError, Interrupted, ReconcilerError, UserError, WorkspaceLocked
from reconciler.model.report import BatchReport, Report, State
from reconciler.session import Options, Pace
from reconciler.watching.arrivals import Arrivals, Patience
from reconciler.watching.looks import Looks
from reconciler.watching.news import News
from reconciler.watching.place import Place
from reconciler.watching.schedule import Schedule, back_off
from reconciler.watching.seeing import Sight
from reconciler.watching.telling import Tell
from reconciler.workspace import outlook
from reconciler.workspace.effects import Effects
from reconciler.workspace.scan import Kin

BUSY: Final = 10.0
"""Seconds between two tries to lock a workspace that somebody else works on, at the most."""

BRIEF: Final = 5.0
"""Seconds that are too short for anybody to be told that they have to be waited for."""

NOTED: Final = 1.0
"""Seconds by which the time of the next look has to change before it is written down again."""

_LEVELS: Final = {
    State.SETTLED: "info",
    State.WAITING: "info",
    State.HELD: "warning",
    State.ATTENTION: "warning",
    State.FAILED: "error",
}


class Follower(Protocol):
    """Told of each pass over a workspace, under no lock; `posting.Posting` is one."""

    def passing(self) -> None:
        """A pass is about to begin."""

    def passed(self, reports: Sequence[BatchReport]) -> None:
        """A pass has ended, and this is where each batch stands."""


@attrs.frozen
class Ground:
    """
    What a watched workspace stands on.

    Attributes:
        load: Reads settings and code anew.
        listening: Options for a pass, somebody listening to it until it has ended.
        sight: Makes whoever watches its folder, by its settings.
        tell: Told what happens.
        clock: Seconds since the epoch.
        chance: 0 to 1, another number each time.
        wake: Ends the wait for what is due next.
        follower: Told of each pass.
        one_pass: Makes a pass.
    """

    load: Callable[[], Prepared]
    listening: Callable[[Prepared], AbstractContextManager[Options]]
    sight: Callable[[Prepared], Sight]
    tell: Tell
    clock: Callable[[], float]
    chance: Callable[[], float]
    wake: Callable[[], None]
    follower: Callable[[Prepared], Follower | None] = lambda _ready: None
    one_pass: Callable[..., Report] = reconcile


class Watch:
    """
    One workspace that is watched.

    Args:
        path: The workspace, as its user named it.
        ground: What it stands on.

    Raises:
        ReconcilerError: Its settings cannot be obeyed, or it is not there.
    """

    def __init__(self, path: str, ground: Ground) -> None:
        self.path = path
        self._ground = ground
        self.arrivals = Arrivals(ground.clock, ground.wake)
        self._looks = Looks(self.arrivals)
        self._place = Place(path, self.arrivals, ground.clock, self._tell)
        self._schedule = Schedule(ground.chance)
        self._news = News()
        self._pace = Pace(patient=True)
        self._next_scan = 0.0
        self._not_before = 0.0
        self._trouble = ""
        self._tries = 0
        self._busy = 0
        self._reload = False
        self._noted = 0.0
        self.passes = self.scans = 0
        self._ready, self._follower = self._loaded()
        self._set_up()

    def reload(self) -> None:
        """Have settings and code read anew before anything else is done."""
        self._reload = True
        self._ground.wake()

    @property
    def standing(self) -> Sequence[BatchReport]:
        """What is not settled, each where it is known to stand."""
        return self._news.standing

    def due(self) -> float:
        """When `step` has something to do."""
        if self._reload:
            return self._ground.clock()
        check = self._place.next_check
        return check if self._place.paused else min(check, self._look_at())

    def step(self) -> None:
        """Do what is due."""
        try:
            if self._reload:
                self._load_again()
            if self._place.is_there() and self._look_at() <= self._ground.clock():
                self._pass()
        except Exception as error:  # noqa: BLE001 - a thread that ended would leave its workspace to itself
            self._stumble(error)
            self._place.next_check = self._not_before

    def close(self) -> None:
        """Watch no more."""
        self._place.close()

    # Within

    def _tell(self, level: str, event: str, **facts: Any) -> None:
        self._ground.tell(level, event, self.path, **facts)

    def _loaded(self) -> tuple[Prepared, Follower | None]:
        """Settings and code, and who follows the passes that are made by them."""
        ready = self._ground.load()
        return ready, self._ground.follower(ready)

    def _set_up(self) -> None:
        """Obey the settings that were loaded."""
        ready = self._ready
        # Clients are made, and their modules loaded, before the first file comes.
        ready.plugged.policy_of("0", ready.settings)
        settle = ready.settings["policy.settle_seconds"]
        self.arrivals.patience = Patience(quiet=ready.settings["watch.quiet_seconds"], settle=settle)
        self._place.watch_by(lambda: self._ground.sight(ready))
        self._next_scan = 0.0

    def _load_again(self) -> None:
        self._reload = False
        try:
            self._ready, self._follower = self._loaded()
        except ReconcilerError as error:
            self._tell("error", "watch.reload-failed", because=error.message, hint=error.hint)
            return
        self._tell("info", "watch.reloaded")
        self._set_up()

    def _look_at(self) -> float:
        """When to make a pass."""
        wakes = [self._next_scan, self._schedule.next, self.arrivals.due()]
        if self._pace.owed:
            wakes.append(self._pace.due)
        return max(min(each for each in wakes if each is not None), self._not_before)

    def _begun(self, now: float) -> Kin | None:
        """The lineages that the pass that begins looks at; None for everything."""
        heard, due = self.arrivals.look(), self._schedule.due()
        waits = self._schedule.next is not None and self._schedule.next <= now and not due
        registry = bool(self._ready.settings["results.registry"])
        if self._next_scan <= now or waits or registry or not self.arrivals.closes:
            heard = attrs.evolve(heard, everything=True)
        return self._looks.begin(heard, due)

    def _pass(self) -> None:
        """Make a pass, and tell what it has changed."""
        ground, settings = self._ground, self._ready.settings
        began, poll = ground.clock(), settings["provider.poll_seconds"]
        self._schedule.begin(began, poll)
        kin = self._begun(began)
        if kin is not None and not kin.roots and not self._is_owed(began):
            # What was seen is being written still.
            return
        if kin is None:
            self._next_scan = began + settings["watch.scan_seconds"] * (1 + 0.1 * ground.chance())
        self._tell("debug", "pass.began")
        report = self._made(kin)
        if report is None:
            return
        self.passes += 1
        self.scans += kin is None
        self._busy = 0
        self._place.learn()
        self._told(report, kin, ground.clock() - began)
        self._schedule.after(report, ground.clock(), poll, self._looks.names)
        self._looks.add(batch.name for batch in report.batches)
        self._note_outlook()
        try:
            if self._follower is not None:
                self._follower.passed(self._news.standing)
        except (ReconcilerError, OSError) as error:
            self._stumble(error)
            return
        self._tries, self._not_before = 0, 0.0
        if self._trouble:
            self._trouble = ""
            self._tell("info", "workspace.recovered")

    def _is_owed(self, now: float) -> bool:
        """Whether a file that was put off is to be written now."""
        return self._pace.owed and (self._pace.due is None or self._pace.due <= now)

    def _made(self, kin: Kin | None) -> Report | None:
        """A pass over some lineages, or everything; None when there was none, which has been seen to."""
        try:
            if self._follower is not None:
                # An outbox that cannot be read holds up no batch; it is told of after the pass.
                with suppress(ReconcilerError):
                    self._follower.passing()
            with self._ground.listening(self._ready) as given:
                options = attrs.evolve(
                    given,
                    patience=0.0,
                    pace=self._pace,
                    writing=self._looks.writing,
                    fresh=self._schedule.fresh,
                    kin=kin,
                )
                return self._ground.one_pass(self.path, self._ready.settings, options)
        except WorkspaceLocked as error:
            self._busy += 1
            self._not_before = self._ground.clock() + min(2.0 ** (self._busy - 1), BUSY)
            self._next_scan = self._not_before
            if self._busy == 2:  # noqa: PLR2004 - one that is through in a moment is not worth a word
                self._tell("info", "workspace.busy", because=error.message)
        except Interrupted:
            self._next_scan = 0.0
        except UserError as error:
            # It may have vanished in between; that is told as such.
            self._place.look_anew()
            if self._place.is_there():
                self._stumble(error)
        except Exception as error:  # noqa: BLE001 - one that could end it would end it for all workspaces
            self._stumble(error)
        return None

    def _stumble(self, error: Exception) -> None:
        """A pass could not be made; it is tried again, later each time."""
        now = self._ground.clock()
        self._tries += 1
        self._not_before = now + back_off(self._tries)
        self._next_scan, self._place.next_check = self._not_before, now
        ours = isinstance(error, ReconcilerError | OSError)
        because = str(error) if ours else f"a fault of reconcile itself ({type(error).__name__}: {error})"
        hint = error.hint if isinstance(error, ReconcilerError) else ""
        if because != self._trouble:
            self._trouble = because
            event = "workspace.refused" if isinstance(error, ConfigError) else "workspace.trouble"
            self._tell("error", event, because=because, hint=hint)

    def _told(self, report: Report, kin: Kin | None, seconds: float) -> None:
        """Tell what a pass has changed."""
        for change in self._news.of(report, self._schedule.fresh, everything=kin is None):
            batch = change.report
            facts: Mapping[str, Any] = {
                "batch": batch.name,
                "because": batch.because,
                "hint": batch.hint or None,
                "before": None if change.before is None else change.before.value,
            }
            self._tell(_LEVELS[batch.state], f"batch.{batch.state.value.replace(' ', '-')}", **facts)
        for warning in report.warnings:
            self._tell("warning", "pass.warned", because=warning)
        counts = {state.value.replace(" ", "_"): report.count(state) for state in State}
        level = "info" if report.changed else "debug"
        told: dict[str, Any] = {"seconds": round(seconds, 3), "batches": len(report.batches)}
        told |= {state: count for state, count in counts.items() if count}
        self._tell(level, "pass.ended", **told, over="everything" if kin is None else "named")

    def _note_outlook(self) -> None:
        """Leave the time of the next look where those find it who look on."""
        following = self._schedule.next
        now = self._ground.clock()
        if following is not None and following > now + BRIEF and abs(following - self._noted) >= NOTED:
            fx = Effects(self._place.root, clock=self._ground.clock)
            with suppress(ReconcilerError, OSError):
                outlook.note(fx, following)
                self._noted = following
            fx.close()
