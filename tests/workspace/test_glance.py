"""
One batch at a glance: all that a full look would see, from its names and its metadata alone.

Whatever is odd there is left to a full look.
"""

from pathlib import Path
from typing import NoReturn

import attrs
import pytest

from reconciler.model.identity import BatchName, Role, file_name
from reconciler.model.snapshot import Glance
from reconciler.workspace import metadata
from reconciler.workspace.layout import Layout
from reconciler.workspace.observe import GLANCE_LIMIT, TRIPLE, glance, vet
from reconciler.workspace.reading import Reading
from reconciler.workspace.scan import scan
from tests.workspace.faults import plant
from tests.workspace.looking import NAME, RECORD, Disk


@pytest.fixture
def ws(tmp_path: Path) -> Disk:
    """An empty workspace."""
    (tmp_path / "workdir").mkdir()
    return Disk(tmp_path)


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
