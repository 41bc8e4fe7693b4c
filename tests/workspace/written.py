"""
What tests of the room for changing files write, how they look at it, and how they stop it anywhere.

Nothing here replaces a part of the product: every file is real.
"""

import hashlib
import itertools
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from reconciler.model.coverage import FileDigest
from reconciler.workspace.effects import Effects
from tests.workspace.faults import Crash, Trip

PATH = "workdir/batch_output_7.jsonl"
OLD, NEW = b"old\n", b'{"custom_id":"a"}\n' * 3


def content(root: Path, path: str = PATH) -> bytes | None:
    """What stands under the name, None when nothing does."""
    file = root / path
    return file.read_bytes() if file.exists() else None


def digest_of(data: bytes) -> FileDigest:
    """The digest that these bytes have."""
    return FileDigest(hashlib.sha256(data).hexdigest(), len(data))


def stopped_everywhere(
    tmp_path: Path,
    work: Callable[[Effects], object],
    failure: Callable[[], BaseException],
    before: dict[str, bytes],
    *,
    sticky: bool,
) -> Iterator[tuple[Path, Trip]]:
    """Do *work* in a fresh folder again and again, failing the first change, then the second, and so on."""
    for at in itertools.count(1):
        root = tmp_path / str(at)
        root.mkdir()
        for path, data in before.items():
            (root / path).parent.mkdir(exist_ok=True)
            (root / path).write_bytes(data)
        trip = Trip(at, failure, sticky=sticky)
        room = Effects(str(root), trip)
        with suppress(OSError, Crash):
            work(room)
        room.close()
        if not trip.reached:
            assert at > 2, "a change that nobody counts cannot be tested"
            return
        yield root, trip
