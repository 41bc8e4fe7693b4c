"""A new workspace, from the template that travels inside the package."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from importlib import resources
from importlib.resources.abc import Traversable

from reconciler.errors import NotAWorkspace, UsageError
from reconciler.model.facts import Kind
from reconciler.model.identity import parse_file_name
from reconciler.model.words import pasted
from reconciler.workspace.effects import Effects, temporary_for
from reconciler.workspace.layout import FOLDERS, PRIVATE, SETTINGS, WORKDIR, find
from reconciler.workspace.reading import locate


def create(path: str, *, parents: bool = False) -> str:
    """
    Make a workspace at *path*: the template's files and the folders of the contract.

    Files that are there already are left as they are; with *parents*, folders above it are made too.

    Returns:
        Its real path.

    Raises:
        UsageError: *path* is a file, is a workspace already, or holds batch files at its root.
    """
    root = _made(path, parents=parents)
    fx = Effects(root)
    try:
        with fx.queue(""):
            there = {entry.name for entry in fx.listing("")}
            if there & {SETTINGS, WORKDIR, PRIVATE}:
                raise UsageError(f"{path} is a workspace already", hint=f"reconcile {pasted(path)}")
            if any(parse_file_name(name) for name in there):
                message = f"{path} holds batch files at its root and is a workspace as it is"
                raise UsageError(message, hint=f"reconcile {pasted(path)}")
            _fill(fx, there)
    finally:
        fx.close()
    return root


def ensure(path: str) -> str:
    """
    Make a workspace at *path* unless there is one, with the folders above it; who comes second waits.

    A folder that holds nothing else than the beginning of one is completed: whoever made it was killed.

    Returns:
        Its real path.

    Raises:
        UsageError: *path* is a file.
        NotAWorkspace: It is a folder of something else.
    """
    root = _made(path, parents=True)
    fx = Effects(root)
    try:
        with fx.queue(""):
            try:
                find(path)
            except NotAWorkspace:
                there = {entry.name for entry in fx.listing("")}
                if there - {each for name, _ in _files() for each in (name, temporary_for(name))}:
                    raise
                _fill(fx, there)
    finally:
        fx.close()
    return root


def _made(path: str, *, parents: bool) -> str:
    """The folder of a workspace, made if need be."""
    if not path or "\0" in path:
        raise UsageError("a path that is empty, or holds a NUL, names no folder")
    root, kind = locate(path)
    if kind not in (None, Kind.FOLDER):
        raise UsageError(f"{path}: a file is there; a workspace is a folder")
    if kind is None:
        if parents:
            _make_parents(root)
        _make_root(path, root)
    return root


def _fill(fx: Effects, there: Collection[str]) -> None:
    """The files of the template that are not there, and the folders of the contract."""
    for name, data in _files():
        if name not in there:
            fx.publish(name, (data,))
    for folder in FOLDERS:
        fx.make_folder(folder)


def _make_parents(root: str) -> None:
    """Make the folders above a new workspace that are not there."""
    missing, above = list[str](), root.rpartition("/")[0]
    while above and locate(above)[1] is None:
        above, _, leaf = above.rpartition("/")
        missing.append(leaf)
    for leaf in reversed(missing):
        outer = Effects(above or "/")
        try:
            outer.make_folder(leaf)
        finally:
            outer.close()
        above = f"{above}/{leaf}"


def _make_root(path: str, root: str) -> None:
    """Make the folder of a new workspace, inside one that is there."""
    parent, _, leaf = root.rpartition("/")
    above = locate(parent or "/")[1]
    if above is None:
        raise UsageError(f"{path}: there is no folder {parent}", hint=f"mkdir -p {pasted(parent)}")
    if above is not Kind.FOLDER:
        raise UsageError(f"{path}: {parent} is a file, not a folder")
    outer = Effects(parent or "/")
    try:
        outer.make_folder(leaf)
    finally:
        outer.close()


def _files() -> Iterator[tuple[str, bytes]]:
    """Name and content of each file of the template."""
    for entry in sorted(_source().iterdir(), key=lambda each: each.name):
        yield entry.name, entry.read_bytes()


def _source() -> Traversable:
    """The template inside the package, or beside it in a checkout."""
    inside = resources.files("reconciler") / "workspace_template"
    return inside if inside.is_dir() else resources.files("reconciler") / ".." / "workspace_template"
