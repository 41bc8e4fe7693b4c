"""`reconcile add`: prompts and rows become inputs, and what a person may get wrong is told with its line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.authoring.documents import text
from tests.cli.calling import call
from tests.workspaces import record


def _bodies(work: Path) -> list[Any]:
    paths = sorted(work.glob("workdir/batch_input_*"))
    lines = [line for path in paths for line in path.read_text().splitlines()]
    return [json.loads(line) for line in lines]


def test_lines_of_text_become_requests(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One prompt a line; the second call adds what is new and nothing else."""
    prompts = text(tmp_path / "prompts.txt", "one\n\ntwo\n")
    first = call(
        capsys, "add", tmp_path / "ws", prompts, "--model", "gpt-4o-mini", "--param", "temperature=0"
    )
    assert first.code == 0
    assert "2 requests for openai, gpt-4o-mini" in first.out
    assert "nothing was sent" in first.err
    assert [each["body"]["temperature"] for each in _bodies(tmp_path / "ws")] == [0, 0]
    text(prompts, "one\ntwo\nthree\n")
    again = call(
        capsys, "add", tmp_path / "ws", prompts, "--model", "gpt-4o-mini", "--param", "temperature=0"
    )
    assert "2 there already" in again.err
    assert len(_bodies(tmp_path / "ws")) == 3


