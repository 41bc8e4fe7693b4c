"""`reconcile results`: one table of all answers, in each format, on a terminal and in files."""

import csv
import io
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from reconciler.errors import Interrupted
from reconciler.model.rows import COLUMNS
from reconciler.processors.parquet import pyarrow
from reconciler.results import Results
from tests.cli.calling import COMMAND, WAIT, call, controls, environment, on_terminal, spawn
from tests.workspaces import answered, failed, files, put, request, run, settings


def said(n: int, text: str) -> dict[str, Any]:
    """The answer to request number *n*, in words."""
    line = answered(n)
    line["response"]["body"]["choices"][0]["message"]["content"] = text
    return line


@pytest.fixture
def two(workspace: Path) -> Path:
    """Two settled batches with three answers and a failure."""
    put(workspace, "1", input=[request(0), request(1)], output=[answered(1)], error=[failed(0, 400)])
    put(workspace, "2", input=[request(0), request(1)], output=[said(1, "=1+1"), said(0, 'a,"b"\nc')])
    run(workspace)
    return workspace


def in_csv(text: str) -> list[dict[str, str]]:
    """The rows of a CSV text."""
    return list(csv.DictReader(io.StringIO(text, newline="")))


def in_lines(text: str) -> list[dict[str, Any]]:
    """The rows of JSON Lines."""
    return [json.loads(line) for line in text.splitlines()]


