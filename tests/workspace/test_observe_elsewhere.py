"""One batch, looked at: what of it is in `done/` and `quarantine/`, and where the rest of its lineage is."""

import os
import shutil
from pathlib import Path

import attrs
import pytest

from reconciler.model.facts import FileFact
from reconciler.model.identity import BatchName, Role
from reconciler.model.record import Record
from reconciler.model.snapshot import ChildFact, Place
from reconciler.model.triple import Shape
from reconciler.workspace.reading import Reading
from tests.workspace.faults import plant
from tests.workspace.looking import NAME, Disk


@pytest.fixture
def ws(tmp_path: Path) -> Disk:
    """An empty workspace."""
    (tmp_path / "workdir").mkdir()
    return Disk(tmp_path)


# done/ and quarantine/


@pytest.mark.parametrize("kind", ["folder", "file", "symlink"])
def test_anything_in_done_counts(ws: Disk, kind: str) -> None:
    """Whatever stands at `done/7`, the name is taken: nothing is submitted for it."""
    ws.triple("i")
    path = ws.root / "done/7"
    path.parent.mkdir()
    plant(path, kind)
    assert ws.look().in_done


def test_an_orphan_gets_its_input_from_flat_history(ws: Disk) -> None:
    """Answers whose input another tool moved flat into `done/` are whole again, with that input."""
    ws.triple("o")
    ws.triple("i", folder="done")
    snap = ws.look()
    assert snap.shape is Shape.ANSWERED
    assert snap.files[Role.INPUT].path == "done/batch_input_7.jsonl"
    assert snap.files[Role.OUTPUT].path == "workdir/batch_output_7.jsonl"
    assert snap.history == {Role.INPUT}
    assert not snap.in_done


def test_history_completes_an_orphan_as_a_whole(ws: Disk) -> None:
    """What was moved with the input comes with it; a live file goes before its namesake in history."""
    ws.triple("e")
    ws.triple("ioe", folder="done")
    snap = ws.look()
    assert {role.value: fact.path.partition("/")[0] for role, fact in snap.files.items()} == {
        "input": "done",
        "output": "done",
        "error": "workdir",
    }


@pytest.mark.parametrize(
    ("live", "history", "shape"),
    [
        pytest.param("o", "e", Shape.ORPHANED, id="no-input-anywhere"),
        pytest.param("i", "io", Shape.WAITING, id="the-input-is-live"),
        pytest.param("io", "ioe", Shape.ANSWERED, id="live-and-answered"),
        pytest.param("", "ioe", Shape.EMPTY, id="history-alone"),
    ],
)
def test_history_is_left_alone_otherwise(ws: Disk, live: str, history: str, shape: Shape) -> None:
    """Only answers without their input are completed from history; it is told in every case."""
    ws.triple(live)
    ws.triple(history, folder="done")
    snap = ws.look()
    assert snap.shape is shape
    assert all(fact.path.startswith("workdir/") for fact in snap.files.values())
    assert {role.value[0] for role in snap.history} == set(history)


def test_metadata_that_another_tool_left_behind(ws: Disk) -> None:
    """Metadata alone is an empty shape with a record; history says that its files were moved away."""
    ws.put("workdir/batch_metadata_7.jsonl", b'{"batch_id":"batch_1"}\n')
    ws.triple("io", folder="done")
    snap = ws.look()
    assert snap.shape is Shape.EMPTY
    assert snap.record is not None
    assert snap.history == {Role.INPUT, Role.OUTPUT}


def test_a_link_in_history_is_no_history(ws: Disk) -> None:
    """A link in `done/` is not followed: the orphan stays one."""
    ws.triple("o")
    ws.put("elsewhere")
    (ws.root / "done").mkdir()
    (ws.root / "done/batch_input_7.jsonl").symlink_to(ws.root / "elsewhere")
    snap = ws.look()
    assert snap.shape is Shape.ORPHANED
    assert snap.history == frozenset()


def test_an_interrupted_move_to_quarantine_is_told_by_hard_links(ws: Disk) -> None:
    """The very files that stand in a quarantine folder too are the tail of a move that was cut off."""
    ws.triple("io")
    folder = ws.root / "quarantine/7.2"
    folder.mkdir(parents=True)
    (folder / "batch_input_7.jsonl").hardlink_to(ws.root / "workdir/batch_input_7.jsonl")
    ws.put("quarantine/7.1/batch_input_7.jsonl", b"another\n")
    assert ws.look().quarantine_tail == "7.2"


