"""Answers that could not be handled, as the command line tells of them: exit codes, lines, files, verbs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from tests.cli.calling import call, named
from tests.plugging import items, put_answers, texts, unread
from tests.workspaces import results

GOOD: Final = ('{"a": 1}', "```json\n[2]\n```", "so: [3]")
CODE: Final = """
import sys

def shout(result):
    print("said aloud")
    return result.text.upper()

def picky(result):
    if result.custom_id == "q-1":
        raise ValueError("no use")

def count(batch, context):
    context.publish("count.txt", str(batch.answered))

def patient(result):
    return None
"""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A file with processors."""
    path = tmp_path / "mine.py"
    path.write_text(CODE, "utf-8")
    return path


TABLE: Final[Sequence[tuple[str, Sequence[str], str, int, str]]] = (
    ("whole-fenced-prose", GOOD, "json", 0, "settled"),
    ("repaired", ('{"a": 1,}', *GOOD[1:]), "json", 0, "settled"),
    ("broken", (*GOOD[:2], "I cannot say"), "json", 3, "1 answer could not be handled: 1 broken"),
    ("two-broken", (GOOD[0], "no", "no"), "json", 3, "2 answers could not be handled: 2 broken"),
    ("no-number", ("[1e999]", *GOOD[1:]), "json", 3, "1 answer could not be handled: 1 broken"),
    ("text", ("no", "no", "no"), "text", 0, "settled"),
    ("lines", ('{"a": 1}\n{"a": 2}', "[1]\n[2]", "3"), "jsonl", 0, "settled"),
    ("broken-line", ('{"a": 1}\nDone.', "[1]", "3"), "jsonl", 3, "1 answer could not be handled: 1 broken"),
)


@pytest.mark.parametrize(
    ("answers", "content", "code", "line"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_how_json_ends(  # noqa: PLR0913, PLR0917 - the members of a row
    capsys: pytest.CaptureFixture[str],
    workspace: Path,
    answers: Sequence[str],
    content: str,
    code: int,
    line: str,
) -> None:
    """Answers that are the JSON asked for settle; any other holds its batch, and the report says why."""
    put_answers(workspace, 3, output=texts(*answers))
    said = call(capsys, workspace, "--content", content)
    assert said.code == code
    assert line in said.out + said.err
    if code:
        assert "failed-json-repairs/1.jsonl" in said.out + said.err
        assert f"reconcile process {workspace} 1" in said.out + said.err
        assert f"reconcile dismiss {workspace} 1" in said.out + said.err
    assert bool(unread(workspace)) is (code == 3)


@pytest.mark.parametrize("reason", ["length", "max_tokens"])
def test_cut_off(capsys: pytest.CaptureFixture[str], workspace: Path, reason: str) -> None:
    """An answer that the length limit cut off is told as truncated, and its text is kept."""
    (line,) = texts('{"a": [1, 2')
    line["response"]["body"]["choices"][0]["finish_reason"] = reason
    put_answers(workspace, 1, output=[line])
    said = call(capsys, workspace, "--content", "json", "--json")
    assert (said.code, said.document["exit_code"]) == (3, 3)
    row = named(said.document["batches"], "1")
    assert row["state"] == "needs attention"
    assert "1 truncated (failed-json-repairs/1.jsonl)" in row["because"]
    assert [(each["why"], each["text"]) for each in unread(workspace)] == [("truncated", '{"a": [1, 2')]


def test_refused(capsys: pytest.CaptureFixture[str], workspace: Path) -> None:
    """A refusal where JSON was asked for is told in the model's words."""
    (line,) = texts("")
    line["response"]["body"]["choices"][0]["message"] = {
        "role": "assistant",
        "content": None,
        "refusal": "I will not.",
    }
    put_answers(workspace, 1, output=[line])
    assert call(capsys, workspace, "--content", "json").code == 3
    assert [(each["why"], each["reason"]) for each in unread(workspace)] == [
        ("refused", "the model refused: I will not.")
    ]


def test_the_way_out(capsys: pytest.CaptureFixture[str], workspace: Path) -> None:
    """`process` tries again and says so, `dismiss` settles; what was asked for stays in the settings."""
    (workspace / "reconciler.toml").write_text('[output]\ncontent = "json"\n', "utf-8")
    put_answers(workspace, 3, output=texts(*GOOD[:2], "no"))
    assert call(capsys, workspace).code == 3
    again = call(capsys, "process", workspace, "1")
    assert again.code == 3
    assert "1: its answers go to the processor once more" in again.out
    gone = call(capsys, "dismiss", workspace, "1")
    assert gone.code == 0
    assert "1 unhandled answer given up" in gone.out
    assert [line["value"] for line in results(workspace, "1")] == [{"a": 1}, [2], None]
    assert call(capsys, "check", workspace).code == 0
    assert call(capsys, "process", workspace, "1").code == 3


def test_on_failure_settle(capsys: pytest.CaptureFixture[str], workspace: Path) -> None:
    """With `on_failure = "settle"` the batch settles, and the line says what was not handled."""
    (workspace / "reconciler.toml").write_text('[output]\ncontent = "json"\non_failure = "settle"\n', "utf-8")
    put_answers(workspace, 3, output=texts(*GOOD[:2], "no"))
    assert call(capsys, workspace).code == 0
    assert [each["custom_id"] for each in unread(workspace)] == ["q-2"]


def test_a_processor_of_a_file(capsys: pytest.CaptureFixture[str], workspace: Path, code: Path) -> None:
    """A function in a file is called, and what it prints is no data."""
    put_answers(workspace)
    said = call(capsys, workspace, "--output-processor", f"{code}:shout", "--json")
    assert said.code == 0
    assert said.document["exit_code"] == 0
    assert said.err.count("said aloud") == 3
    assert [line["value"] for line in results(workspace, "1")] == [f"ANSWER {n}" for n in range(3)]


def test_a_processor_that_fails(capsys: pytest.CaptureFixture[str], workspace: Path, code: Path) -> None:
    """What it cannot handle ends with 3; a change of the file is a version, and it is called again."""
    put_answers(workspace)
    said = call(capsys, workspace, "--output-processor", f"{code}:picky")
    assert said.code == 3
    assert (
        "1 answer could not be handled: 1 failed in the processor (failed-items/1.jsonl)"
        in said.out + said.err
    )
    assert [each["reason"] for each in items(workspace)] == ["ValueError: no use"]
    code.write_text(CODE.replace('"q-1"', '"q-7"'), "utf-8")
    assert call(capsys, workspace, "--output-processor", f"{code}:picky").code == 0


def test_a_processor_of_batches(capsys: pytest.CaptureFixture[str], workspace: Path, code: Path) -> None:
    """A function of batch and context publishes files."""
    put_answers(workspace)
    assert call(capsys, workspace, "--output-processor", f"{code}:count").code == 0
    assert (workspace / "target" / "1.files" / "count.txt").read_bytes() == b"3"


@pytest.mark.parametrize(
    "name", ["mine.py:nowhere", "nowhere.py:shout", "nosuch_module:f", "nosuch", "mine.py:sys"]
)
def test_code_that_is_not_there(
    capsys: pytest.CaptureFixture[str], workspace: Path, code: Path, name: str
) -> None:
    """A name that leads nowhere ends with 78 before anything is done."""
    put_answers(workspace)
    said = call(capsys, workspace, "--output-processor", f"{code.parent}/{name}" if ".py" in name else name)
    assert said.code == 78
    assert "output.processor" in said.err
    assert not (workspace / ".reconciler").exists()
