"""
What the workspace keeps of its batches: metadata, manifests, tombstones and receipts, the ledger, walls.

What is read is written again and read to the same value; what is not is refused, and the message says where.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any, BinaryIO, Final

import attrs
import msgspec

from reconciler.errors import BadMetadata
from reconciler.model.facts import FileFact, Kind
from reconciler.model.identity import BatchName
from reconciler.model.record import Record
from reconciler.workspace import ledger, metadata, nesting, settled, tombstones, walls
from reconciler.workspace.reading import Entry, Reading
from reconciler.workspace.receipts import published_by
from tests.fuzz.oracle import expect, is_deep, is_text, refused

NAME: Final = BatchName("7")
PATH: Final = "workdir/batch_metadata_7.jsonl"
_BAD: Final = (BadMetadata,)
_CRC: Final = b',"crc":"'


@attrs.frozen
class Readers:
    """The readers that are tried; a test puts broken ones in their places."""

    record: Callable[[bytes, str, BatchName], Record] = metadata.decode
    manifest: Callable[[bytes, str], settled.Manifest] = settled.decode
    tombstone: Callable[[bytes, str], tombstones.Tombstone] = tombstones.decode
    entries: Callable[[Reading], Any] = ledger.entries
    walls: Callable[[Reading], Any] = walls.walls


READERS: Final = Readers()


class Held(Reading):
    """A workspace of one file, which is held in memory; its folder may be listed."""

    def __init__(self, path: str, data: bytes) -> None:
        super().__init__("/")
        self._path, self._data = path, data

    def open(self, path: str, on_block: Callable[[memoryview], None] | None = None) -> BinaryIO:  # noqa: ARG002 - the room's
        """The file."""
        if path != self._path:
            raise FileNotFoundError(path)
        return io.BytesIO(self._data)

    def read(self, path: str) -> bytes:
        """All of the file."""
        return self.open(path).read()

    def fact(self, path: str) -> FileFact | None:
        """What can be seen of the file."""
        return FileFact(path, len(self._data), 0, (1, 1)) if path == self._path else None

    def listing(self, folder: str) -> list[Entry]:
        """What stands in a folder on the way to the file, and the file."""
        if not self._path.startswith(f"{folder}/"):
            return []
        leaf, slash, _ = self._path.removeprefix(f"{folder}/").partition("/")
        return [Entry(leaf, Kind.FOLDER if slash else Kind.FILE)]


def record(data: bytes, readers: Readers = READERS) -> None:
    """The bytes of a metadata file."""
    found = refused(partial(readers.record, data, PATH, NAME), _BAD, where=PATH)
    if is_deep(data):
        return
    glance = refused(partial(metadata.decode_for_answers, data, PATH, NAME), _BAD, where=PATH)
    expect(found is not None or data.strip() or glance is None, "nothing counts as something", glance)
    if found is None:
        return
    expect(found.name == NAME, "the metadata of another batch", found.name)
    expect(glance == found.at_provider, "a glance sees something else", glance, found.at_provider)
    out = metadata.encode(found)
    expect(out.endswith(b"\n") and out.count(b"\n") == 1, "not one line", out)
    again = readers.record(out, PATH, NAME)
    expect(again == found, "read otherwise again", again, found)
    expect(metadata.encode(again) == out, "written otherwise again", out)
    # A field that nobody knows sends the same record the careful way.
    spread = out.replace(b"{", b'{"x-unknown":0,', 1)
    careful = readers.record(spread, PATH, NAME)
    known = attrs.evolve(careful, extra={k: v for k, v in careful.extra.items() if k != "x-unknown"})
    expect(known == found, "the quick and the careful way differ", known, found)


def archive(data: bytes, readers: Readers = READERS) -> None:
    """The bytes of a manifest or of a tombstone."""
    manifest = refused(partial(readers.manifest, data, "done/7/manifest.json"), _BAD, where="done/7/")
    if manifest is not None:
        out = settled.encode(manifest)
        expect(readers.manifest(out, "again") == manifest, "a manifest is read otherwise again", out)
        # What a receipt may end with is what those who read one look out for.
        for receipt in manifest.receipts.values():
            published = refused(partial(published_by, receipt), (TypeError, ValueError, KeyError))
            for path, digest in (published or {}).items():
                expect(is_text(path, empty=True) and digest.size >= 0, "published", path, digest)
    stone = refused(partial(readers.tombstone, data, "done/7/tombstone.json"), _BAD, where="done/7/")
    if stone is not None:
        out = tombstones.encode(stone)
        expect(readers.tombstone(out, "again") == stone, "a tombstone is read otherwise again", out)


def history(data: bytes, readers: Readers = READERS) -> None:
    """The bytes of a ledger."""
    look = Held(ledger.PATH, data)
    entries = list(readers.entries(look))
    alone = data.split(b"\n")
    expected = [number for number, line in enumerate(alone, 1) if line.strip()]
    expect([each.number for each in entries] == expected, "other lines", entries)
    past = ledger.History()
    for entry in entries:
        line = alone[entry.number - 1]
        if not is_deep(line):
            expect((entry.problem is None) == _sound(line), "trusted", line, entry.problem)
        if entry.problem is not None or is_deep(line):
            continue
        told = {key: value for key, value in entry.fields.items() if key not in ("at", "crc")}
        expect(past.holds(look, told), "history does not hold", line)
        digest = entry.fields.get("input")
        if entry.event in ledger.PAID and isinstance(digest, str):
            expect(str(entry.fields.get("batch")) in past.payers(look, digest), "who has paid", line)
    expect(not past.holds(look, {"event": "never", "batch": "x", "n": len(data)}), "made up")


def _sound(line: bytes) -> bool:
    """Whether a line is an object that ends with the checksum of what stands before it."""
    body, mark, crc = line.rpartition(_CRC)
    try:
        found = msgspec.json.decode(line)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and bool(mark) and crc == _seal(body) and _levels(found) <= nesting.NESTED


def _levels(found: object) -> int:
    """How many lists and objects stand within each other; of what is not `is_deep`."""
    if not isinstance(found, dict | list):
        return 0
    return 1 + max(map(_levels, found.values() if isinstance(found, dict) else found), default=0)


def _seal(body: bytes) -> bytes:
    """The checksum of a line up to it, and the end of the line."""
    return b'%08x"}' % zlib.crc32(body + b"}")


def sealed(data: bytes) -> bytes:
    """A ledger whose lines have the checksums that they need, where they have any."""
    out = []
    for line in data.split(b"\n"):
        body, mark, _ = line.rpartition(_CRC)
        out.append(body + _CRC + _seal(body) if mark else line)
    return b"\n".join(out)


def wall(data: bytes, readers: Readers = READERS) -> None:
    """The bytes of what is kept of a refused batch: whatever they are, there is a wall until it is lifted."""
    folder = f"{walls.FOLDER}/0123456789abcdef"
    found = list(readers.walls(Held(f"{folder}/7.met.json", data)))
    for each in found:
        expect(each.folder == folder and len(each.met) == 1 and each.told, each)
    if not found:
        # A file that says of itself that it counts no more, or for too little.
        told = msgspec.json.decode(data, type=dict)
        few = told["error_class"] not in walls.AT_ONCE and told["requests"] < walls.ENOUGH
        expect(told.get("lifted") is True or few, "no wall any more", told)
