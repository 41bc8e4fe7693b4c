"""
Where a watched workspace lies, and whether it is there: the one that was found, and no other.

A workspace that has vanished, is not mounted, or is another one today is paused; nothing of it is taken for
deleted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from reconciler.errors import UserError
from reconciler.watching.arrivals import Arrivals, Seen
from reconciler.watching.seeing import Sight
from reconciler.workspace.layout import WORKSPACE_ID, find
from reconciler.workspace.mounts import identity, is_empty
from reconciler.workspace.reading import Reading

CHECK: Final = 5.0
"""Seconds between two glances whether the workspace is still there."""


class Place:
    """
    Where a watched workspace lies.

    Args:
        path: The workspace, as its user named it.
        arrivals: What is seen to happen in its live folder.
        clock: Seconds since the epoch.
        tell: Told what happens, with its level.

    Attributes:
        root: The real path of the workspace.
        next_check: When `is_there` looks again.
        paused: Why nothing is done; empty while it is there.

    Raises:
        UserError: It is not there to begin with.
    """

    def __init__(
        self,
        path: str,
        arrivals: Arrivals,
        clock: Callable[[], float],
        tell: Callable[..., None],
    ) -> None:
        self._path = path
        self._arrivals = arrivals
        self._clock = clock
        self._tell = tell
        self.root = find(path).root
        self.next_check = 0.0
        self.paused = ""
        self._make: Callable[[], Sight] | None = None
        self._sight: Sight | None = None
        self._live = ""
        self._seen: tuple[int, int] | None = None
        self._id = b""

    def watch_by(self, make: Callable[[], Sight]) -> None:
        """Have the folder watched by whoever *make* makes, from the next look on."""
        self._make = make
        self.look_anew()

    def look_anew(self) -> None:
        """Have `is_there` look for the workspace as if nothing were known but its id."""
        self._seen = None
        self.next_check = 0.0

    def learn(self) -> None:
        """Remember the id that the first pass has given it."""
        if not self._id:
            self._id = _id_of(self.root)

    def is_there(self) -> bool:
        """Whether it is there, and watched; a pass over one that has vanished would be no pass over it."""
        now = self._clock()
        if now < self.next_check:
            return not self.paused
        self.next_check = now + CHECK
        if self._seen is not None and not self.paused and identity(self._live) == self._seen:
            return True
        try:
            wrong, hint = self._found(), "mount or restore it; nothing is done until then"
        except UserError as error:
            wrong, hint = error.message, error.hint
        except OSError as error:
            wrong, hint = f"{error.filename or self._path}: {error.strerror or error}", ""
        if wrong:
            self._pause(wrong, hint)
            return False
        return self._begin()

    def close(self) -> None:
        """Watch no more."""
        if self._sight is not None:
            self._sight.close()

    # Within

    def _found(self) -> str:
        """Look for the workspace anew; why it is not the one that was watched, empty where it is."""
        layout = find(self._path)
        known = _id_of(layout.root)
        live = f"{layout.root}/{layout.live}" if layout.live else layout.root
        now = identity(live)
        if self._id and known != self._id:
            return f"{self._path} holds another workspace than before"
        elsewhere = self._seen is not None and now is not None and now[0] != self._seen[0]
        if now is None or (elsewhere and live == self._live and is_empty(live)):
            return f"{live} is empty, and on another file system than before"
        self.root, self._live, self._id = layout.root, live, known
        return ""

    def _pause(self, because: str, hint: str) -> None:
        # Nothing may keep a file system from being unmounted.
        self.close()
        if because != self.paused:
            self.paused = because
            self._tell("error", "workspace.paused", because=because, hint=hint)

    def _begin(self) -> bool:
        """Watch the folder that is there now."""
        self.close()
        self._seen = identity(self._live)
        sight = self._sight = None if self._make is None else self._make()
        if sight is None:
            return True
        try:
            how = sight.begin(self._live, self._arrivals)
        except OSError as error:
            self._seen = None
            self._pause(f"{self._live} cannot be watched: {error.strerror or error}", "")
            return False
        if self.paused:
            self.paused = ""
            self._tell("info", "workspace.resumed")
        facts: dict[str, Any] = {"how": "events" if how.events else "polling"}
        facts |= {"filesystem": how.filesystem or None, "because": how.why or None}
        self._tell("info", "workspace.watched", **facts)
        self._arrivals.see(Seen.ANY)
        return True


def _id_of(root: str) -> bytes:
    """The id of a workspace; empty before its first pass."""
    look = Reading(root)
    try:
        return look.read(WORKSPACE_ID) if look.fact(WORKSPACE_ID) else b""
    finally:
        look.close()
