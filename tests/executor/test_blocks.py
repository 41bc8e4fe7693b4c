"""A file that is read in blocks of whole lines is the file that is read line by line."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.codec.jsonl import Line, line_at
from reconciler.errors import BadLine
from reconciler.executor.context import View
from reconciler.executor.reading import BESIDE, Lines
from reconciler.model.coverage import FileDigest
from reconciler.workspace.layout import find
from reconciler.workspace.reading import BLOCK, Reading
from tests.workspaces import put

PATH = "workdir/batch_input_1.jsonl"


def lines_of(root: Path, data: bytes, limit: int, *, digest: bool = True) -> Lines:
    """The reader of a file that holds *data*."""
    if not root.is_dir():
        put(root, "1", input=[])
    (root / PATH).write_bytes(data)
    layout = find(str(root))
    look = Reading(layout.root)
    fact = look.fact(PATH)
    assert fact is not None
    return Lines(View(look=look, layout=layout, line_limit=limit), fact, digest=digest)


def taken_apart(lines: Lines, limit: int) -> list[Line]:
    """The lines of each block; every block but the last ends with a line feed."""
    found: list[Line] = []
    number = start = 0
    for block, end in lines.blocks():
        assert not found or found[-1].terminated
        stop = 0
        while stop < end:
            at, stop = stop, block.find(b"\n", stop, end) + 1 or end
            number += 1
            line = line_at(bytes(block[at:stop]), PATH, number, start + at, limit)
            if line is not None:
                found.append(line)
        start += end
    return found


def both(root: Path, data: bytes, limit: int) -> None:
    """Hold both ways of reading against each other: the lines, or the error, and the digest."""
    ways: list[tuple[list[Line] | None, str, FileDigest | None]] = []
    for blocks in (True, False):
        lines = lines_of(root, data, limit)
        try:
            ways.append((taken_apart(lines, limit) if blocks else list(lines), "", lines.digest))
        except BadLine as error:
            ways.append((None, str(error), None))
    assert ways[0] == ways[1]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.lists(
        st.sampled_from([b"\n", b"\r\n", b" ", b"\xef\xbb\xbf", b"\xff", b"x" * 7, b"y" * 15])
        | st.binary(max_size=9),
        max_size=20,
    ).map(b"".join),
    limit=st.integers(1, 40),
)
def test_lines_are_the_same(tmp_path: Path, data: bytes, limit: int) -> None:
    """Wherever blocks begin, whatever the file holds: equal lines, or the same one is too long."""
    both(tmp_path / "w", data, limit)


@pytest.mark.parametrize("size", [BLOCK - 2, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 5])
@pytest.mark.parametrize("many", [False, True], ids=["alone", "among-many"])
def test_lines_longer_than_a_block(size: int, many: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a parameter
    """A line longer than a block comes whole, before and after others, and while a thread hashes."""
    short = b"".join(b"%d\n" % n * 9 for n in range(1000))
    data = short + b"z" * size + b"\n" + short
    if many:
        data *= 1 + BESIDE // len(data)
    both(tmp_path / "w", data, 4 * BLOCK)
    both(tmp_path / "w", data, size)
    both(tmp_path / "w", data, size - 1)
    both(tmp_path / "w", data[:-1], 4 * BLOCK)


def test_a_digest_that_nobody_asked_for_is_refused(tmp_path: Path) -> None:
    """Who reads without a digest gets none, rather than that of no bytes."""
    lines = lines_of(tmp_path / "w", b"{}\n", 9, digest=False)
    assert [line.data for line in lines] == [b"{}"]
    with pytest.raises(ValueError, match=r"workdir/batch_input_1\.jsonl was read without a digest"):
        _ = lines.digest
