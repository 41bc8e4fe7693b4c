"""Long reading shows itself on stderr: a bar on a terminal, a line now and then elsewhere, else nothing."""

import sys
from pathlib import Path
from typing import Final

import pytest

from reconciler.cli import progress
from reconciler.cli.progress import LONG, Lines, told_of, watched
from reconciler.executor.context import Silent
from reconciler.model.standing import Standing
from tests.cli.calling import call, controls, on_terminal, put_settled

READ: Final = """
import sys
from reconciler.cli.progress import LONG, watched
size = int(sys.argv[2])
seen = watched()
seen.start(sys.argv[1], size)
for part in range(4):
    seen.advance(size // 4, 10 * part + 7)
seen.finish()
sys.stdout.write(type(seen).__name__ + (" rich" if "rich" in sys.modules else ""))
"""
WHAT: Final = "workdir/batch_output_1.jsonl"


def read(what: str, size: int, **changes: str) -> str:
    """What a terminal shows of reading *size* bytes."""
    code, seen = on_terminal([sys.executable, "-c", READ, what, str(size)], **changes)
    assert code == 0, seen
    return seen


def test_a_large_file_gets_a_bar_on_a_terminal() -> None:
    """The bar names the file, the size and the line, is drawn in place, and is gone at the end."""
    seen = read(WHAT, 2 * LONG)

    assert WHAT in seen
    assert "67.1/67.1 MB line 37" in "".join(part.partition("m")[2] for part in seen.split("\x1b["))
    assert seen.endswith("Bars rich")
    assert "\x1b[2K" in seen
    assert seen.count("\x1b[?25l") == seen.count("\x1b[?25h")


def test_a_small_file_gets_no_bar() -> None:
    """What is read at once shows nothing, and rich is not even loaded."""
    assert read(WHAT, LONG - 4) == "Bars"


def test_no_color_leaves_the_bar_without_colours() -> None:
    """NO_COLOR: the bar is there, its colours are not."""
    assert WHAT in read(WHAT, 2 * LONG, NO_COLOR="1")
    assert "\x1b[3" not in read(WHAT, 2 * LONG, NO_COLOR="1")


def test_a_dumb_terminal_gets_no_escape() -> None:
    """TERM=dumb cannot move its cursor and is not asked to."""
    assert "\x1b" not in read(WHAT, 2 * LONG, TERM="dumb")


def test_a_hostile_name_is_escaped_in_the_bar() -> None:
    """A file name cannot set the title of the terminal."""
    seen = read("workdir/\x1b]0;x\x07", 2 * LONG)

    assert "\x1b]0;" not in seen
    assert "\x07" not in seen


def test_without_a_terminal_a_line_comes_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once the interval is over, a line says how much was read, of what, and how long it may take."""
    monkeypatch.setattr(progress, "EVERY", 0.0)
    lines = Lines()
    lines.start(WHAT, 4 << 20)
    lines.advance(1 << 20, 17)
    lines.advance(2 << 20, 51)
    lines.finish()
    said = capsys.readouterr()

    assert said.out == ""
    assert [line.rpartition(",")[0] for line in said.err.splitlines()] == [
        f"{WHAT}: 1 of 4 MiB (25 %), line 17",
        f"{WHAT}: 3 of 4 MiB (75 %), line 51",
    ]


def test_before_the_interval_is_over_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is read quickly leaves no line in a log or a mail."""
    lines = Lines()
    lines.start(WHAT, 4 << 20)
    for line in range(1000):
        lines.advance(1 << 12, line)
    lines.finish()

    assert capsys.readouterr() == ("", "")


def test_an_empty_file_or_a_grown_one_breaks_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A size of nought and more bytes than announced give a line and no error."""
    monkeypatch.setattr(progress, "EVERY", 0.0)
    lines = Lines()
    lines.start("\x1b[31mred", 0)
    lines.advance(0, 0)
    lines.advance(1 << 20, 1)
    said = capsys.readouterr()

    assert "\\x1b[31mred: 1 of 0 MiB" in said.err
    assert controls(said.err) == set()


def test_a_run_in_one_line() -> None:
    """Done, failed, under way, what is asked again and why, rates, and how long the rest will take."""
    standing = Standing(40, 2, 32, 32, 600.0, 90_000.0, 500, 58, 3, "503\x1b[2J " + "x" * 99)
    told = told_of(standing)
    assert told.startswith("100 of 500 done, 2 failed, 32 under way (3 to be asked again: 503\\x1b[2J xx")
    assert told.endswith("), 600 requests/min, 90000 tokens/min, about 40 s left")
    assert len(told) < 200


def test_quiet_shows_no_progress() -> None:
    """`-q` is for those who want nothing on stderr."""
    assert isinstance(watched(quiet=True), Silent)


def test_a_captured_stderr_is_no_terminal() -> None:
    """Into a file or a pipe go lines, not bars."""
    assert isinstance(watched(), Lines)


def test_a_small_pass_shows_none(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A pass over small files says nothing on stderr."""
    put_settled(workspace)

    assert call(capsys, workspace).err == ""
