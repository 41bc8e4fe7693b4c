"""The oracle can fail: readers that break what a target holds them to are caught."""

import io
import json
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import attrs
import msgspec
import pytest

from reconciler.codec import pairwise, registry
from reconciler.codec.jsonl import iter_lines
from reconciler.codec.plain import plain_requests
from reconciler.codec.request import request_id
from reconciler.codec.result import decode_verdict
from reconciler.codec.wire import from_wire, to_wire
from reconciler.config.settings import settle
from reconciler.errors import BadLine, BadMetadata, TransientError, Uncertain
from reconciler.model.identity import BatchName
from reconciler.model.outcome import Outcome
from reconciler.native import Native
from reconciler.processors.content import read
from reconciler.processors.extraction import Taken, take
from reconciler.processors.tables import csv_blocks
from reconciler.providers.openai import OpenAI
from reconciler.providers.refusals import said
from reconciler.workspace import ledger, metadata, settled, tombstones, walls
from tests.fuzz import content, imports, lines, providers, records, settings
from tests.fuzz.oracle import MEMORY, Hang, bounded, expect, tried, wind
from tests.fuzz.targets import TARGETS
from tests.native.built import native, only_built

Check = Callable[[bytes], None]


def caught(name: str, check: Check) -> bool:
    """Whether a target with a broken reader shows a violation over what every run begins with."""
    target = TARGETS[name]
    inputs = [*target.seeds(), *target.corpus()]
    assert not any(tried(target.check, data) for data in inputs), "the sound readers are caught"
    return any(tried(check, data) for data in inputs)


def broken_lines(**readers: Any) -> Check:
    """The target of lines with broken readers."""
    return lambda data: lines.lines(data, attrs.evolve(lines.READERS, **readers))


def broken_record(record: Callable[..., Any]) -> Check:
    """The target of metadata with a broken reader."""
    return lambda data: records.record(data, attrs.evolve(records.READERS, record=record))


def splitlines(stream: Any, path: str, *, limit: int) -> Iterator[Any]:
    """Lines that end wherever Unicode ends lines."""
    return iter_lines(io.BytesIO(stream.read().replace("\u2028".encode(), b"\n")), path, limit=limit)


def without_last(stream: Any, path: str, *, limit: int) -> Iterator[Any]:
    """Lines without one that lacks its end."""
    return (line for line in iter_lines(stream, path, limit=limit) if line.terminated)


def any_answer(line: Any, path: str) -> Any:
    """A verdict that takes every answer line for an answer."""
    return attrs.evolve(decode_verdict(line, path), outcome=Outcome.ANSWERED)


LINES: dict[str, dict[str, Any]] = {
    "U+2028 ends a line": {"split": splitlines},
    "a torn last line is lost": {"split": without_last},
    "an id is trimmed": {"request_id": lambda line, path: request_id(line, path).strip("1")},
    "another error than ours": {"request": lambda line, _path: json.loads(line.data)["custom_id"]},
    "a failure is an answer": {"verdict": any_answer},
    "a member is lost on the wire": {
        "from_wire": lambda line, path, to: from_wire(line, path, to).replace(b'"m-1"', b'"m-2"')
    },
    "a wire id of another line": {"to_wire": lambda line, path, to: to_wire(line, path, to + "0")},
    "a text in a table is cut": {
        "table": lambda rows, columns: (block.replace(b"4", b"") for block in csv_blocks(rows, columns))
    },
    "a plain line has another id": {
        "plain_requests": lambda block, end: (
            (at, to, i and i + b"x") for at, to, i in plain_requests(block, end)
        )
    },
}


class _Careless:
    """C code that takes the id of an answer for that of any other."""

    def __init__(self, native: Native) -> None:
        self._native = native

    def __getattr__(self, name: str) -> Any:
        return getattr(self._native, name)

    def results_head(self, line: bytes, pieces: tuple[bytes, ...]) -> bytes | None:
        """The head of a line, with another id."""
        head = self._native.results_head(line, pieces)
        return head and head.replace(b'"custom_id":"', b'"custom_id":"x', 1)


