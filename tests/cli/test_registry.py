"""`reconcile split`, `reconcile registry` and `--write-registry`, through the real command."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.testing import FakeProvider
from tests.cli.calling import call
from tests.cli.remote import reach
from tests.registries.ancestor import OutputDir, create, ids_of, openai_outputs, requests_of, write_input
from tests.workspaces import jsonl, request


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of eleven requests."""
    path = tmp_path / "reqs.jsonl"
    path.write_bytes(jsonl(request(n) for n in range(11)))
    return path


def test_split_into_a_workspace_says_what_it_made(
    workspace: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line for each input on stdout, the next command on stderr; the same again says that all is there."""
    said = call(capsys, "split", file, "--segments", "3", "--into", workspace)
    again = call(capsys, "split", file, "--segments", "3", "--into", workspace, "--json")

    assert (said.code, said.out.splitlines()[0]) == (0, "reqs_01  4 requests, 604 bytes")
    assert f"11 requests in 3 batches; nothing was sent; then: reconcile {workspace}" in said.err
    assert [row["made"] for row in again.document["batches"]] == [False] * 3
    assert again.document["requests"] == 11


def test_split_another_way_is_refused_with_the_way_out(
    workspace: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second way to split a file ends with 3, and names the flag that does it all the same."""
    call(capsys, "split", file, "--segments", "3", "--into", workspace)

    said = call(capsys, "split", file, "--batch-size", "2", "--into", workspace)

    assert said.code == 3
    assert "split here before, into 3 batches from reqs_01 on" in said.err
    assert "--again" in said.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--segments", "2"], "give one of --into WORKSPACE and -o DIR"),
        (["-o", "out"], "into what?"),
        (["-o", "out", "--segments", "2", "--batch-size", "2"], "exclude each other"),
        (["-o", "out", "--segments", "12"], "do not make 12 segments"),
        (["-o", "out", "--segments", "0"], "1 at the least"),
    ],
)
def test_wrong_words_end_with_2(
    words: list[str], told: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Usage, and nothing is made."""
    words = [str(file.parent / "out") if word == "out" else word for word in words]

    said = call(capsys, "split", file, *words)

    assert (said.code, told in said.err) == (2, True), said
    assert not list(file.parent.glob("out/*"))


def test_split_by_the_limits_of_a_provider(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --provider alone, batches are as large as it takes; lines of another shape are refused."""
    out = file.parent / "out"

    assert call(capsys, "split", file, "-o", out, "--provider", "openai").out.count("\n") == 1
    wrong = call(capsys, "split", file, "-o", out, "--provider", "anthropic", "--name", "x")

    assert wrong.code == 3
    assert "reqs.jsonl:1: a line in the shape of openai; the provider takes lines of anthropic" in wrong.err


def test_import_then_a_pass(
    workspace: Path,
    tmp_path: Path,
    fake_provider: FakeProvider,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A registry of the ancestor: refused rows are told, the others go to done/, nothing is created."""
    there = reach(fake_provider, "openai", monkeypatch, capsys)
    folder = OutputDir(tmp_path / "run 1")
    ids = ids_of("openai", 3)
    folder.path.mkdir()
    path = folder.path / "x.jsonl"
    write_input(path, "openai", requests_of("openai", ids))
    folder.add("openai", create(fake_provider, "openai", path, requests_of("openai", ids)), ids)
    folder.add("openai", "batch_gone", ids_of("openai", 2, 50)).unlink()
    folder.add("openai", "batch_done", ids_of("openai", 2, 70), done="TRUE")
    folder.output(3).write_text(openai_outputs(ids_of("openai", 2, 70)))
    folder.write()

    said = there.call("registry", "import", workspace, folder.path)

    assert said.code == 3
    assert said.out.splitlines() == [
        f"run-1_01  imported: 3 requests; the next pass asks openai for {there.batch_id}",
        "run-1_03  imported: 2 requests; its answers were copied, and are not fetched again",
    ]
    assert "jobs_registry.csv:3 (batch_gone): its input is gone" in said.err
    assert "2 imported, 1 refused; nothing was sent; then: reconcile" in said.err

    done = there.call(workspace, "--wait", "--write-registry")

    assert (done.code, there.creates()) == (0, 1), done
    assert sorted(each.name for each in (workspace / "done").iterdir()) == ["run-1_01", "run-1_03"]
    text = (workspace / "target/jobs_registry.csv").read_text()
    assert text.count(",TRUE,run-1_0") == 2
    known = there.call("registry", "import", workspace, folder.path, "--json").document
    assert [row["outcome"] for row in known["rows"]] == ["known", "refused", "known"]
    exported = there.call("registry", "export", workspace, tmp_path / "r.csv")
    assert (exported.code, (tmp_path / "r.csv").read_text()) == (0, text)


def test_a_folder_without_a_registry(
    workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is usage, with what was looked for."""
    said = call(capsys, "registry", "import", workspace, tmp_path)

    assert (said.code, "holds no jobs_registry.csv" in said.err) == (2, True)


def test_the_setting_in_the_workspace(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`[results] registry = true` keeps it; a text in its place is refused."""
    (workspace / "reconciler.toml").write_text("[results]\nregistry = true\n")
    call(capsys, workspace)
    assert (workspace / "target/jobs_registry.csv").is_file()

    (workspace / "reconciler.toml").write_text('[results]\nregistry = "yes"\n')
    said = call(capsys, workspace)
    assert (said.code, "expected true or false" in said.err) == (78, True)
