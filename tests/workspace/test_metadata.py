"""The record of a batch as bytes: what is written is read again, and what is not trusted is refused."""

import json
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import BadMetadata
from reconciler.model.identity import BatchName, Role
from reconciler.model.record import Record, Submission
from reconciler.workspace.metadata import decode, decode_for_answers, encode
from tests.workspace.records import FILES, FULL, JSON, NAME, PATH, RECORDS, TEXT

BARE = Record(NAME, generation=4, output_file_id="file-2", error_file_id="file-3")


def refused(data: bytes) -> str:
    """The message with which *data* is refused."""
    with pytest.raises(BadMetadata) as caught:
        decode(data, PATH, NAME)
    assert PATH in caught.value.message
    return caught.value.message


def with_field(path: str, value: Any) -> bytes:
    """The full record with one value replaced; the path is dotted."""
    fields = json.loads(encode(FULL))
    *above, last = path.split("|")
    holder = fields
    for key in above:
        holder = holder[key]
    holder[last] = value
    return json.dumps(fields).encode()


# Round trips


@given(RECORDS)
def test_what_is_written_is_read_again(record: Record) -> None:
    """Every field survives, those that this version does not know included, on exactly one line."""
    data = encode(record)
    assert decode(data, PATH, record.name) == record
    assert data.endswith(b"\n")
    assert data.count(b"\n") == 1
    assert encode(decode(data, PATH, record.name)) == data


def test_the_full_record() -> None:
    """The example that the other tests here break has every field set, and is read again."""
    empty = Record(NAME)
    assert decode(encode(FULL), PATH, NAME) == FULL
    assert [
        field.name
        for field in attrs.fields(Record)
        if getattr(FULL, field.name) == getattr(empty, field.name)
    ] == ["name"]


def test_what_says_nothing_is_left_out() -> None:
    """A record that says little is a short line; the field names are public."""
    assert json.loads(encode(Record(NAME))) == {"schema": 1, "generation": 0, "name": "7", "attempt": 1}


def test_none_and_unknown_are_two_things() -> None:
    """That the provider has no such file is kept apart from not knowing."""
    assert json.loads(encode(FULL))["roles"] == {
        "output": {"sha256": "ab" * 32, "bytes": 17},
        "error": "none",
    }
    assert decode(encode(Record(NAME)), PATH, NAME).roles == {}


def test_a_byte_order_mark_is_no_harm() -> None:
    """An editor may have left a mark in front."""
    assert decode(b"\xef\xbb\xbf" + encode(FULL), PATH, NAME) == FULL


# Ancestors


@pytest.mark.parametrize(
    ("batch_id", "provider"),
    [
        ("batch_abc", "openai"),
        ("msgbatch_abc", "anthropic"),
        ("batches/abc", "gemini"),
        ("b-abc", None),
        ("BATCH_abc", None),
    ],
)
def test_ancestors(batch_id: str, provider: str | None) -> None:
    """Four ids without a schema are a submitted batch; the prefix tells whose, or nobody knows."""
    ids = {"batch_id": batch_id, "input_file_id": "a", "output_file_id": None, "error_file_id": ""}
    record = decode(json.dumps(ids).encode(), PATH, NAME)
    assert record == Record(
        NAME, provider=provider, state=Submission.SUBMITTED, batch_id=batch_id, input_file_id="a"
    )
    assert decode(encode(record), PATH, NAME) == record


@pytest.mark.parametrize(
    "data",
    [
        b"{}",
        b'{"batch_id":null}',
        b'{"batch_id":""}',
        b'{"batch_id":7}',
        b'{"batch_id":["batch_1"]}',
        b'{"input_file_id":"file-1"}',
        b'{"batch_id":"batch_1","output_file_id":7}',
        b'{"batch_id":"batch_1","error_file_id":{}}',
        b'{"generation":1,"name":"7","attempt":1}',
    ],
)
def test_no_schema_and_no_ids(data: bytes) -> None:
    """An object that is neither ours nor an ancestor's says nothing that can be trusted."""
    refused(data)


