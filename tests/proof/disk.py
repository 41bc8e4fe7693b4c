"""
A disk that can lose its power: what of a workspace is synced, and what a cut may leave of the rest.

The workspace is real, in memory; a recorder stands at two seams of the product, `tap` (before each change)
and `syncs` (in place of fsync), looks at the folder itself, and finds out by inode what has changed since.
So a change that nobody announced is seen all the same, and a sync that is announced but never made is not.

The model is that of POSIX with a journal. Content is on disk once its file was synced; a name once its folder
was synced. A rename is one step, on disk once its target's folder was synced; until then either all of it or
nothing is. SQLite's files below `.reconciler/live/` count as synced: its own promise is trusted there.
"""

from __future__ import annotations

import enum
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import attrs

TRUSTED: Final = ".reconciler/live"


class Left(enum.StrEnum):
    """What a cut leaves of content that was not synced."""

    LOST = "lost"
    TORN = "torn"
    KEPT = "kept"


@attrs.frozen
class Name:
    """
    One change of names.

    Attributes:
        removed: Folder (by inode) and name that went, None if none did.
        added: Folder and name that came, None if none did.
        inode: What stands behind the name.
        folder: The folder that has to be synced for it to last.
        number: Counts all changes of names.
    """

    removed: tuple[int, str] | None
    added: tuple[int, str] | None
    inode: int
    folder: int
    number: int


@attrs.define
class Shot:
    """
    A folder as it is.

    Attributes:
        folders: By inode: name to inode.
        content: By inode of a file.
        modes: By inode.
        trusted: Inodes whose content counts as synced.
    """

    folders: dict[int, dict[str, int]] = attrs.field(factory=dict)
    content: dict[int, bytes] = attrs.field(factory=dict)
    modes: dict[int, int] = attrs.field(factory=dict)
    trusted: set[int] = attrs.field(factory=set)
    root: int = 0


@attrs.frozen
class State:
    """
    What a cut may have left: each path with its inode and content (None: a folder).

    Attributes:
        files: Sorted; the inode tells which names are links to one file.
        how: In words, for messages.
    """

    files: tuple[tuple[str, int, bytes | None], ...]
    how: str = attrs.field(eq=False)

    @property
    def digest(self) -> str:
        """Equal for equal states."""
        found = hashlib.sha256()
        links: dict[int, int] = {}
        for path, inode, data in self.files:
            mark = f"{path}\0{links.setdefault(inode, len(links))}\0{'d' if data is None else len(data)}\0"
            found.update(mark.encode() + (data or b""))
        return found.hexdigest()

    def build(self, root: Path) -> None:
        """Make it at *root*, which is empty or not there."""
        root.mkdir(exist_ok=True)
        first: dict[int, Path] = {}
        for path, inode, data in self.files:
            target = root / path
            if data is None:
                target.mkdir(mode=0o700)
            elif inode in first:
                os.link(first[inode], target)
            else:
                target.write_bytes(data)
                target.chmod(0o600)
                first[inode] = target


def look(root: Path) -> Shot:
    """The folder at *root*, all of it."""
    shot = Shot(root=root.stat().st_ino)
    _look(os.fspath(root), "", shot)
    return shot


def _look(folder: str, below: str, shot: Shot) -> None:
    names: dict[str, int] = {}
    shot.folders[Path(folder).stat().st_ino] = names
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda each: each.name):
            found = entry.stat(follow_symlinks=False)
            names[entry.name] = found.st_ino
            shot.modes[found.st_ino] = found.st_mode
            path = f"{below}{entry.name}"
            if stat.S_ISDIR(found.st_mode):
                _look(entry.path, f"{path}/", shot)
            elif stat.S_ISREG(found.st_mode) and found.st_ino not in shot.content:
                with open(entry.path, "rb") as stream:  # noqa: PTH123 - many small files, many times
                    shot.content[found.st_ino] = stream.read()
            if path.startswith(f"{TRUSTED}/"):
                shot.trusted.add(found.st_ino)


