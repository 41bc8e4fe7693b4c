"""
Ways to stop the world just before a change, and to look at what is left.

Nothing here replaces a part of the product: the room's own `tap` is the seam, and every file is real.
"""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import attrs
import pytest

UNREADABLE: Final = Path("/proc/self/mem")
"""A regular file of which nobody can read the first byte, as on a disk that fails."""

needs_unreadable = pytest.mark.skipif(not UNREADABLE.exists(), reason="only Linux has such a file")


class Crash(BaseException):
    """The process is gone: nothing in the product may catch this and go on."""


@attrs.define
class Trip:
    """
    A tap that fails one change, or that one and all later ones.

    Attributes:
        at: Which change, counted from 1; 0 lets every change through.
        failure: Makes what is raised there.
        sticky: Later changes fail as well, as on a disk that stays full.
        seen: The changes that were about to be made, with their paths.
    """

    at: int = 0
    failure: Callable[[], BaseException] = Crash
    sticky: bool = False
    seen: list[tuple[str, str]] = attrs.field(factory=list)

    def __call__(self, change: str, path: str) -> None:
        """Note the change; fail it when it is its turn."""
        self.seen.append((change, path))
        if self.at and (len(self.seen) == self.at or (self.sticky and self.reached)):
            raise self.failure()

    @property
    def reached(self) -> bool:
        """Whether there were as many changes as that; if not, nothing was failed."""
        return len(self.seen) >= self.at

    @property
    def changes(self) -> list[str]:
        """The kinds of changes, in order."""
        return [change for change, _ in self.seen]


def errno_failure(number: int) -> Callable[[], BaseException]:
    """What makes the OSError that the kernel would raise."""
    return lambda: OSError(number, os.strerror(number))


def refusing(change: str, number: int) -> Callable[[str, str], None]:
    """A tap for a disk that never allows one kind of change."""

    def tap(asked: str, _path: str) -> None:
        if asked == change:
            failure = errno_failure(number)()
            raise failure

    return tap


def nothing() -> None:
    """Say nothing to nobody."""


def plant(path: Path, kind: str, target: Path | str = "nowhere") -> None:
    """Put a folder, an empty file, a link to *target* or a FIFO where something else is expected."""
    match kind:
        case "folder":
            path.mkdir()
        case "file":
            path.touch()
        case "symlink":
            path.symlink_to(target)
        case "fifo":
            os.mkfifo(path)
        case _:
            raise ValueError(kind)


def tree(folder: Path) -> dict[str, bytes | None]:
    """Every path below *folder* with its content; None for what is no file."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        if path.is_file() and not path.is_symlink()
        else None
        for path in folder.rglob("*")
    }


def held(root: Path) -> list[str]:
    """What this process holds open below a folder; others may come and go, as the collector pleases."""
    found: list[str] = []
    for each in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found.append(str(each.readlink()))
    return [path for path in found if Path(path).is_relative_to(root.resolve())]


def in_child(work: Callable[[], int]) -> int:
    """Run *work* in a forked process and return the number that it returned; 99 when it raised."""
    child = os.fork()
    if child == 0:
        code = 99
        try:
            code = work()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
