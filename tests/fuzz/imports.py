"""What another tool has left: its registry as CSV, its documents of requests, its answers."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from typing import Final

import attrs
import msgspec

from reconciler.codec import pairwise, registry
from reconciler.codec.jsonl import iter_lines
from reconciler.errors import BadLine, UsageError
from tests.fuzz.oracle import expect, refused

PATH: Final = "/b/jobs_registry.csv"


@attrs.frozen
class Readers:
    """The readers that are tried; a test puts broken ones in their places."""

    registry: Callable[[bytes, str], list[registry.Row]] = registry.decode
    document: Callable[..., object] = pairwise.request_lines
    answer: Callable[..., bytes] = pairwise.gemini_answer


READERS: Final = Readers()


def imports(data: bytes, readers: Readers = READERS) -> None:
    """The bytes of a registry, of a document of requests, or of answers."""
    rows = refused(partial(readers.registry, data, PATH), (UsageError,), where=PATH)
    if rows is not None:
        _rows(rows, readers)
    if pairwise.is_document(data[:1000]):
        _document(data, readers)
    for line in refused(lambda: list(iter_lines(io.BytesIO(data), PATH)), (BadLine,)) or ():
        out = refused(partial(readers.answer, line, PATH), (BadLine,), where=PATH)
        if out is not None:
            msgspec.json.decode(out, type=dict[str, msgspec.Raw])
            expect(b"\n" not in out, "no line", out)


def _rows(rows: list[registry.Row], readers: Readers) -> None:
    """Rows have sound numbers, and written as a registry they are read to the same cells."""
    for row in rows:
        expect(row.segment >= 0 and row.attempt >= 1 and row.where.startswith(PATH), "a row", row)
        refused(lambda row=row: row.done, (BadLine,), where=PATH)  # type: ignore[misc]
    columns = [column for column in registry.COLUMNS if rows and column in rows[0].cells]
    kept = [{column: row[column] for column in columns} for row in rows]
    if not kept:
        return
    text = registry.encode_line(columns) + b"".join(registry.encode_line(cells.values()) for cells in kept)
    again = refused(partial(readers.registry, text, PATH), (UsageError,))
    expect(again is not None, "what was written cannot be read", text)
    expect([row.cells for row in again or ()] == kept, "read otherwise", text)


def _document(data: bytes, readers: Readers) -> None:
    """Each request of a document comes out as one line that holds its payload."""
    found = refused(lambda: list(readers.document(data, PATH)), (BadLine,), where=PATH)  # type: ignore[call-overload]
    if found is None:
        return
    told = msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"), type=dict[str, msgspec.Raw])
    asked = msgspec.json.decode(told["requests"], type=list[msgspec.Raw])
    expect(len(found) == len(asked), "other requests", found)
    for line, request in zip(found, asked, strict=True):
        expect(b"\n" not in line, "not one line", line)
        sent = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
        held = msgspec.json.decode(request, type=dict[str, msgspec.Raw])
        name = "params" if "params" in sent else "request"
        same = msgspec.json.format(bytes(held[name]), indent=-1)
        expect(bytes(sent[name]) == same, "another payload", line)
