"""A digest that is computed in a thread is the digest."""

import hashlib
import threading
from pathlib import Path

import pytest

from reconciler.errors import Interrupted
from reconciler.executor.context import View
from reconciler.executor.hashing import Beside
from reconciler.executor.reading import BESIDE, Lines
from reconciler.workspace.layout import find
from reconciler.workspace.reading import Reading
from tests.workspaces import put


@pytest.mark.parametrize("count", [0, 1, 2, 50])
def test_blocks_are_taken_in_order(count: int) -> None:
    """However many blocks there are, and though two lend their memory in turn, the digest is hashlib's."""
    expected, beside = hashlib.sha256(), Beside()
    buffers = [bytearray(1 << 16), bytearray(1 << 16)]
    for n in range(count):
        buffer = buffers[n % 2]
        buffer[:] = bytes([n]) * len(buffer)
        expected.update(buffer)
        beside.update(memoryview(buffer))
    assert beside.hexdigest() == expected.hexdigest() == beside.hexdigest()


class Hung:
    """A hasher that takes in its block once it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()

    def update(self, _block: memoryview, /) -> None:
        """Hang."""
        self.go.wait()

    def hexdigest(self) -> str:
        """Nothing was taken in."""
        return ""


def test_a_thread_that_hangs() -> None:
    """There is no digest as long as a block is not taken in, rather than one of what came before it."""
    hung = Hung()
    beside = Beside(hung, patience=0.01)
    beside.update(memoryview(b"x"))
    with pytest.raises(RuntimeError, match="has not come to its end"):
        beside.hexdigest()
    hung.go.set()


@pytest.mark.parametrize("size", [BESIDE - 1, BESIDE, 2 * BESIDE + 7])
def test_a_file_of_any_size(size: int, tmp_path: Path) -> None:
    """On both sides of the size from which a thread is used, a file has one digest, however it is read."""
    data = (b"x" * 999 + b"\n") * (size // 1000) + b"y" * (size % 1000)
    put(tmp_path / "w", "1", input=[])
    (tmp_path / "w/workdir/batch_input_1.jsonl").write_bytes(data)
    layout = find(str(tmp_path / "w"))
    look = Reading(layout.root)
    fact = look.fact("workdir/batch_input_1.jsonl")
    assert fact is not None
    lines, blocks = (Lines(View(look=look, layout=layout), fact, digest=True) for _ in range(2))
    assert sum(1 for _ in lines) == -(-size // 1000)
    assert sum(end for _, end in blocks.blocks()) == size
    assert lines.digest == blocks.digest == look.digest(fact.path)
    assert lines.digest.sha256 == hashlib.sha256(data).hexdigest()
    stopped = Lines(View(look=look, layout=layout, stopping=lambda: True), fact, digest=True)
    with pytest.raises(Interrupted):
        list(stopped)
    with pytest.raises(Interrupted):
        list(stopped.blocks())
