"""Whoever is told what a watcher does, one event at a time; the names are in docs/watching.md."""

from __future__ import annotations

from typing import Any, Protocol


class Tell(Protocol):
    """Told what happens."""

    def __call__(self, level: str, event: str, workspace: str = "", **facts: Any) -> None:
        """
        Something happened.

        Args:
            level: `debug`, `info`, `warning` or `error`.
            event: Its name.
            workspace: Where, as its user named it; empty for the whole process.
            facts: More about it.
        """
