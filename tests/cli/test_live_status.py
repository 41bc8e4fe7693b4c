"""`reconcile status --watch`: frames that fit, redrawn in place."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
from pathlib import Path

import attrs
import pytest

from reconciler.cli.live_status import frame
from reconciler.model.record import Counts
from reconciler.status import Row, Status
from reconciler.workspace import outlook
from reconciler.workspace.effects import Effects
from tests.cli.calling import COMMAND, WAIT, call, environment, put_held, put_settled

NOW = 1_800_000_000.0
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def status(*rows: Row, next_look: float | None = None) -> Status:
    """A workspace with these batches."""
    return Status("/w", NOW, rows, (), (), next_look)


def sent(name: str, done: int) -> Row:
    """A batch at its provider."""
    return Row(
        name,
        "waiting",
        "openai is still working on batch_abc (in_progress)",
        "workdir",
        since=NOW - 7200,
        requests=500,
        batch_id="batch_abc",
        until=NOW + 60,
        results_until=NOW + 20 * 86_400,
        heard=Counts(500, done, 0),
    )


def test_a_frame_says_how_far_each_batch_is() -> None:
    """State, age, progress as last heard, how long results are kept, and when the watcher looks again."""
    lines = frame(status(sent("7", 120), next_look=NOW + 42), 100, 24, everything=False)

    assert lines[0].split() == ["batch", "state", "age", "progress", "kept", "why"]
    assert lines[1].split()[:8] == ["7", "waiting", "2", "h", "120/500", "24", "%", "20"]
    assert lines[2] == "1 batch: 1 waiting; next look in 42 s"


def test_a_frame_says_what_each_batch_has_cost_or_may_cost() -> None:
    """In dollars; a batch of which nobody knows has no amount, and without any there is no column."""
    priced = attrs.evolve(sent("7", 120), cost=12_340_000_000)
    lines = frame(status(priced, sent("8", 0)), 100, 24, everything=False)

    assert lines[0].split() == ["batch", "state", "age", "progress", "cost", "kept", "why"]
    assert "$12.34" in lines[1]
    assert "$" not in lines[2]


@pytest.mark.parametrize("width", [40, 79, 131])
@pytest.mark.parametrize("height", [6, 24])
def test_a_frame_fits(width: int, height: int) -> None:
    """Whatever the names and however many, no line is wider than the screen and no frame higher."""
    rows = [sent(f"a-survey-of-everything-{n}", n) for n in range(500)]
    lines = frame(status(*rows), width, height, everything=False)

    assert max(map(len, lines)) <= width
    assert len(lines) < height
    assert lines[1][:8] != lines[2][:8] or "everything-0"[-3:] in lines[1]
    assert "500 batches" in lines[-1]


def test_what_needs_a_person_comes_first() -> None:
    """Of more than fit, those are shown that somebody has to see to; settled ones when asked for."""
    rows = [sent(str(n), 0) for n in range(50)] + [Row("x", "needs attention", "ids do not match", "q")]
    settled = Row("done", "settled", "all answered", "done/done")
    lines = frame(status(settled, *rows), 79, 10, everything=False)

    assert lines[1].startswith("x ")
    assert not any("done " in line for line in lines)
    assert any("done " in line for line in frame(status(settled), 79, 10, everything=True))


def test_names_keep_their_ends() -> None:
    """A name that is too long is cut in the middle, so that numbered batches are told apart."""
    rows = [sent(f"a-survey-of-everything-that-is-{n}", 0) for n in range(2)]
    lines = frame(status(*rows), 79, 10, everything=False)

    assert [line.split()[0][-2:] for line in lines[1:3]] == ["-0", "-1"]


def test_the_time_of_the_next_look_is_known_while_it_is_to_come(workspace: Path) -> None:
    """What a watcher says of its next look counts until a while after it; then nobody knows."""
    times = [NOW]
    fx = Effects(str(workspace), clock=lambda: times[0])
    assert outlook.next_look(fx) is None
    outlook.note(fx, NOW + 10)
    assert outlook.next_look(fx) == NOW + 10
    times[0] = NOW + 3600
    assert outlook.next_look(fx) is None
    (workspace / outlook.PATH).write_text("soon\n")
    assert outlook.next_look(fx) is None
    fx.close()


def more(ours: int) -> str:
    """What comes next on the terminal."""
    ready, _, _ = select.select([ours], [], [], WAIT)
    assert ready, "nothing more was drawn"
    return os.read(ours, 65536).decode()


@pytest.mark.parametrize("colours", [True, False])
def test_on_a_terminal_it_is_redrawn_in_place(workspace: Path, *, colours: bool) -> None:
    """A new batch appears in a frame over the last one; Ctrl-C ends it with 0 and shows the cursor."""
    put_held(workspace)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    with subprocess.Popen(
        [*COMMAND, "status", str(workspace), "--watch"],
        env=environment(NO_COLOR=None if colours else "1", COLUMNS=None, LINES=None),
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        seen = ""
        try:
            while "1 batch: " not in COLOUR.sub("", seen):
                seen += more(ours)
            put_held(workspace, "2")
            while "2 batches: " not in COLOUR.sub("", seen):
                seen += more(ours)
            process.send_signal(signal.SIGINT)
            while "\x1b[?25h" not in seen:
                seen += more(ours)
        finally:
            os.close(ours)
            process.send_signal(signal.SIGCONT)
            code = process.wait(WAIT)

    assert code == 0
    first, *later = seen.split("\x1b[J")[:-1]
    assert first.startswith("\x1b[?25l")
    assert all(re.match(r"\x1b\[\dF", each) for each in later)
    assert bool(COLOUR.search(seen)) == colours
    plain = COLOUR.sub("", seen).replace("\x1b[K", "")
    assert max(len(line) for line in re.split(r"\r?\n|\x1b\[J", plain)) <= 90


def test_it_goes_with_no_document(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--watch` and `--json` are refused together, with what to do."""
    put_settled(workspace)
    said = call(capsys, "status", workspace, "--watch", "--json")

    assert (said.code, "give one of the two" in said.err) == (2, True)
