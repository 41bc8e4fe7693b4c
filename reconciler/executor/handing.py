"""Hand a whole batch to a processor, and keep what it publishes until it has returned."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import attrs
import msgspec

from reconciler.errors import PermanentError, ReconcilerError
from reconciler.executor.calling import Ended, Outcome, Raised, raised_by
from reconciler.executor.context import Context
from reconciler.executor.values import NoJson, as_json
from reconciler.model.content import Content
from reconciler.model.coverage import NOTHING, Coverage, FileDigest
from reconciler.model.exchange import Result
from reconciler.model.facts import FileFact
from reconciler.model.identity import Role
from reconciler.model.record import Record
from reconciler.processors.base import BatchContext, ProcessedBatch, Processor, arguments_of
from reconciler.processors.files import folder_of
from reconciler.workspace.fields import digest_fields


class FaultyData(Exception):
    """Data of a processor that cannot be written; not to be taken for a full disk."""

    def __init__(self, raised: Raised) -> None:
        super().__init__(raised.told)
        self.raised = raised


_LEAF: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._ -]{0,119}", re.ASCII)


@attrs.define
class Handed:
    """
    One whole batch in the hands of a processor.

    Attributes:
        ctx: Rooms and settings.
        files: The triple; its ids are known to match.
        content: What answers are read as.
        token: The token of the invocation.
        redelivery: An earlier invocation with this token may have begun.
        operations: For an error processor: what is planned.
        folder: Where it publishes to, empty for the folder of the batch's files.
        spool: What it asked to publish, by file name.
    """

    ctx: Context
    files: Mapping[Role, FileFact]
    content: Content
    token: str
    redelivery: bool
    operations: tuple[str, ...] = ()
    folder: str = ""
    spool: dict[str, bytes | Iterable[bytes]] = attrs.field(factory=dict)

    def batch(self, record: Record, read: Callable[[], Iterator[Result]]) -> ProcessedBatch:
        """The batch as its processor sees it."""
        coverage = record.coverage or Coverage(input=NOTHING)
        return ProcessedBatch(
            name=record.name,
            attempt=record.attempt,
            provider=record.provider,
            parent=record.parent,
            requests=coverage.input.requests,
            answered=coverage.answered.requests,
            failed=coverage.failed.requests,
            read=read,
        )

    def call(self, processor: Processor, batch: ProcessedBatch) -> Outcome:
        """Call the processor, and see to it that what it returned can be written down."""
        root = Path(self.ctx.fx.root)
        context = BatchContext(
            workspace=root,
            paths={role.value: root / fact.path for role, fact in self.files.items()},
            content=self.content.value,
            token=self.token,
            redelivery=self.redelivery,
            publish=self._keep,
            operations=self.operations,
        )
        outcome = self.ctx.calls.one(processor.call, *arguments_of(processor, batch, context))
        if isinstance(outcome, Raised):
            return outcome
        try:
            return Ended(as_json(outcome.value))
        except NoJson as error:
            return Raised("NoJson", str(error))

    def publish(self, batch: str, value: Any) -> dict[str, Any]:
        """
        Publish what the processor returned and what it asked to publish.

        Returns:
            For the receipt: `path`, `sha256` and `bytes` of the value, and `files` for the rest.

        Raises:
            FaultyData: What it asked to publish raised while it was written.
        """
        fx, folder = self.ctx.fx, self.folder or folder_of(batch)
        published: dict[str, Any] = {}
        staged: dict[str, FileDigest] = {}
        try:
            # All of it is whole before any of it gets its name.
            for leaf, data in self.spool.items():
                chunks = (data,) if isinstance(data, bytes) else _chunks(data)
                staged[f"{folder}/{leaf}"] = fx.stage(f"{folder}/{leaf}", chunks)
        except BaseException:
            for path in staged:
                fx.unstage(path)
            raise
        for path in staged:
            fx.place(path)
        if staged:
            fx.sync_folder(folder)
        path = f"target/{batch}.value.json"
        if value is None and not self.folder:
            fx.discard(path)
        elif value is not None:
            text = msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"
            published = {"path": path, **digest_fields(fx.publish(path, (text,), replace=True))}
        files = {path: digest_fields(digest) for path, digest in staged.items()}
        return published | ({"files": files} if files else {})

    def _keep(self, leaf: str, data: bytes | str | Iterable[bytes]) -> None:
        """`BatchContext.publish`: nothing is written before the processor has returned."""
        if not _LEAF.fullmatch(leaf):
            raise ValueError(f"{leaf!r:.120} is no plain file name (letters, digits, . _ - and spaces)")
        if leaf.casefold() in {each.casefold() for each in self.spool}:
            raise ValueError(f"{leaf!r} is published already")
        if isinstance(data, str):
            data = data.encode()
        elif isinstance(data, bytearray | memoryview):
            data = bytes(data)
        self.spool[leaf] = data


def _chunks(data: Iterable[bytes]) -> Iterator[bytes]:
    """The data of a processor; whatever is wrong with it is its own fault."""
    try:
        for chunk in data:
            yield bytes(memoryview(chunk))
    except ReconcilerError as error:
        if not isinstance(error, PermanentError):
            raise
        raise FaultyData(raised_by(error)) from error
    except (Exception, SystemExit) as error:
        raise FaultyData(raised_by(error)) from error
