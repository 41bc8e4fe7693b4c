"""
System calls, as strace sees them: where a process changes a file or speaks to the network, and stops there.

By hand, the same for one call: `strace -f -e inject=renameat:signal=KILL:when=3 reconcile WORKSPACE`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import attrs

CALLS: Final = (
    "openat open creat write pwrite64 writev pwritev sendfile copy_file_range ftruncate truncate fallocate "
    "fsync fdatasync sync_file_range linkat link renameat renameat2 rename unlinkat unlink mkdirat mkdir "
    "rmdir symlinkat symlink mknodat mknod fchmod fchmodat chmod fchown fchownat chown utimensat setxattr "
    "flock socket bind connect sendto sendmsg sendmmsg recvfrom recvmsg execve execveat"
).split()
"""Every call of Linux that changes a file or a name, speaks to the network, or begins a program."""

_LINE: Final = re.compile(r"(?P<process>\d+) +(?P<name>[a-z0-9_]+)\((?P<rest>.*)")
_RESUMED: Final = re.compile(r"(?P<process>\d+) +<\.\.\. (?P<name>[a-z0-9_]+) resumed>(?P<rest>.*)")
_UNFINISHED: Final = "<unfinished ...>"


@attrs.frozen
class Called:
    """
    One system call.

    Attributes:
        process: The thread that made it.
        name: Which call.
        number: It is that thread's *number*-th call of this name, from 1.
        rest: Its arguments and what came of it, as strace writes them.
    """

    process: int
    name: str
    number: int
    rest: str

    def __str__(self) -> str:
        return f"{self.name} number {self.number}: {self.rest}"

    @property
    def failed(self) -> bool:
        """Whether nothing came of it."""
        return " = -1 " in self.rest or self.rest.endswith(" = ?")

    @property
    def alike(self) -> tuple[str, str]:
        """What it has in common with other calls on the same file."""
        return self.name, self.rest.partition(",")[0]

    @property
    def stops(self) -> bool:
        """Whether it is worth a stop: it changes something, or speaks to somebody."""
        return self.name not in ("openat", "open", "execve", "execveat") or "O_CREAT" in self.rest


@cache
def why_not() -> str:
    """Why strace cannot be used here; empty when it can."""
    found = shutil.which("strace")
    if found is None:
        return "strace is not installed (Debian: apt-get install strace)"
    tried = subprocess.run(
        [found, *_tracing("/dev/null"), "true"], capture_output=True, check=False, text=True
    )
    return "" if tried.returncode == 0 else f"strace may not trace here: {tried.stderr.strip()}"


def _tracing(log: str) -> list[str]:
    names = ",".join(f"?{name}" for name in CALLS)
    return ["-f", "-qq", "-y", "-s", "4096", "-o", log, "-e", f"trace={names}"]


def tracing(log: Path) -> list[str]:
    """What is typed before a command to have its calls written down in *log*."""
    return ["strace", *_tracing(str(log))]


def stopping_at(call: Called, log: Path, signal: str) -> list[str]:
    """What is typed before a command to have it get *signal* (`KILL`, `TERM`) as it begins that call."""
    return [*tracing(log), "-e", f"inject={call.name}:signal={signal}:when={call.number}"]


def failing_from(call: Called, log: Path, error: str, *, sticky: bool) -> list[str]:
    """What is typed so that this call, and with *sticky* the later ones of its name, fail."""
    return [
        *tracing(log),
        "-e",
        f"inject={call.name}:error={error}:when={call.number}{'+' if sticky else ''}",
    ]


def calls_in(log: Path) -> list[Called]:
    """The calls that strace wrote down, in the order in which they began."""
    return [*_read(log.read_text("utf-8", "replace").splitlines())]


def _read(lines: list[str]) -> Iterator[Called]:
    counts: Counter[tuple[int, str]] = Counter()
    ends: dict[tuple[int, str], list[str]] = {}
    for line in lines:
        if found := _RESUMED.fullmatch(line):
            ends.setdefault((int(found["process"]), found["name"]), []).append(found["rest"])
    for line in lines:
        if found := _LINE.fullmatch(line):
            who = int(found["process"]), found["name"]
            counts[who] += 1
            rest = found["rest"]
            if rest.endswith(_UNFINISHED):
                rest = rest.removesuffix(_UNFINISHED) + (ends[who].pop(0) if ends.get(who) else " = ?")
            yield Called(*who, counts[who], rest)


def points_of(log: Path, root: Path) -> list[Called]:
    """Where to stop: the calls that matter, of the first thread, from its first look at *root* on."""
    calls = calls_in(log)
    first = next(at for at, call in enumerate(calls) if str(root) in call.rest and call.name == "openat")
    found = [call for call in calls[first:] if call.stops and call.process == calls[0].process]
    # Of a long run of the same, as SQLite writes, its first, second and last will do.
    return [
        call
        for at, call in enumerate(found)
        if at < 2 or {call.alike} != {other.alike for other in found[at - 2 : at + 2]}
    ]


def stopped_in(log: Path) -> int | None:
    """The process that stands still, by SIGSTOP; None while there is none."""
    found = re.search(r"^(\d+) +--- stopped by SIGSTOP ---$", log.read_text("utf-8", "replace"), re.MULTILINE)
    return int(found[1]) if found else None
