"""
Several watched workspaces in one process: a thread for each, so that a slow one holds up no other.

The threads end by themselves once somebody asks; who is in the middle of something gets a few seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Event, Thread
from time import monotonic
from typing import Final, Protocol

import attrs

from reconciler.session import nap

GRACE: Final = 4.0
"""Seconds that a pass gets to finish its current effect and leave."""

BEAT: Final = 1.0
"""Seconds between two looks of the main thread whether all threads live, at the most."""


LONGEST: Final = 3600.0
"""Seconds of one wait, at the most."""


class Bell:
    """What a thread waits at until its time has come, or until somebody rings."""

    def __init__(self) -> None:
        self._event = Event()

    def ring(self) -> None:
        """End the wait."""
        self._event.set()

    def wait(self, seconds: float) -> None:
        """Wait for somebody to ring, or so long."""
        self._event.wait(min(max(0.0, seconds), LONGEST))
        self._event.clear()


class Driven(Protocol):
    """Has something to do now and then: a watched workspace, or what tells its hooks."""

    path: str

    def due(self) -> float:
        """When `step` has something to do."""

    def step(self) -> None:
        """Do what is due."""

    def close(self) -> None:
        """End."""


def drive(
    watch: Driven,
    wait: Callable[[float], None],
    stopping: Callable[[], bool],
    clock: Callable[[], float],
) -> None:
    """
    Do what is due for one workspace until somebody asks for an end.

    Args:
        watch: The workspace.
        wait: Waits so many seconds, or until it is woken.
        stopping: Whether somebody asks for an end.
        clock: The time that *watch* lives in.
    """
    try:
        while not stopping():
            watch.step()
            if not stopping():
                wait(watch.due() - clock())
    finally:
        watch.close()


@attrs.frozen
class Kept:
    """A watched workspace, or what tells its hooks, and the bell that its thread waits at."""

    watch: Driven
    bell: Bell


def run(
    kept: Sequence[Kept],
    stopping: Callable[[], bool],
    clock: Callable[[], float],
    beat: Callable[[], None] = lambda: None,
    leaving: Callable[[], None] = lambda: None,
) -> tuple[str, ...]:
    """
    Keep workspaces reconciled until somebody asks for an end.

    Args:
        kept: The workspaces.
        stopping: Whether somebody asks for an end.
        clock: Seconds since the epoch.
        beat: Called about once a second while every thread lives.
        leaving: Called when somebody has asked for an end.

    Returns:
        Workspaces whose threads had not ended when their time was over.
    """
    threads = [
        Thread(
            target=drive,
            args=(each.watch, each.bell.wait, stopping, clock),
            name=each.watch.path,
            daemon=True,
        )
        for each in kept
    ]
    for thread in threads:
        thread.start()
    while not stopping():
        if all(thread.is_alive() for thread in threads):
            beat()
        nap(BEAT, stopping)
    leaving()
    for each in kept:
        each.bell.ring()
    ends = monotonic() + GRACE
    for thread in threads:
        thread.join(max(0.0, ends - monotonic()))
    return tuple(dict.fromkeys(thread.name for thread in threads if thread.is_alive()))