@given(st.dictionaries(TEXT.map("x-{}".format), JSON, max_size=3))
def test_unknown_keys_of_an_ancestor_are_kept(extra: dict[str, Any]) -> None:
    """What another tool wrote beside its four ids is written back with them."""
    data = json.dumps({"batch_id": "batch_1", **extra}).encode()
    record = decode(data, PATH, NAME)
    assert record.extra == extra
    assert json.loads(encode(record)).items() >= extra.items()


@pytest.mark.parametrize("key", ["cost", "receipts", "counts", "children", "input", "coverage", "status"])
def test_an_ancestor_with_a_key_of_ours(key: str) -> None:
    """Whatever an ancestor's record holds beside its ids, what is written for it can be read again."""
    record = decode(json.dumps({"batch_id": "batch_1", key: 5}).encode(), PATH, NAME)
    assert decode(encode(record), PATH, NAME).batch_id == "batch_1"


# Refusals


@pytest.mark.parametrize(
    ("data", "why"),
    [
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(b" \t\r\n\n", "is empty", id="white-space"),
        pytest.param(b"\xef\xbb\xbf", "is not JSON", id="mark-alone"),
        pytest.param(b"\x00" * 64, "is not JSON", id="zeroes"),
        pytest.param(b"not json", "is not JSON", id="text"),
        pytest.param(b'{"schema":1', "is not JSON", id="open"),
        pytest.param(b'{"schema":1,"x":NaN}', "is not JSON", id="nan"),
        pytest.param(b'{"schema":1,"x":"\xff"}', "is not JSON", id="no-utf8"),
        pytest.param(b'{"schema":1,"x":"\\ud800"}', "is not JSON", id="surrogate"),
        pytest.param(b'{"schema":1,"x":' + b"[" * 100_000, "is not JSON", id="deep"),
        pytest.param(b'{"schema":1,"x":' + b"9" * 5000 + b"}", "is not JSON", id="huge-number"),
        pytest.param(encode(FULL) * 2, "is not JSON", id="twice"),
        pytest.param(encode(FULL)[1:], "is not JSON", id="beheaded"),
        pytest.param(b"[]", "no JSON object", id="list"),
        pytest.param(b"null", "no JSON object", id="null"),
        pytest.param(b'"batch_1"', "no JSON object", id="string"),
        pytest.param(b"7", "no JSON object", id="number"),
    ],
)
def test_corruption(data: bytes, why: str) -> None:
    """What is empty, no JSON or no object is refused, each in words of its own."""
    assert why in refused(data)


def test_every_truncation_is_refused() -> None:
    """Cut anywhere, a record is refused; without its line feed alone it is still the same record."""
    for whole in (encode(FULL), encode(Record(NAME)), b'{"batch_id":"batch_1","input_file_id":"file-1"}\n'):
        record = decode(whole, PATH, NAME)
        for size in range(len(whole) - 1):
            refused(whole[:size])
            refused(whole[:size] + b"\x00" * (len(whole) - size))
        assert decode(whole[:-1], PATH, NAME) == record


@pytest.mark.parametrize("schema", [2, 3, 10**15])
def test_a_newer_schema_is_refused(schema: int) -> None:
    """A file of a newer version is not guessed at; the hint says what to run."""
    with pytest.raises(BadMetadata, match="newer version") as caught:
        decode(with_field("schema", schema), PATH, NAME)
    assert "newer" in caught.value.hint


@pytest.mark.parametrize("schema", [0, -1, None, True, "1", 1.0, [], {}])
def test_a_schema_of_the_wrong_kind_is_refused(schema: object) -> None:
    """A schema that is no whole number from 1 is no schema."""
    assert "schema is" in refused(with_field("schema", schema))


def test_the_record_of_another_batch_is_refused() -> None:
    """A file that was copied or renamed does not speak of this batch."""
    with pytest.raises(BadMetadata, match="speaks of batch '7'"):
        decode(encode(FULL), PATH, BatchName("8"))


