"""Names of batches and files: taken whole, read strictly, never confused."""

from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.identity import (
    ANSWERS,
    BITS,
    BatchName,
    Role,
    child_name,
    file_name,
    fold,
    lineage_root,
    parse_file_name,
    parse_file_names,
    parse_name,
)
from reconciler.native import Native

names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,89}", fullmatch=True)


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        pytest.param("7", True, id="number"),
        pytest.param("0f9c2e3a-1b2c-4d5e-8f90-a1b2c3d4e5f6", True, id="uuid"),
        pytest.param("7_part2", True, id="underscore"),
        pytest.param("7.r1", True, id="child"),
        pytest.param("Z" * 90, True, id="longest"),
        pytest.param("Z" * 91, False, id="too-long"),
        pytest.param("", False, id="empty"),
        pytest.param(".7", False, id="hidden"),
        pytest.param("-7", False, id="looks-like-an-option"),
        pytest.param("_7", False, id="begins-with-underscore"),
        pytest.param("a b", False, id="space"),
        pytest.param("a/b", False, id="slash"),
        pytest.param("7\n", False, id="newline-at-the-end"),
        pytest.param("é", False, id="letter-beyond-ascii"),
        pytest.param("٣", False, id="digit-beyond-ascii"),
        pytest.param("a\x00", False, id="nul"),
    ],
)
def test_what_is_a_name(text: str, *, valid: bool) -> None:
    """A name has 1 to 90 ASCII letters, digits, `.`, `_` and `-`, and begins with a letter or digit."""
    assert parse_name(text) == (text if valid else None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("batch_input_7.jsonl", (Role.INPUT, "7"), id="input"),
        pytest.param("batch_output_7.jsonl", (Role.OUTPUT, "7"), id="output"),
        pytest.param("batch_error_7.jsonl", (Role.ERROR, "7"), id="error"),
        pytest.param("batch_metadata_7.jsonl", (Role.METADATA, "7"), id="metadata"),
        pytest.param("batch_input_7_part2.jsonl", (Role.INPUT, "7_part2"), id="taken-whole"),
        pytest.param("batch_input_output_7.jsonl", (Role.INPUT, "output_7"), id="first-role-counts"),
        pytest.param("batch_input_7.jsonl.jsonl", (Role.INPUT, "7.jsonl"), id="only-the-last-ending"),
        pytest.param("batch_input_.jsonl", None, id="no-name"),
        pytest.param("batch_input_7.json", None, id="other-ending"),
        pytest.param("batch_input_7.jsonl.tmp", None, id="temporary"),
        pytest.param("batch_input_7.jsonl\n", None, id="newline"),
        pytest.param("batch_input_a\nb.jsonl", None, id="newline-inside"),
        pytest.param("Batch_input_7.jsonl", None, id="capital"),
        pytest.param("batch_inputs_7.jsonl", None, id="other-role"),
        pytest.param("xbatch_input_7.jsonl", None, id="prefix"),
        pytest.param("batch_input_é.jsonl", None, id="bad-name"),
    ],
)
def test_what_is_a_file_of_a_batch(text: str, expected: tuple[Role, str] | None) -> None:
    """A file belongs to a batch by its exact name, or not at all."""
    assert parse_file_name(text) == expected


@given(st.sampled_from(Role), names)
def test_file_names_round_trip(role: Role, name: str) -> None:
    """Every role of every name has a file name that reads back as the same role and name."""
    assert parse_name(name) == name
    assert parse_file_name(file_name(role, name)) == (role, name)


@given(st.text(max_size=40))
def test_reading_a_file_name_is_total(text: str) -> None:
    """Any text at all is a file name of ours or is not; what is, is written the same way again."""
    found = parse_file_name(text)
    assert found is None or file_name(*found) == text


pieces = st.sampled_from(
    [
        "batch",
        "_",
        "input",
        "output",
        "error",
        "metadata",
        "7",
        "a.r1",
        ".jsonl",
        ".",
        "B",
        "é",
        "\n",
        "/",
        "",
    ]
)
almost = st.lists(pieces, max_size=7).map("".join)


@given(
    st.lists(st.text(max_size=12) | almost | st.builds(file_name, st.sampled_from(Role), names), unique=True)
)
def test_many_names_are_read_like_each_of_them(texts: list[str]) -> None:
    """Reading a whole folder of names says of each what reading it alone says, and drops none."""
    batches, others = parse_file_names(texts)
    read = {(role, name) for name, bits in batches.items() for role, bit in BITS.items() if bits & bit}
    assert read == {found for text in texts if (found := parse_file_name(text))}
    assert sorted(others) == sorted(text for text in texts if parse_file_name(text) is None)


class _Partly:
    """Code that leaves some names of a batch to Python."""

    def group_names(self, names: list[str], /) -> tuple[dict[str, int], list[str]]:
        """It knows of inputs only."""
        known = {name for name in names if name == file_name(Role.INPUT, "7")}
        return {"7": BITS[Role.INPUT]} if known else {}, [name for name in names if name not in known]


def test_a_batch_of_which_python_sees_the_rest() -> None:
    """Files of one batch that are taken in by C and by Python make one batch, whoever saw which."""
    names = [*(file_name(role, "7") for role in Role), file_name(Role.ERROR, "8"), "x"]
    found = parse_file_names(names, cast("Native", _Partly()))
    assert found == parse_file_names(names, None) == ({"7": 15, "8": BITS[Role.ERROR]}, ["x"])


@pytest.mark.parametrize(
    ("name", "root"),
    [
        pytest.param("7", "7", id="root"),
        pytest.param("7.r1", "7", id="child"),
        pytest.param("7.r12", "7", id="two-digits"),
        pytest.param("7.r", "7.r", id="no-number"),
        pytest.param("7.r1x", "7.r1x", id="not-at-the-end"),
        pytest.param("7.R1", "7.R1", id="capital"),
        pytest.param("7r1", "7r1", id="no-dot"),
        pytest.param("7_part2.r3", "7_part2", id="name-taken-whole"),
        pytest.param("7.r٣", "7.r٣", id="digit-beyond-ascii"),
    ],
)
def test_the_root_of_a_lineage(name: str, root: str) -> None:
    """Only `.r<digits>` at the end marks a child."""
    assert lineage_root(name) == root


@given(names, st.integers(1, 999))
def test_children_belong_to_their_root(root: str, k: int) -> None:
    """The k-th child of a root leads back to it."""
    child = child_name(root, k)
    assert lineage_root(child) == root
    assert child == f"{root}.r{k}"


@pytest.mark.parametrize(
    ("one", "other", "clash"),
    [
        pytest.param("Job", "jOB", True, id="case"),
        pytest.param("e\u0301", "\u00e9", True, id="normalisation"),
        pytest.param("7", "7_part2", False, id="prefix"),
        pytest.param("7.r1", "7.r2", False, id="siblings"),
    ],
)
def test_names_that_clash(one: str, other: str, *, clash: bool) -> None:
    """Two names clash when a file system that ignores case or normalises could not hold both."""
    assert (fold(one) == fold(other)) is clash


def test_answers_are_read_output_first() -> None:
    """The roles that hold answers have one order, and neither the input nor metadata is among them."""
    assert ANSWERS == (Role.OUTPUT, Role.ERROR)
    assert parse_name(BatchName("7")) == "7"
