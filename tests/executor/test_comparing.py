"""Published files are compared by request, whatever the order of lines and whoever has edited them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.executor.comparing import EXAMPLES, Change, Difference, compare_files
from reconciler.workspace.reading import Reading
from tests.workspaces import scratch

PATH = "target/1.results.jsonl"


def write(path: Path, rows: Sequence[Mapping[str, Any] | bytes]) -> None:
    """Lines as a file."""
    lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    path.write_bytes(b"".join(line + b"\n" for line in lines))


def compared(folder: Path, old: Sequence[Any], new: Sequence[Any], path: str = PATH) -> Difference:
    """The difference between two files with these lines."""
    write(folder / "old", old)
    write(folder / "new", new)
    look = Reading(str(folder))
    try:
        return compare_files(look, path, "old", "new")
    finally:
        look.close()


def row(n: int, value: Any = None) -> dict[str, Any]:
    """The line of a request."""
    return {"custom_id": f"q-{n}", "value": value}


def test_each_member_that_differs_is_named(tmp_path: Path) -> None:
    """Old and new stand side by side, and no more than a few are shown."""
    found = compared(tmp_path, [row(n) for n in range(9)], [row(n, n or None) for n in range(9)])
    assert (found.changed, found.unchanged) == (8, 1)
    assert len(found.examples) == EXAMPLES
    assert found.examples[0] == Change("q-1", "value", None, 1)
    more = compared(tmp_path, [row(1)], [{"custom_id": "q-1", "value": None, "why": "x"}])
    assert more.examples == (Change("q-1", "why", None, "x"),)


@pytest.mark.parametrize("junk", [b"", b"{}", b"no json", b'{"custom_id":7}', b"[]"])
def test_lines_that_are_none_of_ours(junk: bytes, tmp_path: Path) -> None:
    """What somebody has put between is gone afterwards, and every request is still found."""
    found = compared(tmp_path, [row(0), junk, row(1)], [row(0), row(1)])
    assert (found.unchanged, found.gone, found.changed, found.added) == (2, 1, 0, 0)


def test_files_without_lines_of_requests(tmp_path: Path) -> None:
    """They are the same or they are not."""
    assert compared(tmp_path, [row(0)], [row(0)], "target/1.value.json") == Difference(unchanged=1)
    found = compared(tmp_path, [row(0)], [row(1)], "target/1.value.json")
    assert (found.changed, found.examples) == (1, (Change(None, "target/1.value.json", None, None),))


@given(
    st.dictionaries(st.integers(0, 9), st.integers(0, 2)),
    st.dictionaries(st.integers(0, 9), st.integers(0, 2)),
    st.randoms(use_true_random=False),
)
def test_law_every_request_is_counted_once(old: dict[int, int], new: dict[int, int], chance: Any) -> None:
    """Changed, unchanged and gone are the old ones; changed, unchanged and added the new, in any order."""
    before = [row(n, value) for n, value in old.items()]
    chance.shuffle(before)
    with scratch() as folder:
        found = compared(folder, before, [row(n, value) for n, value in new.items()])
    assert found.unchanged == sum(new.get(n) == value for n, value in old.items())
    assert found.unchanged + found.changed + found.gone == len(old)
    assert found.unchanged + found.changed + found.added == len(new)
    assert found.any is (old != new)