def test_every_format_has_the_same_rows(
    two: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """JSON Lines, CSV and Parquet hold the same rows in the same order, with the same columns."""
    for leaf in ("all.jsonl", "all.csv", "all.parquet"):
        assert call(capsys, "results", two, "-o", tmp_path / leaf, "--raw-cells").code == 0
    lines = in_lines((tmp_path / "all.jsonl").read_text("utf-8"))
    table = pyarrow()[1].read_table(tmp_path / "all.parquet")
    assert table.column_names == list(COLUMNS)
    assert [list(row) for row in lines] == [list(COLUMNS)] * 4
    assert table.to_pylist() == lines
    assert in_csv((tmp_path / "all.csv").read_text("utf-8")) == [
        {name: "" if value is None else str(value) for name, value in row.items()} for row in lines
    ]
    assert [(row["lineage"], row["custom_id"], row["outcome"], row["text"]) for row in lines] == [
        ("1", "q-0", "failed", None),
        ("1", "q-1", "answered", "answer 1"),
        ("2", "q-0", "answered", 'a,"b"\nc'),
        ("2", "q-1", "answered", "=1+1"),
    ]
    shown = call(capsys, "results", two, "--format", "table", "--columns", "lineage,custom_id,outcome").out
    assert [line.split() for line in shown.splitlines()[1:]] == [
        [row["lineage"], row["custom_id"], row["outcome"]] for row in lines
    ]


def test_a_pipe_gets_lines_and_a_terminal_a_table(two: Path) -> None:
    """What is not said is chosen by who reads."""
    assert spawn("results", two).out.startswith('{"custom_id":"q-0"')
    code, seen = on_terminal([*COMMAND, "results", two], COLUMNS="80")
    assert code == 0
    assert seen.split()[:3] == ["custom_id", "outcome", "batch"]


def test_no_cell_is_a_formula(two: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A cell that a spreadsheet would run gets an apostrophe, unless raw cells are asked for."""
    words = ("results", two, "--format", "csv", "--columns", "text")
    assert call(capsys, *words).out.splitlines()[-1] == "'=1+1"
    assert call(capsys, *words, "--raw-cells").out.splitlines()[-1] == "=1+1"


def test_only_and_columns_and_names(two: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows and columns are chosen, columns in the order in which they are named."""
    words = ("results", two, "--format", "jsonl", "--columns", "batch,custom_id")
    assert in_lines(call(capsys, *words, "--only", "failed").out) == [{"batch": "1", "custom_id": "q-0"}]
    assert len(in_lines(call(capsys, *words, "--only", "ok").out)) == 3
    assert [row["batch"] for row in in_lines(call(capsys, *words, "2").out)] == ["2", "2"]


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        pytest.param(["--columns", "id"], "no column is called 'id'", id="column"),
        pytest.param(["--columns", ","], "names no column", id="no-column"),
        pytest.param(["--columns", "text,text"], "or one twice", id="twice"),
        pytest.param(["9"], "no batch is called 9", id="name"),
        pytest.param(["-o", "{tmp}/x.docx"], "no format is known", id="suffix"),
        pytest.param(["-o", "{tmp}/no/x.csv"], "there is no folder", id="folder"),
        pytest.param(["-o", "{tmp}/x.csv/", "--format", "csv"], "names no file", id="a-folder"),
        pytest.param(["-o", "", "--format", "csv"], "names no file", id="nothing"),
        pytest.param(["-o", "/dev/null", "--format", "csv"], "no regular file", id="device"),
        pytest.param(["-o", "{root}/workdir/x.csv"], "files of its own", id="live"),
        pytest.param(["-o", "{root}/done/1/manifest.csv"], "files of its own", id="done"),
        pytest.param(["-o", "{root}/done/../.reconciler/x.csv"], "files of its own", id="private"),
        pytest.param(["-o", "{root}/target/1.results.jsonl"], "files of its own", id="published"),
        pytest.param(["-o", "{root}/batch_input_9.jsonl"], "files of its own", id="input"),
    ],
)
def test_what_cannot_be_is_refused(
    words: list[str], wanted: str, two: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong word ends with 2 and says what would be right; nothing is touched."""
    before = files(two)
    found = call(capsys, "results", two, *(word.format(tmp=tmp_path, root=two) for word in words))
    assert (found.code, wanted in found.err) == (2, True), found.err
    assert files(two) == before


def test_a_file_is_replaced_whole(two: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """An older file stands until the new one is whole; no temporary one is left; a link leads to its file."""
    target, link = tmp_path / "all.csv", tmp_path / "link.csv"
    target.write_text("old")
    link.symlink_to(target)
    call(capsys, "results", two, "-o", link)
    assert link.is_symlink()
    assert len(in_csv(target.read_text("utf-8"))) == 4
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["all.csv", "link.csv"]


def test_what_is_not_there_is_told(two: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A batch of which nothing can be read ends the command with 3; the others have their rows."""
    shutil.rmtree(two / "target")
    (two / "done" / "2" / "batch_input_2.jsonl").unlink()
    found = call(capsys, "results", two, "-o", tmp_path / "x.jsonl")
    assert found.code == 3
    assert "done/2/: its files are gone, and so is what it published" in found.err
    assert len(in_lines((tmp_path / "x.jsonl").read_text("utf-8"))) == 2


def test_a_reader_that_goes_away_ends_it(workspace: Path) -> None:
    """A closed pipe ends the command with 141 and without a traceback."""
    count = 3000
    put(workspace, "1", input=[request(n) for n in range(count)], output=[answered(n) for n in range(count)])
    run(workspace)
    with subprocess.Popen(
        [*COMMAND, "results", str(workspace)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        told = process.stderr.read().decode()
        assert process.wait(WAIT) == 141
    assert told == ""


@pytest.mark.parametrize("leaf", ["x.csv", "x.jsonl", "x.parquet"])
def test_an_interrupt_leaves_no_file(two: Path, tmp_path: Path, leaf: str) -> None:
    """Somebody asks for an end while a file is written: neither it nor a temporary one is there."""
    looks = iter(range(1000))
    found = Results(str(two), settings(), stopping=lambda: next(looks) >= 2)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(Interrupted):
        found.write(str(tmp_path / leaf))
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("width", [80, 200])
def test_a_table_fits_its_terminal(width: int, workspace: Path) -> None:
    """No line is wider than the terminal, and nothing in it could move a cursor."""
    texts = ["\x1b[31mred", "wide \u6f22\u5b57 " * 40, "two\nlines", "\u202eback"]
    put(
        workspace,
        "1",
        input=[request(n) for n in range(4)],
        output=[said(n, text) for n, text in enumerate(texts)],
    )
    run(workspace)
    code, seen = on_terminal([*COMMAND, "results", workspace], COLUMNS=str(width))

    assert code == 0
    lines = seen.replace("\r\n", "\n").splitlines()
    assert len(lines) == 5
    assert max(map(cell_len, lines)) <= width
    assert controls(seen, "\r\n") == set()


def test_parquet_without_its_library(two: Path, tmp_path: Path) -> None:
    """Where pyarrow is missing, the command to install it is told, and no file is made."""
    (tmp_path / "hide").mkdir()
    (tmp_path / "hide" / "pyarrow.py").write_text("raise ImportError('hidden')")
    path = os.pathsep.join([str(tmp_path / "hide"), environment()["PYTHONPATH"]])
    found = spawn("results", two, "-o", tmp_path / "x.parquet", PYTHONPATH=path)
    assert found.code == 2
    assert "pip install 'reconciler[parquet]'" in found.err
    assert not (tmp_path / "x.parquet").exists()
