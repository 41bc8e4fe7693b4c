"""
Fetch the answers of a batch that has ended, whatever its status: expired and cancelled ones are paid for too.

Every file comes down under a temporary name and is looked through before anything is published.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import attrs

from reconciler.codec.jsonl import Line, iter_lines
from reconciler.codec.keys import bears_id, with_key
from reconciler.codec.request import request_id
from reconciler.codec.result import decode_verdict
from reconciler.errors import BadLine, Later, NotThere, PermanentError, ReconcilerError, TransientError
from reconciler.executor.arriving import Arrival, Digests, Names, intents_of
from reconciler.executor.context import Run
from reconciler.executor.limiting import is_ended_by_limit, with_the_unanswered
from reconciler.executor.reading import Lines
from reconciler.executor.remotes import nameless, remote_of
from reconciler.model.coverage import FileDigest
from reconciler.model.facts import FileFact
from reconciler.model.identity import ANSWERS, Role
from reconciler.model.operation import Download
from reconciler.model.receipt import Receipt
from reconciler.model.record import SOON, Odd, Record
from reconciler.model.status import Phase, phase_of
from reconciler.model.words import many
from reconciler.providers.base import Remote
from reconciler.workspace.effects import temporary_for


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
        raise nameless(step.name)
    remote = remote_of(ctx.plugged.hooks_of(step.name).providers, step.provider)
    fetched = _Fetched(run, remote, record)
    arrival = fetched.arrival
    try:
        roles = fetched.one_stream(step) if remote.one_stream else fetched.two_files(step)
        unnamed = not remote.one_stream and not all(map(record.remote_file, ANSWERS))
        _hold_to_counts(run, record, arrival.lines, roles, unnamed=unnamed)
        ended = is_ended_by_limit(run, record)
        if ended:
            # Before it is held to what is here: that was put together likewise.
            roles = with_the_unanswered(run, record, roles, arrival, step.expects.files)
        after = _with_roles(record, step, roles)
        if ended:
            after = attrs.evolve(after, online=attrs.evolve(after.online, limited=True))
        arrival.publish(record, after, step.expects.files)
    finally:
        arrival.drop()
    facts = {role.value: arrival.lines.get(role, 0) for role in ANSWERS if role in roles}
    return Receipt(step.name, step.verb, arrival.told(roles) or "nothing to fetch", facts)


class _Fetched:
    """Files that lie here under temporary names."""

    def __init__(self, run: Run, remote: Remote, record: Record) -> None:
        self._run = run
        self._remote = remote
        self._record = record
        self.arrival = Arrival(run, record.name)

    def two_files(self, step: Download) -> Digests:
        """The files of a provider that serves answers and failures apart."""
        roles: Digests = {}
        for role in ANSWERS:
            file_id = self._record.remote_file(role)
            if file_id is None:
                roles[role] = self._record.roles.get(role)
            elif role in step.roles:
                roles[role] = self._fetch(file_id, self.arrival.path(role))
                self.arrival.lines[role] = sum(1 for _ in self._checked(self.arrival.path(role)))
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
        try:
            self._fetch(file_id, stream)
            if self._record.ids_by_position:
                ids = self._names(step.expects.files[Role.INPUT]).names
                self._hold_to_places(stream, len(ids))
                return self.arrival.split(lambda: self._placed(stream, ids), stream, None)
            return self.arrival.split(lambda: self._checked(stream), stream, names)
        finally:
            self._run.ctx.fx.unstage(stream)

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
        if not over and not online.heard_out(Odd.NO_RESULTS):
            # Some name a file before they serve it.
            _heard(self._run, record, Odd.NO_RESULTS)
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

    def _hold_to_places(self, stream: str, requests: int) -> None:
        """
        Hold answers that bear no ids to being as many as the requests.

        Raises:
            PermanentError: They are not: who answered what cannot be told.
        """
        answers = bare = 0
        for line in self._checked(stream):
            answers += 1
            bare += not bears_id(line, stream)
        if bare and answers != requests:
            record = self._record
            told = f"{many(answers, 'answer')} without ids for {many(requests, 'request')}"
            raise PermanentError(
                f"{record.batch_id} has {told}: which answers what cannot be told; nothing was published",
                hint=f"put batch_output_{record.name}.jsonl, its lines with their keys, beside the input",
            )

    def _placed(self, stream: str, ids: Sequence[str]) -> Iterator[Line]:
        """The lines of what came down, those without an id under that of the request in their place."""
        for at, line in enumerate(self._checked(stream)):
            yield line if bears_id(line, stream) else with_key(line, ids[at])

    def _names(self, fact: FileFact) -> Names:
        """The id of every request, in the order in which they were sent."""
        found = [request_id(line, fact.path) for line in Lines(self._run.ctx, fact)]
        return Names(intents_of(self._run, self._record), found)


def _hold_to_counts(
    run: Run, record: Record, lines: Mapping[Role, int], roles: Digests, *, unnamed: bool
) -> None:
    """
    Hold what came down against the input, and against what the provider counts.

    A body that ends early, at the end of a line, and whose length nobody told, shows in nothing else; and a
    file that is *unnamed* may be named later than the other one. Once they have their final names it is too
    late to mend that, so the doubt comes first.

    Raises:
        Later: Answers seem to be missing; after a while the files are believed.
    """
    whole = all(role in lines or roles.get(role) is None for role in ANSWERS)
    if not whole or record.input is None or record.online.heard_out(Odd.SHORT):
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
        if agree and not unnamed:
            return
        if not agree:
            said += f", where {counts.completed + counts.failed} are counted there"
    _heard(run, record, Odd.SHORT)
    raise Later(f"{record.batch_id} has ended, and only {said}", SOON)


def _heard(run: Run, record: Record, odd: Odd) -> None:
    """Write down what a provider has said that cannot be, where that is news."""
    online = record.online.heard(odd, run.ctx.fx.now())
    if online != record.online:
        run.publish(attrs.evolve(record, online=online))


def _with_roles(record: Record, step: Download, roles: Digests) -> Record:
    """
    The metadata with what every file is.

    Raises:
        PermanentError: A file is here already, and is not what came down now.
    """
    for role, fact in step.expects.files.items():
        known = record.roles.get(role)
        if role not in roles or known is None or roles[role] == known:
            continue
        ours = role is Role.ERROR and record.online.limited
        if role in step.roles and not ours:
            told = f"{fact.path} is not the {role.value} file that {record.batch_id} has now"
            raise PermanentError(told, hint=f"move {fact.path} out of the workspace to take the other one")
        # Fetched again for the sake of the other file alone: what is here stays. So does an error file in
        # which lines of ours say what a time limit has ended; the provider has another one under its name.
        roles[role] = known
    again: dict[str, dict[str, object]] = {"download-again": {}} if record.roles else {}
    return attrs.evolve(record, roles={**record.roles, **roles}, receipts={**record.receipts, **again})