@only_built
def test_native() -> None:
    """C code that says something else than Python is caught."""
    assert caught("lines", broken_lines(native=_Careless(native())))


@pytest.mark.parametrize("fault", LINES)
def test_lines(fault: str) -> None:
    """A broken reader of lines is caught."""
    assert caught("lines", broken_lines(**LINES[fault]))


def forgiving(data: bytes, path: str, name: Any) -> Any:
    """Metadata that cannot be read counts as none."""
    try:
        return metadata.decode(data, path, name)
    except BadMetadata:
        return metadata.decode(b'{"batch_id":"batch_1"}', path, name)


def forgetful(data: bytes, path: str, name: Any) -> Any:
    """Keys that nobody knows are lost."""
    return attrs.evolve(metadata.decode(data, path, name), extra={})


RECORDS = {
    "what cannot be read counts as nothing": forgiving,
    "the generation grows by being read": lambda data, path, name: attrs.evolve(
        found := metadata.decode(data, path, name), generation=found.generation + 1
    ),
    "a KeyError": lambda data, path, name: (
        msgspec.json.decode(data)["schema"] and metadata.decode(data, path, name)
    ),
    "an error that does not say where": lambda data, _path, name: metadata.decode(data, "it", name),
    "another batch": lambda data, path, name: attrs.evolve(
        metadata.decode(data, path, name), name=BatchName("8")
    ),
}


@pytest.mark.parametrize("fault", RECORDS)
def test_records(fault: str) -> None:
    """A broken reader of metadata is caught."""
    assert caught("record", broken_record(RECORDS[fault]))


def test_manifests_and_tombstones() -> None:
    """A reader that loses a receipt, or what was published, is caught."""

    def manifest(data: bytes, path: str) -> Any:
        return attrs.evolve(settled.decode(data, path), receipts={"x": {"n": len(data)}})

    def stone(data: bytes, path: str) -> Any:
        return attrs.evolve(tombstones.decode(data, path), removed_at=float(len(path)))

    for broken in (
        attrs.evolve(records.READERS, manifest=manifest),
        attrs.evolve(records.READERS, tombstone=stone),
    ):
        assert caught("archive", partial(records.archive, readers=broken))


def test_histories() -> None:
    """A ledger that is believed without its checksums, and one that stops at a torn line, are caught."""

    def believing(look: Any) -> Iterator[Any]:
        return (attrs.evolve(each, problem=None) for each in ledger.entries(look))

    def stopping(look: Any) -> Iterator[Any]:
        for each in ledger.entries(look):
            if each.problem is not None:
                return
            yield each

    for entries in (believing, stopping):
        broken = attrs.evolve(records.READERS, entries=entries)
        assert caught("history", partial(records.history, readers=broken))


def test_walls() -> None:
    """A wall that falls because its file cannot be read is caught."""

    def open_gate(look: Any) -> Iterator[Any]:
        return (each for each in walls.walls(look) if "cannot be read" not in each.told)

    broken = attrs.evolve(records.READERS, walls=open_gate)
    assert caught("wall", partial(records.wall, readers=broken))


def test_settings() -> None:
    """Settings that pass over what they do not know, or lose a value, are caught."""

    def lax(*args: Any, **more: Any) -> Any:
        found = settle(*args, **more)
        return attrs.evolve(found, values={**found.values, "policy.max_attempts": 3, "policy.submit": "auto"})

    def raw(files: Any = (), **more: Any) -> Any:
        found = settle(files, **more)
        return attrs.evolve(found, values={**found.values, "limits.jobs": str(found["limits.jobs"])})

    for reader in (lax, raw):
        broken = settings.Readers(settle=reader)
        assert caught("settings", partial(settings.settings, readers=broken))


