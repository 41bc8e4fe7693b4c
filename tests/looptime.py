"""
A loop whose clock jumps: hours of waiting pass at once, and in an order that does not depend on the machine.

Calls that other threads make are waited for in real time; only then does the clock go on.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

STUCK = 20.0
"""Seconds of real time after which a loop in which nothing can happen any more is taken to hang."""


class _Jumping(selectors.DefaultSelector):
    """Waits by turning the clock."""

    loop: "JumpingLoop"

    def select(self, timeout: float | None = None) -> Any:
        """What is ready; where nothing is, the clock goes on as far as the loop would have waited."""
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if self.loop.threads:
            return super().select(STUCK)
        if timeout is None:
            if self.loop.patient:
                return super().select(STUCK)
            raise RuntimeError("nothing will ever happen in this loop again")
        self.loop.now += timeout
        return ready


class JumpingLoop(asyncio.SelectorEventLoop):
    """
    The loop.

    Args:
        patient: Other threads give it things to do: where there is nothing, it waits for them.
    """

    def __init__(self, *, patient: bool = False) -> None:
        self.now = 0.0
        self.patient = patient
        self.threads = 0
        selector = _Jumping()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        """Seconds that the loop has lived through."""
        return self.now

    def run_in_executor(  # type: ignore[override]  # the types of what it hands on do not matter here
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> Any:
        """Call in a thread; until it has ended the clock stands still."""
        self.threads += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._ended)
        return future

    def _ended(self, _future: Any) -> None:
        self.threads -= 1


def run_jumping(coroutine: Coroutine[Any, Any, T]) -> tuple[T, float]:
    """What a coroutine returns, and how many seconds it thinks that it took."""
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        value = runner.run(coroutine)
        return value, runner.get_loop().time()
