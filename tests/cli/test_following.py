"""`--wait` on a terminal: where the batches stand, redrawn in place; nowhere else."""

import re
from pathlib import Path

import pytest

from tests.cli.calling import COMMAND, on_terminal, put_settled, spawn

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize("colours", [True, False])
def test_a_terminal_shows_how_far_they_are(workspace: Path, *, colours: bool) -> None:
    """The first frame before the pass, the last one after it, then the report; the cursor comes back."""
    put_settled(workspace)

    code, seen = on_terminal(
        [*COMMAND, str(workspace), "--wait"], NO_COLOR=None if colours else "1", TERM="xterm"
    )

    assert code == 0
    first, *later, report = seen.split("\x1b[J")
    assert (first.startswith("\x1b[?25l"), bool(COLOUR.search(seen))) == (True, colours)
    assert "requests  3 of 3 done" in (later[-1] if later else first)
    assert later == [] or later[-1].startswith("\x1b[")
    assert report.startswith("\x1b[?25h")
    assert "1 batch: 1 settled" in COLOUR.sub("", report)


@pytest.mark.parametrize("words", [("-q",), ("-v",)])
def test_who_asks_for_quiet_or_for_words_gets_no_frame(workspace: Path, words: tuple[str, ...]) -> None:
    """The steps and the summary are all that there is then."""
    put_settled(workspace)

    assert "requests  " not in on_terminal([*COMMAND, str(workspace), "--wait", *words], TERM="xterm")[1]


def test_a_pipe_and_a_dumb_terminal_get_no_frame(workspace: Path) -> None:
    """Nothing is drawn where nothing can be redrawn."""
    put_settled(workspace)

    assert "requests  " not in on_terminal([*COMMAND, str(workspace), "--wait"], TERM="dumb")[1]
    said = spawn(str(workspace), "--wait")
    assert (said.code, said.err, "\x1b" in said.out) == (0, "", False)
