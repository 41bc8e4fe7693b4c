"""
The command line under an audit hook: what it changed, and which module of the package did that.

    python -m tests.proof.outside.audited LOG WORDS ...
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import FrameType
from typing import Any, Final

import reconciler
from reconciler.cli.main import main

PACKAGE: Final = str(Path(reconciler.__file__).parent) + os.sep
WRITES: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES: Final = frozenset(
    "os.rename os.link os.symlink os.remove os.mkdir os.rmdir os.truncate os.chmod os.chown os.utime "
    "os.setxattr os.system os.exec os.posix_spawn os.fork os.forkpty subprocess.Popen sqlite3.connect "
    "socket.connect socket.bind socket.sendto shutil.move shutil.rmtree shutil.copyfile tempfile.mkstemp "
    "tempfile.mkdtemp ctypes.dlopen webbrowser.open".split()
)
"""Events of the interpreter that tell of a change, of a connection, or of another program."""


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
    sys.exit(audited(*sys.argv[1:]))
