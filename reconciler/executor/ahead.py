"""
Match batches in worker processes, ahead of the pass that will ask for their verdicts.

Workers only read, and only verdicts come back; every effect and all user code stay in this process. A verdict
counts when it was drawn on the very files and metadata that the pass sees; anything else is matched here.
So a worker that dies, or is wrong about what it saw, costs time and nothing else.
"""

from __future__ import annotations

import contextlib
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Self

import attrs

from reconciler.executor.context import View
from reconciler.executor.worker import Drawn, Task
from reconciler.model.facts import FileFact
from reconciler.model.identity import ANSWERS, BatchName, Role, file_name
from reconciler.model.policy import Policy
from reconciler.model.record import Record
from reconciler.model.snapshot import Matched

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from subprocess import Popen

WORTH: Final = 50 << 20
"""Bytes of batches with answers from which starting processes pays."""

DEPTH: Final = 2
"""Batches that a worker has before it: one at work, one waiting."""

_BOOT: Final = "import sys; from reconciler.executor.worker import main; main(int(sys.argv[1]))"


@attrs.define
class _Worker:
    """A process, and the batches that it has before it."""

    process: Popen[bytes]
    line: Connection
    before: deque[BatchName] = attrs.field(factory=deque)


class Ahead:
    """
    Verdicts on the next batches of a pass; to be closed.

    Args:
        view: What a worker may see.
        names: The batches that have answers, in the order in which the pass will come to them.
        jobs: How many workers, at the most.
        policy_of: What the settings say of a batch.
    """

    def __init__(
        self,
        view: View,
        names: Sequence[BatchName],
        jobs: int,
        policy_of: Callable[[BatchName], Policy] = lambda _name: Policy(),
    ) -> None:
        self._view = view
        self._policy_of = policy_of
        self._next = deque(names)
        self._workers: list[_Worker] = []
        self._drawn: dict[BatchName, Drawn] = {}
        self._passed: set[BatchName] = set()
        if jobs > 1 and len(names) > 1 and self._worth_it(names):
            # Not more than there is work for.
            self._start(min(jobs, len(names)))

    def __enter__(self) -> Self:
        """The workers run already."""
        return self

    def __exit__(self, *_error: object) -> None:
        """End them; they hold nothing that anybody would miss."""
        for worker in self._workers:
            worker.line.close()
            worker.process.kill()
            worker.process.wait()

    def take(self, name: BatchName, files: Mapping[Role, FileFact], record: Record | None) -> Matched | None:
        """
        The verdict of a worker, if there is one on exactly these *files* and this *record*.

        The workers get new batches on the way.
        """
        if self._next and self._next[0] == name:
            # No worker has begun with it: this process is as fast.
            self._next.popleft()
        worker = next((each for each in self._workers if name in each.before), None)
        while worker is not None and name not in self._drawn and self._receive(worker):
            pass
        self._feed()
        drawn = self._drawn.pop(name, None)
        if drawn is None or drawn.matched is None or drawn.matched.files != files:
            return None
        return drawn.matched if drawn.record == record else None

    def passed(self, name: BatchName) -> None:
        """The pass is through with *name*: nobody needs its verdict any more."""
        if self._workers:
            self._passed.add(name)
            self._drawn.pop(name, None)

    # Within

    def _worth_it(self, names: Sequence[BatchName]) -> bool:
        """Whether there is enough to read; asks for sizes no longer than it must."""
        size = 0
        for name in names:
            for role in (Role.INPUT, *ANSWERS):
                fact = self._view.look.fact(self._view.layout.live_path(file_name(role, name)))
                size += 0 if fact is None else fact.size
            if size >= WORTH:
                return True
        return False

    def _start(self, count: int) -> None:
        """Start the workers; without them everything is matched here."""
        import subprocess  # noqa: PLC0415 - small workspaces start no process
        from multiprocessing.connection import Pipe  # noqa: PLC0415 - likewise

        for _ in range(count):
            try:
                ours, theirs = Pipe()
            except OSError:
                break
            command = [sys.executable, "-P", "-c", _BOOT, str(theirs.fileno())]
            try:
                process = subprocess.Popen(  # noqa: S603 - this very program
                    command,
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            except OSError:
                ours.close()
                break
            finally:
                theirs.close()
            self._workers.append(_Worker(process, ours))
        self._feed()

    def _feed(self) -> None:
        """Give every worker as much as it should have before it."""
        for _ in range(DEPTH):
            for worker in list(self._workers):
                while self._next and self._next[0] in self._passed:
                    self._next.popleft()
                if self._next and len(worker.before) < DEPTH:
                    name = self._next.popleft()
                    view = self._view
                    task = Task(view.look.root, view.layout, view.line_limit, name, self._policy_of(name))
                    try:
                        worker.line.send(task)
                    except OSError:
                        self._give_up(worker)
                    else:
                        worker.before.append(name)

    def _receive(self, worker: _Worker) -> bool:
        """The next verdict of a worker; False when there will be none."""
        try:
            drawn: Drawn = worker.line.recv()
        except (OSError, EOFError):
            self._give_up(worker)
            return False
        worker.before.remove(drawn.name)
        if drawn.name not in self._passed:
            self._drawn[drawn.name] = drawn
        return True

    def _give_up(self, worker: _Worker) -> None:
        """A worker has died: what it had before it is matched here."""
        self._workers.remove(worker)
        with contextlib.suppress(OSError):
            worker.line.close()
        worker.process.kill()
        worker.process.wait()
