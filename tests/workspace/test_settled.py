"""What a settled batch leaves: its manifest as bytes, and what lies in `done/`."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import BadMetadata
from reconciler.model.coverage import Coverage, FileDigest, Tally
from reconciler.model.identity import BatchName, Role, file_name
from reconciler.model.record import Child
from reconciler.workspace import settled, tombstones
from reconciler.workspace.reading import Reading
from reconciler.workspace.settled import Manifest, decode, encode
from tests.workspace.faults import plant
from tests.workspace.records import CHILDREN, COVERAGES, DIGESTS, NAMES, NUMBERS, OBJECTS, TEXT, WHOLE

PATH = "done/7/manifest.json"
DIGEST = FileDigest("ab" * 32, 17)
FULL = Manifest(
    name=BatchName("7"),
    files={"batch_input_7.jsonl": DIGEST},
    coverage=Coverage(Tally(3, 7), Tally(3, 7), digests={Role.INPUT: DIGEST}),
    parent=BatchName("6"),
    attempt=2,
    children={BatchName("7.r1"): Child(Tally(1, 2), DIGEST)},
    settled_at=1.5,
    version="0.1",
    dismissed="too old",
    provider="openai",
    batch_id="batch_1",
    receipts={"process-output": {"token": "ab"}},
    worker="http",
)
MANIFESTS = st.builds(
    Manifest,
    name=NAMES,
    files=st.dictionaries(
        st.builds(file_name, st.sampled_from(Role), NAMES), DIGESTS, min_size=1, max_size=4
    ),
    coverage=COVERAGES,
    parent=st.none() | NAMES,
    attempt=WHOLE,
    children=CHILDREN,
    settled_at=NUMBERS,
    version=TEXT,
    dismissed=st.none() | TEXT,
    provider=st.none() | TEXT,
    batch_id=st.none() | TEXT,
    receipts=st.dictionaries(TEXT, OBJECTS, max_size=2),
    worker=TEXT,
)


def with_field(path: str, value: object) -> bytes:
    """The full manifest with one value replaced; the path is dotted with bars."""
    fields = json.loads(encode(FULL))
    *above, last = path.split("|")
    holder = fields
    for key in above:
        holder = holder[key]
    holder[last] = value
    return json.dumps(fields).encode()


@given(MANIFESTS)
def test_what_is_written_is_read_again(manifest: Manifest) -> None:
    """Every field survives, and the same manifest is always the same bytes."""
    data = encode(manifest)
    assert decode(data, PATH) == manifest
    assert encode(decode(data, PATH)) == data


def test_it_is_written_for_people() -> None:
    """The manifest is indented, ends with a line feed, and leaves out what says nothing."""
    data = encode(Manifest(BatchName("7"), {"batch_input_7.jsonl": DIGEST}, Coverage(Tally())))
    assert data.startswith(b'{\n  "schema": 1,\n  "name": "7",\n')
    assert data.endswith(b"}\n")
    assert json.loads(data).keys() == set("schema name settled_at version attempt files coverage".split())


def test_a_manifest_without_files_is_read_again() -> None:
    """A manifest that lists no file is written so that it can be read."""
    manifest = Manifest(BatchName("7"), {}, Coverage(Tally()))
    assert decode(encode(manifest), PATH) == manifest


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b" \n", id="white-space"),
        pytest.param(b"\x00" * 64, id="zeroes"),
        pytest.param(b"not json", id="text"),
        pytest.param(b"\xff\xfe", id="no-text"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b"[]", id="list"),
        pytest.param(b"null", id="null"),
        pytest.param(b"7", id="number"),
        pytest.param(b'"x"', id="string"),
        pytest.param(b"{}", id="no-fields"),
        pytest.param(b'{"schema":1}', id="schema-alone"),
        pytest.param(encode(FULL) * 2, id="twice"),
        pytest.param(
            encode(FULL).rstrip()[:-1] + b',"receipts":{"a":{"a":%b}}}' % (b"[" * 99 + b"]" * 99), id="nested"
        ),
    ],
)
def test_corruption(data: bytes) -> None:
    """What is no manifest is refused, with its path."""
    with pytest.raises(BadMetadata, match=PATH):
        decode(data, PATH)


def test_a_folder_that_was_renamed_is_not_believed(tmp_path: Path) -> None:
    """A manifest speaks of the batch whose folder it stands in; in another one it proves nothing."""
    (tmp_path / "done/8").mkdir(parents=True)
    (tmp_path / "done/8/manifest.json").write_bytes(encode(FULL))
    look = Reading(str(tmp_path))
    with pytest.raises(BadMetadata, match=r"done/8/manifest\.json speaks of batch 7"):
        settled.read(look, "8")
    look.close()


def test_every_truncation_is_refused() -> None:
    """Cut anywhere before its last brace, a manifest is refused."""
    data = encode(FULL)
    for size in range(len(data) - 1):
        with pytest.raises(BadMetadata):
            decode(data[:size], PATH)


@pytest.mark.parametrize("schema", [0, 2, None, "1", [], {}])
def test_another_schema_is_refused(schema: object) -> None:
    """A manifest of another version is not guessed at."""
    with pytest.raises(BadMetadata, match="schema"):
        decode(with_field("schema", schema), PATH)


@pytest.mark.parametrize("key", "schema name settled_at version attempt files coverage".split())
def test_a_missing_field_is_refused(key: str) -> None:
    """What every manifest has must be there."""
    fields = json.loads(encode(FULL))
    del fields[key]
    with pytest.raises(BadMetadata):
        decode(json.dumps(fields).encode(), PATH)


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("files", [None, 7, "x", [], {"a": 7}, {"a": {}}, {"a": {"sha256": 7, "bytes": 1}}]),
        ("files|batch_input_7.jsonl", [{"sha256": "ab", "bytes": -1}, {"sha256": "ab", "bytes": "1"}, {}]),
        (
            "files",
            [{leaf: {"sha256": "ab", "bytes": 1}} for leaf in ("a", "..", "../batch_input_7.jsonl", "a\0")],
        ),
        ("coverage", [None, 7, "x", [], {}, {"input": 7}]),
        ("coverage|answered", [None, 7, {"requests": 1}, {"requests": 1, "ids": "xyz"}]),
        ("coverage|by_class", [{"unheard": {"requests": 1, "ids": "0"}}]),
        ("children", [None, 7, "x", [], {"7.r1": 7}, {"7.r1": {}}]),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused(path: str, values: list[Any]) -> None:
    """Sizes, digests, accounts and children are held against what they must be."""
    for value in values:
        with pytest.raises(BadMetadata):
            decode(with_field(path, value), PATH)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", 7),
        ("name", "../../outside"),
        ("parent", 7),
        ("attempt", "2"),
        ("settled_at", "1.5"),
        ("version", 7),
        ("dismissed", 7),
        ("provider", 7),
        ("batch_id", 7),
        ("receipts", []),
    ],
)
def test_plain_fields_of_the_wrong_kind_are_refused(key: str, value: object) -> None:
    """Names, numbers and texts are held against what they must be as well."""
    with pytest.raises(BadMetadata):
        decode(with_field(key, value), PATH)


@given(st.binary(max_size=100) | st.dictionaries(TEXT, OBJECTS).map(lambda found: json.dumps(found).encode()))
def test_any_bytes_are_a_manifest_or_refused(data: bytes) -> None:
    """Whatever the file holds, nothing but a typed refusal comes of it."""
    with pytest.raises(BadMetadata):
        decode(data, PATH)


def test_reading_one(tmp_path: Path) -> None:
    """The manifest of a settled batch is found by name; a missing one is told apart, a link refused."""
    (tmp_path / "done/7").mkdir(parents=True)
    (tmp_path / "done/8").mkdir()
    (tmp_path / PATH).write_bytes(encode(FULL))
    (tmp_path / "done/8/manifest.json").symlink_to("../7/manifest.json")
    look = Reading(str(tmp_path))
    assert settled.read(look, "7") == FULL
    with pytest.raises(FileNotFoundError):
        settled.read(look, "9")
    with pytest.raises(BadMetadata, match="not a regular file"):
        settled.read(look, "8")
    look.close()


@pytest.mark.parametrize("kind", ["folder", "symlink", "fifo"])
def test_a_tombstone_that_is_no_file_cannot_be_read(tmp_path: Path, kind: str) -> None:
    """It is never read as none: the files that it speaks of are gone."""
    (tmp_path / "done/7").mkdir(parents=True)
    look = Reading(str(tmp_path))
    assert tombstones.read(look, "7") is None
    plant(tmp_path / "done/7" / tombstones.TOMBSTONE, kind)
    with pytest.raises(BadMetadata, match=r"tombstone\.json: not a regular file"):
        tombstones.read(look, "7")
    look.close()


def test_what_lies_in_done(tmp_path: Path) -> None:
    """Folders with a batch's name are settled batches, flat batch files are history, all else is neither."""
    done = tmp_path / "done"
    for folder in ("7", "7.r1", "b", ".staging-9", "a b"):
        (done / folder).mkdir(parents=True)
    for leaf in ("notes.txt", "10", file_name(Role.INPUT, "1"), file_name(Role.OUTPUT, "1")):
        (done / leaf).write_bytes(b"")
    (done / file_name(Role.ERROR, "1")).symlink_to("notes.txt")
    (done / "c").symlink_to("b")
    look = Reading(str(tmp_path))
    assert list(settled.names(look)) == ["7", "7.r1", "b"]
    assert list(settled.history(look)) == [(Role.INPUT, "1"), (Role.OUTPUT, "1")]
    look.close()


def test_no_done_at_all(tmp_path: Path) -> None:
    """A workspace in which nothing has settled has neither."""
    look = Reading(str(tmp_path))
    assert list(settled.names(look)) == []
    assert list(settled.history(look)) == []
    look.close()
