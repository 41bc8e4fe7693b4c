"""
The registry of a workspace: one row a batch, as a CSV file that other tools can read.

`reconcile registry export` writes it once; with `[results] registry`, `target/jobs_registry.csv` is replaced
after every change. A row says what the files of its batch say, and nothing else: the same files always
give the same row, whoever looks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from typing import Any, Final

import attrs

from reconciler.codec.jsonl import iter_lines
from reconciler.codec.registry import FILE, HEADER, encode_line
from reconciler.codec.request import decode_request
from reconciler.config import Settings
from reconciler.errors import BadMetadata, Clash, PermanentError, ReconcilerError, UsageError
from reconciler.executor.context import View, viewing
from reconciler.model.coverage import Coverage
from reconciler.model.facts import Kind
from reconciler.model.identity import ANSWERS, BatchName, Role, file_name
from reconciler.model.operation import MatchRequestIds, ProcessErrors, ProcessOutput
from reconciler.model.plan import Plan
from reconciler.model.receipt import Receipt
from reconciler.model.record import Record, Submission
from reconciler.model.report import BatchReport
from reconciler.session import Session, Watcher
from reconciler.workspace import exporting, metadata, settled
from reconciler.workspace.effects import Effects, temporary_for
from reconciler.workspace.layout import QUARANTINE, TARGET, Layout
from reconciler.workspace.reading import Reading, locate
from reconciler.workspace.scan import in_order, scan

PATH: Final = f"{TARGET}/{FILE}"

_WITHIN: Final = frozenset({MatchRequestIds.verb, ProcessOutput.verb, ProcessErrors.verb})
"""Steps that are followed by another, or by the end of their batch, which the registry then tells."""


@attrs.frozen
class _Known:
    """What is known of one batch, wherever it lies."""

    folder: str
    state: str
    record: Record
    coverage: Coverage | None = None
    leaves: Mapping[Role, str] = attrs.field(factory=dict)


class Rows:
    """
    The rows of a workspace, each as the text of its line but for its number.

    Args:
        look: The room for looking.
        layout: The workspace.
    """

    def __init__(self, look: Reading, layout: Layout) -> None:
        self._look = look
        self._layout = layout
        listing = scan(look, layout)
        names = {*listing.batches, *listing.quarantined, *settled.names(look)}
        self._models: dict[BatchName, str | None] = {}
        self._lines = {name: line for name in names if (line := self._line(name)) is not None}
        self._ordered: list[BatchName] | None = None

    def update(self, name: BatchName) -> bool:
        """Look at one batch anew; tells whether its row is another now."""
        line, before = self._line(name), self._lines.get(name)
        if line is None:
            self._lines.pop(name, None)
        else:
            self._lines[name] = line
        if (line is None) != (before is None):
            self._ordered = None
        return line != before

    def encode(self) -> bytes:
        """The whole file."""
        if self._ordered is None:
            self._ordered = in_order(self._lines)
        numbered = (b"%d,%b" % (number, self._lines[name]) for number, name in enumerate(self._ordered, 1))
        return HEADER + b"".join(numbered)

    def __len__(self) -> int:
        return len(self._lines)

    def _line(self, name: BatchName) -> bytes | None:
        """The row of one batch, None where nothing of it is here."""
        known = self._live(name) or self._settled(name) or self._quarantined(name)
        if known is None:
            return None
        record, coverage = known.record, known.coverage
        imported = record.imported or {}
        asked, output = (
            f"{known.folder}{known.leaves.get(role) or file_name(role, name)}"
            for role in (Role.INPUT, Role.OUTPUT)
        )
        csv = f"{TARGET}/{name}.results.csv"
        whole = f"{self._look.root}/"
        count = coverage.input.requests if coverage else record.input.requests if record.input else None
        cells: tuple[str | int | None, ...] = (
            *(record.provider, self._model(name, asked, imported), record.batch_id),
            *(whole + asked, whole + output),
            whole + csv if self._look.fact(csv) is not None else None,
            imported.get("pairs_path"),
            known.state == "settled",
            *(name, known.state, record.status, count),
            coverage.answered.requests if coverage else record.counts.completed,
            coverage.failed.requests if coverage else record.counts.failed,
            *(record.parent, record.attempt),
        )
        return encode_line(cells)

    def _live(self, name: BatchName) -> _Known | None:
        """A batch in the live directory."""
        paths = {role: self._layout.live_path(file_name(role, name)) for role in Role}
        there = {role for role, path in paths.items() if self._look.kind(path) is not None}
        if not there:
            return None
        record = (self._record(paths[Role.METADATA], name) if Role.METADATA in there else None) or Record(
            name
        )
        if not there.isdisjoint(ANSWERS):
            state = "answered"
        elif record.batch_id is not None:
            state = "in flight"
        else:
            state = "in doubt" if record.state is Submission.CREATING else "pending"
        return _Known(self._layout.live_path(""), state, record, record.coverage)

    def _settled(self, name: BatchName) -> _Known | None:
        """A batch in `done/`."""
        folder = settled.folder_of(name)
        try:
            found = settled.read(self._look, name)
        except (BadMetadata, PermanentError, OSError):
            return None
        record = self._record(f"{folder}/{file_name(Role.METADATA, name)}", name)
        record = attrs.evolve(
            record or Record(name),
            provider=found.provider,
            batch_id=found.batch_id,
            parent=found.parent,
            attempt=found.attempt,
        )
        # Files of a dismissed twin are not named like its folder.
        return _Known(f"{folder}/", "settled", record, found.coverage, found.leaves)

    def _quarantined(self, name: BatchName) -> _Known | None:
        """A batch that was set aside; of several folders the last."""
        folders = sorted(
            (int(number), each.name)
            for each in self._look.listing(QUARANTINE)
            for of, _, number in [each.name.rpartition(".")]
            if of == name and number.isdecimal()
        )
        if not folders:
            return None
        folder = f"{QUARANTINE}/{folders[-1][1]}"
        record = self._record(f"{folder}/{file_name(Role.METADATA, name)}", name)
        return _Known(f"{folder}/", "quarantined", record or Record(name))

    def _record(self, path: str, name: BatchName) -> Record | None:
        """What a metadata file says; nothing where it cannot be trusted."""
        try:
            return metadata.decode(self._look.read(path), path, name)
        except (BadMetadata, PermanentError, OSError):
            return None

    def _model(self, name: BatchName, path: str, imported: Any) -> str | None:
        """The model: as another tool said, or as the first request names it."""
        if imported.get("model"):
            return str(imported["model"])
        if self._models.get(name) is None:
            self._models[name] = None
            with suppress(ReconcilerError, OSError), self._look.open(path) as stream:
                for line in iter_lines(stream, path):
                    self._models[name] = decode_request(line, path).model
                    break
        return self._models[name]


class Kept:
    """
    A watcher that keeps `target/jobs_registry.csv` true, and passes on what it is told.

    A file that cannot be written now is tried again at the next change, and last at the end of the pass.

    Args:
        fx: The room for changes.
        rows: The rows as they are.
        told: Who is told.
    """

    def __init__(self, fx: Effects, rows: Rows, told: Watcher) -> None:
        self._fx = fx
        self._rows = rows
        self._told = told
        self._there = fx.read(PATH) if fx.fact(PATH) is not None else None

    def planned(self, decision: Plan) -> None:
        """Pass it on."""
        self._told.planned(decision)

    def called(self, exchange: Any) -> None:
        """Pass it on."""
        self._told.called(exchange)

    def done(self, receipt: Receipt) -> None:
        """An operation took place: what it changed is in the registry before anything else happens."""
        if receipt.verb not in _WITHIN:
            self._touch(receipt.name, receipt.facts.get("child"))
        self._told.done(receipt)

    def ended(self, report: BatchReport) -> None:
        """The pass is through with a batch, which a worker process may have settled."""
        children = (receipt.facts.get("child") for receipt in report.receipts)
        self._touch(report.name, *children)
        self._told.ended(report)

    def publish(self) -> None:
        """
        Replace the file, where it is another one.

        Raises:
            OSError: It cannot be written.
        """
        data = self._rows.encode()
        if data != self._there:
            # Without a sync of the folder: what a power cut takes back, the next pass writes again.
            self._fx.publish(PATH, (data,), replace=True, sync_folder=False)
            self._there = data
        else:
            self._fx.discard(temporary_for(PATH))

    def _touch(self, *names: Any) -> None:
        """Look at batches anew."""
        changed = [self._rows.update(BatchName(name)) for name in names if name]
        if any(changed):
            with suppress(OSError):
                self.publish()


@contextmanager
def kept(held: Session) -> Iterator[Session]:
    """
    A session whose registry is kept while it is used.

    Raises:
        OSError: At its end the registry still cannot be written; all else that was done is done.
    """
    fx = held.ctx.fx
    keeper = Kept(fx, Rows(fx, held.layout), held.options.watcher)
    yield attrs.evolve(held, options=attrs.evolve(held.options, watcher=keeper))
    keeper.publish()


def refresh(held: Session) -> None:
    """Make the registry true, where it is kept, after something that was no pass."""
    if held.settings["results.registry"]:
        with kept(held):
            pass


def export(path: str, settings: Settings, file: str) -> int:
    """
    Write the registry of a workspace to a file of any place; takes no lock, and changes nothing else.

    Args:
        path: The workspace.
        settings: Every setting.
        file: The CSV file; an older registry there is replaced, anything else is not.

    Returns:
        How many rows it has.

    Raises:
        UsageError: It cannot be a file there.
        Clash: Something else than a registry stands there.
    """
    if locate(file)[1] is Kind.FOLDER:
        raise UsageError(f"{file} is a folder", hint=f"name a file: {file.rstrip('/')}/batches.csv")
    with viewing(path, settings) as view:
        where = exporting.destination(view.layout.root, file)
        rows = rows_of(view)
    with closing(Reading(where.folder)) as look:
        if look.fact(where.path) is not None and not look.read(where.path).startswith(HEADER):
            raise Clash(
                f"{file} is there already and is no registry; it was not replaced", hint="name another file"
            )
    exporting.export(where, (rows.encode(),))
    return len(rows)


def rows_of(view: View) -> Rows:
    """The rows of a workspace."""
    return Rows(view.look, view.layout)
