"""
`.reconciler/combined.json`: which file over all finished batches is true, and what it holds.

Whoever changes what is finished takes it away first, so that no crash leaves a file that is taken for true
and is not. A pass that finds it, and the file as it says, lists no `done/`.
"""

from __future__ import annotations

from typing import Final

import attrs
import msgspec

from reconciler.errors import PermanentError
from reconciler.model.coverage import FileDigest
from reconciler.workspace.effects import Effects
from reconciler.workspace.layout import PRIVATE
from reconciler.workspace.reading import Reading

PATH: Final = f"{PRIVATE}/combined.json"


@attrs.frozen
class Said:
    """
    What is known of the file.

    Attributes:
        path: Relative to the workspace, or absolute when it lies elsewhere.
        digest: Its size and SHA-256.
        version: Of the reconciler that wrote it.
    """

    path: str
    digest: FileDigest
    version: str


@attrs.define
class Voiding:
    """How many take it away at the moment; until that is on disk, nobody may change what it speaks of."""

    count: int = 0


def said(look: Reading) -> Said | None:
    """What is known; None where nothing is, or nothing that can be read."""
    if look.kind(PATH) is None:
        return None
    from reconciler.workspace.fields import read_digest, text  # noqa: PLC0415 - a pass over nothing reads none

    try:
        found = msgspec.json.decode(look.read(PATH))
        return Said(text(found["path"], "path"), read_digest(found), text(found["version"], "version"))
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError, PermanentError):
        return None


def say(fx: Effects, fact: Said) -> None:
    """Write down that the file is true."""
    from reconciler.workspace.fields import digest_fields  # noqa: PLC0415 - likewise

    document = {"schema": 1, "path": fact.path, **digest_fields(fact.digest), "version": fact.version}
    fx.publish(PATH, (msgspec.json.encode(document) + b"\n",), replace=True)


def void(fx: Effects, voiding: Voiding) -> None:
    """Take it away, on disk too on return, before something changes that it speaks of."""
    # Batches are worked on together: one that finds it gone may be ahead of the disk.
    if fx.kind(PATH) is None and not voiding.count:
        return
    voiding.count += 1
    try:
        fx.unlink(PATH)
        fx.sync_folder(PRIVATE)
    finally:
        voiding.count -= 1
