"""One file a request: no two ids share a name, and none of them is a path."""

import json
import re
import unicodedata
from typing import Final

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from reconciler.model.content import Content
from reconciler.model.exchange import Result
from reconciler.model.outcome import Outcome
from reconciler.processors.files import INDEX, data_of, folder_of, index_line, leaf_of, leaves

CONTENTS: Final = list(Content)


@pytest.mark.parametrize(
    ("custom_id", "leaf"),
    [
        pytest.param("q-1", "q-1.txt", id="plain"),
        pytest.param("0", "0.txt", id="digit"),
        pytest.param("a" * 80, "a" * 80 + ".txt", id="longest"),
    ],
)
def test_a_harmless_id(custom_id: str, leaf: str) -> None:
    """An id that is harmless on every file system is the name itself."""
    assert leaf_of(custom_id, Content.TEXT) == leaf


@pytest.mark.parametrize(
    "custom_id",
    [
        *(
            "../x",
            "/etc/passwd",
            "a/b",
            "..",
            ".",
            "",
            " ",
            "a b",
            ".hidden",
            "-rf",
            "_",
            "a.txt",
            "A",
            "Q-1",
        ),
        *("index", "INDEX", "a" * 81, "é", "\u202e", "\n", "\x1b[2J", "a\n", "CON:", "日本", "q-" + "0" * 16),
    ],
)
@pytest.mark.parametrize("content", CONTENTS)
def test_any_other_id(custom_id: str, content: Content) -> None:
    """Any other id becomes a plain name of its own, with a hash at its end."""
    leaf = leaf_of(custom_id, content)
    assert re.fullmatch(r"[A-Za-z0-9_-]+-[0-9a-f]{16}\.(txt|json|jsonl)", leaf)
    assert len(leaf) <= 104


_PLAIN = st.text("abAB01-_", max_size=4)
_OURS = st.builds(
    lambda text, content: leaf_of(text, content).rpartition(".")[0], _PLAIN, st.sampled_from(CONTENTS)
)
_IDS = (
    _PLAIN
    | _OURS
    | st.sampled_from(["index", "Index", "index.jsonl", "../a", "a/../a", "A", "a", ".", "..", "a.", "a "])
    | st.text("aA./\\\n\x01\x7f ", max_size=5)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=100)
)


def folded(leaf: str) -> str:
    """A name as a file system sees it that minds neither case nor the form of its letters."""
    return unicodedata.normalize("NFKC", leaf).casefold().rstrip(". ")


@given(_IDS, _IDS, st.sampled_from(CONTENTS))
@example("a", "A", Content.TEXT)
@example("index", "INDEX", Content.JSONL)
@example("A", leaf_of("A", Content.TEXT)[:-4].lower(), Content.TEXT)
@example("A", leaf_of("A", Content.TEXT)[:-4], Content.TEXT)
@example("\u00e9", "e\u0301", Content.TEXT)
def test_two_ids_have_two_names(one: str, other: str, content: Content) -> None:
    """Different ids get different names, on a file system that minds case and on one that does not."""
    assume(one != other)
    assert folded(leaf_of(one, content)) != folded(leaf_of(other, content))


@given(_IDS, st.sampled_from(CONTENTS))
@example("index", Content.JSONL)
@example("index.jsonl", Content.JSONL)
def test_a_name_is_a_plain_leaf(custom_id: str, content: Content) -> None:
    """A name is short, plain ASCII, never the index, hidden, nor a path; and the index knows it as ours."""
    leaf = leaf_of(custom_id, content)
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,100}\.[a-z]+", leaf)
    assert folded(leaf) != INDEX
    assert leaves(index_line(custom_id, "answered", leaf, {})) == {leaf}


@pytest.mark.parametrize(
    "line",
    [
        *(b"", b"{", b"[]", b"7", b'{"file": 7}', b'{"file": null}', b"{}", b'{"file": "../x.txt"}', b"\xff"),
        *(b'{"file": "/etc/passwd"}', b'{"file": "a/b.txt"}', b'{"file": ".txt"}', b'{"file": "notes.md"}'),
        *(b'{"file": "a.txt\\n"}', b'{"file": ".."}', b'{"file": ""}'),
    ],
)
def test_an_index_that_somebody_else_wrote(line: bytes) -> None:
    """A line that names no file of ours names nothing, and does not hide the lines beside it."""
    good = index_line("q", "answered", "q.txt", {})
    assert leaves(good + line + b"\n" + index_line("r", "answered", "r.txt", {})) == {"q.txt", "r.txt"}


@given(_IDS)
def test_the_index_maps_any_id(custom_id: str) -> None:
    """A line of the index is one line, and gives the id back exactly."""
    line = index_line(custom_id, "answered", leaf_of(custom_id, Content.TEXT), {"sha256": "0"})
    assert line.count(b"\n") == 1
    assert json.loads(line)["custom_id"] == custom_id


@pytest.mark.parametrize(
    ("result", "content", "data"),
    [
        pytest.param({"text": "é\r\n"}, Content.TEXT, "é\r\n".encode(), id="text-as-it-is"),
        pytest.param({"text": ""}, Content.TEXT, b"", id="empty-text"),
        pytest.param({"body": {"data": [1]}}, Content.TEXT, b'{\n  "data": [\n    1\n  ]\n}\n', id="no-text"),
        pytest.param({"text": "x", "value": {"a": 1}}, Content.JSON, b'{\n  "a": 1\n}\n', id="json"),
        pytest.param({"text": "x", "value": [{"a": 1}, 2]}, Content.JSONL, b'{"a":1}\n2\n', id="jsonl"),
    ],
)
def test_what_a_file_holds(result: dict[str, object], content: Content, data: bytes) -> None:
    """A file holds the value that was read, else the text byte for byte, else the body."""
    assert data_of(Result("q", Outcome.ANSWERED, **result), content) == data  # type: ignore[arg-type]


def test_the_folder() -> None:
    """The files of a batch have a folder of their own in `target/`."""
    assert folder_of("7") == "target/7.files"
