"""
What the receipt of an output processor says was published, file by file.

Paths come from a manifest, which anybody may have edited: what leads out of the workspace is none of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.errors import ReconcilerError
from reconciler.model.coverage import FileDigest
from reconciler.workspace.fields import mapping, read_digest, text
from reconciler.workspace.reading import Reading


def published_by(receipt: Mapping[str, Any]) -> dict[str, FileDigest]:
    """
    What a receipt names, by path.

    Raises:
        TypeError, ValueError, KeyError: The receipt is none of ours.
    """
    found: dict[str, FileDigest] = {}
    if "path" in receipt:
        found[_inside(receipt["path"])] = read_digest(receipt)
    for path, digest in mapping(receipt.get("files", {}), "files").items():
        found[_inside(path)] = read_digest(digest)
    return found


def _inside(path: Any) -> str:
    """A path that leads nowhere out of the workspace."""
    if "\0" in text(path, "path") or not {"", ".", ".."}.isdisjoint(path.split("/")):
        raise ValueError(f"{path!r:.100} is no path inside the workspace")
    return text(path, "path")


def changed(look: Reading, published: Mapping[str, FileDigest]) -> str | None:
    """
    Which file is not what was published, in words; None when all of them are.

    Args:
        look: The room for reading.
        published: What was published, by path.
    """
    for path, digest in published.items():
        wrong = _wrong(look, path, digest)
        if wrong is not None:
            return wrong
    return None


def _wrong(look: Reading, path: str, digest: FileDigest) -> str | None:
    """What is wrong with one file, None when it is what was published."""
    try:
        if look.fact(path) is None:
            return f"{path} was published and is not there any more"
        return None if look.digest(path) == digest else f"{path} is not what was published"
    except (ReconcilerError, OSError) as error:
        return f"{path} cannot be read: {error}"
