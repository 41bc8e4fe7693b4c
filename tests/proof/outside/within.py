"""
A pass that tells strace of each change that it counts, see `seen.py`; and changes that go past the counter.

    python -m tests.proof.outside.within WHAT ROOT ...
"""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from reconciler.executor.hooks import Hooks, Plugged
from reconciler.providers.keys import ProviderOptions
from reconciler.providers.registry import make
from reconciler.workspace.effects import Effects, Tap
from tests.scenarios import SCENARIOS
from tests.stopping import KEYS
from tests.workspaces import run

MARK: Final = "counted "


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


if __name__ == "__main__":
    counted(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
