"""
A worker process: batch names come in over a pipe, verdicts go out; it only reads.

It ends when its pipe does, so it never outlives the pass that started it.
"""

from __future__ import annotations

import signal

import attrs

from reconciler.errors import ReconcilerError
from reconciler.executor.context import View
from reconciler.executor.matching import judged
from reconciler.model.identity import ANSWERS, BatchName, Role, file_name
from reconciler.model.policy import Policy
from reconciler.model.record import Record
from reconciler.model.snapshot import Matched
from reconciler.planner import extraction_of
from reconciler.workspace.layout import Layout
from reconciler.workspace.reading import Reading


@attrs.frozen
class Task:
    """
    One batch to match.

    Attributes:
        root: The workspace.
        layout: Its layout.
        line_limit: Longest line that is read, in bytes.
        name: The batch.
        policy: What the settings say of it.
    """

    root: str
    layout: Layout
    line_limit: int
    name: BatchName
    policy: Policy = attrs.field(factory=Policy)


@attrs.frozen
class Drawn:
    """
    What a worker found.

    Attributes:
        name: The batch.
        record: Its metadata as the worker saw it.
        matched: The verdict; None when the files could not be read.
    """

    name: BatchName
    record: Record | None = None
    matched: Matched | None = None


def main(opened: int) -> None:
    """Work until the pipe *opened* (a file descriptor) ends."""
    # Ctrl-C reaches every process of the terminal; who is asked for an end is the pass.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from multiprocessing.connection import Connection  # noqa: PLC0415 - in the worker alone

    with Connection(opened) as line:
        while True:
            try:
                task = line.recv()
                line.send(draw(task))
            except (EOFError, OSError):
                return


def draw(task: Task) -> Drawn:
    """The verdict on one batch, as its files are now."""
    look = Reading(task.root)
    try:
        view = View(look=look, layout=task.layout, line_limit=task.line_limit)
        paths = {role: task.layout.live_path(file_name(role, task.name)) for role in (Role.INPUT, *ANSWERS)}
        facts = {role: look.fact(path) for role, path in paths.items()}
        files = {role: fact for role, fact in facts.items() if fact is not None}
        record = view.record(task.name)
        return Drawn(task.name, record, judged(view, files, record, extraction_of(record, task.policy)))
    except (ReconcilerError, OSError, KeyError):
        # The pass will look for itself, and say what is wrong.
        return Drawn(task.name)
    finally:
        look.close()
