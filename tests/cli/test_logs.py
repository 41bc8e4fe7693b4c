"""A pass that does something leaves JSON lines in `logs/`; one that does nothing leaves nothing."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from tests.cli.calling import call, controls, put_crossed, put_held, put_settled, put_short, python
from tests.workspaces import answered, put, request

EVENTS: Final = {
    "batch.failed",
    "batch.held",
    "batch.interrupted",
    "batch.needs-attention",
    "batch.planned",
    "batch.settled",
    "batch.waiting",
    "operation.done",
}
"""Names that a person may search for; to rename one is to break their searches."""


def logged(root: Path) -> list[dict[str, Any]]:
    """Every event in `logs/`."""
    return [
        json.loads(line)
        for path in sorted((root / "logs").glob("*.jsonl"))
        for line in path.read_text("utf-8").splitlines()
    ]


def names(root: Path) -> set[str]:
    """The names of the events in `logs/`."""
    return {each["event"] for each in logged(root)}


def test_each_operation_is_one_line(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One JSON object a line, with event, level, time, batch and operation, in the order of the work."""
    put_settled(workspace)
    call(capsys, workspace, "--log-level", "debug")
    found = [each for each in logged(workspace) if each["event"] == "operation.done"]

    assert [(each["level"], each["batch"], each["operation"]) for each in found] == [
        ("debug", "1", "match-request-ids"),
        ("info", "1", "process-output"),
        ("info", "1", "move-to-done"),
    ]
    assert all(each["summary"] for each in found)
    times = [datetime.fromisoformat(each["at"]) for each in found]
    assert times == sorted(times)


