"""A JSON file for each answer, and an index that says which is whose; where the caller wants them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from reconciler.authoring.answers import Answer, Group
from reconciler.model.content import Content
from reconciler.processors.files import INDEX, index_line, leaf_of
from reconciler.workspace.effects import Effects
from reconciler.workspace.exporting import destination
from reconciler.workspace.layout import TARGET, find

FOLDER: Final = f"{TARGET}/answers"


def write_each(workspace: str, folder: str | None, answers: Iterable[Answer]) -> str:
    """
    Write a file for each answer that has come to its end, each whole, in place of an older one.

    Args:
        workspace: Where the answers are from.
        folder: Where they go; the folder above it has to be there. None for one in the workspace.
        answers: All of them.

    Returns:
        The folder, as an absolute path.

    Raises:
        UsageError: No file can be put there.
        OSError: The disk is full or cannot be written to; each file that stands is whole.
    """
    root = find(workspace).root
    where = destination(root, f"{root}/{FOLDER}" if folder is None else folder.rstrip("/"))
    with contextlib.closing(Effects(where.folder)) as fx:
        fx.make_folder(where.path)
        index = f"{where.path}/{INDEX}"
        fx.stage(index, _written(fx, where.path, answers))
        fx.place(index)
        fx.sync_folder(where.path)
    return where.whole


def _written(fx: Effects, folder: str, answers: Iterable[Answer]) -> Iterator[bytes]:
    """Write the files; gives the lines of their index."""
    taken: set[str] = set()
    for answer in answers:
        leaf = None
        facts = {"batch": None if answer.row is None else answer.row.batch, "error": answer.error}
        if answer.group is not Group.PENDING:
            leaf = leaf_of(answer.custom_id, Content.JSON)
            if leaf in taken and answer.row is not None:
                # Batches that somebody else has made may share ids.
                leaf = leaf_of(f"{answer.custom_id}\0{answer.row.lineage}", Content.JSON)
            taken.add(leaf)
            data = msgspec.json.format(msgspec.json.encode(answer.to_dict()), indent=2) + b"\n"
            fx.publish(f"{folder}/{leaf}", (data,), replace=True, sync_folder=False)
        yield index_line(answer.custom_id, answer.group, leaf, facts)
