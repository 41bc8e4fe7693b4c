"""One batch, looked at: its shape, its record, and where the rest of its lineage stands."""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import attrs
import pytest

from reconciler.model.facts import FileFact
from reconciler.model.identity import BatchName, Role, file_name
from reconciler.model.record import Record, Submission
from reconciler.model.snapshot import ChildFact, Glance, Matched, Place, Snapshot
from reconciler.model.triple import Shape
from reconciler.workspace import metadata
from reconciler.workspace.layout import Layout
from reconciler.workspace.observe import GLANCE_LIMIT, METADATA_LIMIT, TRIPLE, glance, observe, vet
from reconciler.workspace.reading import Reading
from reconciler.workspace.scan import scan
from tests.workspace.faults import plant

NAME = BatchName("7")
RECORD = Record(NAME, generation=3, provider="openai", state=Submission.SUBMITTED, batch_id="batch_1")


@attrs.define
class Disk:
    """A workspace on disk, and a look at batch 7 in it."""

    root: Path

    def put(self, path: str, data: bytes = b"{}\n") -> Path:
        """Write a file, and the folders above it."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        return file

    def triple(self, roles: str, name: str = "7", folder: str = "workdir") -> None:
        """Write a file for each letter: input, output, error."""
        for role in (Role.INPUT, Role.OUTPUT, Role.ERROR):
            if role.value[0] in roles:
                self.put(f"{folder}/{file_name(role, name)}", f"{role.value} of {name}\n".encode())

    def record(self, record: Record, folder: str = "workdir") -> None:
        """Write a metadata file."""
        self.put(f"{folder}/{file_name(Role.METADATA, record.name)}", metadata.encode(record))

    def look(
        self, name: str = "7", *, matched: Matched | None = None, room: type[Reading] = Reading
    ) -> Snapshot:
        """Scan and observe."""
        look = room(str(self.root))
        try:
            layout = Layout(str(self.root), "workdir")
            return observe(look, layout, scan(look, layout), BatchName(name), matched)
        finally:
            look.close()


@pytest.fixture
def ws(tmp_path: Path) -> Disk:
    """An empty workspace."""
    (tmp_path / "workdir").mkdir()
    return Disk(tmp_path)


# At a glance


class OneShortRead(Reading):
    """A room in which a batch is listed and its metadata is peeked at, and nothing else."""

    def _refuse(self, path: str) -> NoReturn:
        pytest.fail(f"{path} was looked at")

    kind = fact = seen = readable = read = open = digest = _refuse  # type: ignore[assignment]  # none may be called


def first_look(ws: Disk, name: str = "7", room: type[Reading] = OneShortRead) -> Glance:
    """Scan with all that takes, then glance."""
    layout, plain, look = Layout(str(ws.root), "workdir"), Reading(str(ws.root)), room(str(ws.root))
    try:
        return glance(look, layout, scan(plain, layout), BatchName(name))
    finally:
        plain.close()
        look.close()


@pytest.mark.parametrize("with_record", ["alone", "with-metadata"])
@pytest.mark.parametrize("roles", ["i", "io", "ie", "ioe", "o", "oe"])
def test_a_glance_sees_what_a_look_sees(ws: Disk, roles: str, with_record: str) -> None:
    """The same files and the same record, though no file but the metadata is touched."""
    ws.triple(roles)
    if with_record == "with-metadata":
        ws.record(RECORD)
    seen, full = first_look(ws), ws.look()
    assert not seen.odd
    assert [role for role in TRIPLE if role in seen.roles] == list(full.files)
    if full.answers:
        assert seen.record is None
        assert seen.at_provider == (() if full.record is None else full.record.at_provider)
    else:
        assert seen.record == full.record


@pytest.mark.parametrize("roles", ["i", "io"])
def test_a_damaged_account_is_never_passed_over(ws: Disk, roles: str) -> None:
    """With answers here it shows at the full look that comes before every step; without, at a glance too."""
    ws.triple(roles)
    ws.put("workdir/batch_metadata_7.jsonl", metadata.encode(RECORD)[:-2] + b',"coverage":{"input":7}}\n')
    seen, full = first_look(ws), ws.look()
    assert seen.odd is (roles == "i")
    assert full.record is None
    assert full.bad_record is not None


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("kind", ["symlink", "folder", "fifo"])
def test_what_is_no_file_is_odd_at_a_glance(ws: Disk, role: Role, kind: str) -> None:
    """A link, a folder or a FIFO under any of the four names is left to a full look, unopened."""
    ws.triple("ioe".replace(role.value[0], ""))
    plant(ws.root / "workdir" / file_name(role, "7"), kind, ws.put("elsewhere"))
    assert first_look(ws).odd


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{}\n", id="no-fields"),
        pytest.param(metadata.encode(RECORD)[:-10], id="cut"),
        pytest.param(b'{"schema":2}\n', id="newer"),
        pytest.param(metadata.encode(attrs.evolve(RECORD, name=BatchName("8"))), id="another"),
        pytest.param(metadata.encode(RECORD) + b" " * GLANCE_LIMIT, id="long"),
    ],
)
def test_metadata_that_is_odd_at_a_glance(ws: Disk, data: bytes) -> None:
    """Metadata that cannot be trusted, or is very long, is left to a full look; never read as none."""
    ws.triple("io")
    ws.put("workdir/batch_metadata_7.jsonl", data)
    seen = first_look(ws)
    assert seen.odd
    assert seen.record is None


def test_names_that_are_odd_at_a_glance(ws: Disk) -> None:
    """A clash of case, a folder in quarantine, a batch that the scan has not seen: all want a full look."""
    ws.triple("i", "job")
    ws.triple("i", "Job")
    ws.triple("i")
    ws.triple("o", "7", "quarantine/7.1")
    ws.triple("i", "8")
    odd = {name: first_look(ws, name).odd for name in ("job", "Job", "7", "8", "9")}
    if len(list((ws.root / "workdir").iterdir())) == 4:
        assert odd == {"job": True, "Job": True, "7": True, "8": False, "9": True}


def test_metadata_that_vanished_since_the_scan_is_odd(ws: Disk) -> None:
    """What the scan has listed and the glance cannot read is not taken for absent."""
    ws.triple("i")
    ws.record(RECORD)
    look, layout = Reading(str(ws.root)), Layout(str(ws.root), "workdir")
    listing = scan(look, layout)
    (ws.root / "workdir/batch_metadata_7.jsonl").unlink()
    seen = glance(look, layout, listing, NAME)
    look.close()
    assert (seen.odd, seen.record) == (True, None)


@pytest.mark.parametrize("there", ["", "done/7/x", "done/batch_output_7.jsonl", "done/batch_input_7.jsonl"])
def test_vetting_sees_what_may_refuse(ws: Disk, there: str) -> None:
    """The input, the record and the name in `done/` are those of a full look."""
    ws.triple("i")
    ws.record(RECORD)
    if there:
        ws.put(there)
    look, layout = Reading(str(ws.root)), Layout(str(ws.root), "workdir")
    vetted = vet(look, layout, glance(look, layout, scan(look, layout), NAME))
    look.close()
    assert vetted is not None
    assert attrs.evolve(vetted, seen_at=0) == attrs.evolve(ws.look(), seen_at=0)


@pytest.mark.parametrize("damage", ["remove", "folder", "unreadable", "odd"])
def test_what_vetting_leaves_to_a_full_look(ws: Disk, damage: str) -> None:
    """An input that vanished, became something else or may not be read, or anything odd: look in full."""
    ws.triple("i")
    path = ws.root / "workdir/batch_input_7.jsonl"

    class Forbidden(Reading):
        """A disk that forbids every file, to root as well."""

        def readable(self, path: str) -> bool:
            """Never."""
            return not path

    look = (Forbidden if damage == "unreadable" else Reading)(str(ws.root))
    layout = Layout(str(ws.root), "workdir")
    seen = glance(look, layout, scan(look, layout), NAME)
    if damage in ("remove", "folder"):
        path.unlink()
    if damage == "folder":
        path.mkdir()
    vetted = vet(look, layout, attrs.evolve(seen, odd=damage == "odd"))
    look.close()
    assert vetted is None


# Shapes


@pytest.mark.parametrize(
    ("roles", "shape"),
    [
        ("", Shape.EMPTY),
        ("i", Shape.WAITING),
        ("io", Shape.ANSWERED),
        ("ie", Shape.FAILED),
        ("ioe", Shape.MIXED),
        ("o", Shape.ORPHANED),
        ("e", Shape.ORPHANED),
        ("oe", Shape.ORPHANED),
    ],
)
@pytest.mark.parametrize("with_record", ["alone", "with-metadata"])
def test_shapes(ws: Disk, roles: str, shape: Shape, with_record: str) -> None:
    """Which files exist makes the shape, whether there is metadata or not; each is told as it stands."""
    ws.triple(roles)
    if with_record == "with-metadata":
        ws.record(RECORD)
    snap = ws.look()
    assert snap.shape is shape
    assert {role.value[0] for role in snap.files} == set(roles)
    assert snap.record == (RECORD if with_record == "with-metadata" else None)
    assert (snap.bad_record, snap.problems, snap.in_done, snap.history) == (None, (), False, frozenset())
    for role, fact in snap.files.items():
        path = ws.root / "workdir" / file_name(role, "7")
        assert (fact.path, fact.size) == (f"workdir/{path.name}", path.stat().st_size)


def test_an_empty_file_is_there(ws: Disk) -> None:
    """A file of zero bytes is present and empty, never absent."""
    ws.triple("io")
    ws.put("workdir/batch_error_7.jsonl", b"")
    snap = ws.look()
    assert snap.shape is Shape.MIXED
    assert snap.files[Role.ERROR].size == 0


def test_looking_at_a_flat_workspace(tmp_path: Path) -> None:
    """Without `workdir/` the root is the live directory."""
    ws = Disk(tmp_path)
    ws.triple("io", folder=".")
    look = Reading(str(tmp_path))
    layout = Layout(str(tmp_path), "")
    snap = observe(look, layout, scan(look, layout), NAME)
    look.close()
    assert snap.shape is Shape.ANSWERED
    assert snap.files[Role.INPUT].path == "batch_input_7.jsonl"


# Metadata


@pytest.mark.parametrize(
    ("data", "why"),
    [
        pytest.param(b"", "is empty, which is not the same as no metadata", id="empty"),
        pytest.param(b" \n\n", "is empty, which is not the same as no metadata", id="blank"),
        pytest.param(metadata.encode(RECORD)[:-10], "is not JSON", id="cut"),
        pytest.param(b"\x00" * 100, "is not JSON", id="zeroes"),
        pytest.param(b"[]\n", "holds no JSON object", id="list"),
        pytest.param(b"{}\n", "says nothing that can be trusted", id="no-fields"),
        pytest.param(b'{"schema":2}\n', "written by a newer version", id="newer"),
        pytest.param(
            metadata.encode(attrs.evolve(RECORD, name=BatchName("8"))), "speaks of batch '8'", id="8"
        ),
    ],
)
def test_bad_metadata_is_never_no_metadata(ws: Disk, data: bytes, why: str) -> None:
    """Empty, corrupt, newer and foreign metadata are told apart from absent metadata, with the path."""
    ws.triple("io")
    ws.put("workdir/batch_metadata_7.jsonl", data)
    snap = ws.look()
    assert snap.record is None
    assert snap.bad_record is not None
    assert why in snap.bad_record
    assert "workdir/batch_metadata_7.jsonl" in snap.bad_record
    assert snap.shape is Shape.ANSWERED


def test_oversized_metadata_is_not_read(ws: Disk) -> None:
    """A metadata file that is far too large is refused by its size, without being read."""
    ws.triple("i")
    with ws.put("workdir/batch_metadata_7.jsonl").open("wb") as file:
        file.truncate(METADATA_LIMIT + 1)

    class NoReads(Reading):
        """A room in which nobody may read."""

        def read(self, path: str) -> bytes:
            """Refuse."""
            pytest.fail(f"{path} was read")

    snap = ws.look(room=NoReads)
    assert snap.record is None
    assert (
        snap.bad_record
        == f"workdir/batch_metadata_7.jsonl has {METADATA_LIMIT + 1} bytes: no metadata is that large"
    )


def test_looking_opens_no_input_and_no_answers(ws: Disk) -> None:
    """However large the files are, looking at a batch reads its metadata only."""
    ws.triple("ioe")
    ws.record(RECORD)
    ws.put("done/batch_input_7.jsonl")

    class Watched(Reading):
        """A room that tells what is read."""

        def read(self, path: str) -> bytes:
            """Remember and read."""
            read.append(path)
            return super().read(path)

        def digest(self, path: str) -> None:  # type: ignore[override]  # it must not be called
            """Refuse."""
            pytest.fail(f"{path} was digested")

    read: list[str] = []
    ws.look(room=Watched)
    assert read == ["workdir/batch_metadata_7.jsonl"]


def test_a_record_of_the_rust_tools(ws: Disk) -> None:
    """Four ids and nothing else are a submitted batch whose provider the prefix tells."""
    ws.triple("i")
    ws.put(
        "workdir/batch_metadata_7.jsonl",
        b'{"batch_id":"batch_1","input_file_id":"file-1","output_file_id":null,"error_file_id":null}\n',
    )
    record = ws.look().record
    assert record is not None
    assert (record.provider, record.state, record.batch_id) == ("openai", Submission.SUBMITTED, "batch_1")


# What may not be touched


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize(
    ("kind", "what"),
    [("symlink", "a symbolic link; links are not followed"), ("folder", "a folder"), ("fifo", "a FIFO")],
)
def test_what_is_no_file_is_a_problem(ws: Disk, role: Role, kind: str, what: str) -> None:
    """A link, a folder or a FIFO under any of the four names is a problem of this batch and no file of it."""
    ws.triple("ioe".replace(role.value[0], ""))
    path = ws.root / "workdir" / file_name(role, "7")
    ws.put("elsewhere", metadata.encode(RECORD))
    plant(path, kind, ws.root / "elsewhere")
    snap = ws.look()
    (problem,) = snap.problems
    assert problem.startswith(f"workdir/{path.name} is {what}")
    assert role not in snap.files
    assert snap.record is None


@pytest.mark.parametrize("role", list(Role))
def test_an_unreadable_file_is_a_problem(ws: Disk, role: Role) -> None:
    """A file that may not be read is a problem, whichever it is, and metadata among them is not absent."""
    ws.triple("ioe")
    ws.record(RECORD)
    path = f"workdir/{file_name(role, '7')}"

    class Forbidden(Reading):
        """A disk that forbids one file, to root as well."""

        def readable(self, asked: str) -> bool:
            """Whether it is another file."""
            return asked != path

    snap = ws.look(room=Forbidden)
    assert snap.problems == (f"{path} cannot be read (permission denied)",)
    assert role not in snap.files


def test_a_clash_of_case_is_a_problem(ws: Disk) -> None:
    """Two names that differ only by case are a problem of both."""
    ws.triple("i", "job")
    ws.triple("i", "Job")
    if len(list((ws.root / "workdir").iterdir())) == 1:
        pytest.skip("this disk ignores case")
    assert ws.look("job").problems == ("job and Job are one name where case does not count",)
    assert ws.look("Job").problems == ("Job and job are one name where case does not count",)


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


# Verdicts


def test_a_verdict_holds_for_unchanged_files(ws: Disk) -> None:
    """A verdict is kept as long as each file is the one that was read; metadata may change meanwhile."""
    ws.triple("io")
    matched = Matched(ws.look().files)
    ws.record(RECORD)
    assert ws.look(matched=matched).matched is matched


@pytest.mark.parametrize("change", ["append", "touch", "replace", "remove", "add", "rewrite"])
def test_a_verdict_is_dropped_when_a_file_changed(ws: Disk, change: str) -> None:
    """A file that grew, was touched, replaced by an equal one, removed or added makes the verdict void."""
    ws.triple("io")
    matched = Matched(ws.look().files)
    path = ws.root / "workdir/batch_output_7.jsonl"
    was = path.stat()
    match change:
        case "append":
            path.write_bytes(path.read_bytes() + b"more\n")
        case "touch":
            touch(path, was.st_mtime_ns + 1)
        case "replace":
            copy = ws.put("copy", path.read_bytes())
            touch(copy, was.st_mtime_ns)
            path.unlink()
            path.hardlink_to(copy)
        case "remove":
            path.unlink()
        case "add":
            ws.triple("e")
        case _:
            path.write_bytes(path.read_bytes().swapcase())
            touch(path, was.st_mtime_ns + 10)
    assert ws.look(matched=matched).matched is None


def touch(path: Path, mtime_ns: int) -> None:
    """Give a file a time."""
    os.utime(path, ns=(mtime_ns, mtime_ns))
