"""stdout is data, stderr is for people, and neither lets a file name or an id speak to the terminal."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from reconciler.config import settle
from reconciler.preview import preview
from tests.cli.calling import (
    COMMAND,
    WAIT,
    Said,
    call,
    controls,
    environment,
    named,
    on_terminal,
    put_crossed,
    put_held,
    put_settled,
    put_short,
    spawn,
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

READERS: Final = (("plan", "{ws}"), ("status", "{ws}"), ("check", "{ws}"), ("{ws}",))


def spoken(words: tuple[str, ...], workspace: Path) -> list[str]:
    """A row of words with the workspace put in."""
    return [word.format(ws=workspace) for word in words]


def renamed(line: dict[str, Any], custom_id: str) -> dict[str, Any]:
    """A line under another id."""
    return {**line, "custom_id": custom_id}


def put_everything(root: Path) -> None:
    """One batch of each kind that matters to a reader."""
    put_settled(root, "1", failures=1)
    put_held(root, "2")
    put_short(root, "3")
    put_crossed(root, "4")
    put(root, "5", output=[answered(0)])
    (root / "workdir" / "notes.txt").write_text("mine", "utf-8")


@pytest.mark.parametrize("words", READERS, ids=lambda words: words[0].strip("{}"))
def test_an_answer_is_data_and_nothing_else(
    words: tuple[str, ...], workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A command that succeeds in its task says it on stdout and leaves stderr alone."""
    put_everything(workspace)
    said = call(capsys, *spoken(words, workspace))

    assert (bool(said.out), said.err) == (True, "")