TEXTS = "provider endpoint account intent batch_id status parent".split()
WRONG: list[tuple[str, list[Any]]] = [
    ("name", [None, 7, "", [], "8"]),
    ("generation", [None, -1, 1.5, True, "1", []]),
    ("attempt", [None, -1, 1.5, True, "1"]),
    *((key, [7, True, [], {}]) for key in (*TEXTS, *FILES)),
    ("state", ["unheard", 7, True, [], {}]),
    ("sent_at", ["1", True, [], {}]),
    ("results_until", ["1", True, [], {}]),
    ("input", [7, "x", [], {}]),
    ("input|sha256", [None, 7, []]),
    ("input|bytes", [None, -1, "7", 1.5]),
    ("input|requests", [None, -1, "7", 1.5]),
    ("counts", [None, 7, "x", []]),
    ("counts|total", [-1, "7", 1.5, True]),
    ("roles", [None, 7, "x", []]),
    ("roles|output", [None, 7, "absent", [], {}]),
    ("roles|unheard", ["none", {"sha256": "ab", "bytes": 1}]),
    ("coverage", [7, "x", [], {}]),
    ("coverage|input", [None, 7, {}]),
    ("coverage|answered", [None, 7, {}]),
    ("coverage|answered|ids", [None, 7, "xyz", ""]),
    ("coverage|answered|requests", [None, -1, "7"]),
    ("coverage|by_class", [None, 7, [], {"unheard": {"requests": 1, "ids": "0"}}]),
    ("coverage|digests", [None, 7, [], {"unheard": {"sha256": "ab", "bytes": 1}}]),
    ("children", [None, 7, []]),
    ("children|6.r2", [None, 7, [], "x", {}]),
    ("children|6.r2|owns", [None, 7, {}]),
    ("children|6.r2|input", [None, 7, {}]),
    ("children|6.r2|changed", [7, {}, {"requests": 1, "ids": "1", "by": 7}]),
    ("online|stopped", [None, 7, "x"]),
    ("online|candidates", [7, "x", {}, [7]]),
    ("online|refusals", [7, "x", {}, [7], [{}]]),
    ("dismissed", [None, 7, []]),
    ("dismissed|missing", [None, 7, {}]),
    ("receipts", [None, 7, []]),
    ("cost", [7, "x", []]),
]


@pytest.mark.parametrize(
    ("path", "value"),
    [pytest.param(path, value, id=f"{path}={value!r}") for path, values in WRONG for value in values],
)
def test_a_value_of_the_wrong_kind_is_refused(path: str, value: object) -> None:
    """A field that holds what its reader cannot use stops the batch, never the program."""
    refused(with_field(path, value))


@pytest.mark.parametrize("key", ["name", "generation"])
def test_what_every_record_has(key: str) -> None:
    """A record that lacks its name or its generation is refused."""
    fields = json.loads(encode(FULL))
    del fields[key]
    refused(json.dumps(fields).encode())


@pytest.mark.parametrize("key", ["sent_at", "results_until"])
def test_a_number_beyond_all_ranges_is_refused(key: str) -> None:
    """A time with four hundred digits is refused like any other value that cannot be used."""
    refused(with_field(key, 10**400))


@pytest.mark.parametrize("field", ["parent", "children"])
def test_names_inside_a_record_are_names(field: str) -> None:
    """A parent or a child is a batch name: it becomes part of a path."""
    hostile = "../../outside"
    value = {hostile: {"owns": {"requests": 1, "ids": "0"}, "input": {"sha256": "ab", "bytes": 1}}}
    refused(with_field(field, hostile if field == "parent" else value))


def test_receipts_are_objects() -> None:
    """A receipt is an object; whoever reads one may rely on that."""
    refused(with_field("receipts|process-output", 5))


def test_only_the_account_is_passed_over_for_answers() -> None:
    """Where answers are here, any other damage is refused as ever, and a damaged account alone is not."""
    for path, values in WRONG:
        for value in values:
            if not path.startswith("coverage"):
                with pytest.raises(BadMetadata, match=PATH):
                    decode_for_answers(with_field(path, value), PATH, NAME)
    data = encode(attrs.evolve(BARE, coverage=FULL.coverage)).replace(b'"requests":3', b'"requests":-3')
    refused(data)
    assert decode_for_answers(data, PATH, NAME) == BARE.at_provider == (Role.OUTPUT, Role.ERROR)


def test_a_schema_of_many_digits() -> None:
    """A version without an end is named in few words."""
    assert len(refused(with_field("schema", 10**4000))) < 200
