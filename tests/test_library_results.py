"""Results through the Python API: of a batch, of a workspace, of all that has finished; files and frames."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler import BatchReport, Report, State, Workspace, reconcile
from reconciler.errors import UsageError
from reconciler.model.identity import BatchName
from reconciler.processors.parquet import pyarrow
from tests.workspaces import answered, failed, put, request, run, scratch


@pytest.fixture
def root() -> Iterator[Path]:
    """A place for a workspace, in memory."""
    with scratch() as folder:
        yield folder / "w"


def go(root: Path) -> Report:
    """One pass under built-in settings."""
    return reconcile(root, environment=False)


def test_a_report_leads_to_the_results_of_its_batches(root: Path) -> None:
    """Each batch says whether it is done, and its rows are read when they are wanted."""
    put(root, "1", input=[request(0)], output=[answered(0)])
    put(root, "2", input=[request(0)])
    report = go(root)
    assert [(batch.name, batch.done) for batch in report.batches] == [("1", True), ("2", False)]
    assert [row.text for row in report.batch("1").results()] == ["answer 0"]
    assert [row.outcome.value for row in report.batch("2").results()] == ["pending"]


def test_combined_spans_earlier_runs(root: Path) -> None:
    """Empty while nothing has finished; then every finished batch, whichever pass has settled it."""
    put(root, "1", input=[request(0)])
    assert list(go(root).combined()) == []
    put(root, "2", input=[request(0), request(1)], output=[answered(1)], error=[failed(0)])
    go(root)
    put(root, "3", input=[request(0)], output=[answered(0)])
    combined = go(root).combined()
    assert [(row.lineage, row.custom_id) for row in combined] == [("2", "q-0"), ("2", "q-1"), ("3", "q-0")]


def test_rows_files_and_frames_are_equal(root: Path, tmp_path: Path) -> None:
    """A DataFrame holds what a Parquet file holds, row for row."""
    put(root, "1", input=[request(0), request(1)], output=[answered(1)], error=[failed(0)])
    run(root)
    rows = Workspace.open(root, environment=False).results()
    table = pyarrow()[1].read_table(rows.write(str(tmp_path / "x.parquet")))
    frame = rows.dataframe()
    assert frame.astype(object).where(frame.notna(), None).to_dict("records") == table.to_pylist()
    assert [row["text"] for row in table.to_pylist()] == [None, "answer 1"]
    assert len(Workspace.open(root, environment=False).results(only="ok").dataframe(["text"])) == 1


def test_wrong_words_are_refused(root: Path) -> None:
    """An unknown part or column is an error that names what there is."""
    put(root, "1", input=[request(0)], output=[answered(0)])
    workspace = Workspace.open(root, environment=False)
    with pytest.raises(UsageError, match="only is 'all'"):
        workspace.results(only="all")  # type: ignore[arg-type] # the mistake that is refused
    with pytest.raises(UsageError, match="no column is called 'id'"):
        workspace.results().dataframe(["id"])
    with pytest.raises(UsageError, match="no format is called 'table'"):
        workspace.results().write("x.csv", "table")


def test_a_file_may_be_a_path(root: Path, tmp_path: Path) -> None:
    """`write` takes what every other call takes for a file."""
    put(root, "1", input=[request(0)], output=[answered(0)])
    found = Workspace.open(root, environment=False).results().write(tmp_path / "x.csv", columns=["custom_id"])
    assert (found, (tmp_path / "x.csv").read_text()) == (str(tmp_path / "x.csv"), "custom_id\nq-0\n")


def test_a_report_of_nobody_leads_nowhere() -> None:
    """A report that was not given by the library says so when results are asked of it."""
    with pytest.raises(ValueError, match="does not know its workspace"):
        BatchReport(BatchName("1"), State.SETTLED, "").results()
