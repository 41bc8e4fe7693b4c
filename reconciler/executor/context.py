"""What a handler may use, and what the operations of one plan share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from os import urandom
from typing import TYPE_CHECKING, Protocol

import attrs

from reconciler.config import Settings
from reconciler.errors import PermanentError
from reconciler.executor.calling import Calls
from reconciler.executor.hooks import NOTHING_PLUGGED, Plugged
from reconciler.executor.remotes import Remotes, no_wire
from reconciler.model.identity import BatchName, Role, file_name
from reconciler.native import NATIVE, Native
from reconciler.pricing.book import LISTED, Book
from reconciler.pricing.money import NO_CAP, Cap
from reconciler.workspace.combined import Voiding
from reconciler.workspace.effects import Effects
from reconciler.workspace.layout import Layout, find
from reconciler.workspace.ledger import History
from reconciler.workspace.reading import Reading

if TYPE_CHECKING:
    from reconciler.model.coverage import Coverage
    from reconciler.model.facts import FileFact
    from reconciler.model.receipt import Receipt
    from reconciler.model.record import Record
    from reconciler.model.snapshot import Matched
    from reconciler.model.standing import Standing


class Progress(Protocol):
    """Told about long work; may be called once a mebibyte."""

    def start(self, what: str, size: int) -> None:
        """Reading the *size* bytes of a file begins."""

    def advance(self, size: int, line: int) -> None:
        """*size* more bytes were read, up to about *line*."""

    def finish(self) -> None:
        """The reading ended."""

    def answering(self, name: str, standing: Standing) -> None:
        """So far is the run that answers a batch in this process; may be called many times a second."""


class Silent:
    """Progress that nobody watches."""

    def start(self, what: str, size: int) -> None:
        """Say nothing."""

    def advance(self, size: int, line: int) -> None:
        """Say nothing."""

    def finish(self) -> None:
        """Say nothing."""

    def answering(self, name: str, standing: Standing) -> None:
        """Say nothing."""


@attrs.frozen(kw_only=True)
class View:
    """
    What reading a workspace takes; nothing can be changed through it.

    Attributes:
        look: The room for looking at files.
        layout: The workspace.
        line_limit: Longest line that is read, in bytes.
        progress: Told about long work.
        stopping: Whether someone asked for an end; looked at between effects and between blocks.
        native: The C code that takes in plain lines, None where Python does.
    """

    look: Reading
    layout: Layout
    line_limit: int = 64 << 20
    progress: Progress = attrs.field(factory=Silent)
    stopping: Callable[[], bool] = lambda: False
    native: Native | None = NATIVE

    def elsewhere(self, look: Reading, leaf: str) -> tuple[View, FileFact]:
        """
        A file that lies outside of the workspace, read as those within it are.

        Raises:
            PermanentError: It is no file that can be read.
        """
        fact = look.fact(leaf)
        if fact is None:
            raise PermanentError(f"{look.root}/{leaf} is no file that can be read")
        found = View(
            look=look,
            layout=self.layout,
            line_limit=self.line_limit,
            progress=self.progress,
            stopping=self.stopping,
            native=self.native,
        )
        return found, fact

    def record_path(self, name: str) -> str:
        """Where the metadata of a live batch stands."""
        return self.layout.live_path(file_name(Role.METADATA, name))

    def record(self, name: BatchName) -> Record | None:
        """
        The metadata of a live batch as it is now, None when there is none.

        Raises:
            BadMetadata: It cannot be trusted.
        """
        path = self.record_path(name)
        if self.look.kind(path) is None:
            return None
        from reconciler.workspace import metadata  # noqa: PLC0415 - a pass over nothing reads none

        return metadata.decode(self.look.read(path), path, name)


@contextmanager
def viewing(path: str, settings: Settings, progress: Progress | None = None) -> Iterator[View]:
    """
    Look at the workspace at *path*; takes no lock and creates nothing.

    Raises:
        UserError: There is no workspace.
    """
    layout = find(path)
    look = Reading(layout.root)
    try:
        limit = settings["limits.line_bytes"]
        yield View(look=look, layout=layout, line_limit=limit, progress=progress or Silent())
    finally:
        look.close()


def _none_drawn(_name: BatchName, _files: Mapping[Role, FileFact], _record: Record | None) -> Matched | None:
    """Nobody has matched anything ahead."""
    return None


@attrs.frozen(kw_only=True)
class Context(View):
    """
    What every handler gets: a view, and the room for changing files.

    Attributes:
        look: The room for file effects, which can also look.
        version: The version of the reconciler, for manifests.
        plugged: What users have plugged in.
        drawn: Verdicts that were drawn ahead, by batch, files and metadata.
        calls: Calls user code, all of a pass on one loop.
        remotes: Calls providers, and remembers for a pass what concerns all their batches.
        history: The ledger as far as it was read.
        token: Makes a token that nobody made before: 32 hexadecimal digits.
        csv: Whether the results of each batch are published as CSV too.
        prices: What requests cost.
        cap: The lowest limit of cost.
        voiding: Who takes away at the moment what is known of the file over all finished batches.
    """

    look: Effects
    version: str = ""
    plugged: Plugged = NOTHING_PLUGGED
    drawn: Callable[[BatchName, Mapping[Role, FileFact], Record | None], Matched | None] = _none_drawn
    calls: Calls = attrs.field(factory=lambda: Calls(lambda: False))
    remotes: Remotes = attrs.field(factory=lambda: Remotes(no_wire))
    history: History = attrs.field(factory=History)
    token: Callable[[], str] = lambda: urandom(16).hex()
    csv: bool = False
    prices: Book = LISTED
    cap: Cap = NO_CAP
    voiding: Voiding = attrs.field(factory=Voiding)

    @staticmethod
    def published_at(path: str) -> str:
        """Where what was published as *path* can be read."""
        return path

    @property
    def fx(self) -> Effects:
        """The room for file effects."""
        return self.look


@attrs.define
class Run:
    """
    What the operations of one plan share.

    Attributes:
        ctx: Rooms and settings.
        known: The verdict that the plan was made from.
        published: How many generations of metadata this run has written itself.
        receipts: What was done so far.
        matched: The verdict that this run has drawn.
        proofs: Receipts of processors, for metadata or manifest.
        account: Where the ids stood when the batch moved to `done/`.
    """

    ctx: Context
    known: Matched | None = None
    published: int = 0
    receipts: list[Receipt] = attrs.field(factory=list)
    matched: Matched | None = None
    proofs: dict[str, dict[str, object]] = attrs.field(factory=dict)
    account: Coverage | None = None

    def publish(self, record: Record) -> Record:
        """Write the next generation of a record and return it."""
        from reconciler.workspace import metadata  # noqa: PLC0415 - likewise

        record = attrs.evolve(record, generation=record.generation + 1)
        path = self.ctx.record_path(record.name)
        self.ctx.fx.publish(path, (metadata.encode(record),), replace=True)
        self.published += 1
        return record
