"""
Lines: a file is cut into them, and each is read as a request, as an answer, and put on the wire and back.

Every reader is held against a plain second one, made of the standard library, and against its quicker or
slower sibling.
"""

from __future__ import annotations

import csv
import io
import json
from array import array
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from typing import Any, BinaryIO, Final

import attrs
import msgspec

from reconciler.codec.cells import guarded
from reconciler.codec.failure import holds_error
from reconciler.codec.jsonl import Line, decode_strict, iter_lines, line_at
from reconciler.codec.passing import passed_answers
from reconciler.codec.plain import plain_answers, plain_requests
from reconciler.codec.request import decode_request, request_id
from reconciler.codec.result import decode_result, decode_verdict
from reconciler.codec.wire import from_wire, line_number, to_item, to_wire, wire_id
from reconciler.errors import BadLine, StaleSnapshot
from reconciler.model.exchange import Request, Result, Verdict
from reconciler.model.identity import BatchName
from reconciler.model.outcome import Outcome
from reconciler.model.remote import Order
from reconciler.model.rows import ResultRow, Standing
from reconciler.native import NATIVE, Native
from reconciler.processors.results import PIECES, Origin, head_of_plain, line_of, tail_of_plain
from reconciler.processors.tables import csv_blocks
from reconciler.providers.inline import array_of
from tests.fuzz.oracle import expect, gathered, is_deep, refused
from tests.wires import source_of

PATH: Final = "workdir/batch_output_7.jsonl"
LIMIT: Final = 1 << 17
MOST: Final = 24
"""Lines of an input that are looked at one by one."""

INTENT: Final = "0123456789abcdef0123456789abcdef"
CELLS: Final = ("custom_id", "text", "model", "refusal")
ORIGIN: Final = Origin(BatchName("7"), "openai", 2)
_BOM: Final = b"\xef\xbb\xbf"
_SPACE: Final = b" \t\r\n"
_BAD: Final = (BadLine,)


@attrs.frozen
class Readers:
    """The readers that are tried; a test puts broken ones in their places."""

    split: Callable[..., Iterator[Line]] = iter_lines
    request_id: Callable[[Line, str], str] = request_id
    request: Callable[[Line, str], Request] = decode_request
    verdict: Callable[[Line, str], Verdict] = decode_verdict
    result: Callable[[Line, str], Result] = decode_result
    to_wire: Callable[[Line, str, str], bytes] = to_wire
    from_wire: Callable[[Line, str, str], bytes] = from_wire
    table: Callable[..., Iterator[bytes]] = csv_blocks
    plain_requests: Callable[..., Iterator[Any]] = plain_requests
    plain_answers: Callable[..., Iterator[Any]] = plain_answers
    native: Native | None = NATIVE


READERS: Final = Readers()


def lines(data: bytes, readers: Readers = READERS) -> None:
    """The bytes of a file of lines."""
    found: list[Line] = []
    stream: BinaryIO = io.BytesIO(data)
    whole = refused(lambda: gathered(found, readers.split(stream, PATH, limit=LIMIT)), _BAD, where=f"{PATH}:")
    _cut(data, found, whole=bool(whole))
    for line in found[:MOST]:
        _line(line, readers)
    if is_deep(data):
        return
    _blocks(data, readers)
    if whole and len(found) <= MOST:
        _array(data, found)
    if readers.native is not None:
        _native(data, readers.native)


def _cut(data: bytes, found: list[Line], *, whole: bool) -> None:
    """Lines are what lies between line feeds; none is lost, none is made up, and each says where it stood."""
    alone = data.split(b"\n")
    expected, at = [], 0
    for number, each in enumerate(alone, 1):
        skipped = len(_BOM) if number == 1 and each.startswith(_BOM) else 0
        rest = each[skipped:]
        if len(each) > LIMIT:
            break
        if rest.strip(_SPACE):
            expected.append(Line(number, skipped or at, rest, number < len(alone)))
        at += len(each) + 1
    else:
        expect(whole, "a file without long lines was refused")
    expect(found == expected, "cut otherwise", found, expected)


def _pairs(line: Line) -> Any:
    """The members of a line as Python's own reader sees them, None where it sees no object."""
    try:
        found = json.loads(line.data, object_pairs_hook=tuple, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, tuple) and line.data.lstrip(_SPACE)[:1] == b"{" else None