@attrs.define
class Recorder:
    """
    Keeps what is synced of *root* and what is not; to be used as `tap` and as `syncs` of a pass.

    Attributes:
        root: The workspace.
        base: How it was when all of it was synced.
        now: How it is.
        safe: The content that is on disk, by inode.
        last: The content as it was last seen, also of what has no name any more.
        names: Changes of names, oldest first.
        lasting: Numbers of those that are on disk.
        folders: Every folder there ever was.
    """

    root: Path
    base: Shot = attrs.field(init=False)
    now: Shot = attrs.field(init=False)
    safe: dict[int, bytes] = attrs.field(init=False)
    last: dict[int, bytes] = attrs.field(init=False)
    folders: set[int] = attrs.field(init=False)
    names: list[Name] = attrs.field(factory=list)
    lasting: set[int] = attrs.field(factory=set)

    def __attrs_post_init__(self) -> None:
        self.base = self.now = look(self.root)
        self.safe, self.last = dict(self.base.content), dict(self.base.content)
        self.folders = set(self.base.folders)

    def __call__(self, _change: str, _path: str) -> None:
        """Be a tap."""
        self.catch_up()

    def catch_up(self) -> None:
        """Find out what has changed since the last look."""
        found = look(self.root)
        gone: dict[int, list[tuple[int, str]]] = {}
        come: list[tuple[int, str, int]] = []
        for folder in self.now.folders.keys() | found.folders.keys():
            before, after = self.now.folders.get(folder, {}), found.folders.get(folder, {})
            for name in sorted(before.keys() - after.keys()):
                gone.setdefault(before[name], []).append((folder, name))
            come += [(folder, name, after[name]) for name in after if before.get(name) != after[name]]
        # The folder of a new folder first, so that it is there for what lies in it.
        for folder, name, inode in sorted(come, key=lambda each: (each[2] not in found.folders, each)):
            moved = gone.get(inode)
            self._note(moved.pop(0) if moved else None, (folder, name), inode, folder)
        for inode, places in gone.items():
            for folder, name in places:
                self._note((folder, name), None, inode, folder)
        self.now = found
        self.last |= found.content
        self.folders |= found.folders.keys()
        for inode in found.trusted:
            if inode in found.content:
                self.safe[inode] = found.content[inode]
        self.lasting |= {each.number for each in self.names if each.inode in found.trusted}

    def _note(
        self, removed: tuple[int, str] | None, added: tuple[int, str] | None, inode: int, folder: int
    ) -> None:
        self.names.append(Name(removed, added, inode, folder, len(self.names)))

    def synced(self, opened: Sequence[int]) -> None:
        """These files and folders are on disk now."""
        self.catch_up()
        for each in opened:
            inode = os.fstat(each).st_ino
            if inode in self.now.folders:
                self.lasting |= {name.number for name in self.names if name.folder == inode}
            elif inode in self.now.content:
                self.safe[inode] = self.now.content[inode]
            os.fsync(each)

    def states(self) -> Iterator[State]:
        """
        Everything that a cut just now may leave, each state once.

        Every prefix of the changes of names that are not on disk, with unsynced content lost, torn or kept;
        and, with that content lost, all of those changes but one, for each.
        """
        self.catch_up()
        open_ = [each.number for each in self.names if each.number not in self.lasting]
        seen: set[str] = set()
        for left in Left:
            for count in range(len(open_) + 1):
                yield from self._once(set(open_[:count]), left, f"{count} of {len(open_)} names", seen)
        for number in open_[:-1]:
            others = set(open_) - {number}
            yield from self._once(others, Left.LOST, f"all names but number {number}", seen)

    def _once(self, done: set[int], left: Left, how: str, seen: set[str]) -> Iterator[State]:
        state = self._state(done | self.lasting, left, f"{how}, unsynced content {left}")
        if state.digest not in seen:
            seen.add(state.digest)
            yield state

    def _state(self, done: set[int], left: Left, how: str) -> State:
        folders = {inode: dict(names) for inode, names in self.base.folders.items()}
        for each in self.names:
            if each.number in done:
                if each.removed is not None:
                    folders.get(each.removed[0], {}).pop(each.removed[1], None)
                if each.added is not None:
                    folders.setdefault(each.added[0], {})[each.added[1]] = each.inode
        files: list[tuple[str, int, bytes | None]] = []
        self._walk(self.base.root, "", folders, left, files)
        return State(tuple(files), how)

    def _walk(
        self,
        folder: int,
        below: str,
        folders: dict[int, dict[str, int]],
        left: Left,
        files: list[tuple[str, int, bytes | None]],
    ) -> None:
        for name, inode in sorted(folders.get(folder, {}).items()):
            path = f"{below}{name}"
            if inode in self.folders:
                files.append((path, inode, None))
                self._walk(inode, f"{path}/", folders, left, files)
            else:
                files.append((path, inode, self._content(inode, left)))

    def _content(self, inode: int, left: Left) -> bytes:
        safe = self.safe.get(inode, b"")
        whole = self.last.get(inode, safe)
        if whole == safe:
            return whole
        match left:
            case Left.LOST:
                return safe
            case Left.KEPT:
                return whole
        common = next(
            (at for at, pair in enumerate(zip(safe, whole, strict=False)) if pair[0] != pair[1]),
            min(len(safe), len(whole)),
        )
        return whole[: common + (len(whole) - common) // 2]
