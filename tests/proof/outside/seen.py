"""
What a pass changes, seen from outside, held against what its own counter was told.

The pass writes a marker into /dev/null before each change that it counts (`within.py`), which strace
sees between the calls. A call that changes a file, connects or asks, and is not what the last marker of its
thread announced, went past the counter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import attrs

from tests.proof.outside.tracing import Called, calls_in
from tests.proof.outside.within import MARK

LIVE: Final = ".reconciler/live/"
"""Where SQLite writes by itself, once the counter was told that it opens a file there."""

ONCE: Final = {
    "create": "openat",
    "append": "openat",
    "lock": "openat",
    "link": "linkat",
    "rename": "renameat",
    "unlink": "unlinkat",
    "mkdir": "mkdirat",
    "rmdir": "unlinkat",
}
"""By what the counter is told: the one call that this lets through."""

WRITES: Final = frozenset(
    "write pwrite64 writev pwritev ftruncate fallocate sendfile copy_file_range".split()
)
MAY_WRITE: Final = frozenset({"create", "append", "write"})
NAMES: Final = frozenset(
    "link linkat rename renameat renameat2 unlink unlinkat mkdir mkdirat rmdir symlink symlinkat mknod "
    "mknodat truncate chmod fchmodat chown fchownat utimensat setxattr".split()
)
_PATH: Final = re.compile(r'(?:(?:AT_FDCWD|\d+)<(?P<base>[^>]*)>, )?"(?P<name>(?:[^"\\]|\\.)*)"')
_OPENED: Final = re.compile(r"\d+<(?P<path>[^>]*)>")
_REQUEST: Final = re.compile(r'"(?P<method>[A-Z]+) (?P<target>\S+) HTTP/1\.1\\r\\n')


@attrs.define
class Announced:
    """What the last marker of a thread said, and whether its one call has been made."""

    change: str = ""
    path: str = ""
    used: bool = False

    def lets(self, call: str, path: str) -> bool:
        """Let a call of a name through, once."""
        if self.used or ONCE.get(self.change) != call or self.path != path:
            return False
        self.used = True
        return True


@attrs.define
class Watch:
    """
    Reads the calls of one pass.

    Attributes:
        root: The workspace.
        there: Files that stand there, as far as the calls have told.
        announced: By thread, what its last marker said.
        live: Files of SQLite that the counter was told of.
        counted: How many changes were seen and had been counted.
        past: Those that had not.
    """

    root: Path
    there: set[str]
    announced: dict[int, Announced] = attrs.field(factory=dict)
    live: set[str] = attrs.field(factory=set)
    counted: int = 0
    past: list[str] = attrs.field(factory=list)

    def read(self, log: Path) -> None:
        """All calls between the first and the last marker."""
        for call in _between(calls_in(log)):
            mark = _mark(call)
            if mark is not None:
                change, _, path = mark.partition(" ")
                self.announced[call.process] = Announced(*_http(change, path))
                if change.startswith("live-"):
                    self.live.add(path)
            elif not call.failed or call.name == "connect":
                self._judge(call)

    def _judge(self, call: Called) -> None:
        passed = self._passes(call)
        if passed is None:
            return
        if passed:
            self.counted += 1
        else:
            self.past.append(f"{call} after {self.announced.get(call.process)}")

    def _passes(self, call: Called) -> bool | None:
        """Whether a change was counted; None for a call that is no change."""
        said = self.announced.setdefault(call.process, Announced())
        if call.name == "connect":
            return None if "AF_INET" not in call.rest else said.change in ("GET", "POST", "DELETE", "PUT")
        if call.name in ("sendto", "sendmsg"):
            asked = _REQUEST.search(call.rest)
            return asked and (asked["method"], asked["target"].partition("?")[0]) == (said.change, said.path)
        if call.name in WRITES:
            opened = _OPENED.match(call.rest)
            path = self._within(opened["path"]) if opened else None
            if path is None:
                return None
            return self._is_live(path) or (said.change in MAY_WRITE and said.path == path)
        if call.name in ("openat", "open", "creat") and "O_CREAT" not in call.rest:
            return None
        if call.name in NAMES or call.name in ("openat", "open", "creat"):
            return self._named(call, said)
        return None

    def _named(self, call: Called, said: Announced) -> bool | None:
        """The same for calls that make, change or remove a name: the last one that they mention."""
        path = self._within(_target(call))
        if path is None:
            return None
        if call.name == "openat":
            if path in self.there:
                return None
            self.there.add(path)
        elif call.name.startswith(("unlink", "rename")):
            self.there -= {
                self._within(f"{each['base']}/{each['name']}") for each in _PATH.finditer(call.rest)
            }
        if call.name.startswith(("link", "rename")):
            self.there.add(path)
        return self._is_live(path) or said.lets(call.name, path)

    def _is_live(self, path: str) -> bool:
        return path.startswith(LIVE) and any(path.startswith(each) for each in self.live)

    def _within(self, path: str) -> str | None:
        """A path relative to the workspace, or as it is when it lies elsewhere; None for no file."""
        if not path.startswith("/") or path.startswith(("/dev/null", "/proc/")):
            return None
        return path.removeprefix(f"{self.root}/")


def _target(call: Called) -> str:
    """The last path that a call mentions, or that of its open file."""
    named = [*_PATH.finditer(call.rest)]
    if not named:
        opened = _OPENED.match(call.rest)
        return opened["path"] if opened else ""
    base, name = named[-1]["base"], named[-1]["name"]
    return name if name.startswith("/") else f"{base}/{name}"


def _between(calls: list[Called]) -> Iterator[Called]:
    begun = False
    for call in calls:
        mark = _mark(call)
        if mark == "begin ":
            begun = True
        elif mark == "end ":
            return
        elif begun:
            yield call
    raise AssertionError("the pass did not come to its end")


def _mark(call: Called) -> str | None:
    """What a marker says."""
    start = f'</dev/null>, "{MARK}'
    at = call.rest.find(start) if call.name == "write" else -1
    return None if at < 0 else call.rest[at + len(start) :].rpartition('"')[0]


def _http(change: str, rest: str) -> tuple[str, str]:
    """A marker of a call at a provider says its kind too: `GET get /v1/batches/7`."""
    return (change, rest.partition(" ")[2]) if change.isupper() else (change, rest)