def test_rows_take_files_and_ids(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Columns name the file, relative to the table, and the id; a schema comes from a file."""
    rows = text(tmp_path / "rows.csv", "city,path,id\nUlm,a.txt,r-1\n")
    text(tmp_path / "a.txt", "A city.")
    schema = text(tmp_path / "city.json", '{"type": "object", "properties": {"people": {"type": "integer"}}}')
    options = (
        "--template",
        "What of {city}?",
        "--file-column",
        "path",
        "--id-column",
        "id",
        "--schema",
        schema,
    )
    said = call(capsys, "add", tmp_path / "ws", rows, "--model", "claude-x", *options, "--json")
    assert said.code == 0
    assert json.loads(said.out)["requests"] == 1
    (line,) = _bodies(tmp_path / "ws")
    assert line["custom_id"] == "r-1"
    assert [part["type"] for part in line["params"]["messages"][0]["content"]] == ["document", "text"]
    assert line["params"]["output_config"]["format"]["schema"]["required"] == ["people"]


def test_a_dry_run_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says what would be made; there is no workspace afterwards."""
    prompts = text(tmp_path / "prompts.txt", "one\n")
    said = call(capsys, "add", tmp_path / "ws", prompts, "--model", "gpt-4o-mini", "--dry-run")
    assert said.code == 0
    assert "nothing was written" in said.err
    assert not (tmp_path / "ws").exists()


@pytest.mark.parametrize(
    ("content", "options", "told"),
    [
        (
            "city,path\nUlm,\n",
            ("--template", "{city}", "--file-column", "path"),
            "rows.csv:2: the column path is empty",
        ),
        ("city\nUlm\n", ("--template", "{town}"), "rows.csv:2: no column town"),
        ("city\nUlm\n", (), "no --template"),
        ("city\nUlm\n", ("--template", "{city}", "--param", "temperature"), "no KEY=VALUE"),
        (
            "city,f\nUlm,b.txt\n",
            ("--template", "{city}", "--file-column", "f"),
            "rows.csv:2: there is no file",
        ),
        ("", ("--template", "{city}"), "rows.csv has nothing to ask"),
        ("city\nUlm\n", ("--template", "{city}", "--canary-share", "0.5"), "--canary 10"),
        ("city\nUlm\n", ("--template", "{city}", "--name", "a b/c", "--dry-run"), "cannot begin the name"),
        (
            "city\nUlm\n",
            ("--template", "{city}", "--provider", "opnai"),
            "error: there is no provider 'opnai'",
        ),
        ("city\nUlm\n", ("--template", "{city}", "--model", "gtp-4"), "error: nobody here knows whose model"),
        ("city\nUlm\n", ("--template", "{city}", "--max-cost-usd", "5 dollars"), "write 5 or 0.50"),
        ("city\nUlm\n", ("--template", "{city}", "--time-limit", "2h30"), "'2h30' is no length of time"),
        (
            "city\nUlm\n",
            ("--template", "{city}", "--schema", "nowhere.json"),
            "there is no file nowhere.json",
        ),
    ],
)
def test_a_mistake_is_told_and_nothing_is_made(
    content: str, options: tuple[str, ...], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Usage errors end with 2, name the line, and leave no workspace behind."""
    rows = text(tmp_path / "rows.csv", content)
    said = call(capsys, "add", tmp_path / "ws", rows, "--model", "gpt-4o-mini", *options)
    assert said.code == 2
    assert told in said.err
    assert not (tmp_path / "ws").exists()


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ('{"name": "Ulm"}', "is it an example?"),
        ('{"type": "objekt"}', "no JSON Schema"),
        ("[1]", "it is no object"),
        ("", "is no JSON"),
    ],
)
def test_a_file_that_is_no_schema_is_named(
    schema: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file is blamed and no row, an example of an answer is no schema, and nothing is made."""
    prompts = text(tmp_path / "prompts.txt", "one\n")
    form = text(tmp_path / "form.json", schema)
    said = call(capsys, "add", tmp_path / "ws", prompts, "--model", "gpt-4o-mini", "--schema", form)
    assert (said.code, "form.json is no JSON" in said.err, told in said.err) == (2, True, True)
    assert "prompt 1" not in said.err
    assert not (tmp_path / "ws").exists()


def test_a_dry_run_says_whether_the_limit_suffices(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The estimate is held against what is left, and a cost that nobody knows does not fit."""
    prompts = text(tmp_path / "prompts.txt", "one\n")
    dry = ("add", tmp_path / "ws", prompts, "--dry-run", "--max-cost-usd")
    assert "it fits: $5.00 left" in call(capsys, *dry, "5", "--model", "gpt-4o-mini").out
    assert "it does not fit: $0.00 left" in call(capsys, *dry, "0", "--model", "gpt-4o-mini").out
    unknown = call(capsys, *dry, "5", "--model", "gpt-9").out
    assert "no estimate: 1 batch of unknown cost" in unknown
    assert "it does not fit" in unknown


def test_a_time_limit_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It stands in the metadata; what is no time is a mistake of whoever typed it."""
    prompts = text(tmp_path / "prompts.txt", "one\n")
    limited = ("add", tmp_path / "ws", prompts, "--model", "gpt-4o-mini", "--time-limit")
    assert call(capsys, *limited, "2h30m").code == 0
    assert record(tmp_path / "ws", "prompts-0001")["limit"]["seconds"] == 9000
    wrong = call(capsys, *limited, "-5m")
    assert (wrong.code, "such as 2h30m" in wrong.err) == (2, True)


def test_what_is_assumed_and_what_is_wasteful_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A number of tokens that Anthropic demands, a sample that goes first, a batch below the least size."""
    prompts = text(tmp_path / "prompts.txt", "one\ntwo\nthree\n")
    (tmp_path / "ws" / "workdir").mkdir(parents=True)
    (tmp_path / "ws" / "reconciler.toml").write_text("[policy]\nmin_items_per_batch = 3\n")
    dry = ("add", tmp_path / "ws", prompts, "--model", "claude-sonnet-4-5", "--dry-run", "--canary", "1")
    told = call(capsys, *dry)
    assert "1 request for anthropic, claude-sonnet-4-5, goes first, max_tokens 1000 for 1 of them" in told.out
    assert "warning: a batch for anthropic, claude-sonnet-4-5 has 2 requests" in told.err
    given = call(capsys, *dry, "--param", "max_tokens=5")
    assert "max_tokens 1000" not in given.out
    found = json.loads(call(capsys, *dry, "--json").out)
    assert [batch["canary"] for batch in found["batches"]] == [True, False]
    assert len(found["warnings"]) == 1
