"""stdout is data, stderr is for people, and a document says what the text says."""

import re
from pathlib import Path
from typing import Any

import pytest

from reconciler.config import settle
from reconciler.preview import preview
from tests.cli.calling import READERS, call, named, put_crossed, put_everything, put_settled, spawn, spoken
from tests.workspaces import answered, failed, put, request


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


@pytest.mark.parametrize(
    ("statuses", "told"),
    [
        pytest.param((), "1 answered;", id="none"),
        pytest.param((400, 400), "1 answered, 2 failed (invalid-request);", id="of-one-class"),
        pytest.param(
            (400, 400, 403), "1 answered, 3 failed (1 authentication, 2 invalid-request);", id="of-two"
        ),
    ],
)
def test_a_settled_batch_says_what_its_failures_are(
    statuses: tuple[int, ...], told: str, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Their classes, and how many of each where there are several."""
    errors = [failed(n, status) for n, status in enumerate(statuses, 1)]
    roles: dict[str, Any] = {"error": errors} if errors else {}
    asked = [request(n) for n in range(1 + len(errors))]
    put(workspace, "1", input=asked, output=[answered(0)], **roles)
    assert told in call(capsys, workspace).out


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
