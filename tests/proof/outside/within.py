"""
Programs that are watched: a pass that tells of each change it counts, and the command under audit hooks.

    python -m tests.proof.outside.within counted WHAT ROOT ...    markers for strace, see `seen.py`
    python -m tests.proof.outside.within audited LOG WORDS ...    the command line; who did what, into LOG
"""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any, Final

import reconciler
from reconciler.cli.main import main
from reconciler.executor.hooks import Hooks, Plugged
from reconciler.providers.keys import ProviderOptions
from reconciler.providers.registry import make
from reconciler.workspace.effects import Effects, Tap
from tests.stopping import KEYS
from tests.test_crash import SCENARIOS
from tests.workspaces import run

PACKAGE: Final = str(Path(reconciler.__file__).parent) + os.sep
MARK: Final = "counted "
WRITES: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES: Final = frozenset(
    "os.rename os.link os.symlink os.remove os.mkdir os.rmdir os.truncate os.chmod os.chown os.utime "
    "os.setxattr os.system os.exec os.posix_spawn os.fork os.forkpty subprocess.Popen sqlite3.connect "
    "socket.connect socket.bind socket.sendto shutil.move shutil.rmtree shutil.copyfile tempfile.mkstemp "
    "tempfile.mkdtemp ctypes.dlopen webbrowser.open".split()
)
"""Events of the interpreter that tell of a change, of a connection, or of another program."""


def online(root: Path, tap: Tap, provider: str, url: str, key: str) -> None:
    """A pass that asks a provider."""
    client = make(provider, ProviderOptions(base_url=url, model="m"), dict.fromkeys(KEYS, key))
    hooks = Hooks(providers={provider: client})  # type: ignore[dict-item]
    run(root, tap=tap, plugged=Plugged(lambda _name: hooks), provider=provider, settle_seconds=0.0)


def _by_a_room(root: Path, _tap: Tap) -> None:
    """A room that nobody has tapped."""
    Effects(str(root)).publish("target/planted", (b"x",))


def _twice(root: Path, tap: Tap) -> None:
    """One change is counted, two are made."""
    tap("create", "a")
    (root / "a").touch()
    (root / "b").touch()


PLANTED: Final[Mapping[str, Callable[[Path, Tap], object]]] = {
    "open": lambda root, _tap: (root / "planted").write_text("x"),
    "write": lambda root, _tap: (root / "reconciler.toml").write_text("x"),
    "rename": lambda root, _tap: (root / "reconciler.toml").rename(root / "planted"),
    "link": lambda root, _tap: os.link(root / "reconciler.toml", root / "planted"),
    "unlink": lambda root, _tap: (root / "reconciler.toml").unlink(),
    "mkdir": lambda root, _tap: (root / "planted").mkdir(),
    "truncate": lambda root, _tap: os.truncate(root / "reconciler.toml", 0),
    "elsewhere": lambda root, _tap: (root.parent / "planted").write_text("x"),
    "sqlite": lambda root, _tap: sqlite3.connect(root / "planted").execute("CREATE TABLE t (a)"),
    "process": lambda root, _tap: subprocess.run(["touch", str(root / "planted")], check=True),
    "socket": lambda _root, _tap: socket.socket().connect_ex(("127.0.0.1", 1)),
    "room": _by_a_room,
    "twice": _twice,
}
"""Changes that go past the counter."""


def counted(what: str, root: Path, *more: str) -> None:
    """Do *what*, and tell strace of each change just before it is made."""
    marks = os.open(os.devnull, os.O_WRONLY)

    def tap(change: str, path: str) -> None:
        os.write(marks, f"{MARK}{change} {path}".encode())

    tap("begin", "")
    if what == "online":
        online(root, tap, *more)
    elif what in PLANTED:
        PLANTED[what](root, tap)
    else:
        SCENARIOS[what].act(root, tap)
    tap("end", "")


def audited(log: str, *words: str) -> int:
    """The command line, with a line in *log* for each change: the event, who made it, and with what."""
    found: list[str] = []

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            _, mode, flags = args
            if not (flags & WRITES if mode is None else set(mode) & set("wax+")):
                return
        elif event not in CHANGES:
            return
        found.append(f"{event}\t{_maker()}\t{args!r}")

    sys.addaudithook(hook)
    code = main(words)
    lines = [*found]
    Path(log).write_text("\n".join(lines) + "\n", "utf-8")
    return code


def _maker() -> str:
    """The module of the package whose code is at work; empty when there is none."""
    frame: FrameType | None = sys._getframe(2)  # noqa: SLF001 - what made the event
    while frame is not None:
        if frame.f_code.co_filename.startswith(PACKAGE):
            return frame.f_code.co_filename.removeprefix(PACKAGE)
        frame = frame.f_back
    return ""


if __name__ == "__main__":
    if sys.argv[1] == "counted":
        counted(sys.argv[2], Path(sys.argv[3]), *sys.argv[4:])
    else:
        sys.exit(audited(*sys.argv[2:]))