def test_matching_is_no_line_by_default(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Matching comes back in every pass, so `logs/` hears of it only at level debug."""
    put_settled(workspace)
    call(capsys, workspace)

    assert [(each["level"], each["event"], each["operation"]) for each in logged(workspace)] == [
        ("info", "operation.done", "process-output"),
        ("info", "operation.done", "move-to-done"),
    ]


def test_the_log_is_a_file_a_day(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file is called after the day, in UTC, and a second pass adds to it."""
    put_settled(workspace)
    call(capsys, workspace)
    first = logged(workspace)
    put_settled(workspace, "2")
    call(capsys, workspace)

    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d\.jsonl", path.name) for path in (workspace / "logs").iterdir())
    assert logged(workspace)[: len(first)] == first
    assert len(logged(workspace)) == 2 * len(first)


def test_events_have_names_that_stay(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No event has a name that is not in the list."""
    put_settled(workspace, "1")
    put_held(workspace, "2")
    put_short(workspace, "3")
    put_crossed(workspace, "4")
    call(capsys, workspace, "--log-level", "debug")

    assert names(workspace) <= EVENTS
    assert {"operation.done", "batch.planned", "batch.settled", "batch.held"} <= names(workspace)
    assert "batch.needs-attention" in names(workspace)


@pytest.mark.parametrize("put", [None, put_held], ids=["empty", "held"])
def test_a_pass_that_does_nothing_writes_no_log(
    put: Any, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing done, nothing logged: not even the folder is made."""
    if put is not None:
        put(workspace)
    call(capsys, workspace)

    assert not (workspace / "logs").exists()


def test_a_pass_over_a_settled_workspace_writes_no_log(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second pass adds no line."""
    put_settled(workspace)
    call(capsys, workspace)
    first = logged(workspace)
    call(capsys, workspace)

    assert logged(workspace) == first


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("debug", {"batch.planned", "operation.done", "batch.settled", "batch.needs-attention"}),
        ("info", {"operation.done", "batch.needs-attention"}),
        ("warning", {"batch.needs-attention"}),
        ("error", set()),
    ],
)
@pytest.mark.parametrize("by", ["flag", "file"])
def test_the_level_says_what_is_worth_a_line(
    by: str, level: str, expected: set[str], workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--log-level` and `[log] level` set the least that is logged."""
    put_settled(workspace, "1")
    put_short(workspace, "2")
    if by == "file":
        (workspace / "reconciler.toml").write_text(f'[log]\nlevel = "{level}"\n', "utf-8")
    call(capsys, workspace, *(["--log-level", level] if by == "flag" else []))

    assert names(workspace) == expected


def test_the_flag_beats_the_file(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--log-level` overrides `[log] level`."""
    put_settled(workspace)
    (workspace / "reconciler.toml").write_text('[log]\nlevel = "debug"\n', "utf-8")
    call(capsys, workspace, "--log-level", "error")

    assert not (workspace / "logs").exists()


STEPS: Final = (
    "1  process-output: published target/1.results.jsonl",
    "1  move-to-done: moved to done/1/",
    "2  needs-attention: 1 of 2 ids has no answer: ",
)
REASONS: Final = (
    "1  planned: its answers are here: hold them against the input (match-request-ids)",
    "1  match-request-ids: 3 ids, each accounted for",
    "1  planned: 3 of 3 answered (process-output, move-to-done)",
    *STEPS[:2],
    "1  settled: moved to done/1/",
    "2  planned: its answers are here: hold them against the input (match-request-ids)",
    "2  match-request-ids: ",
    STEPS[2],
)


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        pytest.param((), (), id="silent"),
        pytest.param(("-q",), (), id="q"),
        pytest.param(("-v",), STEPS, id="v"),
        pytest.param(("-vv",), REASONS, id="vv"),
        pytest.param(("-v", "-v"), REASONS, id="v-v"),
        pytest.param(("-vvv",), REASONS, id="vvv"),
        pytest.param(("-v", "--log-level", "error"), STEPS, id="v-without-log"),
        pytest.param(("-v", "--log-level", "debug"), STEPS, id="v-with-more-log"),
        pytest.param(("--log-level", "debug"), (), id="log-alone"),
    ],
)
def test_stderr_hears_what_was_asked_for(
    flags: tuple[str, ...], told: Sequence[str], workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing by default, each step with -v, the reasons too with -vv, whatever `logs/` takes."""
    put_settled(workspace, "1")
    put_short(workspace, "2")
    lines = call(capsys, workspace, *flags).err.splitlines()

    assert len(lines) == len(told)
    assert [line for line, begin in zip(lines, told, strict=True) if not line.startswith(begin)] == []
    assert controls("".join(lines)) == set()


@pytest.mark.parametrize(
    ("verb", "told"),
    [
        ("retry", "1  needs-attention: "),
        ("dismiss", "1  move-to-done: moved to done/1/"),
    ],
)
def test_a_decision_is_heard_like_a_pass(
    verb: str, told: str, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`retry` and `dismiss` take -v too, and say the steps of the pass that follows them."""
    put_short(workspace)
    said = call(capsys, verb, workspace, "1", "-vv")

    assert all(re.match(r"\S+  [a-z-]+: ", line) for line in said.err.splitlines())
    assert (told in said.err) is (verb == "dismiss")


@pytest.mark.parametrize("kind", ["folder", "link"])
@pytest.mark.parametrize("flags", [(), ("-v",), ("--json",)], ids=" ".join)
def test_a_log_that_cannot_be_written_stops_nothing(
    flags: tuple[str, ...], kind: str, workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every batch settles, one warning says that `logs/` takes nothing, and stdout is what it would be."""
    put_settled(workspace, "1")
    put_settled(workspace, "2")
    mine = tmp_path / "mine"
    mine.write_bytes(b"mine")
    (workspace / "logs").mkdir()
    today = datetime.now(tz=UTC).date()
    for day in (today, today + timedelta(days=1)):
        path = workspace / "logs" / f"{day.isoformat()}.jsonl"
        path.mkdir() if kind == "folder" else path.symlink_to(mine)
    said = call(capsys, workspace, *flags)
    warned = [line for line in said.err.splitlines() if line.startswith("warning: ")]

    assert (said.code, [(workspace / "done" / name).is_dir() for name in "12"]) == (0, [True, True])
    assert len(warned) == 1
    assert re.fullmatch(r"warning: logs/ cannot be written \(.+\); going on without it", warned[0])
    assert ("2  move-to-done: moved to done/2/" in said.err) is ("-v" in flags)
    if "--json" in flags:
        assert said.document["exit_code"] == 0
    assert mine.read_bytes() == b"mine"


@pytest.mark.parametrize("hostile", ["\x1b]0;x\x07", "a\nb", "\u202egnp.exe"], ids=ascii)
def test_a_step_is_one_line_whatever_an_id_is_called(
    hostile: str, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An id in a reason reaches stderr escaped: each line is still `<batch>  <what>: <told>`."""
    lines = [{**request(0), "custom_id": hostile}, request(1)]
    put(workspace, "1", input=lines, output=[answered(1)])
    said = call(capsys, workspace, "-vv")

    assert said.err
    assert all(re.match(r"1  [a-z-]+: \S", line) for line in said.err.splitlines())
    assert controls(said.err) == set()


def test_quiet_is_silent_and_keeps_the_exit_code(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`-q` says nothing at all of a pass that could be made; the code says it."""
    put_crossed(workspace)
    said = call(capsys, workspace, "-q")

    assert (said.code, said.out, said.err) == (3, "", "")


def test_quiet_still_tells_errors(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A pass that could not be made is said on stderr even with `-q`."""
    assert "error:" in call(capsys, workspace / "none", "-q").err


def test_quiet_still_gives_the_document(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`-q --json` prints the document: it is data."""
    assert call(capsys, workspace, "-q", "--json").document["exit_code"] == 0


def test_verbose_leaves_stdout_alone(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Logs go to stderr: the document on stdout is whole."""
    put_settled(workspace)
    said = call(capsys, workspace, "-vv", "--json")

    assert said.document["changed"] is True
    assert "1  planned: 3 of 3 answered (process-output, move-to-done)\n" in said.err


def test_the_log_is_not_the_terminal(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A log line holds no control character, whatever an id is called."""
    hostile = {"custom_id": "\x1b]0;x\x07", "method": "POST", "url": "/v1/chat/completions", "body": {}}
    lines = json.dumps(hostile) + "\n" + json.dumps({**hostile, "custom_id": "b"}) + "\n"
    (workspace / "workdir" / "batch_input_1.jsonl").write_text(lines, "utf-8")
    (workspace / "workdir" / "batch_output_1.jsonl").write_text('{"custom_id":"\\u001b[2Jx"}\n', "utf-8")
    call(capsys, workspace, "-vv", "--log-level", "debug")

    for path in (workspace / "logs").iterdir():
        assert controls(path.read_text("utf-8")) == set()


def test_structlog_is_left_as_it_was(workspace: Path) -> None:
    """A program that calls the command line keeps its own structlog configuration."""
    put_settled(workspace)
    said = python(
        "import sys, structlog\n"
        "from reconciler.cli.main import main\n"
        "before = dict(structlog.get_config())\n"
        "code = main([sys.argv[1], '-vv'])\n"
        "assert dict(structlog.get_config()) == before\n"
        "assert not structlog.is_configured()\n"
        "sys.exit(code)",
        workspace,
    )

    assert (said.code, "1  planned: " in said.err) == (0, True)
