"""
Which folder is a workspace, and where its parts lie.

A folder without `workdir/` that holds batch files at its root is a workspace too: its root is the live
directory then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from os import urandom
from typing import Final

import attrs

from reconciler.errors import ConfigError, NotAWorkspace, UsageError
from reconciler.model.facts import Kind
from reconciler.model.identity import parse_file_name
from reconciler.model.words import pasted
from reconciler.workspace.effects import Effects, temporary_for
from reconciler.workspace.reading import Reading, locate

WORKDIR: Final = "workdir"
DONE: Final = "done"
QUARANTINE: Final = "quarantine"
TARGET: Final = "target"
FAILED_ITEMS: Final = "failed-items"
FAILED_REPAIRS: Final = "failed-json-repairs"
LOGS: Final = "logs"
PRIVATE: Final = ".reconciler"
REMOVABLE: Final = f"{PRIVATE}/removable"
"""An empty file for each settled batch whose JSONL is to be removed."""
LIVE: Final = f"{PRIVATE}/live"
"""The progress of what is answered here, a database for each batch."""
CHANGED: Final = f"{PRIVATE}/changed"
"""For each batch the request lines that user code has changed, until its retry child has them."""
LOCK: Final = f"{PRIVATE}/lock"
WORKSPACE_ID: Final = f"{PRIVATE}/workspace-id"
SETTINGS: Final = "reconciler.toml"

FOLDERS: Final = (WORKDIR, DONE, QUARANTINE, TARGET, FAILED_ITEMS, FAILED_REPAIRS, LOGS)
"""What `reconcile init` makes; `.reconciler/` comes with the first pass."""


@attrs.frozen
class Layout:
    """
    A workspace that was found.

    Attributes:
        root: Its real path.
        live: The folder of live batches relative to the root: `workdir`, or empty for the root itself.
    """

    root: str
    live: str

    def live_path(self, file_name: str) -> str:
        """The path of a file in the live directory, relative to the root."""
        return f"{self.live}/{file_name}" if self.live else file_name


def standing(layout: Layout) -> tuple[str, ...]:
    """The folders whose names say what has become of batches; the root is the empty path."""
    return ("", PRIVATE, layout.live, DONE, QUARANTINE, TARGET, FAILED_ITEMS, REMOVABLE, CHANGED)


def find(path: str) -> Layout:
    """
    Find the workspace at *path*, reading only.

    Raises:
        UsageError: Nothing is there, or it is no folder.
        NotAWorkspace: A folder, but none of ours.
        ConfigError: A folder of the contract is a symbolic link.
    """
    root, kind = locate(path)
    if kind is None:
        hint = f"reconcile init {pasted(path)}" if path else "name the workspace, or . for this folder"
        raise UsageError(f"{path or 'an empty path'}: no such folder", hint=hint)
    if kind is not Kind.FOLDER:
        raise UsageError(f"{path}: not a folder; a workspace is a folder of batch files")
    above, _, leaf = root.rpartition("/")
    if leaf == WORKDIR and any(locate(f"{above}/{each}")[1] is not None for each in (PRIVATE, SETTINGS)):
        # Two names for the same files would be two locks.
        message = f"{path} is the live folder of the workspace {above}, not a workspace of its own"
        raise UsageError(message, hint=f"reconcile {pasted(above)}")
    look = Reading(root)
    try:
        kinds = {entry.name: entry.kind for entry in look.listing("")}
        _refuse_links(path, kinds)
        if WORKDIR in kinds:
            return Layout(root, WORKDIR)
        was = look.read(WORKSPACE_ID).split() if look.fact(WORKSPACE_ID) else []
    finally:
        look.close()
    if WORKDIR.encode() in was:
        message = f"{path}/{WORKDIR}/ has vanished; it was there at an earlier pass"
        raise ConfigError(
            message, hint=f"mount or restore it, or make an empty one: mkdir {pasted(path)}/{WORKDIR}"
        )
    if PRIVATE in kinds or any(parse_file_name(name) for name in kinds):
        return Layout(root, "")
    message = f"{path} is not a workspace: it has no workdir/ and no batch_input_<name>.jsonl"
    raise NotAWorkspace(message, hint=f"reconcile init {pasted(path)}")


def _refuse_links(path: str, kinds: Mapping[str, Kind]) -> None:
    """Hold every folder of the contract to being a folder."""
    for name in (*FOLDERS, PRIVATE):
        if kinds.get(name) is Kind.SYMLINK:
            message = f"{path}/{name} is a symbolic link; links are not followed below a workspace"
            raise ConfigError(message, hint=f"mount the other folder at {name}/, or move it there")
        if name in kinds and kinds[name] is not Kind.FOLDER:
            raise ConfigError(
                f"{path}/{name} is not a folder", hint=f"move it away; reconcile makes {name}/ itself"
            )


def mark(fx: Effects, layout: Layout, token: Callable[[], str] = lambda: urandom(16).hex()) -> None:
    """
    Give the workspace its id at the first pass; hold every later pass to it.

    The id stands with the name of the live directory, so that a live directory that is not mounted today
    is never taken for a workspace without batches.

    Raises:
        ConfigError: The id has vanished while the history is still there: half of the workspace may be
            unmounted or restored from elsewhere.
    """
    if fx.kind(WORKSPACE_ID) is not None:
        fx.discard(temporary_for(WORKSPACE_ID))
        return
    if fx.kind(f"{PRIVATE}/ledger.jsonl") is not None:
        message = f"{fx.root}/{WORKSPACE_ID} has vanished though {PRIVATE}/ledger.jsonl is there"
        raise ConfigError(
            message,
            hint=f"restore it; if it is lost for good: 32 hexadecimal digits, a space, {layout.live or '.'}",
        )
    fx.publish(WORKSPACE_ID, (f"{token()} {layout.live or '.'}\n".encode(),))
