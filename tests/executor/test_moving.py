"""
A batch moves whole, to `done/` or to `quarantine/`, and never over anything that is there.

What a person mends and moves back is tried again.
"""

import errno
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler import engine
from reconciler.model.report import State
from reconciler.session import Options
from tests.executor.quarantining import held_in, put_sound, put_wrong, sound
from tests.proof.disk import Recorder
from tests.workspace.faults import errno_failure
from tests.workspaces import answered, failed, jsonl, live, put, request, run, scratch, settings, tree


@pytest.fixture
def root() -> Iterator[Path]:
    """A place for a workspace."""
    with scratch() as folder:
        yield folder / "w"


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EPERM, errno.EMLINK], ids=errno.errorcode.get)
def test_where_no_links_are_possible_files_are_copied(tmp_path: Path, number: int) -> None:
    """`done/` on another device, or a file system without links, ends in the same workspace."""
    kept = []
    for name, fails in (("linked", False), ("copied", True)):
        root = tmp_path / name
        put_sound(root, "1")
        put_wrong(root, "2")

        def tap(change: str, path: str, *, fails: bool = fails) -> None:
            if fails and change == "link" and "/.staging-" in path:
                failure = errno_failure(number)()
                raise failure

        assert run(root, tap=tap).exit_code == 3
        sound(root)
        kept.append(tree(root))
    assert kept[0] == kept[1]


def test_a_move_removes_the_old_names_only_when_the_new_ones_are_there(root: Path) -> None:
    """Each live name goes after the folder has its final name, and the input goes last."""
    put_sound(root, "1")
    gone = []

    def tap(change: str, path: str) -> None:
        if change == "unlink" and path.startswith("workdir/batch_"):
            assert (root / "done/1/manifest.json").exists()
            gone.append(path)

    run(root, tap=tap)
    assert len(gone) == 4
    assert gone[-1] == "workdir/batch_input_1.jsonl"


@pytest.mark.parametrize(
    "there",
    [
        "files",
        "other-files",
        "empty",
        "file",
    ],
)
def test_what_is_in_done_is_never_overwritten(root: Path, there: str) -> None:
    """A folder or file that has the name already stays, and so does the live batch: exit 3."""
    put_sound(root, "1")
    place = root / "done" / "1"
    place.parent.mkdir()
    if there == "file":
        place.write_bytes(b"mine")
    else:
        place.mkdir()
    if there == "files":
        (place / "batch_input_1.jsonl").write_bytes(jsonl([request(0), request(1)]))
    if there == "other-files":
        (place / "notes.txt").write_bytes(b"mine")
    before = tree(root)
    report = run(root)
    assert report.exit_code == 3
    assert report.batches[0].state is State.ATTENTION
    assert tree(root) == before


def test_the_same_name_again_is_a_clash(root: Path) -> None:
    """A settled name that comes back with other bytes is neither processed nor removed."""
    put_sound(root, "1")
    run(root)
    put(root, "1", input=[request(5)], output=[answered(5)])
    before = tree(root)
    assert run(root).exit_code == 3
    assert tree(root) == before


def test_equal_copies_of_a_settled_batch_are_removed(root: Path) -> None:
    """Live files that are equal to those in done/ are the tail of an interrupted move."""
    put_sound(root, "1")
    run(root)
    before = tree(root)
    for path in (root / "done" / "1").glob("batch_*"):
        shutil.copy(path, live(root) / path.name)
    assert run(root).exit_code == 0
    assert tree(root) == before


def test_what_a_user_restored_is_on_disk_before_its_copies_go(root: Path) -> None:
    """Where somebody has put a settled folder back beside live files, these go once all of it is on disk."""
    files_of = put_sound(root, "1")
    run(root)
    put_sound(root, "1")
    recorder, left = Recorder(root), list[bool]()
    (root / "done/1").rename(root / "old")
    shutil.copytree(root / "old", root / "done/1")

    def looking(change: str, path: str) -> None:
        recorder(change, path)
        if (change, path) == ("unlink", "workdir/batch_input_1.jsonl"):
            for state in recorder.states():
                found = {name: data for name, _, data in state.files}
                restored = {role: found.get(f"done/1/batch_{role}_1.jsonl") for role in files_of}
                left.append(restored == files_of and "done/1/manifest.json" in found)

    engine.reconcile(str(root), settings(), Options(tap=looking, syncs=recorder.synced))
    assert left
    assert all(left)


