"""
`.reconciler/next-look`: when a watcher will look at this workspace again, for those who look on.

Written while something waits, and never relied on: a watcher that has died leaves a time that has passed.
"""

from __future__ import annotations

from typing import Final

from reconciler.workspace.effects import Effects
from reconciler.workspace.layout import PRIVATE
from reconciler.workspace.reading import Reading

PATH: Final = f"{PRIVATE}/next-look"
LATE: Final = 30.0
"""Seconds after which a time that has passed says nothing any more."""


def note(fx: Effects, at: float) -> None:
    """Somebody will look at that time, in seconds since the epoch."""
    fx.publish(PATH, (f"{at:.3f}\n".encode(),), replace=True, sync_folder=False)


def next_look(look: Reading) -> float | None:
    """When somebody will look; None where nobody says."""
    found = look.read(PATH) if look.fact(PATH) is not None else b""
    try:
        at = float(found)
    except ValueError:
        return None
    return at if at > look.now() - LATE else None
