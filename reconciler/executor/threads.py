"""
Threads for the plain functions of users, which nobody waits for.

A function that hangs cannot be stopped from outside. For the pool of the standard library the interpreter
waits when the process ends, so that neither a time limit nor any number of Ctrl-C would end it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any, TypeAlias

_Work: TypeAlias = "tuple[Future[Any], Callable[[], Any]]"


class Threads(ThreadPoolExecutor):
    """
    Calls plain functions in threads that end with the process, whatever they are at.

    A loop takes this class, and no other, as its default; nothing of its machinery is used.

    Args:
        most: How many threads there are at the most.
    """

    def __init__(self, most: int) -> None:
        super().__init__(max_workers=1)
        self._most = most
        self._waiting: SimpleQueue[_Work | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._count = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Call a function once a thread is free; called on one thread alone, the loop's."""
        future: Future[Any] = Future()
        self._waiting.put((future, lambda: fn(*args, **kwargs)))
        if not self._idle.acquire(blocking=False) and self._count < self._most:
            self._count += 1
            name = f"reconciler-worker-{self._count}"
            threading.Thread(target=self._serve, name=name, daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - as the base has it
        """Begin nothing more, whatever is asked; threads end by themselves, and nobody waits for that."""
        while not self._waiting.empty():
            work = self._waiting.get()
            if work is not None:
                work[0].cancel()
        for _ in range(self._count):
            self._waiting.put(None)

    def _serve(self) -> None:
        """What a thread does: one call after the other."""
        while (work := self._waiting.get()) is not None:
            future, call = work
            if future.set_running_or_notify_cancel():
                try:
                    value = call()
                except BaseException as error:  # noqa: BLE001 - it is raised where somebody waits for it
                    future.set_exception(error)
                else:
                    future.set_result(value)
                    del value
            del work, future, call
            self._idle.release()
