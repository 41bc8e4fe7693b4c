"""
The fake provider in a process of its own: what it remembers is in no figure of this process.

Its clock is moved from here. A fake does nothing by itself when time passes, so the clock there is set before
a call is made, by `FarClock.arrive`, and before anything else is asked.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from operator import methodcaller
from types import TracebackType
from typing import Any, Self, TypeVar

import attrs

from reconciler.testing import FakeProvider, Fate
from reconciler.testing.faults import Fault
from reconciler.testing.records import Kind

T = TypeVar("T")


class Apart:
    """A fake provider elsewhere; a context manager."""

    key = FakeProvider.key

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(there,), daemon=True)
        self._process.start()
        there.close()
        self.clock = FarClock(self)
        self.faults = FarFaults(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pipe.close()
        self._process.join()

    def ask(self, what: Callable[[FakeProvider], T]) -> T:
        """Have something done or found out there; *what* and its result travel."""
        self.clock.arrive()
        return self.told(what)

    def told(self, what: Callable[[FakeProvider], T]) -> T:
        """The same, whatever time it is there."""
        self._pipe.send(what)
        found: T = self._pipe.recv()
        return found

    def url(self, name: str) -> str:
        """Where a provider listens."""
        found: str = self.ask(methodcaller("url", name))
        return found

    def script(self, *fates: Fate) -> None:
        """The next batches have these fates."""
        self.ask(methodcaller("script", *fates))

    def fault(self, kind: Kind | None, fault: Fault, **when: Any) -> None:
        """Let something go wrong there."""
        self.ask(methodcaller("fault", kind, fault, **when))


class FarClock:
    """The clock of a fake elsewhere; nobody but this moves it."""

    def __init__(self, fake: Apart) -> None:
        self._fake = fake
        self._there = self.now = fake.told(_now)

    def advance(self, seconds: float) -> None:
        """Move it."""
        self.now += seconds

    def arrive(self) -> None:
        """Have it say there what it says here."""
        if self.now != self._there:
            self._fake.told(Advance(self.now - self._there))
            self._there = self.now


@attrs.frozen
class Advance:
    """Moves the clock of a fake."""

    seconds: float

    def __call__(self, fake: FakeProvider) -> None:
        """Move it."""
        fake.clock.advance(self.seconds)


class FarFaults:
    """The faults of a fake elsewhere."""

    def __init__(self, fake: Apart) -> None:
        self._fake = fake

    def clear(self) -> None:
        """Nothing goes wrong there any more."""
        self._fake.ask(_clear)


def _now(fake: FakeProvider) -> float:
    return fake.clock.now


def _clear(fake: FakeProvider) -> None:
    fake.faults.clear()


def _serve(asked: Connection) -> None:
    """Answer here, until the other side has gone."""
    with FakeProvider() as fake:
        while True:
            try:
                what = asked.recv()
            except EOFError:
                return
            asked.send(what(fake))
