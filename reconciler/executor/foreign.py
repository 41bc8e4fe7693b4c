"""
The files of a batch that another tool has sent, where that tool has left them.

They are copied, or made into lines, under temporary names of the live directory, and held to being what
the registry says. Nothing of the other tool is changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Final

import attrs

from reconciler.codec.jsonl import Line
from reconciler.codec.pairwise import gemini_answer, is_document, request_lines
from reconciler.codec.registry import Row
from reconciler.errors import BadLine, PermanentError
from reconciler.executor.arriving import Arrival, Digests
from reconciler.executor.context import Context, View
from reconciler.executor.inputs import check_input
from reconciler.executor.located import leaf_of, located
from reconciler.executor.reading import Lines
from reconciler.model.coverage import FileDigest
from reconciler.model.exchange import Request
from reconciler.model.facts import FileFact
from reconciler.model.identity import BatchName, Role, file_name, parse_file_name
from reconciler.model.record import InputFact
from reconciler.providers.registry import NAMES, takes
from reconciler.workspace.effects import temporary_for
from reconciler.workspace.reading import BLOCK, Reading

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
class Found:
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


def path_of(ctx: Context, name: BatchName, role: Role) -> str:
    """The final name of a file."""
    return ctx.layout.live_path(file_name(role, name))


def stage_input(ctx: Context, taken: Taken) -> tuple[InputFact, Found]:
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
        view, fact = ctx.elsewhere(look, leaf)
        with look.open(leaf) as stream:
            document = is_document(stream.read(_HEAD))
        if document and fact.size > _LARGEST:
            raise PermanentError(f"{leaf} has {fact.size} bytes in one document")
        shape = _Shape(leaf, taken.provider)
        if document:
            data = look.read(leaf)
            lines = (line + b"\n" for line in request_lines(data, leaf))
            digest = ctx.fx.stage(path_of(ctx, taken.name, Role.INPUT), lines)
            staged = ctx.fx.fact(temporary_for(path_of(ctx, taken.name, Role.INPUT)))
            if staged is None:
                raise PermanentError(f"what was made of {leaf} has just gone")
            try:
                asked = check_input(ctx, staged, shape.take)
            except BadLine as error:
                raise BadLine(leaf, 0, f"request {error.line}: {error.reason}") from error
            source = look.digest(leaf)
        else:
            asked = check_input(view, fact, shape.take)
            digest = source = ctx.fx.stage(path_of(ctx, taken.name, Role.INPUT), _blocks(look, leaf))
        if asked.digest != digest or look.fact(leaf) != fact:
            raise PermanentError(f"{leaf} was written to while it was read", hint="import it again")
    return asked, Found(leaf, source, document, shape.endpoint)


def stage_answers(ctx: Context, arrival: Arrival, taken: Taken) -> Digests:
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
            view, fact = ctx.elsewhere(look, leaf)
            if taken.provider in _ONE_STREAM and ours is None:
                roles = arrival.split(lambda v=view, f=fact: _answers(taken, v, f), leaf, None)  # type: ignore[misc]
            else:
                roles[role] = ctx.fx.stage(path_of(ctx, taken.name, role), _blocks(look, leaf))
    return roles


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
        if self._provider in NAMES and request.dialect not in takes(self._provider)[1]:
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
