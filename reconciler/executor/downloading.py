"""
Fetch the answers of a batch that has ended, whatever its status: expired and cancelled ones are paid for too.

Every file comes down under a temporary name and is looked through before anything is published. What all of
them are then stands in metadata before the first gets its name, so a crash between two files is never taken
for answers without failures.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import attrs

from reconciler.codec.jsonl import Line, iter_lines
from reconciler.codec.request import request_id
from reconciler.codec.result import decode_verdict
from reconciler.codec.wire import from_wire, line_number
from reconciler.errors import BadLine, Later, NotThere, PermanentError, ReconcilerError, TransientError
from reconciler.executor.context import Run
from reconciler.executor.reading import Lines
from reconciler.executor.remotes import remote_of
from reconciler.model.coverage import FileDigest
from reconciler.model.identity import ANSWERS, Role, file_name
from reconciler.model.operation import Download, FileFact
from reconciler.model.outcome import Outcome
from reconciler.model.receipt import Receipt
from reconciler.model.record import Record
from reconciler.model.status import Phase, phase_of
from reconciler.model.words import many
from reconciler.planner.waiting import PATIENCE
from reconciler.providers.base import Remote
from reconciler.workspace.effects import temporary_for

SOON: Final = 30.0
"""Seconds until files are fetched again that do not agree with what the provider counts."""

Digests = dict[Role, FileDigest | None]


def download(step: Download, run: Run) -> Receipt:
    """
    Fetch, look through, write down, publish.

    Raises:
        Later: The files do not agree with the provider's own counts yet.
        PermanentError: They are gone, or are not what was written down before.
        ReconcilerError: The provider cannot be asked.
    """
    ctx = run.ctx
    record = ctx.record(step.name)
    if record is None or record.batch_id is None:
        raise PermanentError(f"the metadata of {step.name} names no remote batch")
    remote = remote_of(ctx.plugged.hooks_of(step.name).providers, step.provider)
    fetched = _Fetched(run, remote, record)
    try:
        roles = fetched.one_stream(step) if remote.one_stream else fetched.two_files(step)
        _hold_to_counts(run, record, fetched.lines, roles)
        _write_down(run, record, step, roles)
        for role, digest in roles.items():
            if digest is not None and role not in step.expects.files:
                ctx.fx.reveal(fetched.path(role), digest)
        ctx.fx.sync_folder(ctx.layout.live)
    finally:
        for role in ANSWERS:
            ctx.fx.unstage(fetched.path(role))
    facts = {role.value: fetched.lines.get(role, 0) for role in ANSWERS if role in roles}
    told = ", ".join(many(count, f"line of {role}", f"lines of {role}") for role, count in facts.items())
    return Receipt(step.name, step.verb, told or "nothing to fetch", facts)


class _Fetched:
    """Files that lie here under temporary names, and how many lines each has."""

    def __init__(self, run: Run, remote: Remote, record: Record) -> None:
        self._run = run
        self._remote = remote
        self._record = record
        self.lines: dict[Role, int] = {}

    def path(self, role: Role) -> str:
        """The final name of an answer file."""
        return self._run.ctx.layout.live_path(file_name(role, self._record.name))

    def two_files(self, step: Download) -> Digests:
        """The files of a provider that serves answers and failures apart."""
        roles: Digests = {}
        for role in ANSWERS:
            file_id = self._record.remote_file(role)
            if file_id is None:
                roles[role] = self._record.roles.get(role)
            elif role in step.roles:
                roles[role] = self._fetch(file_id, self.path(role))
                self.lines[role] = sum(1 for _ in self._checked(self.path(role)))
            elif role in self._record.roles:
                roles[role] = self._record.roles[role]
        return roles

    def one_stream(self, step: Download) -> Digests:
        """The stream of a provider that serves everything in one, split by what became of each request."""
        file_id = self._record.remote_file(Role.OUTPUT)
        if file_id is None:
            raise PermanentError(f"{self._remote.name} names no results of {self._record.batch_id}")
        stream = self._run.ctx.layout.live_path(f"batch_download_{self._record.name}.jsonl")
        names = self._names(step.expects.files[Role.INPUT]) if self._remote.numbers_ids else None
        roles: Digests = {}
        try:
            self._fetch(file_id, stream)
            for role in ANSWERS:
                digest = self._run.ctx.fx.stage(self.path(role), self._of(role, stream, names))
                roles[role] = digest if self.lines[role] else None
        finally:
            self._run.ctx.fx.unstage(stream)
        return roles

    def _fetch(self, file_id: str, path: str) -> FileDigest:
        """One remote file, under the temporary name of *path*."""
        ctx, remote = self._run.ctx, self._remote
        try:
            with ctx.fx.receive(path) as incoming, ctx.remotes.asking(remote) as wire:
                size = remote.download(wire, file_id, incoming)
                if size is not None and size != incoming.size:
                    raise TransientError(
                        f"{file_id} has {size} bytes at {remote.name}, and {incoming.size} came down"
                    )
        except NotThere as error:
            raise self._gone(file_id, error) from error
        return incoming.digest

    def _gone(self, file_id: str, error: NotThere) -> ReconcilerError:
        """The provider does not have the file: not yet, another key's, kept no longer, or deleted."""
        record, remote = self._record, self._remote
        if record.account is not None and record.account != remote.account:
            message = f"{file_id} belongs to another key of {remote.name} than the one that is set"
            return PermanentError(message, hint="set the key, organisation or project that it was sent with")
        until, online = record.results_until, record.online
        over = until is not None and until < self._run.ctx.fx.now()
        if not over and online.tries < PATIENCE:
            # Some name a file before they serve it.
            self._run.publish(attrs.evolve(record, online=attrs.evolve(online, tries=online.tries + 1)))
            return Later(f"{remote.name} does not have {file_id} ({error.message})", SOON)
        why = "they were kept until a while ago" if over else error.message
        hint = f"look for {file_id} at {remote.name}; every pass tries again"
        return PermanentError(f"the results of {record.batch_id} are gone at {remote.name}: {why}", hint=hint)

    def _checked(self, path: str) -> Iterator[Line]:
        """
        The lines of what came down, each held to being whole.

        Raises:
            TransientError: The last line is cut: so was the download.
        """
        ctx, leaf = self._run.ctx, path.rpartition("/")[2]
        with ctx.fx.open(temporary_for(path)) as stream:
            last: Line | None = None
            for line in iter_lines(stream, leaf, limit=ctx.line_limit):
                if last is not None:
                    yield last
                last = line
            if last is None:
                return
            if not last.terminated:
                try:
                    decode_verdict(last, leaf)
                except BadLine as error:
                    raise TransientError(f"the download was cut: {error.message}") from error
            yield last

    def _of(self, role: Role, stream: str, names: list[str] | None) -> Iterator[bytes]:
        """The lines of a stream that belong to *role*, their own ids put back."""
        self.lines[role] = 0
        wanted = role is Role.OUTPUT
        for line in self._checked(stream):
            data = line.data
            try:
                verdict = decode_verdict(line, stream)
                answered = verdict.outcome is Outcome.ANSWERED
                if names is not None:
                    data = self._renamed(line, stream, verdict.custom_id, names)
            except BadLine:
                # Matching will say what is wrong with it; it must not get lost here.
                answered = True
            if answered is wanted:
                self.lines[role] += 1
                yield data + b"\n"

    def _renamed(self, line: Line, stream: str, custom_id: str, names: list[str]) -> bytes:
        """A line under the id of the request that it answers; one of nobody's keeps its own."""
        number = line_number(custom_id, self._record.intent)
        known = number is not None and number <= len(names)
        return from_wire(line, stream, names[number - 1]) if known and number else line.data

    def _names(self, fact: FileFact) -> list[str]:
        """The id of every request, in the order in which they were sent."""
        return [request_id(line, fact.path) for line in Lines(self._run.ctx, fact)]


