"""What was seen of files, as values. Pure."""

from __future__ import annotations

import enum
from collections.abc import Mapping

import attrs

from reconciler.model.identity import Role


class Kind(enum.StrEnum):
    """What a directory entry is; only a regular file is ever read."""

    FILE = "file"
    SYMLINK = "symlink"
    FOLDER = "folder"
    OTHER = "other"


@attrs.frozen
class FileFact:
    """
    One file as it was seen.

    Attributes:
        path: Relative to the workspace, `/` between parts.
        size: In bytes.
        mtime_ns: Modification time in nanoseconds since the epoch.
        inode: Device and inode number, which tell a hard link from a copy.
    """

    path: str
    size: int
    mtime_ns: int
    inode: tuple[int, int]


@attrs.frozen
class Expects:
    """
    What must still hold just before an effect.

    Attributes:
        files: The files that the operation reads or moves.
        generation: The metadata's generation; None when there is no metadata.
    """

    files: Mapping[Role, FileFact] = attrs.field(factory=dict)
    generation: int | None = None
