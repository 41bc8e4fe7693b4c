"""`reconcile dismiss` of a quarantined batch: its folder, with all that lies in it, becomes a settled one."""

from pathlib import Path

import pytest

from tests.cli.calling import Said, call, put_crossed, put_held, put_settled, put_short
from tests.workspaces import files, ledger, manifest


def put_aside(root: Path, capsys: pytest.CaptureFixture[str], name: str = "1") -> dict[str, bytes]:
    """A quarantined batch with a note of the person in its folder; its files by their names there."""
    put_crossed(root, name)
    assert call(capsys, root).code == 3
    folder = root / "quarantine" / f"{name}.1"
    (folder / "why.txt").write_text("asked the provider on Monday", "utf-8")
    (folder / "attachments").mkdir()
    (folder / "attachments" / "mail.eml").write_text("dear all", "utf-8")
    return files(folder)


def moved(root: Path, name: str) -> dict[str, bytes]:
    """What lies in a settled folder, without the manifest that settled it."""
    return {path: data for path, data in files(root / "done" / name).items() if path != "manifest.json"}


def test_the_whole_folder_moves(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Triple, reason.json and what a person put beside them are in `done/1/`, byte for byte; check agrees."""
    before = put_aside(workspace, capsys)
    said = call(capsys, "dismiss", workspace, "1")

    assert (said.code, said.out) == (0, "1: 1 id given up (failed-items/1.jsonl); the files are in done/1/\n")
    assert moved(workspace, "1") == before
    assert {"reason.json", "why.txt", "attachments/mail.eml"} <= set(before)
    assert list((workspace / "quarantine").iterdir()) == []
    assert manifest(workspace, "1")["name"] == "1"
    assert [each["event"] for each in ledger(workspace)].count("batch.dismissed") == 1
    assert call(capsys, "check", workspace).code == 0
    assert call(capsys, workspace).code == 0


def test_a_live_batch_of_that_name_keeps_it(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Beside a mended copy that is live again, the folder moves to `done/1.q1/` and leaves the copy alone."""
    before = put_aside(workspace, capsys)
    put_held(workspace, "1")
    live = files(workspace / "workdir")
    said = call(capsys, "dismiss", workspace, "1")

    assert (said.code, "the files are in done/1.q1/" in said.out) == (0, True)
    assert moved(workspace, "1.q1") == before
    assert files(workspace / "workdir") == live
    assert call(capsys, "check", workspace).code == 0


def test_a_settled_batch_of_that_name_keeps_it(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the mended copy has settled, the folder moves to `done/1.q1/`, and `done/1/` stays as it is."""
    before = put_aside(workspace, capsys)
    put_settled(workspace, "1")
    call(capsys, workspace, "--only", "1", "-q")
    settled = files(workspace / "done" / "1")
    said = call(capsys, "dismiss", workspace, "1")

    assert (said.code, "the files are in done/1.q1/" in said.out) == (0, True)
    assert moved(workspace, "1.q1") == before
    assert files(workspace / "done" / "1") == settled
    assert call(capsys, "check", workspace).code == 0


def test_every_folder_of_a_name_moves(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A batch that was set aside twice is given up twice: `done/1/` and `done/1.q1/`."""
    first = put_aside(workspace, capsys)
    put_crossed(workspace, "1")
    call(capsys, workspace)
    second = files(workspace / "quarantine" / "1.2")
    said = call(capsys, "dismiss", workspace, "1")

    assert said.code == 0
    assert [moved(workspace, name) for name in ("1", "1.q1")] == [first, second]
    assert list((workspace / "quarantine").iterdir()) == []
    assert call(capsys, "check", workspace).code == 0


def test_a_dismissal_is_a_document(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With `--json` the document says what was given up and where the files are."""
    put_aside(workspace, capsys)
    said = call(capsys, "dismiss", workspace, "1", "--json")

    assert said.document["told"] == ["1: 1 id given up (failed-items/1.jsonl); the files are in done/1/"]
    assert (said.code, said.document["exit_code"], said.document["batches"]) == (0, 0, [])


def refused_in_part(root: Path, capsys: pytest.CaptureFixture[str], *flags: str) -> Said:
    """A dismissal of two batches, of which only the second has something to give up."""
    put_settled(root, "1")
    put_short(root, "2")
    return call(capsys, "dismiss", root, "1", "2", *flags)


def test_a_refusal_is_in_the_document(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One batch refused, the other decided: both are in the document, the hint ready to be typed, and 3."""
    said = refused_in_part(workspace, capsys, "--json")

    assert said.document["refused"] == [
        {"message": "1 has nothing to give up", "hint": f"reconcile plan {workspace}    tells what it needs"}
    ]
    assert said.document["told"] == ["2: 1 missing request given up"]
    assert (said.document["changed"], said.document["exit_code"], said.code) == (True, 3, 3)


def test_a_refusal_beside_a_decision_is_told_like_any_other(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On stderr too the hint names the workspace as it was typed."""
    said = refused_in_part(workspace, capsys)

    hint = f"reconcile plan {workspace}    tells what it needs"
    assert said.err == f"error: 1 has nothing to give up\n  -> {hint}\n"
