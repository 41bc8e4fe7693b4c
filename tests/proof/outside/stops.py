"""
Stop the real command at any of its system calls, and look at what is left.

Each case is run once without a fault. Then, in a new workspace for each point, the process gets a signal,
or an error, just as it makes its N-th call; nothing may be broken then, and passes without faults have to
come to the same end.
"""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final

import attrs

from reconciler.testing import FakeProvider
from tests.proof.outside.process import CASES, ENDS, Case, Real
from tests.proof.outside.tracing import Called, failing_from, points_of, stopping_at, tracing

INTERRUPTED: Final = 130
FAILED: Final = frozenset({*ENDS, 1, 2, 78})
"""What a pass may end with on a failing disk: it may not even make its lock."""

ERRORS: Final = ("ENOSPC", "EIO", "EDQUOT", "EMFILE", "EACCES", "EROFS", "ESTALE", "EXDEV", "EINTR")
"""Errors of a disk."""

ON_DISK: Final = frozenset(
    "openat write fsync linkat renameat unlinkat mkdirat ftruncate pwrite64 fdatasync".split()
)
"""Calls that a disk may fail."""

ACROSS: Final = frozenset({"linkat", "renameat"})
"""Calls that fail because something lies on another device."""

Around = Callable[[Real], AbstractContextManager[None]]
"""Changes a workspace before anything else is done, and takes that back."""


@contextmanager
def nothing(_real: Real) -> Iterator[None]:
    """Leave a workspace as it is."""
    yield


def log_of(real: Real) -> Path:
    """Where strace writes, beside the workspace."""
    return real.root.parent / "calls"


@attrs.define
class Stops:
    """
    One case, stopped at its calls.

    Attributes:
        name: Which case.
        fake: The provider.
        around: Changes each workspace first.
        wanted: What the case comes to without a fault.
        points: The calls at which it can be stopped.
    """

    name: str
    fake: FakeProvider
    around: Around = nothing
    wanted: object = None
    points: tuple[Called, ...] = ()

    def __attrs_post_init__(self) -> None:
        """Run it once without a fault."""
        when = f"{self.name}, without a fault"
        with self.case.make(self.fake) as real, self.around(real):
            code, said = real.run(tracing(log_of(real)))
            assert code in ENDS, f"{when}: {code}: {said}"
            self.points = (*points_of(log_of(real), real.root),)
            self.case.sound(real, when)
            self.case.mend(real, when)
            self.wanted = self.case.end(real)
        assert self.wanted is not None, when

    @property
    def case(self) -> Case:
        """The case."""
        return CASES[self.name]

    def stop(self, point: Called, name: str) -> bool:
        """Give the process a signal at one call, and hold what it leaves to the promises; whether it came."""
        when = f"{self.name}: SIG{name} at {point}"
        with self.case.make(self.fake) as real, self.around(real):
            code, said = real.run(stopping_at(point, log_of(real), name))
            stopped = -signal.SIGKILL if name == "KILL" else INTERRUPTED
            assert code in {*ENDS, stopped}, f"{when}: {code}: {said}"
            self.hold(real, when)
            return code == stopped

    def fail(self, point: Called, error: str, *, sticky: bool) -> None:
        """Let a call fail, for once or from then on, and hold what that leaves to the promises."""
        when = f"{self.name}: {error} {'from' if sticky else 'at'} {point}"
        with self.case.make(self.fake) as real, self.around(real):
            code, said = real.run(failing_from(point, log_of(real), error, sticky=sticky))
            assert "Traceback" not in said, f"{when}: {said}"
            assert code in FAILED, f"{when}: {code}: {said}"
            self.hold(real, when)

    def hold(self, real: Real, when: str) -> None:
        """No promise is broken, and passes without faults come to the end without a fault."""
        self.case.sound(real, when)
        self.case.mend(real, when)
        self.case.sound(real, f"{when}, and mended")
        end = self.case.end(real)
        assert end is None or end == self.wanted, when

    def sweep(self, name: str, some: int | None = None) -> int:
        """Give it a signal at *some* of its calls, the same in every run, or at all; how many that were."""
        points = self.some(name, some)
        came = sum(self.stop(point, name) for point in points)
        # The last ones come when nothing is left to interrupt.
        least = 0.9 if name == "KILL" else 0.4
        assert len(points) < 10 or came >= least * len(points), f"{self.name}: only {came} of {len(points)}"
        return len(points)

    def failures(self, *, sticky: bool, some: int) -> int:
        """Let *some* calls on the disk fail, with each error in turn; how many were tried."""
        chance = random.Random(f"{self.name} {sticky}")
        for at in range(some):
            error = ERRORS[at % len(ERRORS)]
            may = ACROSS if error == "EXDEV" else ON_DISK
            may_now = [point for point in self.points if point.name in may]
            if may_now:
                # What is interrupted is called again; nothing is interrupted for ever.
                self.fail(chance.choice(may_now), error, sticky=sticky and error != "EINTR")
        return some

    def some(self, seed: str, count: int | None) -> tuple[Called, ...]:
        """Some of the points."""
        if count is None or count >= len(self.points):
            return self.points
        return (*random.Random(f"{self.name} {seed}").sample(self.points, count),)
