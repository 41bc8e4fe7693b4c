"""
Take over the batches that a registry names: `reconcile registry import`.

Files are copied to our names and never moved. Nothing is sent and nobody is asked: the next pass polls what
is not done. Of each batch history comes first, then its metadata, then its answers, then its input, so that a
pass between two of them never sees an input that it could take for a new one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from typing import Any, Final, Protocol, TypeAlias

import attrs

from reconciler.codec import registry
from reconciler.codec.registry import Row
from reconciler.config import Settings
from reconciler.errors import BadMetadata, PermanentError, ReconcilerError, StaleSnapshot, UsageError
from reconciler.executor.foreign import Taken
from reconciler.executor.taking_over import EVENT, Before, take_over
from reconciler.model.facts import Kind
from reconciler.model.identity import BatchName, Role, fold, parse_file_name, parse_name
from reconciler.model.policy import LOCAL
from reconciler.model.record import Record
from reconciler.naming import clean_name
from reconciler.providers.registry import NAMES
from reconciler.registry import refresh
from reconciler.session import Options, Session, session
from reconciler.workspace import ledger, metadata, settled
from reconciler.workspace.code import installed
from reconciler.workspace.layout import QUARANTINE
from reconciler.workspace.reading import Reading, locate
from reconciler.workspace.scan import Listing, scan


class Frame(Protocol):
    """A DataFrame, as pandas has them; of one of polars give the rows, `to_dicts()`."""

    def to_dict(self, orient: Any, /) -> Any:
        """Its rows, with `"records"`."""


Source: TypeAlias = str | os.PathLike[str] | Iterable[Mapping[str, Any]] | Frame
"""A CSV file, a folder that holds `jobs_registry.csv`, or rows."""

_PREFIXES: Final = (("msgbatch_", "anthropic"), ("batches/", "gemini"), ("batch_", "openai"))
_LARGEST: Final = 256 << 20
"""Bytes of a registry."""


@attrs.frozen
class Imported:
    """
    What became of one row.

    Attributes:
        where: The row: file and line.
        name: The batch; empty for a row that was refused before it got one.
        batch_id: The provider's id; empty where the row names none.
        outcome: `imported`, `known` (it is in the workspace already) or `refused`.
        because: In words.
        hint: What a person can do.
    """

    where: str
    name: str
    batch_id: str
    outcome: str
    because: str
    hint: str = ""


@attrs.frozen
class Import:
    """
    What became of all rows.

    Attributes:
        rows: In the order of the registry.
    """

    rows: tuple[Imported, ...]

    @property
    def exit_code(self) -> int:
        """0, or 3 when a row was refused."""
        return 3 if any(row.outcome == "refused" for row in self.rows) else 0

    def count(self, outcome: str) -> int:
        """How many rows ended so."""
        return sum(row.outcome == outcome for row in self.rows)


def import_registry(
    workspace: str, settings: Settings, source: Source, options: Options | None = None, *, name: str = ""
) -> Import:
    """
    Import every row of a registry that can be, and say of each what became of it.

    Args:
        workspace: Where to.
        settings: Every setting.
        source: The registry.
        options: What else the caller wants.
        name: What the names of batches begin with whose row names none; empty for the registry's folder.

    Raises:
        UsageError: There is no such registry, or it is none.
        UserError: There is no workspace, or another reconciler holds it.
    """
    rows, folder = _rows_of(source)
    named = isinstance(source, str | os.PathLike)
    prefix = clean_name(name or (folder.rpartition("/")[2] if named else "")) or "registry"
    if name and prefix != name:
        raise UsageError(f"{name!r:.100} cannot begin the name of a batch", hint="letters, digits, . _ -")
    with session(workspace, settings, options or Options()) as held:
        known = _Known(held)
        width = max(2, *(len(str(row.segment)) for row in rows)) if rows else 2
        found = [_import(held, known, row, folder, f"{prefix}_{row.segment:0{width}}") for row in rows]
        refresh(held)
    return Import(tuple(found))


def _rows_of(source: Source) -> tuple[list[Row], str]:
    """
    The rows of a source, and the folder against which their paths count.

    Raises:
        UsageError: There are none.
    """
    if not isinstance(source, str | os.PathLike):
        given = source.to_dict("records") if hasattr(source, "to_dict") else source
        return registry.from_mappings(given), locate(".")[0]
    named = os.fspath(source)
    path, kind = locate(named)
    if kind is Kind.FOLDER:
        path, kind = locate(f"{path}/{registry.FILE}")
        if kind is None:
            raise UsageError(f"{named} holds no {registry.FILE}", hint="name the CSV file itself")
    if kind is not Kind.FILE:
        raise UsageError(f"there is no registry {named}", hint="a CSV file, or the folder that holds it")
    folder, _, leaf = path.rpartition("/")
    with closing(Reading(folder or "/")) as look:
        fact = look.fact(leaf)
        if fact is None or fact.size > _LARGEST:
            raise UsageError(f"{named} is too large for a registry")
        return registry.decode(look.read(leaf), leaf), folder or "/"


def _import(held: Session, known: _Known, row: Row, folder: str, otherwise: str) -> Imported:
    """What becomes of one row; one that is refused does not stop the others."""
    batch_id = row["batch_id"]
    name = ""
    try:
        done = row.done
        if not batch_id and not done:
            told = "it names no batch_id, so nothing says that it was ever sent"
            raise PermanentError(
                told, hint="to send it from here, copy its input to the workspace's live folder"
            )
        provider = _provider_of(row)
        name = known.name_of(provider, batch_id)
        if name and not known.half_done(BatchName(name)):
            return Imported(row.where, name, batch_id, "known", f"{name} is that batch already")
        name = name or _name_of(row, otherwise)
        taken = Taken(BatchName(name), provider, batch_id or None, done, folder, row)
        new, told = take_over(held.ctx, taken, known.before)
        known.add(provider, batch_id, BatchName(name))
    except StaleSnapshot as error:
        return Imported(row.where, name, batch_id, "refused", error.message, "import it again")
    except ReconcilerError as error:
        if not isinstance(error, PermanentError):
            raise
        return Imported(row.where, name, batch_id, "refused", error.message, error.hint)
    except OSError as error:
        told = f"{error.filename or name}: {error.strerror or error}"
        return Imported(row.where, name, batch_id, "refused", told, "import it again")
    return Imported(row.where, name, batch_id, "imported" if new else "known", told)


def _provider_of(row: Row) -> str:
    """
    Whose batch it is, by its row or by how its id begins.

    Raises:
        PermanentError: Nobody of whom this version knows.
    """
    found = row["provider"].lower()
    if not found:
        found = next((word for prefix, word in _PREFIXES if row["batch_id"].startswith(prefix)), "")
    if not row["batch_id"] and found in ("", LOCAL):
        # Answered on some machine, or by hand: there is nobody to ask.
        return found
    if found in NAMES:
        return found
    mine = installed("provider.name")
    own = row["provider"]
    if own in mine:
        return own
    told = f"its provider is {own!r:.40}" if found else "nothing says whose batch it is"
    raise PermanentError(told, hint=f"known: {', '.join((*NAMES, *sorted(mine)))}")


def _name_of(row: Row, otherwise: str) -> BatchName:
    """
    The name of a batch: by its row, by the name of its input, or else by its number.

    Raises:
        PermanentError: The row names something that is no name.
    """
    leaf = row["batch_input_path"].replace("\\", "/").rpartition("/")[2]
    ours = parse_file_name(leaf)
    text = row["name"] or (ours[1] if ours is not None and ours[0] is Role.INPUT else otherwise)
    name = parse_name(text)
    if name is None:
        raise PermanentError(f"{text!r:.100} is no batch name", hint="letters, digits, . _ -; at most 90")
    return name


class _Known:
    """
    The batches that are here already, by what their providers call them.

    Attributes:
        before: What was here before, for those that take batches over.
    """

    def __init__(self, held: Session) -> None:
        self._held = held
        listing = scan(held.ctx.fx, held.layout)
        history = (entry for entry in ledger.entries(held.ctx.fx) if entry.event == EVENT)
        self.before = Before(
            listing,
            {fold(name): name for name in listing.batches},
            {
                (str(each.fields.get("batch")), each.fields.get("batch_id"), str(each.fields.get("input")))
                for each in history
            },
        )
        self._names = {
            (record.provider or "", record.batch_id): name
            for name, record in _records(held, listing)
            if record.batch_id is not None
        }

    def name_of(self, provider: str, batch_id: str) -> str:
        """The batch that is called so, empty when there is none; records of old may name no provider."""
        found: BatchName | None = self._names.get((provider, batch_id), self._names.get(("", batch_id)))
        return found or ""

    def half_done(self, name: BatchName) -> bool:
        """Whether its import was cut off before its input got its name."""
        ctx = self._held.ctx
        try:
            record = ctx.record(name)
        except BadMetadata:
            return False
        there = ctx.fx.kind(ctx.layout.live_path(f"batch_{Role.INPUT.value}_{name}.jsonl")) is not None
        return record is not None and record.imported is not None and not there

    def add(self, provider: str, batch_id: str, name: BatchName) -> None:
        """A batch has come."""
        if batch_id:
            self._names[provider, batch_id] = name


def _records(held: Session, listing: Listing) -> Iterator[tuple[BatchName, Record]]:
    """The metadata of every batch, wherever it is; what cannot be read says nothing."""
    fx = held.ctx.fx
    leaf = "batch_metadata_{}.jsonl".format
    paths = [(name, held.layout.live_path(leaf(name))) for name in listing.batches]
    paths += [(name, f"{settled.folder_of(name)}/{leaf(name)}") for name in settled.names(fx)]
    paths += [
        (name, f"{QUARANTINE}/{folder}/{leaf(name)}")
        for name, folders in listing.quarantined.items()
        for folder in folders
    ]
    for name, path in paths:
        if fx.fact(path) is None:
            continue
        try:
            # The folder of a batch that was dismissed twice is called otherwise than the batch.
            yield name, metadata.decode(fx.read(path), path, name)
        except (BadMetadata, PermanentError, OSError):
            continue
    for name in settled.names(fx):
        try:
            manifest = settled.read(fx, name)
        except (BadMetadata, OSError):
            continue
        yield name, Record(name, provider=manifest.provider, batch_id=manifest.batch_id)
