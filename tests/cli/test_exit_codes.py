"""Each exit code of the contract is reached from a real workspace, and the most pressing one wins."""

import fcntl
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.cli.calling import COMMAND, WAIT, call, environment, put_crossed, put_held, put_settled, put_short
from tests.workspaces import answered, failed, files, put, request

Make = Callable[[Path], object]


def nothing(_root: Path) -> None:
    """Leave the workspace empty."""


def bad_settings(root: Path) -> None:
    """A settings file with a key that does not exist."""
    (root / "reconciler.toml").write_text("[policy]\nsubmitt = 'auto'\n", "utf-8")


def corrupt(root: Path) -> None:
    """A batch whose metadata is cut short."""
    put_settled(root)
    (root / "workdir" / "batch_metadata_1.jsonl").write_bytes(b'{"schema":')


def orphan(root: Path) -> None:
    """Answers without their input."""
    put(root, "1", output=[answered(0)])


def final(root: Path) -> None:
    """A batch with requests that failed for good."""
    put(root, "1", input=[request(0)], error=[failed(0)])


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """The workspace, while somebody else holds its lock."""
    (root / ".reconciler").mkdir(exist_ok=True)
    held = os.open(root / ".reconciler" / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


TABLE: Final[Sequence[tuple[str, Make, Sequence[str], int]]] = (
    ("empty", nothing, ("{ws}",), 0),
    ("settled", put_settled, ("{ws}",), 0),
    ("run-by-name", put_settled, ("run", "{ws}"), 0),
    ("failed-for-good-settles", final, ("{ws}",), 0),
    ("plan-made", put_held, ("plan", "{ws}"), 0),
    ("plan-of-what-needs-a-person", corrupt, ("plan", "{ws}"), 0),
    ("status-of-what-needs-a-person", corrupt, ("status", "{ws}"), 0),
    ("check-holds", put_settled, ("check", "{ws}"), 0),
    ("no-such-path", nothing, ("{ws}/nowhere",), 2),
    ("not-a-workspace", nothing, ("{ws}/workdir",), 2),
    ("a-file", put_held, ("{ws}/workdir/batch_input_1.jsonl",), 2),
    ("no-workspace-given", nothing, ("plan",), 2),
    ("unknown-flag", nothing, ("{ws}", "--nosuch"), 2),
    ("two-workspaces", nothing, ("{ws}", "{ws}"), 2),
    ("unknown-verb", nothing, ("statsu", "{ws}"), 2),
    ("unknown-batch", put_held, ("{ws}", "--only", "7"), 2),
    ("unknown-batch-to-retry", put_held, ("retry", "{ws}", "7"), 2),
    ("init-over-a-workspace", nothing, ("init", "{ws}"), 2),
    ("held", put_held, ("{ws}",), 3),
    ("missing-answer", put_short, ("{ws}",), 3),
    ("quarantined", put_crossed, ("{ws}",), 3),
    ("corrupt-metadata", corrupt, ("{ws}",), 3),
    ("orphaned", orphan, ("{ws}",), 3),
    ("check-finds-something", corrupt, ("check", "{ws}"), 3),
    ("nothing-to-retry", put_held, ("retry", "{ws}", "1"), 3),
    ("detailed-with-changes", put_settled, ("plan", "{ws}", "--detailed-exitcode"), 5),
    ("detailed-without-changes", put_held, ("plan", "{ws}", "--detailed-exitcode"), 0),
    ("detailed-when-only-matching-is-left", put_short, ("plan", "{ws}", "--detailed-exitcode"), 0),
    ("settings", bad_settings, ("{ws}",), 78),
    ("settings-for-plan", bad_settings, ("plan", "{ws}"), 78),
    ("settings-for-status", bad_settings, ("status", "{ws}"), 78),
    ("settings-for-check", bad_settings, ("check", "{ws}"), 78),
    ("settings-for-retry", bad_settings, ("retry", "{ws}", "1"), 78),
)


@pytest.mark.parametrize(("make", "words", "code"), [pytest.param(*row[1:], id=row[0]) for row in TABLE])
def test_a_command_ends_with_its_code(
    make: Make, words: Sequence[str], code: int, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A workspace and a command give the exit code that the contract names for them."""
    make(workspace)

    assert call(capsys, *(word.format(ws=workspace) for word in words)).code == code


@pytest.mark.parametrize("words", [("{ws}",), ("retry", "{ws}", "1"), ("dismiss", "{ws}", "1")])
def test_the_second_reconciler_ends_with_4_and_changes_nothing(
    words: Sequence[str], workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A verb that changes something and finds the lock taken leaves every file as it was."""
    put_short(workspace)
    with locked(workspace):
        before = files(workspace)
        said = call(capsys, *(word.format(ws=workspace) for word in words))

        assert (said.code, files(workspace)) == (4, before)


@pytest.mark.parametrize("verb", ["plan", "status", "check"])
def test_reading_needs_no_lock(verb: str, workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A verb that only reads works beside a running pass."""
    put_settled(workspace)
    with locked(workspace):
        assert call(capsys, verb, workspace).code == 0


def test_what_a_re_run_may_mend_ends_with_1(workspace: Path) -> None:
    """A disk that takes no more ends with 1, and the next pass settles the batch."""
    put(workspace, "1", input=[request(n) for n in range(99)], output=[answered(n) for n in range(99)])
    words = [*COMMAND, str(workspace), "--log-level", "error"]

    cramped = subprocess.run(
        ["sh", "-c", 'ulimit -f 4; exec "$@"', "sh", *words],
        env=environment(),
        capture_output=True,
        timeout=WAIT,
        check=False,
    )
    assert (cramped.returncode, b"1 failed" in cramped.stdout) == (1, True)

    again = subprocess.run(words, env=environment(), capture_output=True, timeout=WAIT, check=False)
    assert again.returncode == 0


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [
        pytest.param(put_settled, put_held, 3, id="held-over-settled"),
        pytest.param(put_held, put_crossed, 3, id="a-person-is-needed-twice"),
        pytest.param(put_settled, put_settled, 0, id="all-settled"),
    ],
)
def test_the_most_pressing_batch_names_the_code(
    first: Callable[[Path, str], object],
    second: Callable[[Path, str], object],
    code: int,
    workspace: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Of two batches that end differently, the more pressing one gives the exit code of the pass."""
    first(workspace, "1")
    second(workspace, "2")

    assert call(capsys, workspace).code == code


def test_settings_come_before_the_lock(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Bad settings end with 78 even where the lock is taken and a batch needs a person."""
    corrupt(workspace)
    bad_settings(workspace)
    with locked(workspace):
        assert call(capsys, workspace).code == 78


def test_a_lock_comes_before_what_a_batch_needs(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A taken lock ends with 4 though a batch needs a person."""
    corrupt(workspace)
    with locked(workspace):
        assert call(capsys, workspace).code == 4


def test_a_person_comes_before_a_re_run(workspace: Path) -> None:
    """A batch that needs a person outweighs one that a re-run may mend."""
    put(workspace, "1", input=[request(n) for n in range(99)], output=[answered(n) for n in range(99)])
    put(workspace, "2", output=[answered(0)])

    done = subprocess.run(
        ["sh", "-c", 'ulimit -f 4; exec "$@"', "sh", *COMMAND, str(workspace), "--log-level", "error"],
        env=environment(),
        capture_output=True,
        timeout=WAIT,
        check=False,
    )

    assert (done.returncode, b"1 failed" in done.stdout) == (3, True)


def test_only_what_was_asked_for_counts(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A batch that `--only` leaves out has no say in the exit code, and stays as it is."""
    put_settled(workspace, "1")
    put_held(workspace, "2")

    assert call(capsys, workspace, "--only", "1").code == 0
    assert call(capsys, workspace, "--only", "2").code == 3


@pytest.mark.parametrize("failure", ["retry", "dismiss"])
def test_a_decision_on_answers_without_an_input_is_refused(
    failure: str, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A batch without an input can be neither asked again nor given up: 3, with a reason."""
    orphan(workspace)

    assert call(capsys, failure, workspace, "1").code == 3
