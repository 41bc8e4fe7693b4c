"""`--csv`, `--combined` and their settings, through the real command."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.calling import call
from tests.workspaces import answered, put, request, stats


@pytest.fixture
def answers(workspace: Path) -> Path:
    """A workspace with one batch that is answered."""
    put(workspace, "7", input=[request(0), request(1)], output=[answered(1), answered(0)])
    return workspace


@pytest.mark.parametrize(
    ("words", "made"),
    [
        (["--combined"], "combined_results.csv"),
        (["--combined", "all.jsonl"], "all.jsonl"),
        (["--combined=all.csv", "--json"], "all.csv"),
        (["--csv"], "7.results.csv"),
    ],
)
def test_the_flags(answers: Path, capsys: pytest.CaptureFixture[str], words: list[str], made: str) -> None:
    """Each makes its file, which holds what `results` prints of the same."""
    assert call(capsys, answers, *words).code == 0
    shown = call(capsys, "results", answers, "--format", made.rpartition(".")[2]).out
    assert (answers / "target" / made).read_text() == shown
    assert sorted(path.name for path in (answers / "target").iterdir()) == sorted([made, "7.results.jsonl"])


def test_the_settings(answers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`[results]` in `reconciler.toml` does the same, and an empty flag turns it off for once."""
    (answers / "reconciler.toml").write_text("[results]\ncsv = true\ncombined = true\n")
    assert call(capsys, answers, "--combined=").code == 0
    assert not (answers / "target/combined_results.csv").exists()
    assert (answers / "target/7.results.csv").exists()
    assert call(capsys, answers).code == 0
    assert (answers / "target/combined_results.csv").read_text().count("\n") == 3


@pytest.mark.parametrize(("said", "made"), [("true", "combined_results.csv"), ("all.jsonl", "all.jsonl")])
def test_the_environment(
    answers: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, said: str, made: str
) -> None:
    """`RECONCILER_RESULTS_COMBINED` is `true` or a path."""
    monkeypatch.setenv("RECONCILER_RESULTS_COMBINED", said)
    assert call(capsys, answers).code == 0
    assert (answers / "target" / made).exists()


def test_a_workspace_may_not_lead_out_of_itself(
    answers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its own settings end with 78 before anything is done; the same path by a flag is taken."""
    out = tmp_path / "all.csv"
    (answers / "reconciler.toml").write_text(f'[results]\ncombined = "{out}"\n')
    call(capsys, "status", answers)
    said = call(capsys, answers)
    assert (said.code, out.exists(), (answers / "done").exists() and any((answers / "done").iterdir())) == (
        78,
        False,
        False,
    )
    assert f"{answers}/reconciler.toml: results.combined: {out} is a path outside the workspace" in said.err
    assert "name it with a flag, or in your own configuration" in said.err
    assert call(capsys, answers, "--combined", out).code == 0
    before = stats(answers / "done")
    assert out.read_text().count("\n") == 3
    assert call(capsys, answers, "--combined", out).code == 0
    assert stats(answers / "done") == before


def test_a_name_without_a_format(answers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A name whose end says nothing is refused with what may stand there."""
    said = call(capsys, answers, "--combined", "all.xlsx")
    assert (said.code, "results.combined is 'all.xlsx'" in said.err) == (78, True)
    assert ".csv, .jsonl, .ndjson, .parquet, .pq" in said.err
