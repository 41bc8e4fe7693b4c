"""
What is printed suits where it goes: a terminal, a pipe, or nobody.

No file name and no id speaks to a terminal; colours are for terminals; a pipe that is closed is no fault.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from tests.cli.calling import (
    COMMAND,
    READERS,
    WAIT,
    Said,
    call,
    controls,
    environment,
    on_terminal,
    put_everything,
    put_held,
    spawn,
    spoken,
)
from tests.workspaces import answered, put, request

HOSTILE: Final = (
    "a\nb",
    "\x1b]0;x\x07",
    "\x1b[31mred",
    "\u202egnp.exe",
    "c1\x9b31m",
    "line\u2028break",
    "z\u200d",
)
"""Words that move a cursor, set a title, turn text around or end a line."""


def renamed(line: dict[str, Any], custom_id: str) -> dict[str, Any]:
    """A line under another id."""
    return {**line, "custom_id": custom_id}


@pytest.mark.parametrize("words", READERS, ids=lambda words: words[0].strip("{}"))
@pytest.mark.parametrize("hostile", HOSTILE, ids=ascii)
def test_a_hostile_name_or_id_does_not_reach_the_terminal(
    hostile: str, words: tuple[str, ...], workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """File names and ids are shown with escapes, in reports, plans and logs alike."""
    (workspace / "workdir" / f"batch_input_{hostile}.jsonl").write_bytes(b"")
    (workspace / f"batch_output_{hostile}.jsonl").write_bytes(b"")
    put(workspace, "1", input=[renamed(request(0), hostile), request(1)], output=[answered(1)])
    put(workspace, "2", input=[request(0)], output=[answered(0), renamed(answered(0), hostile)])
    put(workspace, "3", input=[renamed(request(0), hostile)] * 2, output=[answered(0)])
    put(workspace, "4", input=[b'{"custom_id":"' + hostile.encode()], output=[answered(0)])
    put(workspace, "5", input=[request(0)], output=[b'{"custom_id":"' + hostile.encode()])
    put(workspace, "6", input=[request(0)], metadata={"batch_id": hostile, "input_file_id": "file-1"})
    verbose = () if len(words) > 1 else ("-vv",)
    said = call(capsys, *spoken(words, workspace), *verbose)

    assert "check" in words or ascii(hostile)[1:-1] in said.out
    assert controls(said.out + said.err) == set()


@pytest.mark.parametrize("words", READERS, ids=lambda words: words[0].strip("{}"))
@pytest.mark.parametrize("hostile", HOSTILE, ids=ascii)
def test_a_hostile_id_is_escaped_in_json(
    hostile: str, words: tuple[str, ...], workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A document holds no raw C0 character other than its own line feeds."""
    (workspace / "workdir" / f"x{hostile}").write_bytes(b"")
    put(workspace, "1", input=[renamed(request(0), hostile), request(1)], output=[answered(1)])
    said = call(capsys, *spoken(words, workspace), "--json")

    assert said.document["schema"] == 1
    assert {each for each in said.out if each < " " and each != "\n"} == set()


