"""Rows of CSV: whatever the cells hold, they are read to the same cells, and no text ends a row."""

import csv
import io
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.codec.cells import guarded, row_writer, unguarded
from reconciler.codec.registry import decode, encode_line
from reconciler.errors import UsageError
from reconciler.model.rows import ResultRow, Standing
from reconciler.processors.tables import csv_blocks

CELLS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=6), min_size=2, max_size=4)


def written(*rows: list[str]) -> str:
    """Rows as a text."""
    out = io.StringIO(newline="")
    write = row_writer(out)
    for row in rows:
        write(row)
    return out.getvalue()


@given(st.lists(CELLS, max_size=3))
def test_rows_are_read_again(rows: list[list[str]]) -> None:
    """Line feeds, carriage returns, quotes and commas in cells come back as they were."""
    assert list(csv.reader(io.StringIO(written(*rows), newline=""), strict=True)) == rows


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("a\rb", '"a\rb"'),
        ("a\nb", '"a\nb"'),
        ("a\r\n", '"a\r\n"'),
        ("a", "a"),
        ('"', '""""'),
        ("\r\n", '"\r\n"'),
    ],
)
def test_lines_end_in_one_way(cell: str, text: str) -> None:
    """A row ends at one line feed, and what would end it inside of a cell is quoted."""
    assert written([cell, "x"], ["x", cell]) == f"{text},x\nx,{text}\n"


def test_a_carriage_return_hides_no_formula() -> None:
    """What follows a carriage return in an answer is no cell of its own, which a spreadsheet would run."""
    rows = [ResultRow("a", Standing.ANSWERED, text="4\r=HYPERLINK(1)")]
    assert b"".join(csv_blocks(rows, ("custom_id", "text"))) == b'custom_id,text\na,"4\r=HYPERLINK(1)"\n'


@given(st.text("'=+-@\t\r\n\uff1d\uff0b\uff0d\uff20a", max_size=5))
def test_a_guarded_text_is_no_formula_and_comes_back(text: str) -> None:
    """Apostrophes of its own and full-width signs included."""
    cell = guarded(text)
    assert cell[:1] not in set("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
    assert unguarded(cell) == text


def test_a_registry_with_a_carriage_return_is_read_again() -> None:
    """A model or a path may hold one."""
    columns = ("provider", "batch_id", "batch_input_path", "model")
    (row,) = decode(encode_line(columns) + encode_line(("openai", "b", "p", "m\rx")), "r.csv")
    assert row["model"] == "m\rx"


@pytest.mark.parametrize(
    "text",
    [
        b"provider;batch_id;batch_input_path\nopenai;b;p,q\n",
        b'provider,batch_id,batch_input_path,"mine; not yours"\nopenai,b,"p,q",x;y\n',
        b'provider,batch_id,batch_input_path\nopenai,b,"p,q"\n',
    ],
    ids=["semicolons", "both", "commas"],
)
def test_what_stands_between_columns(text: bytes) -> None:
    """Semicolons, as spreadsheets of many countries write, where there is no comma in the header."""
    (row,) = decode(text, "r.csv")
    assert (row["provider"], row["batch_id"], row["batch_input_path"]) == ("openai", "b", "p,q")


def test_a_registry_of_many_columns_is_refused_at_once() -> None:
    """What stands there twice is told in few words, and not by comparing each column with each."""
    began = time.process_time()
    with pytest.raises(UsageError, match="twice") as caught:
        decode(b"provider,batch_id,batch_input_path" + b",a,b" * 20_000 + b"\n", "r.csv")
    assert time.process_time() - began < 1
    assert len(caught.value.message) < 300