def test_the_history_of_another_tool_is_copied_and_stays(root: Path) -> None:
    """An input that lies flat in done/ completes its batch by a copy; the flat file keeps bytes and inode."""
    put(root, "1", output=[answered(0)])
    flat = root / "done" / "batch_input_1.jsonl"
    flat.parent.mkdir()
    flat.write_bytes(jsonl([request(0)]))
    before = os.lstat(flat)
    assert run(root).exit_code == 0
    after = os.lstat(flat)
    assert (after.st_ino, after.st_mtime_ns, after.st_nlink) == (before.st_ino, before.st_mtime_ns, 1)
    assert (root / "done/1/batch_input_1.jsonl").read_bytes() == flat.read_bytes()
    sound(root)


def test_quarantine_counts_up(root: Path) -> None:
    """Each batch that is set aside gets a folder of its own: 1.1, 1.2, ..., the highest plus one."""
    first = put_wrong(root, "1")
    run(root)
    second = put(root, "1", input=[request(3)], output=[answered(4)])
    run(root)
    assert held_in(root / "quarantine/1.1") == first
    assert held_in(root / "quarantine/1.2") == second
    shutil.rmtree(root / "quarantine/1.1")
    third = put(root, "1", input=[request(5)], output=[answered(6)])
    run(root)
    assert held_in(root / "quarantine/1.3") == third
    put_wrong(root, "1.1")
    run(root)
    assert (root / "quarantine/1.1.1").is_dir()
    sound(root)


def test_quarantine_keeps_asking(root: Path) -> None:
    """As long as batch files lie there, every pass exits 3 and changes nothing."""
    put_wrong(root, "1")
    run(root)
    before = tree(root)
    report = run(root)
    assert report.exit_code == 3
    assert tree(root) == before
    assert report.batches[0].path == "quarantine/1.1"


def test_the_reason_says_what_is_wrong(root: Path) -> None:
    """reason.json names the ids, where they stand, and how to undo it."""
    output = [answered(0), answered(7), answered(0)]
    put(root, "1", input=[request(0), request(1)], output=output, error=[failed(0), b"?"])
    run(root)
    reason = json.loads((root / "quarantine/1.1/reason.json").read_bytes())
    assert reason["details"]["unknown"] == ['"q-7" (workdir/batch_output_1.jsonl:2)']
    assert reason["details"]["duplicate"] == ['"q-0" (workdir/batch_output_1.jsonl:3)']
    assert reason["details"]["both"] == ['"q-0" (workdir/batch_error_1.jsonl:1)']
    assert "workdir/batch_error_1.jsonl:2" in reason["details"]["corrupt"][0]
    assert set(reason["files"]) == {"batch_input_1.jsonl", "batch_output_1.jsonl", "batch_error_1.jsonl"}
    assert "workdir/" in reason["undo"]


def test_moving_the_files_back_undoes_it(root: Path) -> None:
    """Mended and moved back, the batch settles; quarantine asks no more."""
    put_wrong(root, "1")
    run(root)
    for path in (root / "quarantine/1.1").glob("batch_*"):
        path.rename(live(root) / path.name)
    put(root, "1", output=[answered(0), answered(1)])
    assert run(root).exit_code == 0
    assert (root / "done/1").is_dir()
    sound(root)


def test_moving_the_files_back_unmended_sets_them_aside_again(root: Path) -> None:
    """The same files get the same verdict, in a new folder."""
    wrong = put_wrong(root, "1")
    run(root)
    for path in (root / "quarantine/1.1").glob("batch_*"):
        path.rename(live(root) / path.name)
    assert run(root).exit_code == 3
    assert held_in(root / "quarantine/1.2") == wrong
    sound(root)


def test_a_copy_that_is_mended_does_not_touch_the_one_in_quarantine(root: Path) -> None:
    """A person may copy instead of moving: the copy settles, and the other keeps asking."""
    wrong = put_wrong(root, "1")
    run(root)
    put(root, "1", input=[request(0), request(1)], output=[answered(0), answered(1)])
    report = run(root)
    assert (root / "done/1").is_dir()
    assert held_in(root / "quarantine/1.1") == wrong
    assert report.exit_code == 3
    sound(root)
