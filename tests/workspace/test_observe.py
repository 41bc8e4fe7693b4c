"""One batch, looked at: its shape, its record, what may not be touched, and which verdict still holds."""

import os
from pathlib import Path

import attrs
import pytest

from reconciler.model.identity import BatchName, Role, file_name
from reconciler.model.record import Submission
from reconciler.model.snapshot import Matched
from reconciler.model.triple import Shape
from reconciler.workspace import metadata
from reconciler.workspace.layout import Layout
from reconciler.workspace.observe import METADATA_LIMIT, observe
from reconciler.workspace.reading import Reading
from reconciler.workspace.scan import scan
from tests.workspace.faults import plant
from tests.workspace.looking import NAME, RECORD, Disk


@pytest.fixture
def ws(tmp_path: Path) -> Disk:
    """An empty workspace."""
    (tmp_path / "workdir").mkdir()
    return Disk(tmp_path)


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
