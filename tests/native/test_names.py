"""Names of files are grouped by batch in C as in Python."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.identity import Role, file_name, parse_file_names
from tests.native.built import native, only_built

pytestmark = only_built

_ROLES = st.sampled_from([*(role.value for role in Role), "inputs", "", "Input"])
_NAMES = st.text("a0._-rq\u00e9/\n ", max_size=100) | st.sampled_from(
    ["7", "7.r1", "a" * 90, "a" * 91, "a" * 90 + ".r1", "_7", ".7", "7.jsonl", "\udcff", "07"]
)
_FILES = st.builds("batch_{}_{}.jsonl".format, _ROLES, _NAMES) | _NAMES


@given(st.lists(_FILES, max_size=30, unique=True))
def test_any_names(names: list[str]) -> None:
    """The same batches with the same roles, and the same names that are none."""
    batches, others = parse_file_names(names, native())
    expected, left = parse_file_names(names, None)
    assert batches == expected
    assert sorted(others) == sorted(left)


def test_many_names() -> None:
    """A table that has to grow loses nothing, and names whose hashes collide are told apart."""
    names = [file_name(role, f"b{n}") for n in range(5000) for role in Role]
    batches, others = native().group_names(names)
    assert (len(batches), set(batches.values()), others) == (5000, {15}, [])
    assert list(batches) == [f"b{n}" for n in range(5000)]


@pytest.mark.parametrize("wrong", [("batch_input_7.jsonl",), ["x", b"batch_input_7.jsonl"], [None]])
def test_no_names(wrong: list[str]) -> None:
    """Anything but a list of texts is a TypeError."""
    with pytest.raises(TypeError):
        native().group_names(wrong)


def test_names_that_were_made_to_collide() -> None:
    """Hundreds of names with one hash are grouped all the same, by Python from some point on."""
    # FNV-1a forgets nothing: two names that meet in their hash still meet when the same is appended to both.
    found: dict[int, str] = {}
    pairs: list[tuple[str, str]] = []
    base = ""
    while len(pairs) < 7:
        found.clear()
        n = 0
        while True:
            n += 1
            name = f"{n:x}"
            value = _hash(base + name)
            if value in found:
                pairs.append((found[value], name))
                base += name
                break
            found[value] = name
    names = [""]
    for one, other in pairs:
        names = [start + end for start in names for end in (one, other)]
    assert len({_hash(name) for name in names}) == 1
    batches, others = parse_file_names([file_name(Role.INPUT, name) for name in names], native())
    assert (len(batches), others) == (2**7, [])


def _hash(name: str) -> int:
    """The hash that names.c takes."""
    value = 2166136261
    for byte in name.encode():
        value = (value ^ byte) * 16777619 % 2**32
    return value