@attrs.frozen
class Forgetful(OpenAI):
    """A client that passes over what it cannot read, and takes an odd reply to a create for a refusal."""

    def batches(self, wire: Any, since: float | None = None) -> Iterator[Any]:
        """All batches but those without a status."""
        return (batch for batch in super().batches(wire, since) if batch.status in ("completed", ""))

    def create(self, wire: Any, order: Any, source: Any, file_id: str | None) -> Any:
        """A batch; what names none may be asked for again."""
        try:
            return super().create(wire, order, source, file_id)
        except Uncertain as error:
            raise TransientError(error.message) from error


def test_providers() -> None:
    """A client that loses a batch of a list, or would create twice, and words with a key are caught."""
    sound: Any = providers.READERS.clients["openai"]
    forgetful_one = Forgetful(sound.origin, sound.account, sound.switches, sound.endpoint)
    clients = {**providers.READERS.clients, "openai": forgetful_one}
    broken = attrs.evolve(providers.READERS, clients=clients)

    def only(verb: bytes) -> Check:
        return lambda data: providers.providers(data, broken) if data.startswith(b"openai " + verb) else None

    listing = b'openai batches\n{"data":[{"id":"a","status":"failed"}]}'
    creating = b"openai create\n{}"
    for data, verb in ((listing, b"batches"), (creating, b"create")):
        assert tried(providers.providers, data) is None
        assert tried(only(verb), data)

    def telling(who: str, status: int, body: bytes, location: str, _hide: Any) -> Any:
        return said(who, status, body, location, lambda text: text)

    unhidden = attrs.evolve(providers.READERS, said=telling)
    assert caught("providers", partial(providers.providers, readers=unhidden))


def test_imports() -> None:
    """A registry whose columns shift, and a document that loses a request, are caught."""

    def shifted(data: bytes, path: str) -> Any:
        found = registry.decode(data, path)
        return [
            attrs.evolve(row, cells=dict(zip(row.cells, [*list(row.cells.values())[1:], "x"], strict=True)))
            for row in found
        ]

    def short(data: bytes, path: str) -> Any:
        return [*pairwise.request_lines(data, path)][1:]

    def loud(line: Any, path: str) -> bytes:
        raise BadLine("elsewhere", line.number, path[:0] or "no")

    for readers in ({"registry": shifted}, {"document": short}, {"answer": loud}):
        broken = attrs.evolve(imports.READERS, **readers)
        assert caught("imports", partial(imports.imports, readers=broken))


def test_contents() -> None:
    """A reader that mends what was cut off, and one that takes the beginning of a tag's text, are caught."""

    def mending(result: Any, kind: Any) -> Any:
        return read(attrs.evolve(result, finish_reason="stop"), kind)

    def taking(result: Any, extraction: Any) -> Any:
        found = take(result, extraction)
        return attrs.evolve(found, value=f"{found.value}!") if isinstance(found, Taken) else found

    for broken in (
        attrs.evolve(content.READERS, read=mending),
        attrs.evolve(content.READERS, take=taking),
    ):
        assert caught("content", partial(content.content, readers=broken))


def burn(seconds: float) -> None:
    """Use the processor, which is what is measured."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_slowness_is_caught() -> None:
    """What takes longer than it may is a violation, and what does not end is cut off."""
    assert tried(lambda _: burn(0.001), b"", seconds=0.02) is None
    found = tried(lambda _: burn(0.03), b"", seconds=0.02)
    assert found is not None
    assert "took" in found.told
    with bounded():
        wind(0.1)
        hung = tried(lambda _: burn(60), b"")
    assert hung is not None
    assert Hang.__name__ in hung.kind


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody tells how large a process is")
def test_greed_is_caught() -> None:
    """What needs more memory than it may is a violation, and what needs less is none."""

    def take(size: int) -> Check:
        return lambda _: expect(len(bytes(size)) == size)

    with bounded():
        assert tried(take(MEMORY // 2), b"") is None
        found = tried(take(2 * MEMORY), b"")
    assert found is not None
    assert "MemoryError" in found.kind
