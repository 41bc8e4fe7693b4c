"""
Settle whole batches in worker processes: this process gives them out and hears what became of them.

Each batch is settled by one process from its first look to its last, in the order of effects that it has
everywhere; batches of one lineage are never given out at once. A worker that dies leaves a batch as a pass
that dies does, and this process goes on with it from there: that costs time and nothing else.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final, Self

import attrs

from reconciler.hand import Reply, Task
from reconciler.model.identity import ANSWERS, BatchName, Role, child_name, file_name, lineage_root
from reconciler.model.plan import Plan
from reconciler.model.report import BatchReport, State
from reconciler.session import Session
from reconciler.workspace import combined, ledger
from reconciler.workspace.layout import DONE, QUARANTINE
from reconciler.workspace.scan import Listing

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from subprocess import Popen

DEPTH: Final = 2
"""Batches that a worker has before it: one at work, one waiting."""

SPARE: Final = 2
"""Workers beyond one for each core: they wait for the disk for a good part of their time."""

_MEMORY: Final = {"MALLOC_TRIM_THRESHOLD_": "8388608", "MALLOC_MMAP_THRESHOLD_": "8388608"}
"""A batch takes some mebibytes, and the next one as many: glibc keeps them; others pass this over."""

_SHARED: Final = (DONE, QUARANTINE, "target")
_LOOK_UP: Final = 0.1
"""Seconds between two looks whether someone asks for an end."""


@attrs.define(eq=False)
class _Worker:
    """A process, and the batches that it has before it."""

    process: Popen[bytes]
    line: Connection
    before: deque[BatchName] = attrs.field(factory=deque)


class Crew:
    """
    Workers over some batches of a pass; to be closed.

    Args:
        held: The locked workspace.
        listing: What lies in it.
        names: The batches, in order: with answers, looked at by no user code, each with its whole lineage.

    Attributes:
        lost: A batch was given out and came back without a report; what the scan saw may not hold any more.
    """

    def __init__(self, held: Session, listing: Listing, names: Sequence[BatchName]) -> None:
        self._held = held
        self._listing = listing
        self._next = deque(names)
        self._workers: list[_Worker] = []
        self._out: dict[BatchName, Reply | None] = {}
        self._asked = False
        self.lost = False
        if held.jobs > 1 and len(names) > 1 and self._worth_it(names):
            self._prepare()
            self._start(min(held.jobs + SPARE, len(names)))

    def __enter__(self) -> Self:
        """The workers run already."""
        return self

    def __exit__(self, *_error: object) -> None:
        """End them; what one has begun, the next pass goes on with."""
        for worker in list(self._workers):
            self._give_up(worker)

    def reports(self) -> Iterator[BatchReport]:
        """
        Report on batches in the order in which they were given out, each once its watcher was told.

        Batches that nobody reports on are for the pass itself.
        """
        if not self._workers:
            return
        from multiprocessing.connection import wait  # noqa: PLC0415 - small workspaces start no process

        while self._workers and (self._out or self._next):
            self._feed()
            ready = wait([worker.line for worker in self._workers], _LOOK_UP)
            for worker in [each for each in self._workers if each.line in ready]:
                self._receive(worker)
            self._pass_on_an_end()
            yield from self._told()
        yield from self._told()

    # Within

    def _worth_it(self, names: Sequence[BatchName]) -> bool:
        """Whether there is enough to read; asks for sizes no longer than it must."""
        size, ctx = 0, self._held.ctx
        for name in names:
            for role in (Role.INPUT, *ANSWERS):
                fact = ctx.fx.fact(ctx.layout.live_path(file_name(role, name)))
                size += 0 if fact is None else fact.size
            if size >= self._held.options.workers.worth:
                return True
        return False

    def _prepare(self) -> None:
        """
        Make what all workers share.

        Who finds a folder or the ledger there takes its name to be on disk; that would not hold while another
        process is still making it.
        """
        fx = self._held.ctx.fx
        fx.make_sure()
        # A worker that finds it gone cannot know whether that is on disk.
        combined.void(fx, self._held.ctx.voiding)
        for folder in _SHARED:
            fx.make_folder(folder)
        if fx.kind(ledger.PATH) is None:
            fx.publish(ledger.PATH, ())

    def _start(self, count: int) -> None:
        """Start the workers; without them the pass settles everything itself."""
        import subprocess  # noqa: PLC0415 - small workspaces start no process
        from multiprocessing.connection import Pipe  # noqa: PLC0415 - likewise

        for _ in range(count):
            ours, theirs = Pipe()
            boot = self._held.options.workers.boot
            kept = [theirs.fileno(), *self._held.ctx.fx.locks]
            try:
                process = subprocess.Popen(  # noqa: S603 - this very program
                    [sys.executable, "-P", "-c", boot, str(theirs.fileno())],
                    env={**_MEMORY, **os.environ},
                    pass_fds=kept,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            except OSError:
                ours.close()
                return
            finally:
                theirs.close()
            self._workers.append(_Worker(process, ours))

    def _feed(self) -> None:
        """Give every worker as much as it should have before it, unless someone asks for an end."""
        if self._asked or self._held.ctx.stopping():
            return
        for _ in range(DEPTH):
            for worker in list(self._workers):
                name = self._take() if len(worker.before) < DEPTH else None
                if name is not None:
                    self._out[name] = None
                    worker.before.append(name)
                    try:
                        worker.line.send(self._task(name))
                    except OSError:
                        self._give_up(worker)

    def _take(self) -> BatchName | None:
        """The next batch of whose lineage none is given out."""
        busy = {lineage_root(name) for worker in self._workers for name in worker.before}
        for at, name in enumerate(self._next):
            if lineage_root(name) not in busy:
                del self._next[at]
                return name
        return None

    def _task(self, name: BatchName) -> Task:
        ctx = self._held.ctx
        listing = about(self._listing, name)
        return Task(ctx.layout, ctx.line_limit, name, self._held.policy_of(name), listing, ctx.csv)

    def _receive(self, worker: _Worker) -> None:
        """What a worker has to say."""
        try:
            reply: Reply = worker.line.recv()
        except (OSError, EOFError):
            self._give_up(worker)
            return
        worker.before.remove(reply.name)
        report = reply.report
        if report is not None and report.state is State.INTERRUPTED and not self._held.ctx.stopping():
            # Somebody wanted that process to end, and not the pass.
            reply = Reply(reply.name)
        self._out[reply.name] = reply

    def _told(self) -> Iterator[BatchReport]:
        """Of the batches given out, those that are through and before which none is still under way."""
        for name, reply in list(self._out.items()):
            if reply is None:
                return
            del self._out[name]
            if reply.report is None:
                self.lost = True
                continue
            watcher = self._held.options.watcher
            for each in reply.told:
                if isinstance(each, Plan):
                    watcher.planned(each)
                else:
                    watcher.done(each)
            yield reply.report

    def _pass_on_an_end(self) -> None:
        """Ask every worker for an end when someone has asked this process for one."""
        if self._held.ctx.stopping() and not self._asked:
            self._asked = True
            self._next.clear()
            for worker in self._workers:
                worker.process.terminate()
        if self._asked:
            for worker in [each for each in self._workers if not each.before]:
                self._give_up(worker)

    def _give_up(self, worker: _Worker) -> None:
        """A worker is over: the pass sees to what it had before it, from wherever it got to."""
        self._workers.remove(worker)
        with contextlib.suppress(OSError):
            worker.line.close()
        worker.process.kill()
        # Nothing is done to these batches before that process is gone.
        worker.process.wait()
        for name in worker.before:
            self._out[name] = Reply(name)


def about(listing: Listing, name: BatchName) -> Listing:
    """What a listing says of one batch and its lineage."""
    root = lineage_root(name)
    last = listing.last_child.get(root, 0)
    kin = [name, *(child_name(root, k) for k in range(1, last + 2))] if listing.quarantined else []
    return Listing(
        batches={name: dict(listing.batches[name])},
        clashes={name: listing.clashes[name]} if name in listing.clashes else {},
        ignored=(),
        quarantined={each: listing.quarantined[each] for each in kin if each in listing.quarantined},
        stale=(),
        odd=frozenset({name} if name in listing.odd else ()),
        last_child={root: last} if root in listing.last_child else {},
    )