@pytest.mark.parametrize(
    "words",
    [("{ws}/none",), ("plan", "{ws}/none"), ("retry", "{ws}", "7"), ("{ws}", "--nosuch"), ("plan",)],
    ids=" ".join,
)
def test_an_error_is_for_people(
    words: tuple[str, ...], workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A refusal is said on stderr; stdout stays empty, so that a pipe gets no prose."""
    said = call(capsys, *spoken(words, workspace))

    assert (said.out, bool(said.err)) == ("", True)


@pytest.mark.parametrize("words", READERS, ids=lambda words: words[0].strip("{}"))
def test_json_is_one_document_with_a_schema(
    words: tuple[str, ...], workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With `--json` stdout holds one document with schema and workspace; stderr holds nothing."""
    put_everything(workspace)
    said = call(capsys, *spoken(words, workspace), "--json")

    assert (said.document["schema"], said.document["workspace"]) == (1, str(workspace.resolve()))
    assert said.document["exit_code"] == said.code
    assert said.err == ""


def test_json_of_a_pass_agrees_with_its_text(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Name, state and reason of each batch are the same in both forms, and the code is in the document."""
    put_everything(workspace)
    call(capsys, workspace)
    text, machine = call(capsys, workspace), call(capsys, workspace, "--json")

    assert machine.document["exit_code"] == machine.code == text.code == 3
    assert [line.rstrip() for line in text.out.splitlines()] == text.out.splitlines()
    lines = [line for line in text.out.splitlines() if line[:1] not in " i"][:-1]
    spaced = [" ".join(line.split()) for line in lines]
    assert spaced == [
        " ".join([each["name"], each["state"], *each["because"].split()])
        for each in machine.document["batches"]
    ]


def test_json_of_a_plan_agrees_with_its_text(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each batch is a line, its numbered steps and its hints indented by four: the same in both forms."""
    put_everything(workspace)
    text, machine = call(capsys, "plan", workspace), call(capsys, "plan", workspace, "--json")

    expected = []
    for each in machine.document["batches"]:
        expected.append(f"{each['name']}  {each['then']}  {each['because']}")
        expected += [f"    {number}. {step}" for number, step in enumerate(each["steps"], 1)]
        expected += [f"    -> {way}" for way in (each["hint"] or "").splitlines()]
    assert {len(each["steps"]) for each in machine.document["batches"]} >= {0, 2, 4}
    assert text.out.splitlines()[: len(expected)] == expected
    steps = sum(len(each["steps"]) for each in machine.document["batches"])
    assert text.out.splitlines()[len(expected) + 1 :] == [
        f"5 batches, {steps} steps to do now; nothing was touched"
    ]


def test_a_plan_is_the_explanation_of_the_planner(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The text is `explain` of each plan, its colons turned into columns and its lines two further in."""
    put_everything(workspace)
    said = call(capsys, "plan", workspace)
    expected = []
    for _, plan in preview(str(workspace), settle(), deep=True).batches:
        first, *more = plan.explain().replace("WORKSPACE", str(workspace)).splitlines()
        expected += [first.replace(": ", "  ", 2), *(f"  {line}" for line in more)]

    assert said.out.splitlines()[: len(expected)] == expected


def test_what_lies_in_quarantine_is_in_the_plan(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Name and path of each quarantined batch are listed, two of one name apart; text has a line each."""
    for _ in range(2):
        put_crossed(workspace, "4")
        call(capsys, workspace)
    put_crossed(workspace, "5")
    call(capsys, workspace)
    text, machine = call(capsys, "plan", workspace), call(capsys, "plan", workspace, "--json")

    assert machine.document["quarantined"] == [
        {"name": "4", "path": "quarantine/4.1"},
        {"name": "4", "path": "quarantine/4.2"},
        {"name": "5", "path": "quarantine/5.1"},
    ]
    for each in machine.document["quarantined"]:
        assert re.search(
            rf"^{each['name']}  needs attention  it is in {each['path']}/;", text.out, re.MULTILINE
        )
    only = call(capsys, "plan", workspace, "--only", "5", "--json").document
    assert only["quarantined"] == [{"name": "5", "path": "quarantine/5.1"}]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        pytest.param(("plan", "{ws}", "--detailed-exitcode"), 5, id="plan-detailed"),
        pytest.param(("plan", "{ws}"), 0, id="plan"),
        pytest.param(("status", "{ws}"), 0, id="status"),
        pytest.param(("check", "{ws}"), 3, id="check"),
        pytest.param(("{ws}",), 3, id="run"),
        pytest.param(("dismiss", "{ws}", "3"), 0, id="dismiss"),
        pytest.param(("retry", "{ws}", "3"), 3, id="retry"),
        pytest.param(("retry", "{ws}", "2"), 3, id="refused"),
    ],
)
def test_the_exit_code_is_in_the_document(
    words: tuple[str, ...], code: int, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every verb that prints a document puts into it the very code that it ends with."""
    put_everything(workspace)
    said = call(capsys, *spoken(words, workspace), "--json")

    assert (said.code, said.document["exit_code"]) == (code, code)


def test_json_of_a_check_agrees_with_its_text(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each finding stands in both forms."""
    put_everything(workspace)
    text, machine = call(capsys, "check", workspace), call(capsys, "check", workspace, "--json")

    assert (text.code, machine.code, machine.document["holds"]) == (3, 3, False)
    told = [
        f"promise {each['promise']} does not hold  {each['where']}: " for each in machine.document["findings"]
    ]
    assert told
    assert all(line in text.out for line in told)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("{ws}/none", "--json"), 2),
        (("--json", "{ws}/none"), 2),
        (("plan", "{ws}/none", "--json"), 2),
        (("status", "--json", "{ws}/none"), 2),
        (("check", "{ws}", "--json"), 78),
        (("retry", "{ws}", "7", "--json"), 78),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, tuple) else None,
)
def test_an_error_is_a_document_too(
    words: tuple[str, ...], code: int, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With `--json` a refusal is a document with message and exit code, and the same words on stderr."""
    (workspace / "reconciler.toml").write_text("[nope]\n", "utf-8")
    said = call(capsys, *spoken(words, workspace))

    assert (said.code, said.document["exit_code"], said.document["schema"]) == (code, code, 1)
    assert said.document["error"]["message"] in said.err


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


@pytest.mark.parametrize("verb", [(), ("plan",), ("status",)], ids=" ".join)
@pytest.mark.parametrize("leaf", ["ws", "my ws", "it's", "a;b", "$HOME"])
def test_a_hint_can_be_pasted_into_a_shell(
    leaf: str, verb: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A command in a hint names the workspace as it was typed, quoted for the shell."""
    root = tmp_path / leaf
    put_crossed(root)
    call(capsys, root)
    if verb == ("plan",):
        put_short(root, "2")
    said = call(capsys, *verb, root)

    hinted = [line.partition("-> ")[2] for line in said.out.splitlines() if "-> reconcile " in line]
    assert hinted
    assert all(shlex.split(line)[2] == str(root) for line in hinted)


@pytest.mark.parametrize(
    "words", [("{ws}",), ("plan", "{ws}"), ("status", "{ws}"), ("retry", "{ws}", "3")], ids=" ".join
)
@pytest.mark.parametrize("leaf", ["ws", "my ws", "it's"])
def test_a_hint_in_a_document_can_be_pasted_too(
    leaf: str, words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Hints in JSON hold the workspace as it was typed, quoted, and never the placeholder."""
    root = tmp_path / leaf
    put_everything(root)
    call(capsys, root)
    if words[0] == "plan":
        put_short(root, "6")
    said = call(capsys, *spoken(words, root), "--json")

    hints = [way for each in said.document["batches"] for way in (each["hint"] or "").splitlines()]
    typed = [way for way in hints if way.startswith("reconcile ")]
    assert typed or words[0] == "retry"
    assert all(shlex.split(way)[2] == str(root) for way in typed)
    assert "WORKSPACE" not in said.out


def test_a_hint_of_a_refusal_can_be_pasted_from_the_document(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The hint of an error is the same in JSON and on stderr: with the workspace as it was typed."""
    put_held(tmp_path / "my ws")
    said = call(capsys, "retry", tmp_path / "my ws", "7", "--json")
    hint = said.document["error"]["hint"]

    assert shlex.split(hint)[:3] == ["reconcile", "status", str(tmp_path / "my ws")]
    assert f"  -> {hint}\n" in said.err


def test_a_hint_does_not_take_an_option_for_the_workspace(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An option with a value may stand before the workspace; hints still name the workspace."""
    put_held(workspace)
    said = call(capsys, "retry", "--log-level", "debug", workspace, "7")

    assert f"-> reconcile status {workspace} " in said.err


def test_a_path_that_holds_the_placeholder_stays_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who types the word WORKSPACE itself is told the path that they typed."""
    said = call(capsys, tmp_path / "WORKSPACE")

    assert said.err.endswith(f"-> reconcile init {tmp_path / 'WORKSPACE'}\n")


def test_a_batch_called_like_the_placeholder_keeps_its_name(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A hint about a batch called WORKSPACE names it."""
    put_crossed(workspace, "WORKSPACE")
    said = call(capsys, workspace)

    assert f"-> reconcile dismiss {workspace} WORKSPACE " in said.out


def test_a_relative_workspace_stays_relative_in_hints(tmp_path: Path) -> None:
    """Who typed `./ws` reads `./ws`, not an absolute path."""
    put_crossed(tmp_path / "ws")

    assert "-> reconcile dismiss ./ws 1 " in spawn("./ws", cwd=tmp_path).out


@pytest.mark.parametrize(
    ("words", "typed"),
    [
        pytest.param(("{ws}/no such",), "reconcile init '{ws}/no such'", id="no-such-folder"),
        pytest.param(("init", "{ws}"), "reconcile '{ws}'", id="a-workspace-already"),
        pytest.param(("retry", "{ws}", "7"), "reconcile status '{ws}'", id="no-such-batch"),
        pytest.param(("results", "{ws}", "-o", "{ws}2/x.csv"), "mkdir -p '{ws}2'", id="no-folder"),
        pytest.param(("registry", "export", "{ws}", "{ws}2/x.csv"), "mkdir -p '{ws}2'", id="nor-there"),
    ],
)
def test_a_hint_of_an_error_can_be_pasted_into_a_shell(
    words: tuple[str, ...], typed: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A command in the hint of an error is quoted for the shell as well."""
    root = tmp_path / "my ws"
    put_held(root)
    said = call(capsys, *spoken(words, root))

    assert f"-> {typed.format(ws=root)}" in said.err


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("add", "{ws}", "{file}.txt", "--model", "m", "--provider", "openai"), id="add"),
        pytest.param(("split", "{file}.jsonl", "--into", "{ws}", "--segments", "1"), id="split"),
        pytest.param(("prompt", "{file}.txt", "--workspace", "{ws}", "--worker", "echo"), id="prompt"),
    ],
)
def test_hints_of_verbs_that_make_inputs_name_the_workspace(
    words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is refused for its workspace names that workspace, wherever the verb takes it."""
    root = tmp_path / "my ws"
    put_held(root)
    root.chmod(0o777)
    for end in ("jsonl", "txt"):
        (tmp_path / f"asked.{end}").write_text(json.dumps(request(0)) + "\n")
    said = call(capsys, *(word.format(ws=root, file=tmp_path / "asked") for word in words))

    assert said.code == 78
    assert f"-> reconcile trust '{root}' --owner" in said.err


@pytest.mark.parametrize("words", [("status", "--", "-x"), ("--", "-x")], ids=["verb", "run"])
def test_a_hint_names_a_folder_that_begins_with_a_dash(
    words: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What is hinted at makes that folder, and is not taken for an option."""
    monkeypatch.chdir(tmp_path)
    said = call(capsys, *words)
    (hint,) = [line.partition("-> ")[2] for line in said.err.splitlines() if "-> " in line]

    assert call(capsys, *shlex.split(hint)[1:]).code == 0
    assert (tmp_path / "-x" / "workdir").is_dir()


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


def test_an_error_shows_no_traceback_without_debug(workspace: Path) -> None:
    """A refusal is one line and a hint; `--debug` shows where it came from."""
    (workspace / "reconciler.toml").write_text("[nope]\n", "utf-8")

    assert "Traceback" not in spawn(workspace).err
    assert "Traceback" in spawn(workspace, "--debug").err


def test_a_settled_batch_tells_its_account(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The report of a settled batch counts answers and failures, and the document holds the same numbers."""
    put_settled(workspace, failures=2)
    said = call(capsys, workspace, "--json")

    counts = named(said.document["batches"], "1")["counts"]
    assert (counts["input"], counts["answered"], counts["failed"], counts["missing"]) == (5, 3, 2, 0)
    assert [each["operation"] for each in named(said.document["batches"], "1")["receipts"]] == [
        "match-request-ids",
        "process-output",
        "process-errors",
        "move-to-done",
    ]