def _hold_to_counts(run: Run, record: Record, lines: Mapping[Role, int], roles: Digests) -> None:
    """
    Hold what came down against the input, and against what the provider counts.

    A body that ends early, at the end of a line, and whose length nobody told, shows in nothing else. Once it
    has its final name it is too late to mend that, so the doubt comes first.

    Raises:
        Later: Answers seem to be missing; after a while the files are believed.
    """
    whole = all(role in lines or roles.get(role) is None for role in ANSWERS)
    if not whole or record.input is None or record.online.tries >= PATIENCE:
        return
    here, counts = sum(lines.values()), record.counts
    if here >= record.input.requests:
        return
    said = f"{many(here, 'line')} for {many(record.input.requests, 'request')} came down"
    if counts.completed is not None and counts.failed is not None:
        if phase_of(record.status) is Phase.PARTIAL:
            # What never ran may have lines too, and may have none: answers alone can be counted.
            agree = lines.get(Role.OUTPUT, 0) == counts.completed
        else:
            agree = here == counts.completed + counts.failed
        if agree:
            return
        said += f", where {counts.completed + counts.failed} are counted there"
    run.publish(attrs.evolve(record, online=attrs.evolve(record.online, tries=record.online.tries + 1)))
    raise Later(f"{record.batch_id} has ended, and only {said}", SOON)


def _write_down(run: Run, record: Record, step: Download, roles: Digests) -> Record:
    """
    Keep what every file is, before the first of them gets its name.

    Raises:
        PermanentError: A file is here already, and is not what came down now.
    """
    for role, fact in step.expects.files.items():
        known = record.roles.get(role)
        if role not in roles or known is None or roles[role] == known:
            continue
        if role in step.roles:
            told = f"{fact.path} is not the {role.value} file that {record.batch_id} has now"
            raise PermanentError(told, hint=f"move {fact.path} out of the workspace to take the other one")
        # Fetched again for the sake of the other file alone: what is here stays.
        roles[role] = known
    again: dict[str, dict[str, object]] = {"download-again": {}} if record.roles else {}
    after = attrs.evolve(record, roles={**record.roles, **roles}, receipts={**record.receipts, **again})
    return run.publish(after) if after != record else record
