"""
Take over one batch that another tool has sent, with the files that its registry names.

Everything is written under temporary names and looked through first; then history, metadata, answers and
input follow in this order. Done again after a crash, it comes to the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

from reconciler.errors import Clash
from reconciler.executor.arriving import Arrival, Digests
from reconciler.executor.context import Context, Run
from reconciler.executor.foreign import Found, Taken, path_of, stage_answers, stage_input
from reconciler.model.coverage import FileDigest
from reconciler.model.identity import ANSWERS, BatchName, Role, file_name, fold
from reconciler.model.record import BY_POSITION, InputFact, Record, Submission
from reconciler.model.words import many
from reconciler.workspace import ledger, metadata, settled, tombstones
from reconciler.workspace.layout import DONE, QUARANTINE
from reconciler.workspace.scan import Listing

EVENT: Final = "batch.imported"
_LARGEST: Final = 1 << 30
"""Bytes of an input that is one document, which has to be held whole."""

_HEAD: Final = 4096
_ONE_STREAM: Final = frozenset({"anthropic", "gemini"})
"""Providers whose answers and failures come as one file, which is split as a download is."""


@attrs.frozen
class Before:
    """
    What was here before; grows with each batch.

    Attributes:
        listing: What lay in the workspace.
        names: Every live name, by what it is where case does not count.
        history: Name, batch id and digest of the input of each import that history knows.
    """

    listing: Listing
    names: dict[str, BatchName]
    history: set[tuple[str, str | None, str]]


def take_over(ctx: Context, taken: Taken, before: Before) -> tuple[bool, str]:
    """
    Copy the files of a batch, and write down whose it is.

    Returns:
        Whether anything was done, and what, in words.

    Raises:
        PermanentError: A file is gone or is no input, or the name is taken by something else.
        StaleSnapshot: A file was written to meanwhile.
    """
    here = _Here(ctx, taken.name)
    try:
        asked, found = stage_input(ctx, taken)
        here.roles[Role.INPUT] = asked.digest
        if taken.batch_id is None and here.is_known(asked.digest):
            return False, f"{taken.name} has that very input already"
        roles = stage_answers(ctx, Arrival(Run(ctx), taken.name), taken) if taken.done else {}
        here.roles |= {role: digest for role, digest in roles.items() if digest is not None}
        record = _record(taken, asked, roles, found)
        if not here.begun(record):
            here.refuse_taken(before)
        here.publish(record, asked, before)
    finally:
        here.drop()
    told = many(asked.requests, "request")
    if taken.done:
        return True, f"{told}; its answers were copied, and are not fetched again"
    return True, f"{told}; the next pass asks {taken.provider} for {taken.batch_id}"


def _record(taken: Taken, asked: InputFact, roles: Digests, found: Found) -> Record:
    """The metadata of a batch that is taken over."""
    row = taken.row
    told = {
        "segment_index": row.segment,
        "model": row["model"],
        "pairs_path": row["pairs_path"],
        "input": {"file": found.leaf, "sha256": found.digest.sha256, "bytes": found.digest.size},
        "ids": BY_POSITION if found.document and taken.provider == "gemini" else "",
        "done": taken.done,
    }
    return Record(
        taken.name,
        generation=1,
        input=asked,
        attempt=row.attempt,
        provider=taken.provider or None,
        endpoint=found.endpoint,
        state=None if taken.batch_id is None else Submission.SUBMITTED,
        batch_id=taken.batch_id,
        roles={role: digest for role, digest in roles.items() if digest is not None},
        imported={key: value for key, value in told.items() if value not in ("", False)},
    )


class _Here:
    """The files of a batch on their way into the live directory."""

    def __init__(self, ctx: Context, name: BatchName) -> None:
        self._ctx = ctx
        self._name = name
        self.roles: dict[Role, FileDigest] = {}

    def path(self, role: Role) -> str:
        """The final name of a file."""
        return path_of(self._ctx, self._name, role)

    def is_known(self, digest: FileDigest) -> bool:
        """Whether this input is here under this name, with a record that says where it came from."""
        fx, name = self._ctx.fx, self._name
        for folder in (self._ctx.layout.live, settled.folder_of(name)):
            head = f"{folder}/" if folder else ""
            path, beside = (f"{head}{file_name(role, name)}" for role in (Role.INPUT, Role.METADATA))
            if fx.fact(beside) is None:
                continue
            found = fx.digest(path) if fx.fact(path) is not None else self._buried(folder)
            if found == digest:
                return metadata.decode(fx.read(beside), beside, name).imported is not None
        return False

    def _buried(self, folder: str) -> FileDigest | None:
        """What the input was of a settled batch whose JSONL was removed."""
        fx, name = self._ctx.fx, self._name
        tombstone = tombstones.read(fx, name) if folder == settled.folder_of(name) else None
        return None if tombstone is None else tombstone.files.get(file_name(Role.INPUT, name))

    def begun(self, record: Record) -> bool:
        """
        Whether this very import was begun before and cut off.

        Raises:
            Clash: Its metadata is there, and says something else.
        """
        path = self._ctx.record_path(self._name)
        if self._ctx.fx.kind(path) is None:
            return False
        if self._ctx.fx.read(path) == metadata.encode(record):
            return True
        raise Clash(
            f"{path} is there already and speaks of another batch", hint="give a --name to the others"
        )

    def refuse_taken(self, before: Before) -> None:
        """
        Hold the name to being free.

        Raises:
            Clash: Something else has it.
        """
        fx, name = self._ctx.fx, self._name
        there = [self.path(role) for role in Role]
        there += [settled.folder_of(name), *(f"{DONE}/{file_name(role, name)}" for role in Role)]
        taken = next((path for path in there if fx.kind(path) is not None), "")
        if not taken and name in before.listing.quarantined:
            taken = f"{QUARANTINE}/{before.listing.quarantined[name][-1]}"
        if not taken and fold(name) in before.names:
            taken = self._ctx.layout.live_path(file_name(Role.INPUT, before.names[fold(name)]))
        if taken:
            told = f"the name {name} is taken by something else ({taken})"
            raise Clash(f"{told}; nothing was copied", hint="import with another --name PREFIX")

    def publish(self, record: Record, asked: InputFact, before: Before) -> None:
        """History, metadata, answers, input: each in its turn."""
        fx = self._ctx.fx
        if (self._name, record.batch_id, asked.digest.sha256) not in before.history:
            facts: Mapping[str, object] = {"input": asked.digest.sha256, "requests": asked.requests}
            if record.batch_id is not None:
                facts = {"batch_id": record.batch_id, **facts}
            ledger.append(fx, EVENT, self._name, provider=record.provider, **facts)
        before.names[fold(self._name)] = self._name
        fx.publish(self._ctx.record_path(self._name), (metadata.encode(record),))
        for role in (*ANSWERS, Role.INPUT):
            if role in self.roles:
                fx.reveal(self.path(role), self.roles[role])
        fx.sync_folder(self._ctx.layout.live)

    def drop(self) -> None:
        """Take back what has no name of its own."""
        for role in (Role.INPUT, *ANSWERS):
            self._ctx.fx.unstage(self.path(role))