def _line(line: Line, readers: Readers) -> None:
    """One line, by every reader."""
    where = f"{PATH}:{line.number}:"
    request = refused(partial(readers.request, line, PATH), _BAD, where)
    result = refused(partial(readers.result, line, PATH), _BAD, where)
    verdict = refused(partial(readers.verdict, line, PATH), _BAD, where)
    asked = refused(partial(readers.request_id, line, PATH), _BAD, where)
    if is_deep(line.data):
        return
    pairs = _pairs(line)
    if request is not None:
        expect(asked == request.custom_id, "the id of a request", asked, request.custom_id)
    for custom_id in {asked, None if result is None else result.custom_id} - {None}:
        _id(custom_id, pairs)
    if result is not None:
        told = Verdict(result.custom_id, result.outcome, result.error_class)
        expect(verdict == told, "verdict and result differ", verdict, told)
        _result(result, pairs)
        _cells(result, readers)
    if asked is not None and "custom_id" in dict(pairs or ()):
        _wire(line, asked, readers)


def _id(custom_id: Any, pairs: Any) -> None:
    """An id is a text that can be written, and stands in the line."""
    expect(isinstance(custom_id, str) and custom_id and "\0" not in custom_id, "an id", custom_id)
    custom_id.encode()
    expect(pairs is not None, "an id of a line that is no JSON", custom_id)
    members = dict(pairs)
    inner = members.get("metadata")
    inside = dict(inner).get("key") if isinstance(inner, tuple) and inner and len(inner[0]) == 2 else None
    expect(custom_id in (members.get("custom_id"), members.get("key"), inside), "whose id", custom_id)


def _result(result: Result, pairs: Any) -> None:
    """An answer is written as one line of results, which says the same; an error is never an answer."""
    if result.outcome is Outcome.ANSWERED:
        error = dict(pairs).get("error")
        lost = isinstance(error, str) and error != "" and not _is_zero(error)
        expect(not lost, "a line with an error counts as answered", error)
        expect(result.error_class is None, "a class of an answer", result)
    else:
        expect(result.error_class is not None, "a failure without a class", result)
        expect(not holds_error(result.error_code) or isinstance(result.error_code, str), "a code", result)
    for each in result.citations:
        stands = (result.text or "").startswith(each.text, each.at)
        expect(stands and (each.first or 0) <= (each.last or 0), "a citation", each)
    out = line_of(result.custom_id, result, ORIGIN, None)
    expect(out.endswith(b"\n") and out.count(b"\n") == 1, "not one line", out)
    told = json.loads(out)
    expect(
        (told["custom_id"], told["outcome"], told["text"], told["model"])
        == (result.custom_id, result.outcome.value, result.text, result.model),
        "a line of results says something else",
        told,
    )
    expect(len(told.get("citations", ())) == len(result.citations), "citations of a line of results", told)


def _is_zero(text: str) -> bool:
    """Whether a number is none, however it is written; numbers are text where pairs are read."""
    try:
        return float(text) == 0
    except ValueError:
        return False


def _cells(result: Result, readers: Readers) -> None:
    """As CSV, an answer is one row, whose texts are what they were, behind an apostrophe where one is due."""
    row = ResultRow(
        result.custom_id, Standing.ANSWERED, text=result.text, model=result.model, refusal=result.refusal
    )
    out = b"".join(readers.table([row], CELLS)).decode()
    read = list(csv.reader(io.StringIO(out, newline=""), strict=True))
    cells = [guarded(getattr(row, name) or "") for name in CELLS]
    expect(read == [list(CELLS), cells], "other cells", read, cells)


def _wire(line: Line, custom_id: str, readers: Readers) -> None:
    """Under another id and back, a line holds what it held, byte for byte."""
    name = wire_id(INTENT, line.number)
    expect(line_number(name, INTENT) == line.number, "a wire id")
    out = refused(partial(readers.to_wire, line, PATH, name), _BAD)
    if out is None:
        return
    home = readers.from_wire(line._replace(data=out), PATH, custom_id)
    before, after = decode_strict(line, PATH), decode_strict(line._replace(data=home), PATH)
    expect(before.keys() == after.keys(), "members", before, after)
    for key, value in before.items():
        same = bytes(after[key]) == bytes(value) or (
            key == "custom_id" and msgspec.json.decode(after[key]) == custom_id
        )
        expect(same, "a member was changed", key, value, after[key])
    expect(msgspec.json.decode(decode_strict(line._replace(data=out), PATH)["custom_id"]) == name, "sent as")
    if "body" in before:
        item = msgspec.json.decode(to_item(line, PATH, name), type=dict[str, msgspec.Raw])
        expect(item == {"custom_id": msgspec.Raw(msgspec.json.encode(name)), "body": before["body"]}, item)


