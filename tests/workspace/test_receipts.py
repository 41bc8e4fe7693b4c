"""Whether what was published still stands, as a receipt says it."""

import hashlib
from pathlib import Path

import pytest

from reconciler.model.coverage import FileDigest
from reconciler.workspace.reading import Reading
from reconciler.workspace.receipts import changed
from tests.workspace.faults import UNREADABLE, needs_unreadable

DIGEST = FileDigest(hashlib.sha256(b"a\n").hexdigest(), 2)


@pytest.mark.parametrize(
    ("data", "wrong"),
    [
        pytest.param(b"a\n", None, id="the-same"),
        pytest.param(b"b\n", "target/7.csv is not what was published", id="edited"),
        pytest.param(None, "target/7.csv was published and is not there any more", id="gone"),
    ],
)
def test_what_was_published(tmp_path: Path, data: bytes | None, wrong: str | None) -> None:
    """The first file that is not as it was is named."""
    (tmp_path / "target").mkdir()
    for leaf in ("0.csv", "9.csv"):
        (tmp_path / "target" / leaf).write_bytes(b"a\n")
    if data is not None:
        (tmp_path / "target/7.csv").write_bytes(data)
    look = Reading(str(tmp_path))
    assert changed(look, {f"target/{leaf}": DIGEST for leaf in ("0.csv", "7.csv", "9.csv")}) == wrong
    look.close()


@needs_unreadable
def test_what_was_published_and_cannot_be_read() -> None:
    """A file that the disk does not give is not what was published: nothing may rest on it."""
    look = Reading(str(UNREADABLE.parent))
    told = changed(look, {UNREADABLE.name: DIGEST})
    look.close()
    assert told is not None
    assert told.startswith("mem cannot be read: ")