def test_a_copy_is_no_interrupted_move(ws: Disk) -> None:
    """A person who copies the files back from quarantine tries again: equal bytes are no tail."""
    ws.triple("io", folder="quarantine/7.1")
    shutil.copytree(ws.root / "quarantine/7.1", ws.root / "workdir", dirs_exist_ok=True)
    assert ws.look().quarantine_tail is None


class FarQuarantine(Reading):
    """A room in which `quarantine/` is another device."""

    def fact(self, path: str) -> FileFact | None:
        """As in any room, but for the device."""
        found = super().fact(path)
        if found is None or not path.startswith("quarantine/"):
            return found
        return attrs.evolve(found, inode=(found.inode[0] + 1, found.inode[1]))


@pytest.mark.parametrize("keeping", ["its-time", "no-time"])
def test_a_copy_from_another_device_is_no_interrupted_move(ws: Disk, keeping: str) -> None:
    """What a person copies back from a quarantine on another device is tried again, and not taken away."""
    ws.triple("io", folder="quarantine/7.1")
    for path in (ws.root / "quarantine/7.1").iterdir():
        os.utime(path, (1_700_000_000, 1_700_000_000))
        copy = shutil.copy2 if keeping == "its-time" else shutil.copy
        copy(path, ws.root / "workdir")
    assert ws.look(room=FarQuarantine).quarantine_tail is None


def test_an_interrupted_move_to_another_device_is_told_by_equal_bytes(ws: Disk) -> None:
    """Copies in quarantine that are younger than the live files were made by a move that was cut off."""
    ws.triple("io")
    for path in (ws.root / "workdir").iterdir():
        os.utime(path, (1_700_000_000, 1_700_000_000))
    ws.triple("io", folder="quarantine/7.1")
    assert ws.look(room=FarQuarantine).quarantine_tail == "7.1"
    ws.put("workdir/batch_input_7.jsonl", b"another\n")
    (ws.root / "workdir/batch_output_7.jsonl").unlink()
    assert ws.look(room=FarQuarantine).quarantine_tail is None


def test_the_quarantine_of_another_batch_is_no_tail(ws: Disk) -> None:
    """Only folders of this very batch are looked at."""
    ws.triple("i")
    folder = ws.root / "quarantine/7.r1.1"
    folder.mkdir(parents=True)
    (folder / "batch_input_7.jsonl").hardlink_to(ws.root / "workdir/batch_input_7.jsonl")
    assert ws.look().quarantine_tail is None


# Lineage


def test_children_are_found_wherever_they_stand(ws: Disk) -> None:
    """A name of the lineage is taken whether it is live, in `done/` or in quarantine; the parent is told."""
    ws.triple("io")
    child = [BatchName(f"7.r{k}") for k in range(6)]
    ws.triple("i", "7.r1")
    ws.record(Record(child[1], parent=NAME))
    ws.record(Record(child[2], parent=child[1]), "done/7.r2")
    ws.triple("io", "7.r3", "quarantine/7.r3.1")
    ws.record(Record(child[3], parent=child[2]), "quarantine/7.r3.1")
    ws.record(Record(child[4], parent=NAME))
    expected = (
        ChildFact(child[1], Place.LIVE, NAME),
        ChildFact(child[2], Place.DONE, child[1]),
        ChildFact(child[3], Place.QUARANTINE, child[2]),
        ChildFact(child[4], Place.LIVE, NAME),
    )
    assert ws.look().children == expected
    assert ws.look("7.r2").children == expected


@pytest.mark.parametrize("data", [None, b"", b"{}", b'{"schema":99}'])
def test_a_child_that_cannot_tell_its_parent(ws: Disk, data: bytes | None) -> None:
    """A name is taken even when its metadata is absent or says nothing."""
    ws.triple("io")
    ws.triple("i", "7.r1")
    if data is not None:
        ws.put("workdir/batch_metadata_7.r1.jsonl", data)
    assert ws.look().children == (ChildFact(BatchName("7.r1"), Place.LIVE, None),)


def test_a_gap_among_the_children_is_no_end(ws: Disk) -> None:
    """A child that was archived elsewhere does not hide the later ones: no number is given twice."""
    ws.triple("i", "7.r2")
    assert ws.look().children == (ChildFact(BatchName("7.r2"), Place.LIVE, None),)