@pytest.mark.parametrize("hostile", HOSTILE, ids=ascii)
@pytest.mark.parametrize("verb", [(), ("plan",), ("status",), ("check",)], ids=" ".join)
def test_a_hostile_workspace_path_is_escaped_in_errors(
    verb: tuple[str, ...], hostile: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A path that does not exist is quoted back without its control characters."""
    said = call(capsys, *verb, tmp_path / hostile)

    assert said.code == 2
    assert controls(said.err) == set()


@pytest.mark.parametrize("hostile", HOSTILE, ids=ascii)
def test_hostile_settings_are_escaped_in_errors(
    hostile: str, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither a section, nor a key, nor a value of a settings file reaches the terminal as it is."""
    word = json.dumps(hostile)
    for text in (f"[{word}]\nx = 1", f"{word} = 1", f"[policy]\n{word} = 1", f"[policy]\nsubmit = {word}"):
        (workspace / "reconciler.toml").write_text(text, "utf-8")
        said = call(capsys, workspace)
        assert (said.code, controls(said.err)) == (78, set())


def test_init_escapes_the_path_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What `init` says on stderr holds no control character of the path."""
    said = call(capsys, "init", tmp_path / "\x1b[31mred")

    assert controls(said.err) == set()


@pytest.mark.skipif(sys.platform == "darwin", reason="the file system refuses such names")
@pytest.mark.parametrize(
    "words", [words for words in READERS if words[0] != "check"], ids=lambda words: words[0]
)
def test_a_name_that_is_not_utf_8_can_be_reported(
    words: tuple[str, ...], workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file whose name is no UTF-8 is listed as ignored, in JSON as in text."""
    (workspace / "workdir" / os.fsdecode(b"x\xff")).write_bytes(b"")

    assert "x" in call(capsys, *spoken(words, workspace)).out
    assert len(call(capsys, *spoken(words, workspace), "--json").document["ignored"]) == 1


def painted(**changes: str) -> Said:
    """An error, said in a process with these changes to its environment."""
    return spawn("nowhere-at-all", cwd=None, **changes)


def test_a_pipe_gets_no_colours(workspace: Path) -> None:
    """Without a terminal nothing is coloured."""
    put_everything(workspace)

    said = spawn("status", workspace)
    assert controls(said.out + said.err) == set()
    assert "\x1b" not in painted().err


def test_force_color_colours_a_pipe(workspace: Path) -> None:
    """FORCE_COLOR colours without a terminal, on both streams; NO_COLOR beats it."""
    put_held(workspace)
    assert "\x1b[" in spawn("plan", workspace, FORCE_COLOR="1").out
    assert "\x1b" not in spawn("plan", workspace, FORCE_COLOR="1", NO_COLOR="1").out
    assert "\x1b[1;31merror:\x1b[0m" in painted(FORCE_COLOR="1").err


@pytest.mark.parametrize("value", ["0", "", "false"])
@pytest.mark.parametrize("verb", ["plan", "status"])
def test_force_color_can_say_no(verb: str, value: str, workspace: Path) -> None:
    """FORCE_COLOR=0 forces nothing: a pipe gets no escape on either stream, nor from the table of status."""
    put_held(workspace)

    assert "\x1b" not in spawn(verb, workspace, FORCE_COLOR=value).out
    assert "\x1b" not in painted(FORCE_COLOR=value).err


@pytest.mark.parametrize(
    ("changes", "coloured"),
    [
        pytest.param({}, True, id="terminal"),
        pytest.param({"NO_COLOR": "1"}, False, id="NO_COLOR"),
        pytest.param({"NO_COLOR": ""}, True, id="NO_COLOR-empty"),
        pytest.param({"TERM": "dumb"}, False, id="dumb-terminal"),
        pytest.param({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False, id="NO_COLOR-wins"),
        pytest.param({"FORCE_COLOR": "0"}, False, id="FORCE_COLOR=0"),
    ],
)
@pytest.mark.parametrize("verb", [("plan",), ("status",)], ids=" ".join)
def test_a_terminal_is_coloured_unless_someone_says_no(
    verb: tuple[str, ...], changes: dict[str, str], *, coloured: bool, workspace: Path
) -> None:
    """On a terminal states are coloured; NO_COLOR and TERM=dumb keep every escape away."""
    put_held(workspace)
    _, seen = on_terminal([*COMMAND, *verb, workspace], **changes)

    assert "held" in seen
    assert ("\x1b" in seen) is coloured


@pytest.mark.parametrize("words", READERS, ids=lambda words: words[0].strip("{}"))
def test_json_is_never_coloured(words: tuple[str, ...], workspace: Path) -> None:
    """A document is plain even where colours are forced."""
    put_held(workspace)

    assert "\x1b" not in spawn(*spoken(words, workspace), "--json", FORCE_COLOR="1").out


def closed_pipe(words: Sequence[str], **changes: str) -> tuple[int, bytes]:
    """The exit code and stderr of a command whose stdout has no reader from the start."""
    ours, theirs = os.pipe()
    os.close(ours)
    try:
        done = subprocess.run(
            [*COMMAND, *words],
            env=environment(**changes),
            stdout=theirs,
            stderr=subprocess.PIPE,
            timeout=WAIT,
            check=False,
        )
    finally:
        os.close(theirs)
    return done.returncode, done.stderr


@pytest.mark.parametrize("words", [*READERS, ("status", "{ws}", "--json")], ids=" ".join)
@pytest.mark.parametrize(
    "unbuffered",
    [
        "1",
        pytest.param(""),
    ],
    ids=["unbuffered", "buffered"],
)
def test_a_closed_pipe_ends_with_141(unbuffered: str, words: tuple[str, ...], workspace: Path) -> None:
    """Nobody reads stdout: 141, as for a program that SIGPIPE ends, and not a word on stderr."""
    put_held(workspace)

    assert closed_pipe(spoken(words, workspace), PYTHONUNBUFFERED=unbuffered) == (141, b"")


@pytest.mark.parametrize("flag", ["-h", "-V"])
@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
def test_help_into_a_closed_pipe_ends_with_141_too(unbuffered: str, flag: str) -> None:
    """`reconcile -h | true` leaves no complaint behind."""
    assert closed_pipe([flag], PYTHONUNBUFFERED=unbuffered) == (141, b"")


@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
def test_a_reader_that_leaves_in_the_middle_is_no_fault(unbuffered: str, workspace: Path) -> None:
    """A document larger than any buffer, into a closed pipe: 141 and not a word on stderr."""
    for number in range(2000):
        (workspace / "workdir" / f"note-{number}.txt").write_bytes(b"")

    words = ["status", str(workspace), "--json"]
    assert closed_pipe(words, PYTHONUNBUFFERED=unbuffered) == (141, b"")
