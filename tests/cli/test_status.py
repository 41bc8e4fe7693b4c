"""`reconcile status` says of every batch where it stands, how old it is and what was counted."""

import os
import re
import time
from pathlib import Path

import pytest

from tests.cli.calling import (
    COMMAND,
    call,
    named,
    on_terminal,
    put_crossed,
    put_held,
    put_settled,
    put_short,
)
from tests.plugging import put_answers
from tests.workspaces import answered, files, put


def put_all(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A workspace after a pass: settled, held, short of an answer, in quarantine, orphaned."""
    put_settled(root, "1", failures=2)
    put_held(root, "2")
    put_short(root, "3")
    put_crossed(root, "4")
    put(root, "5", output=[answered(0)])
    call(capsys, root)


def test_each_batch_has_its_state(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Live, quarantined and settled batches are all there, each with its state and its place."""
    put_all(workspace, capsys)
    rows = call(capsys, "status", workspace, "--json").document["batches"]

    assert {(each["name"], each["state"], each["path"]) for each in rows if each["name"] != "3"} == {
        ("1", "settled", "done/1"),
        ("2", "held", "workdir"),
        ("4", "needs attention", "quarantine/4.1"),
        ("5", "needs attention", "workdir"),
    }
    assert all(each["because"] for each in rows)


def test_after_a_pass_status_says_what_the_pass_said(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A batch that the pass found an answer short still needs attention when its status is asked for."""
    put_short(workspace)
    told = call(capsys, workspace, "--json").document["batches"]
    rows = call(capsys, "status", workspace, "--json").document["batches"]

    assert named(rows, "1")["state"] == named(told, "1")["state"] == "needs attention"


def test_settled_batches_are_counted_and_shown_with_all(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without `--all` a settled batch is a number in the last line; with it, a row; JSON always has it."""
    put_all(workspace, capsys)
    short, long = call(capsys, "status", workspace).out, call(capsys, "status", workspace, "--all").out

    assert re.search(r"^1  +settled", short, re.MULTILINE) is None
    assert re.search(r"^1  +settled .* 5 +3 +2 +3 of 5 answered, 2 failed for good", long, re.MULTILINE)
    for text in (short, long):
        assert text.splitlines()[-1].startswith("5 batches: ")
        assert "1 settled" in text.splitlines()[-1]
    assert "--all" in short


def test_a_settled_batch_tells_its_counts(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The account of a settled batch is in the document."""
    put_all(workspace, capsys)
    row = named(call(capsys, "status", workspace, "--json").document["batches"], "1")

    assert (row["requests"], row["counts"]["answered"], row["counts"]["failed"]) == (5, 3, 2)
    assert row["counts"]["by_class"] == {"invalid-request": 2}


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(30, r"\d+ s"), (5 * 60 + 9, "5 min"), (3 * 3600 + 9, "3 h"), (49 * 3600, "2 d"), (-3600, "0 s")],
)
def test_the_age_of_a_live_batch_is_that_of_its_input(
    seconds: int, shown: str, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Age counts from the moment the input was written, in the largest unit that gives a number."""
    put_held(workspace)
    then = time.time() - seconds
    os.utime(workspace / "workdir" / "batch_input_1.jsonl", (then, then))
    (line,) = re.findall(r"^1  +held.*", call(capsys, "status", workspace).out, re.MULTILINE)
    row = named(call(capsys, "status", workspace, "--json").document["batches"], "1")

    assert re.search(rf"^1  +held  +{shown}  +no provider", line)
    assert max(0, seconds) <= row["age_seconds"] <= max(0, seconds) + 60


def test_a_batch_without_an_input_has_no_age(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody knows when the request was made: null, not zero."""
    put(workspace, "1", output=[answered(0)])
    row = named(call(capsys, "status", workspace, "--json").document["batches"], "1")

    assert row["age_seconds"] is None
    assert row["requests"] is None


@pytest.mark.parametrize("flags", [(), ("--all",)], ids=" ".join)
def test_hints_stand_below_the_table(
    flags: tuple[str, ...], workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """After the last row come the hints, `  <name> -> <hint>` in the order of the rows; no line is padded."""
    put_all(workspace, capsys)
    lines = call(capsys, "status", workspace, *flags).out.splitlines()
    rows = call(capsys, "status", workspace, "--json").document["batches"]
    expected = [f"  {row['name']} -> {way}" for row in rows for way in (row["hint"] or "").splitlines()]

    assert f"  4 -> reconcile dismiss {workspace} 4    to accept the loss" in expected
    assert lines[-1 - len(expected) : -1] == expected
    assert all(re.match(r"batch|\d  +[a-z]", line) for line in lines[: -1 - len(expected)])
    assert [line for line in lines if line != line.rstrip()] == []


def test_a_hint_is_whole_on_a_narrow_terminal(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The table folds, a command to type does not; nothing is padded to the width."""
    put_all(workspace, capsys)
    _, seen = on_terminal([*COMMAND, "status", workspace], COLUMNS="40", NO_COLOR="1")

    assert f"  4 -> reconcile dismiss {workspace} 4    to accept the loss\r\n" in seen
    assert [line for line in seen.split("\r\n") if line != line.rstrip()] == []


def test_status_touches_nothing(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not a file or folder is made, not even `.reconciler/`."""
    put_settled(workspace)
    before = files(workspace)
    call(capsys, "status", workspace)

    assert files(workspace) == before
    assert sorted(path.name for path in workspace.iterdir()) == ["workdir"]


def test_many_files_that_are_not_ours_are_counted(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ten are named, the others counted; JSON lists all."""
    for number in range(13):
        (workspace / "workdir" / f"note-{number:02}.txt").write_bytes(b"")
    said = call(capsys, "status", workspace)

    assert said.out.count("ignored  workdir/note-") == 10
    assert "and 3 more" in said.out
    assert len(call(capsys, "status", workspace, "--json").document["ignored"]) == 13


def test_status_says_where_to_read_on(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a batch that needed a person at the last pass `status` says why, and has the ways out of `plan`."""
    put_short(workspace)
    told = call(capsys, workspace, "--json").document["batches"]
    row = named(call(capsys, "status", workspace, "--json").document["batches"], "1")
    planned = named(call(capsys, "plan", workspace, "--json").document["batches"], "1")

    assert row["because"] == "at the last pass 1 of 2 ids has no answer"
    assert row["hint"] == planned["hint"] == named(told, "1")["hint"]
    assert f"reconcile retry {workspace} 1 " in planned["hint"]


def test_status_knows_what_could_not_be_handled(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It reads no answer for that; once a file is another one, the batch is pending again."""
    put_answers(workspace, 2)
    told = named(call(capsys, workspace, "--content", "json", "--json").document["batches"], "1")
    row = named(call(capsys, "status", workspace, "--json").document["batches"], "1")

    assert (row["state"], row["hint"]) == ("needs attention", told["hint"])
    assert row["because"].startswith("at the last pass 2 answers could not be handled: 2 broken")
    with (workspace / "workdir" / "batch_output_1.jsonl").open("ab") as output:
        output.write(b"\n")
    row = named(call(capsys, "status", workspace, "--json").document["batches"], "1")
    assert (row["state"], row["hint"]) == ("pending", None)


def test_status_knows_what_code_was_stopped_in(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A batch that user code has begun on is held there as it is by a pass without that code."""
    put_answers(workspace, 2)
    path = workspace / "tired.py"
    path.write_text("import reconciler\ndef f(result): raise reconciler.TransientError('away')", "utf-8")
    assert call(capsys, workspace, "--output-processor", f"{path}:f").code == 1
    row = named(call(capsys, "status", workspace, "--json").document["batches"], "1")
    assert (row["state"], f"--output-processor {path}:f" in row["hint"]) == ("held", True)


@pytest.mark.parametrize("columns", ["80", "120"])
def test_a_long_name_leaves_room_for_the_state(columns: str, workspace: Path) -> None:
    """A long name beside it hides neither the state nor the reason of a batch on a usual terminal."""
    put_held(workspace, "1")
    put_held(workspace, "n" * 90)
    _, seen = on_terminal([*COMMAND, "status", workspace], COLUMNS=columns, NO_COLOR="1")

    assert re.search(r"^1  +held  +\d+ s  +no provider", seen, re.MULTILINE)


def test_a_narrow_terminal_loses_no_name(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A name of ninety characters is shown whole."""
    name = "n" * 90
    put_held(workspace, name)

    assert name in call(capsys, "status", workspace).out
