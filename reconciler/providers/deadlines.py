"""
Time limits for many calls at once, all equally long, on one timer.

What `asyncio.timeout` does for one call costs more than a worker that answers at once; here a call costs an
entry and its removal. They begin one after the other and have equally long, so the oldest is due first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

T = TypeVar("T")


class Deadlines:
    """
    Cancels calls that take too long; made and used on one loop.

    Args:
        seconds: How long each may take.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._due: dict[asyncio.Task[Any], float] = {}
        self._late: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def within(self, call: Awaitable[T]) -> T:
        """
        What *call* gives; a task waits for one at a time.

        Raises:
            TimeoutError: It took too long.
        """
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("only a task can be cancelled")
        until = self._due[task] = self._loop.time() + self._seconds
        if self._timer is None:
            self._timer = self._loop.call_at(until, self._look)
        try:
            return await call
        except asyncio.CancelledError as error:
            # Somebody else may have cancelled it as well; that is theirs to hear of.
            if task in self._late and task.cancelling() == 1:
                raise TimeoutError from error
            raise
        finally:
            if self._due.pop(task, None) is None:
                self._late.discard(task)
                task.uncancel()

    def close(self) -> None:
        """Let go of the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        """Cancel what is due, and come again when the next one is."""
        self._timer = None
        now = self._loop.time()
        for task, until in list(self._due.items()):
            if until > now:
                self._timer = self._loop.call_at(until, self._look)
                break
            del self._due[task]
            self._late.add(task)
            task.cancel()
