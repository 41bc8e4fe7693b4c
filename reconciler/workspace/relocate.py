"""
Move the files of a batch together: the whole group appears in its new folder, or nothing does.

Hard links (copies across devices) and a document are staged, the staging folder gets its final name in
one rename, and only then are the old names removed, the input last. A crash at any point leaves the
sources whole, or both, or only the new folder; `twins` tells the second case from a clash of names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import attrs

from reconciler.errors import Clash, ReconcilerError, StaleSnapshot
from reconciler.model.coverage import FileDigest
from reconciler.model.identity import Role
from reconciler.workspace.effects import Effects
from reconciler.workspace.layout import DONE
from reconciler.workspace.reading import Reading

# Removing the input last keeps the others from ever looking like answers without a question.
_ORDER = (Role.METADATA, Role.ERROR, Role.OUTPUT, Role.INPUT)


@attrs.frozen
class Moving:
    """
    One file on its way.

    Attributes:
        path: Where it stands.
        digest: What it must hold.
        keep: It is history of another tool: copy it and leave it where it is.
    """

    path: str
    digest: FileDigest
    keep: bool = False

    @property
    def leaf(self) -> str:
        """Its file name."""
        return self.path.rpartition("/")[2]


def move_group(
    fx: Effects,
    files: Mapping[Role, Moving],
    folder: str,
    document: tuple[str, bytes],
    written: Callable[[], None],
) -> None:
    """
    Publish *files* and *document* as *folder*, then remove the sources.

    Args:
        fx: The room for effects.
        files: What to move.
        folder: The final folder, as `done/7`.
        document: File name and content of what is written beside them.
        written: Called once *folder* has its name and before any source goes.

    Raises:
        Clash: *folder* is there already.
        StaleSnapshot: A file does not hold what its digest says.
    """
    fx.make_folder(folder.rpartition("/")[0])
    staging = clear_staging(fx, folder)
    fx.make_folder(staging, sync=False)
    try:
        # A link shares what was written to its source, which nobody may have synced yet.
        fx.sync_files(file.path for file in files.values() if not file.keep)
        for file in files.values():
            _stage(fx, file, f"{staging}/{file.leaf}")
        # Renaming the folder brings its names to disk first, all at once.
        fx.publish(f"{staging}/{document[0]}", (document[1],), sync_folder=False)
        fx.rename_folder(staging, folder)
    except ReconcilerError:
        fx.remove_folder(staging)
        raise
    written()
    remove_sources(fx, files, folder)


def clear_staging(fx: Effects, folder: str) -> str:
    """Remove what a move to *folder* that was cut off has left; gives where such a move stages."""
    parent, _, leaf = folder.rpartition("/")
    staging = f"{parent}/.staging-{leaf}"
    fx.remove_folder(staging)
    return staging


def is_history(path: str) -> bool:
    """Whether another tool left this file flat in `done/`; such files are copied, never moved."""
    return path.startswith(f"{DONE}/") and path.count("/") == 1


def _stage(fx: Effects, file: Moving, target: str) -> None:
    """Put one file into the staging folder."""
    linked = fx.copy(file.path, target) if file.keep else fx.link(file.path, target)
    fact = fx.fact(target)
    # A link shares the bytes that were matched; a copy was read anew.
    if fact is None or fact.size != file.digest.size or (not linked and fx.digest(target) != file.digest):
        raise StaleSnapshot(f"{file.path} changed while it was moved")


def make_lasting(fx: Effects, folder: str, leaves: Iterable[str]) -> None:
    """
    Bring a folder to disk with these of its files, before their old names go.

    A move has done so, but somebody may have put the folder there instead, as from a backup.
    """
    for leaf in leaves:
        if fx.fact(f"{folder}/{leaf}") is not None:
            fx.sync_files([f"{folder}/{leaf}"])
    fx.sync_folder(folder)
    fx.sync_folder(folder.rpartition("/")[0])


def remove_sources(fx: Effects, files: Mapping[Role, Moving], folder: str) -> None:
    """
    Remove the old names of files that stand in *folder*, the input last.

    A file that took one of these names meanwhile stays: the next pass calls it a clash.
    """
    touched = set()
    for role in _ORDER:
        file = files.get(role)
        if file is not None and not file.keep and _is_twin(fx, file, f"{folder}/{file.leaf}"):
            fx.unlink(file.path)
            touched.add(file.path.rpartition("/")[0])
    for parent in sorted(touched):
        fx.sync_folder(parent)


def _is_twin(fx: Effects, file: Moving, twin: str) -> bool:
    """Whether the live file is still the one that was moved: the same inode, or equal bytes after a copy."""
    live, there = fx.fact(file.path), fx.fact(twin)
    if live is None or there is None:
        return False
    return live.inode == there.inode or fx.digest(file.path) == file.digest


def twins(look: Reading, paths: Mapping[Role, str], folder: str) -> dict[Role, Moving]:
    """
    The live files that an interrupted move to *folder* left behind: each has its equal there.

    Raises:
        Clash: A live file differs from the one in *folder*, or has no twin there.
    """
    files: dict[Role, Moving] = {}
    for role, path in paths.items():
        twin = f"{folder}/{path.rpartition('/')[2]}"
        live = look.digest(path)
        if look.fact(twin) is None or look.digest(twin) != live:
            message = f"{path} is not the file that {folder}/ holds; nothing was overwritten or removed"
            raise Clash(message, hint="give the live batch another name, or move it out of the workspace")
        files[role] = Moving(path, live, keep=is_history(path))
    return files
