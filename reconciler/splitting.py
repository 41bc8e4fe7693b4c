"""
Make inputs of a file of ready request lines: `reconcile split`.

All parts are written under temporary names and held against what is there before the first gets its name, so
that a refusal leaves nothing, and a crash leaves whole inputs that the same command completes.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Self

import attrs

from reconciler.config import Settings
from reconciler.errors import Clash, ConfigError, UsageError
from reconciler.executor.context import View
from reconciler.executor.splitting import UNLIMITED, Cuts, cut, write_parts
from reconciler.executor.unsplit import EVENT, is_new_split, is_there, names_taken
from reconciler.model.coverage import FileDigest
from reconciler.model.exchange import Dialect
from reconciler.model.facts import FileFact, Kind
from reconciler.model.identity import BatchName, Role, file_name
from reconciler.model.policy import LOCAL
from reconciler.model.remote import Limits
from reconciler.model.shares import Shares
from reconciler.model.words import many
from reconciler.naming import counted_names, prefix_of
from reconciler.providers.base import Remote
from reconciler.providers.registry import NAMES, takes
from reconciler.registry import refresh
from reconciler.session import Options, session
from reconciler.workspace import ledger
from reconciler.workspace.effects import Effects
from reconciler.workspace.layout import PRIVATE, SETTINGS, WORKDIR, Layout
from reconciler.workspace.reading import Reading, locate


@attrs.frozen
class Asked:
    """
    How a file is to be split.

    Attributes:
        shares: Into how many batches, or how large ones.
        name: What their names begin with; empty for the name of the file.
        provider: Whose limits hold; empty for nobody's.
        again: Split it though it was split in this workspace before, in another way.
    """

    shares: Shares
    name: str = ""
    provider: str = ""
    again: bool = False


@attrs.frozen
class Batch:
    """
    One input that was made.

    Attributes:
        name: The batch.
        path: Its input.
        requests: How many requests it holds.
        size: Its bytes.
        made: False when it was there already, with these very bytes.
    """

    name: BatchName
    path: str
    requests: int
    size: int
    made: bool


@attrs.frozen
class Split:
    """
    What came of splitting a file.

    Attributes:
        source: The file, a real path.
        sha256: What stood in it.
        batches: The inputs, in the order of the file.
    """

    source: str
    sha256: str
    batches: tuple[Batch, ...]

    @property
    def requests(self) -> int:
        """How many requests there are."""
        return sum(batch.requests for batch in self.batches)


def split_into_workspace(
    path: str, workspace: str, settings: Settings, asked: Asked, options: Options | None = None
) -> Split:
    """
    Make inputs in the live directory of a workspace, under its lock; nothing is sent.

    Raises:
        BadLine: A line cannot be sent as it is.
        Clash: A name is taken by something else.
        NeedsPerson: This file was split here before, in another way: its requests would be paid for twice.
        UserError: There is no such file or workspace, or another reconciler holds it.
    """
    options = options or Options()
    with session(workspace, settings, options) as held, _source(path, settings, options) as (view, fact):
        fx, layout = held.ctx.fx, held.layout
        cuts = _cuts(view, fact, asked, options)
        names = counted_names(asked.name or prefix_of(path), len(cuts.parts))
        facts = {
            "source": cuts.digest.sha256,
            "requests": cuts.requests,
            "batches": len(names),
            "most": max(part.requests for part in cuts.parts),
        }
        first_time = is_new_split(fx, names[0], facts, again=asked.again)
        with _Staged(fx, layout.live, names) as staged:
            digests = write_parts(view, cuts, staged.write)
            there = {
                name
                for name, digest in zip(names, digests, strict=True)
                if is_there(fx, layout, name, digest)
            }
            staged.refuse_taken(names_taken(fx, layout, names), there)
            if first_time:
                # History first: a second way to split this file has to meet it, wherever this one ends.
                ledger.append(fx, EVENT, names[0], **facts)
            found = _split(path, cuts, staged, staged.publish(digests, there))
        refresh(held)
        return found


def split_into_folder(
    path: str, folder: str, settings: Settings, asked: Asked, options: Options | None = None
) -> Split:
    """
    Make inputs in any folder, which is made if need be.

    Raises:
        BadLine: A line cannot be sent as it is.
        Clash: A name is taken by something else.
        UsageError: There is no such file, or the folder belongs to a workspace.
    """
    root = _folder(folder)
    options = options or Options()
    with closing(Effects(root)) as fx, _source(path, settings, options) as (view, fact):
        cuts = _cuts(view, fact, asked, options)
        names = counted_names(asked.name or prefix_of(path), len(cuts.parts))
        with _Staged(fx, "", names) as staged:
            digests = write_parts(view, cuts, staged.write)
            here = {name: staged.path(name) for name in names}
            taken = {name: at for name, at in here.items() if fx.kind(at) is not None}
            there = {
                name
                for name, digest in zip(names, digests, strict=True)
                if fx.fact(here[name]) is not None and fx.digest(here[name]) == digest
            }
            staged.refuse_taken(taken, there)
            return _split(path, cuts, staged, staged.publish(digests, there))


class _Staged:
    """Inputs under temporary names; gone at the end, but for those that were published."""

    def __init__(self, fx: Effects, folder: str, names: Sequence[BatchName]) -> None:
        self.fx = fx
        self.names = names
        self._folder = folder

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        """Take back what has no name of its own; a process that is gone cannot."""
        if kind is None or issubclass(kind, Exception | KeyboardInterrupt):
            for name in self.names:
                self.fx.unstage(self.path(name))

    def path(self, name: BatchName) -> str:
        """The final name of an input."""
        leaf = file_name(Role.INPUT, name)
        return f"{self._folder}/{leaf}" if self._folder else leaf

    def write(self, number: int, chunks: Iterator[bytes]) -> FileDigest:
        """Take part *number*."""
        return self.fx.stage(self.path(self.names[number]), chunks)

    def refuse_taken(self, taken: Mapping[BatchName, str], there: set[BatchName]) -> None:
        """
        Hold every name to being free, or to having these very bytes.

        Raises:
            Clash: One is not.
        """
        wrong = [f"{name} ({path})" for name, path in taken.items() if name not in there]
        if wrong:
            told = ", ".join(wrong[:3]) + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else "")  # noqa: PLR2004 - as many as are told
            raise Clash(f"taken by something else: {told}; nothing was made", hint="give them another --name")

    def publish(self, digests: Sequence[FileDigest], there: set[BatchName]) -> list[bool]:
        """Give every input its name; tells which are new."""
        made = []
        for name, digest in zip(self.names, digests, strict=True):
            if name not in there:
                self.fx.reveal(self.path(name), digest)
            made.append(name not in there)
        self.fx.sync_folder(self._folder)
        return made


def _split(path: str, cuts: Cuts, staged: _Staged, made: Sequence[bool]) -> Split:
    """What was made, in words for machines."""
    rows = zip(staged.names, cuts.parts, made, strict=True)
    batches = (
        Batch(name, f"{staged.fx.root}/{staged.path(name)}", part.requests, part.size, new)
        for name, part, new in rows
    )
    return Split(locate(path)[0], cuts.digest.sha256, tuple(batches))


@contextmanager
def _source(path: str, settings: Settings, options: Options) -> Iterator[tuple[View, FileFact]]:
    """
    The file that is split, in a room of its own.

    Raises:
        UsageError: There is no such file.
    """
    real, kind = locate(path)
    if kind is not Kind.FILE:
        what = "there is no file" if kind is None else "a folder or a special file, not a file of requests:"
        raise UsageError(f"{what} {path}")
    folder, _, leaf = real.rpartition("/")
    with closing(Reading(folder or "/")) as look:
        fact = look.fact(leaf)
        if fact is None:
            raise UsageError(f"{path} has just gone")
        yield (
            View(
                look=look,
                layout=Layout(look.root, ""),
                line_limit=settings["limits.line_bytes"],
                progress=options.progress,
                stopping=options.stopping,
            ),
            fact,
        )


def _cuts(view: View, fact: FileFact, asked: Asked, options: Options) -> Cuts:
    """Where to cut, under the limits of whoever shall have the batches."""
    if not asked.provider:
        if asked.shares == Shares():
            raise UsageError(
                "into what?", hint="--batch-size N, --segments N, or --provider NAME for its limits"
            )
        return cut(view, fact, asked.shares)
    limits, dialects = (UNLIMITED, frozenset(Dialect)) if asked.provider == LOCAL else _takes(asked, options)
    return cut(view, fact, asked.shares, limits, dialects)


def _takes(asked: Asked, options: Options) -> tuple[Limits, frozenset[Dialect]]:
    """
    How large a batch a provider takes, and which lines; one of a user has to be made to say so.

    Raises:
        ConfigError: There is no such provider, or one of a user's that has no key.
    """
    hooks = options.plugged.hooks_of("")
    if asked.provider not in NAMES:
        if asked.provider in hooks.keyless:
            told = f"what {asked.provider} takes can be told with its key alone"
            raise ConfigError(told, hint=hooks.keyless[asked.provider])
        remote = hooks.providers.get(asked.provider)
        if isinstance(remote, Remote):
            return remote.limits, remote.dialects
    return takes(asked.provider)


def _folder(folder: str) -> str:
    """
    The folder of `-o`, made if need be.

    Raises:
        UsageError: It is a file, has no folder above it, or is a workspace's.
    """
    root, kind = locate(folder)
    if not folder or kind not in (None, Kind.FOLDER):
        raise UsageError(f"{folder or 'an empty path'}: not a folder")
    above, _, leaf = root.rpartition("/")
    owner = ""
    if any(locate(f"{root}/{each}")[1] is not None for each in (WORKDIR, PRIVATE)):
        owner = root
    elif leaf == WORKDIR and any(locate(f"{above}/{each}")[1] is not None for each in (PRIVATE, SETTINGS)):
        owner = above
    if owner:
        told = f"{folder} belongs to the workspace {owner}, where a pass may be at work"
        raise UsageError(told, hint=f"--into {shlex.quote(owner)}")
    if kind is None:
        if locate(above or "/")[1] is not Kind.FOLDER:
            raise UsageError(f"{folder}: there is no folder {above}", hint=f"mkdir -p {shlex.quote(above)}")
        with closing(Effects(above or "/")) as outer:
            outer.make_folder(leaf)
    return root


def told_of(split: Split) -> list[str]:
    """One line for each input."""
    return [
        f"{batch.name}  {many(batch.requests, 'request')}, {batch.size} bytes"
        + ("" if batch.made else "; it was there already")
        for batch in split.batches
    ]
