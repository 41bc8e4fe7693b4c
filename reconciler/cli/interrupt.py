"""
Ctrl-C and SIGTERM: in a pass the first asks for an end between two effects, the second ends now.

Nothing depends on this: a killed pass is resumable at any point. It only makes leaving tidy.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

from reconciler.cli.console import err


@contextlib.contextmanager
def sigterm_as_ctrl_c() -> Iterator[None]:
    """Let SIGTERM raise KeyboardInterrupt, where this thread may: what was begun cleans up behind itself."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class Stop:
    """
    Remembers that someone asked for an end.

    Args:
        told: What is said at once, on stderr; empty for nothing.
    """

    def __init__(self, told: str = "stopping after the current step; once more to stop now") -> None:
        self._asked = False
        self._words = told
        self._before: dict[int, Any] = {}

    def asked(self) -> bool:
        """Whether an end was asked for."""
        return self._asked

    def install(self) -> None:
        """Listen to SIGINT and SIGTERM, where this thread may."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._heard)

    def restore(self) -> None:
        """Put the earlier handlers back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def _heard(self, _number: int, _frame: FrameType | None) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
        if self._words:
            err(self._words)
