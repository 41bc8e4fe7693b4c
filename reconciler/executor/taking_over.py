"""
Take over one batch that another tool has sent, with the files that its registry names.

Everything is written under temporary names and looked through first; then history, metadata, answers and
input follow in this order. Done again after a crash, it comes to the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Final

import attrs

from reconciler.codec.jsonl import Line
from reconciler.codec.pairwise import gemini_answer, is_document, request_lines
from reconciler.codec.registry import Row
from reconciler.errors import BadLine, Clash, PermanentError
from reconciler.executor.arriving import Arrival, Digests
from reconciler.executor.context import Context, Run, View
from reconciler.executor.inputs import check_input
from reconciler.executor.located import leaf_of, located
from reconciler.executor.reading import Lines
from reconciler.model.coverage import FileDigest
from reconciler.model.exchange import Request
from reconciler.model.identity import ANSWERS, BatchName, Role, file_name, fold, parse_file_name
from reconciler.model.operation import FileFact
from reconciler.model.policy import LOCAL
from reconciler.model.record import BY_POSITION, InputFact, Record, Submission
from reconciler.model.words import many
from reconciler.providers.registry import takes
from reconciler.workspace import ledger, metadata, settled, tombstones
from reconciler.workspace.effects import temporary_for
from reconciler.workspace.layout import DONE, QUARANTINE
from reconciler.workspace.reading import BLOCK, Reading
from reconciler.workspace.scan import Listing

EVENT: Final = "batch.imported"
_LARGEST: Final = 1 << 30
"""Bytes of an input that is one document, which has to be held whole."""

_HEAD: Final = 4096
_ONE_STREAM: Final = frozenset({"anthropic", "gemini"})
"""Providers whose answers and failures come as one file, which is split as a download is."""


@attrs.frozen
class Taken:
    """
    A batch that shall be taken over.

    Attributes:
        name: What it will be called here.
        provider: Who has it.
        batch_id: The provider's id; None only where it is done.
        done: Its answers were fetched: they are copied, and nobody is asked.
        folder: Against which its paths count.
        row: What the registry says.
    """

    name: BatchName
    provider: str
    batch_id: str | None
    done: bool
    folder: str
    row: Row


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
        asked, found = here.take_input(taken)
        if taken.batch_id is None and here.is_known(asked.digest):
            return False, f"{taken.name} has that very input already"
        roles = here.take_answers(taken) if taken.done else {}
        record = _record(taken, asked, roles, found)
        if not here.begun(record):
            here.refuse_taken(before)
        here.publish(record, before)
    finally:
        here.drop()
    told = many(asked.requests, "request")
    if taken.done:
        return True, f"{told}; its answers were copied, and are not fetched again"
    return True, f"{told}; the next pass asks {taken.provider} for {taken.batch_id}"


def _record(taken: Taken, asked: InputFact, roles: Digests, found: _Found) -> Record:
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


@attrs.frozen
class _Found:
    """
    The input of a batch where it was found.

    Attributes:
        leaf: What it is called there.
        digest: What it is there.
        document: Whether it is one document, of which lines were made.
        endpoint: The API path that its lines name.
    """

    leaf: str
    digest: FileDigest
    document: bool
    endpoint: str | None


class _Here:
    """The files of a batch on their way into the live directory."""

    def __init__(self, ctx: Context, name: BatchName) -> None:
        self._ctx = ctx
        self._name = name
        self._arrival = Arrival(Run(ctx), name)
        self._roles: dict[Role, FileDigest] = {}

    def path(self, role: Role) -> str:
        """The final name of a file."""
        return self._ctx.layout.live_path(file_name(role, self._name))

    def take_input(self, taken: Taken) -> tuple[InputFact, _Found]:
        """
        Have the input under its temporary name, held to being one.

        Raises:
            PermanentError: It is gone, or cannot be what was sent.
        """
        path = located(taken.row["batch_input_path"], taken.folder)
        if path is None:
            told = f"its input is gone: {taken.row['batch_input_path'] or 'no path'}"
            raise PermanentError(told, hint="put the file beside the registry, and import it again")
        folder, _, leaf = path.rpartition("/")
        with closing(Reading(folder or "/")) as look:
            view, fact = self._view(look, leaf)
            with look.open(leaf) as stream:
                document = is_document(stream.read(_HEAD))
            if document and fact.size > _LARGEST:
                raise PermanentError(f"{leaf} has {fact.size} bytes in one document")
            shape = _Shape(leaf, taken.provider)
            if document:
                data = look.read(leaf)
                lines = (line + b"\n" for line in request_lines(data, leaf))
                digest = self._ctx.fx.stage(self.path(Role.INPUT), lines)
                staged = self._ctx.fx.fact(temporary_for(self.path(Role.INPUT)))
                if staged is None:
                    raise PermanentError(f"what was made of {leaf} has just gone")
                try:
                    asked = check_input(self._ctx, staged, shape.take)
                except BadLine as error:
                    raise BadLine(leaf, 0, f"request {error.line}: {error.reason}") from error
                source = look.digest(leaf)
            else:
                asked = check_input(view, fact, shape.take)
                digest = source = self._ctx.fx.stage(self.path(Role.INPUT), _blocks(look, leaf))
            if asked.digest != digest or look.fact(leaf) != fact:
                raise PermanentError(f"{leaf} was written to while it was read", hint="import it again")
        self._roles[Role.INPUT] = digest
        return asked, _Found(leaf, source, document, shape.endpoint)

    def take_answers(self, taken: Taken) -> Digests:
        """
        Have the answers of a finished batch under their temporary names.

        Raises:
            PermanentError: They are gone.
        """
        row = taken.row
        found = {Role.OUTPUT: located(row["batch_output_path"], taken.folder)}
        ours = parse_file_name(leaf_of(row["batch_output_path"]))
        if ours is not None:
            # A registry of ours names the output; the failures lie beside it.
            beside = row["batch_output_path"][: -len(leaf_of(row["batch_output_path"]))]
            found[Role.ERROR] = located(f"{beside}{file_name(Role.ERROR, ours[1])}", taken.folder)
        if not any(found.values()):
            raise _gone(taken)
        roles: Digests = {}
        for role, path in found.items():
            if path is None:
                continue
            folder, _, leaf = path.rpartition("/")
            with closing(Reading(folder or "/")) as look:
                view, fact = self._view(look, leaf)
                if taken.provider in _ONE_STREAM and ours is None:
                    roles = self._arrival.split(lambda v=view, f=fact: _answers(taken, v, f), leaf, None)  # type: ignore[misc]
                else:
                    roles[role] = self._ctx.fx.stage(self.path(role), _blocks(look, leaf))
        self._roles |= {role: digest for role, digest in roles.items() if digest is not None}
        return roles

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

    def publish(self, record: Record, before: Before) -> None:
        """History, metadata, answers, input: each in its turn."""
        fx = self._ctx.fx
        asked = record.input
        if asked is None:
            raise PermanentError(f"{self._name} has no input")
        if (self._name, record.batch_id, asked.digest.sha256) not in before.history:
            facts: Mapping[str, object] = {"input": asked.digest.sha256, "requests": asked.requests}
            if record.batch_id is not None:
                facts = {"batch_id": record.batch_id, **facts}
            ledger.append(fx, EVENT, self._name, provider=record.provider, **facts)
        before.names[fold(self._name)] = self._name
        fx.publish(self._ctx.record_path(self._name), (metadata.encode(record),))
        for role in (*ANSWERS, Role.INPUT):
            if role in self._roles:
                fx.reveal(self.path(role), self._roles[role])
        fx.sync_folder(self._ctx.layout.live)

    def drop(self) -> None:
        """Take back what has no name of its own."""
        for role in (Role.INPUT, *ANSWERS):
            self._ctx.fx.unstage(self.path(role))

    def _view(self, look: Reading, leaf: str) -> tuple[View, FileFact]:
        """A file that lies elsewhere."""
        fact = look.fact(leaf)
        if fact is None:
            raise PermanentError(f"{look.root}/{leaf} is no file that can be read")
        ctx = self._ctx
        view = View(
            look=look,
            layout=ctx.layout,
            line_limit=ctx.line_limit,
            progress=ctx.progress,
            stopping=ctx.stopping,
        )
        return view, fact


class _Shape:
    """What all lines of an input have to agree on, as the provider has taken them."""

    def __init__(self, path: str, provider: str) -> None:
        self._path = path
        self._provider = provider
        self.endpoint: str | None = None

    def take(self, request: Request, line: Line) -> None:
        """
        Look at one request.

        Raises:
            BadLine: The provider cannot have taken it.
        """
        if self._provider not in ("", LOCAL) and request.dialect not in takes(self._provider)[1]:
            told = f"a line in the shape of {request.dialect.value}; its provider is {self._provider}"
            raise BadLine(self._path, line.number, told)
        self.endpoint = self.endpoint or request.url


def _answers(taken: Taken, view: View, fact: FileFact) -> Iterator[Line]:
    """The answer lines of a file, as its provider serves them."""
    for line in Lines(view, fact):
        data = gemini_answer(line, fact.path) if taken.provider == "gemini" else line.data
        yield line._replace(data=data)


def _gone(taken: Taken) -> PermanentError:
    """Why a finished batch without its answers is not taken over."""
    row = taken.row
    told = f"it is done, and its output is gone: {row['batch_output_path'] or 'no path'}"
    if located(row["csv_path"], taken.folder) is not None:
        told += f"; what was made of it is in {row['csv_path']}"
    hint = "put the file beside the registry; or write FALSE under done: fetching it once more costs nothing"
    return PermanentError(told, hint=hint)


def _blocks(look: Reading, leaf: str) -> Iterator[bytes]:
    """A file, block by block."""
    with look.open(leaf) as stream:
        yield from iter(lambda: stream.read(BLOCK), b"")
