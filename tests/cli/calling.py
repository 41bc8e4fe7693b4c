"""Ways to call the command line, in this process and in one of its own, and to look at what it said."""

import json
import os
import pty
import subprocess
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from reconciler.cli.main import main
from tests.workspaces import answered, failed, put, request

COMMAND: Final = (sys.executable, "-m", "reconciler")
ROOT: Final = Path(__file__).parents[2]
WAIT: Final = 60.0
"""Seconds after which a process is taken to hang."""

READERS: Final = (("plan", "{ws}"), ("status", "{ws}"), ("check", "{ws}"), ("{ws}",))


@attrs.frozen
class Said:
    """What a command ended with and said."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document that stdout must be."""
        found: dict[str, Any] = json.loads(self.out)
        return found


def call(capsys: pytest.CaptureFixture[str], *words: str | Path) -> Said:
    """Run the command line here."""
    capsys.readouterr()
    code = main([str(word) for word in words])
    out, err = capsys.readouterr()
    return Said(code, out, err)


def environment(**changes: str | None) -> dict[str, str]:
    """The environment of a process: ours, with the package in reach; None takes a name away."""
    changed = {"PYTHONPATH": str(ROOT), **changes}
    return {name: value for name, value in {**os.environ, **changed}.items() if value is not None}


def spawn(*words: str | Path, cwd: Path | None = None, **changes: str | None) -> Said:
    """Run the command line in a process of its own."""
    done = subprocess.run(
        [*COMMAND, *map(str, words)],
        env=environment(**changes),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=WAIT,
        check=False,
    )
    return Said(done.returncode, done.stdout.decode(), done.stderr.decode())


def python(code: str, *words: str | Path) -> Said:
    """Run a few lines of Python in a process of their own."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        env=environment(),
        capture_output=True,
        timeout=WAIT,
        check=False,
    )
    return Said(done.returncode, done.stdout.decode(), done.stderr.decode())


def on_terminal(argv: Sequence[str | Path], **changes: str | None) -> tuple[int, str]:
    """Run a program with a terminal as stdout and stderr; its exit code and all that it wrote there."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [str(word) for word in argv],
        env=environment(**changes),
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        seen = b""
        try:
            while chunk := os.read(ours, 65536):
                seen += chunk
        except OSError:  # Linux says EIO where others say end of file
            pass
        finally:
            os.close(ours)
        code = process.wait(WAIT)
    return code, seen.decode()


def controls(text: str, allowed: str = "\n") -> set[str]:
    """Characters in *text* that could move a cursor, hide text or change its direction."""
    return {
        each
        for each in text
        if unicodedata.category(each) in {"Cc", "Cf", "Zl", "Zp"} and each not in allowed
    }


def put_settled(root: Path, name: str = "1", *, failures: int = 0) -> None:
    """A batch that the next pass settles: three answers and so many failures."""
    put(
        root,
        name,
        input=[request(n) for n in range(3 + failures)],
        output=[answered(n) for n in range(3)],
        error=[failed(n) for n in range(3, 3 + failures)],
    )
    if not failures:
        (root / "workdir" / f"batch_error_{name}.jsonl").unlink()


def put_held(root: Path, name: str = "1") -> None:
    """A batch that nobody answers."""
    put(root, name, input=[request(0)])


def put_short(root: Path, name: str = "1") -> None:
    """A batch with an answer missing."""
    put(root, name, input=[request(0), request(1)], output=[answered(0)])


def put_crossed(root: Path, name: str = "1") -> None:
    """A batch with an answer to a question that nobody asked."""
    put(root, name, input=[request(0)], output=[answered(0), answered(9)])


def named(rows: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    """The row of one batch."""
    (row,) = [each for each in rows if each["name"] == name]
    return row


def spoken(words: tuple[str, ...], workspace: Path) -> list[str]:
    """A row of words with the workspace put in."""
    return [word.format(ws=workspace) for word in words]


def put_everything(root: Path) -> None:
    """One batch of each kind that matters to a reader."""
    put_settled(root, "1", failures=1)
    put_held(root, "2")
    put_short(root, "3")
    put_crossed(root, "4")
    put(root, "5", output=[answered(0)])
    (root / "workdir" / "notes.txt").write_text("mine", "utf-8")
