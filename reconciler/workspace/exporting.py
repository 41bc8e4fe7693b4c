"""
Files that a user wants somewhere of their own: where that is, and a whole file there or none.

The only way out of a workspace. A path that leads there has to come from a flag, a call or the user's own
settings; whoever wrote `reconciler.toml` reaches nothing outside.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import attrs

from reconciler.codec.registry import FILE as REGISTRY
from reconciler.errors import ConfigError, UsageError
from reconciler.model.coverage import FileDigest
from reconciler.model.facts import Kind
from reconciler.model.identity import parse_file_name
from reconciler.workspace.effects import TEMPORARY, Effects, Tap, no_tap, temporary_for
from reconciler.workspace.layout import FOLDERS, PRIVATE, SETTINGS, TARGET
from reconciler.workspace.reading import locate

_DRIVE: Final = re.compile(r"[A-Za-z]:")
_OURS: Final = (".results.jsonl", ".results.csv", ".value.json")
"""How the names of what is published of single batches end."""


@attrs.frozen
class Destination:
    """
    Where a file goes.

    Attributes:
        folder: A real path: the workspace, for what lies inside, or else the folder of the file.
        path: The file, relative to it.
        inside: Whether it lies in the workspace.
    """

    folder: str
    path: str
    inside: bool

    @property
    def whole(self) -> str:
        """The file as an absolute path."""
        return f"{self.folder.rstrip('/')}/{self.path}"


def in_target(named: str) -> str | None:
    """Where a bare name lands, relative to the workspace; None for anything with a part of a folder in it."""
    bare = "/" not in named and not named.startswith("~") and not _DRIVE.match(named)
    return f"{TARGET}/{named}" if bare else None


def destination(root: str, named: str, *, base: str = "", contained: str = "") -> Destination:
    """
    Where the file goes that somebody has named.

    Args:
        root: The workspace, a real path.
        named: A path as it was typed; `~/` is the home folder.
        base: Where a relative path begins; empty for the current folder.
        contained: Who named it, if that may not lead out of the workspace.

    Raises:
        ConfigError: It leads out of the workspace and may not.
        UsageError: No file can be put there, or one of the workspace stands there.
    """
    spelled = str(Path(named).expanduser()) if named.startswith("~") else named
    if not spelled or "\0" in spelled or spelled.endswith("/"):
        raise UsageError(f"{named!r:.200} names no file")
    absolute = os.path.normpath(f"{base or locate('.')[0]}/{spelled}" if spelled[:1] != "/" else spelled)
    if not absolute.startswith(f"{root}/"):
        # The workspace may have been reached through a link; below it none is followed.
        absolute, kind = locate(absolute)
        if kind not in (None, Kind.FILE):
            raise UsageError(f"{named} is no regular file", hint="leave it out, and redirect the output")
    if absolute.startswith(f"{root}/"):
        return _inside(root, absolute[len(root) + 1 :], named)
    if contained:
        message = f"{contained}: {named} is a path outside the workspace, which its own settings may not name"
        raise ConfigError(message, hint="name it with a flag, or in your own configuration")
    folder, _, leaf = absolute.rpartition("/")
    if locate(folder or "/")[1] is not Kind.FOLDER:
        raise UsageError(f"{named}: there is no folder {folder}", hint=f"mkdir -p {shlex.quote(folder)}")
    return Destination(folder or "/", leaf, inside=False)


def _inside(root: str, path: str, named: str) -> Destination:
    """A file of the workspace, where it takes nothing's place that counts."""
    top, _, rest = path.partition("/")
    leaf = path.rpartition("/")[2]
    ours = top in {*FOLDERS, PRIVATE} - {TARGET} or path == SETTINGS or parse_file_name(leaf) is not None
    ours = ours or path == f"{TARGET}/{REGISTRY}"
    if ours or (top == TARGET and (not rest or leaf.endswith(_OURS))) or leaf.startswith(TEMPORARY):
        message = f"{named} is a name that the workspace has for files of its own"
        raise UsageError(message, hint=f"a name of your own, such as {TARGET}/my.csv")
    return Destination(root, path, inside=True)


def export(
    where: Destination, chunks: Iterable[bytes], tap: Tap = no_tap, *, alone: bool = False
) -> FileDigest:
    """
    Put a file there, whole, in place of an older one; if anything is in the way, nothing has changed.

    Args:
        where: Where it goes.
        chunks: Its content.
        tap: Called before each change.
        alone: Nobody else writes there meanwhile, as under the lock of the workspace.

    Raises:
        OSError: The disk is full or cannot be written to; the older file stands.
    """
    fx = Effects(where.folder, tap)
    try:
        if alone:
            return fx.publish(where.path, chunks, replace=True)
        # Two commands may write the same file: each has a temporary file of its own, and the last one counts.
        own = f"{where.path}.{os.getpid()}"
        try:
            digest = fx.stage(own, chunks)
            fx.rename(temporary_for(own), where.path)
        except BaseException:
            # Ctrl-C twice as well: nobody else would ever take this name away.
            with contextlib.suppress(OSError):
                fx.unstage(own)
            raise
        fx.sync_folder(where.path.rpartition("/")[0])
        return digest
    finally:
        fx.close()
