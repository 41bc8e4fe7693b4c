"""
A room whose changes land below `.reconciler/replay/`, where nothing but the replay that made them looks.

What is read is the workspace as it is; so work can be done in full before anything of it is published.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from reconciler.model.coverage import FileDigest
from reconciler.model.facts import Kind
from reconciler.workspace.effects import Effects
from reconciler.workspace.layout import PRIVATE
from reconciler.workspace.reading import Reading

ASIDE: Final = f"{PRIVATE}/replay"


class AsideEffects(Effects):
    """Looks at a workspace; what it would write there, it writes below `ASIDE`."""

    def publish(
        self, path: str, chunks: Iterable[bytes], *, replace: bool = False, sync_folder: bool = True
    ) -> FileDigest:
        """As in any room."""
        return super().publish(aside(path), chunks, replace=replace, sync_folder=sync_folder)

    def stage(self, path: str, chunks: Iterable[bytes]) -> FileDigest:
        """As in any room."""
        return super().stage(aside(path), chunks)

    def place(self, path: str) -> None:
        """As in any room."""
        super().place(aside(path))

    def discard(self, path: str) -> None:
        """As in any room: nothing of the workspace goes."""
        super().discard(aside(path))

    def remove(self, path: str) -> None:
        """As in any room: nothing of the workspace goes."""
        super().remove(aside(path))

    def unlink(self, path: str) -> None:
        """As in any room: nothing of the workspace goes."""
        super().unlink(aside(path))

    def append(self, path: str, line: bytes, *, sync: bool = True) -> None:
        """As in any room."""
        super().append(aside(path), line, sync=sync)

    def make_folder(self, path: str, *, sync: bool = True) -> None:
        """As in any room."""
        super().make_folder(path if path in ("", PRIVATE) else aside(path), sync=sync)

    def sync_folder(self, path: str) -> None:
        """As in any room."""
        super().sync_folder(path if path in ("", PRIVATE) else aside(path))


def aside(path: str) -> str:
    """Where what belongs at *path* lands."""
    return path if path == ASIDE or path.startswith(f"{ASIDE}/") else f"{ASIDE}/{path}"


def written(look: Reading, folder: str = "") -> Iterator[str]:
    """The paths of everything that lies below `ASIDE`, as they would be in the workspace."""
    at = f"{ASIDE}/{folder}".rstrip("/")
    for entry in sorted(look.listing(at)):
        path = f"{folder}/{entry.name}".lstrip("/")
        if entry.kind is Kind.FOLDER:
            yield from written(look, path)
        else:
            yield path


def clear(fx: Effects, folder: str = ASIDE) -> None:
    """Remove all that lies below `ASIDE`, and what an earlier replay that was cut off has left there."""
    for entry in fx.listing(folder):
        if entry.kind is Kind.FOLDER:
            clear(fx, f"{folder}/{entry.name}")
    fx.remove_folder(folder)