def _blocks(data: bytes, readers: Readers) -> None:
    """The short way over a block says of each line what the long way says, or nothing."""
    taken = list(readers.plain_answers(data, len(data)))
    passed = list(passed_answers(data, len(data)))
    expect([each[:2] for each in taken] == [each[:2] for each in passed], "two short ways cut otherwise")
    for one, other in zip(taken, passed, strict=True):
        expect(one[2] == other[2] or None in {one[2], other[2]}, "two short ways differ", one, other)
    for number, (at, end, custom_id) in enumerate(readers.plain_requests(data, len(data)), 1):
        if custom_id is not None and number <= MOST and end - at <= LIMIT:
            line = _standing(data[at:end], number)
            expect(readers.request_id(line, PATH) == custom_id.decode(), "a plain request", line)
    for number, (at, end, custom_id, fields) in enumerate(passed[:MOST], 1):
        if custom_id is not None and end - at <= LIMIT:
            line = _standing(data[at:end], number)
            told = Verdict(custom_id.decode(), Outcome.ANSWERED, None)
            expect(readers.verdict(line, PATH) == told, "a plain answer", line)
            if fields is not None:
                short = head_of_plain(fields) + tail_of_plain(ORIGIN)
                long = line_of(told.custom_id, readers.result(line, PATH), ORIGIN, None)
                expect(_value(short) == _value(long), "a passed answer", short, long)


def _native(data: bytes, native: Native) -> None:
    """C takes in of a block what Python takes in, line by line, or leaves it."""
    for at, end, custom_id in plain_requests(data, len(data)):
        taken: dict[bytes, int] = {}
        stop, *_ = native.take_requests(data, at, end, 0, 0, taken)
        expect(stop in {at, end} and taken.keys() <= {custom_id}, "a request that C takes", taken, custom_id)
    for at, end, custom_id, fields in passed_answers(data, len(data)):
        for heads in (None, list[bytes | None]([None])):
            places = bytearray(1), array("Q", [0]), array("Q", [0]), array("Q", [0])
            where, asked = (data, at, end, 0, 0), {custom_id or b"": 0}
            _, count = native.take_answers(*where, asked, 1, *places, heads, PIECES)
            expect(not count or custom_id is not None, "an answer that C takes", data[at:end])
            made = None if heads is None else heads[0]
            expect(made is None or (fields and made == head_of_plain(fields)), "its head", made, fields)
        made = native.results_head(data[at:end], PIECES)
        expect(made is None or (fields and made == head_of_plain(fields)), "the head of an answer", made)


def _standing(raw: bytes, number: int) -> Line:
    line = line_at(raw, PATH, number + 1, 0, LIMIT)  # not the first: a mark there would be taken off
    expect(line is not None, "a blank line is plain", raw)
    assert line is not None
    return line


def _value(line: bytes) -> Any:
    return json.loads(line, parse_float=float, parse_int=Decimal)


def _array(data: bytes, found: list[Line]) -> None:
    """A create that carries the lines holds each of them once, in order, wherever it is resumed."""
    order = Order(INTENT, "/v1", None, len(found))
    source = refused(lambda: array_of(source_of(data, 997), order), (BadLine, StaleSnapshot))
    if source is None:
        return
    body = b"".join(source.read(0))
    expect(len(body) == source.size, "the size of a body", len(body), source.size)
    items = msgspec.json.decode(body, type=dict[str, list[msgspec.Raw]])["requests"]
    sent = [to_wire(line, PATH, wire_id(INTENT, number)) for number, line in enumerate(found, 1)]
    expect([bytes(item) for item in items] == sent, "other requests than in the file")
    half = len(body) // 2
    expect(b"".join(source.read(half)) == body[half:], "resumed elsewhere")
