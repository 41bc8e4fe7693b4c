"""
The record of a batch from any bytes at all: it is read or refused, and no other error comes.

The quick way of reading takes nothing that the careful way refuses, or reads otherwise.
"""

import contextlib
import json
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import BadMetadata
from reconciler.model.identity import BatchName
from reconciler.model.record import Record
from reconciler.workspace import metadata
from reconciler.workspace.metadata import decode, decode_for_answers, encode
from tests.workspace.records import FILES, FULL, JSON, NAME, NUMBERS, PATH, RECORDS, TEXT


@given(st.binary(max_size=200))
def test_any_bytes_are_a_record_or_refused(data: bytes) -> None:
    """Whatever the file holds, there is a record or a typed refusal."""
    told(data)


@given(st.data())
def test_damaged_records_are_records_or_refused(data: st.DataObject) -> None:
    """A record with some bytes overwritten, cut out or doubled is a record or refused, nothing else."""
    damaged = bytearray(encode(FULL))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        size = data.draw(st.integers(0, 8))
        damaged[at : at + size] = data.draw(st.binary(max_size=8))
        if not damaged:
            break
    told(bytes(damaged))


@given(
    st.dictionaries(
        st.sampled_from([field.name for field in attrs.fields(Record)]) | TEXT,
        JSON
        | NUMBERS
        | st.just("none")
        | st.dictionaries(st.sampled_from(["output", "total", "owns"]), JSON),
    )
)
def test_any_object_is_a_record_or_refused(fields: dict[str, Any]) -> None:
    """An object of our schema with any values is a record or refused; a record is written and read again."""
    record = told(json.dumps({"schema": 1, "generation": 1, "name": "7", **fields}).encode())
    if record is not None:
        assert decode(encode(record), PATH, NAME) == record


def careful(data: bytes, name: BatchName) -> Record | None:
    """What the careful way alone says; None when it refuses."""
    try:
        return metadata._carefully(data, PATH, name)  # noqa: SLF001 - that both ways agree shows nowhere else
    except BadMetadata:
        return None


VALUES = JSON | NUMBERS | st.integers() | st.sampled_from(["none", "7", "submitted", "", 10**400, True, 1.0])


@given(
    RECORDS,
    st.dictionaries(st.sampled_from([field.name for field in attrs.fields(Record)] + ["schema"]), VALUES),
    st.lists(st.sampled_from(["input|bytes", "input|x", "counts|total", "counts|x", "roles|output"])),
    st.data(),
)
def test_the_quick_way_says_what_the_careful_way_says(
    record: Record, other: dict[str, Any], inner: list[str], data: st.DataObject
) -> None:
    """The quick way takes nothing that the careful way refuses or reads otherwise."""
    written = {**json.loads(encode(record)), **other}
    for path in inner:
        holder, key = path.split("|")
        if isinstance(written.get(holder), dict):
            written[holder][key] = data.draw(VALUES)
    found = json.dumps(written).encode()
    quick = metadata._quickly(found, record.name)  # noqa: SLF001 - likewise
    assert quick is None or quick == careful(found, record.name)


@given(RECORDS)
def test_the_quick_way_is_taken(record: Record) -> None:
    """Every record that holds no field of another version is read the quick way."""
    known = attrs.evolve(record, extra={})
    assert metadata._quickly(encode(known), record.name) == known  # noqa: SLF001 - likewise


@given(RECORDS)
def test_what_counts_for_answers(record: Record) -> None:
    """The answer files at the provider are those that the whole record names, of whatever version it is."""
    assert decode_for_answers(encode(record), PATH, record.name) == record.at_provider


@given(st.binary(max_size=200))
def test_any_bytes_count_for_answers_or_are_refused(data: bytes) -> None:
    """What is read for answers takes no bytes that are no record."""
    if told(data) is None:
        with pytest.raises(BadMetadata):
            decode_for_answers(data, PATH, NAME)


@given(
    st.dictionaries(
        st.sampled_from([*FILES, "batch_id", "name", "x"]), st.none() | st.sampled_from(["", "batch_1", 5])
    )
)
def test_ancestors_are_read_alike_both_ways(found: dict[str, Any]) -> None:
    """The four ids say the same the quick and the careful way."""
    data = json.dumps(found).encode()
    quick = metadata._quickly(data, NAME)  # noqa: SLF001 - likewise
    assert quick is None or quick == careful(data, NAME)


def told(data: bytes) -> Record | None:
    """The record, None when it was refused; every other exception is an error of the program."""
    try:
        return decode(data, PATH, NAME)
    except BadMetadata:
        return None


@pytest.mark.parametrize("key", ["state", "limit", "roles", "receipts", "schema", "x-unknown"])
def test_a_value_that_is_nested_deeply(key: str) -> None:
    """Lists in lists, as deep as a reader goes and deeper, are kept or refused; no other error comes."""
    # Where the stack ends depends on who calls: the decoder may reach it, or only the words of a refusal.
    for depth in (200, *range(880, 1001), 5000):
        data = encode(FULL)[:-2] + b',"%b":' % key.encode() + b"[" * depth + b"]" * depth + b"}"
        with contextlib.suppress(BadMetadata):
            assert decode(data, PATH, NAME).name == NAME


@pytest.mark.parametrize("key", ["receipts", "x-unknown"])
def test_a_value_may_be_nested_a_hundred_levels(key: str) -> None:
    """What is read can be told and written again from wherever; what is nested deeper is refused."""
    for depth in (99, 100):
        nested = b'{"a":' * depth + b"1" + b"}" * depth
        data = encode(attrs.evolve(FULL, receipts={}))[:-2] + b',"%b":%b}' % (key.encode(), nested)
        if depth == 99:
            assert decode(encode(decode(data, PATH, NAME)), PATH, NAME).name == NAME
        else:
            with pytest.raises(BadMetadata, match="nested too deeply"):
                decode(data, PATH, NAME)


def test_a_value_may_be_as_wide_as_it_likes() -> None:
    """Many brackets beside each other are not deep."""
    data = encode(FULL)[:-2] + b',"x-unknown":[' + b",".join([b"[]"] * 500) + b"]}"
    assert decode(data, PATH, NAME).extra["x-unknown"] == [[]] * 500
