"""Matching ahead in worker processes: what counts, what does not, and what a dead worker costs."""

import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import attrs
import pytest

from reconciler.executor import ahead as module
from reconciler.executor.ahead import Ahead
from reconciler.executor.context import View, viewing
from reconciler.executor.matching import match
from reconciler.executor.worker import Task, draw
from reconciler.model.identity import BatchName, Role, file_name
from reconciler.model.operation import FileFact
from tests.workspaces import answered, files, put, request, settings

NAMES: Final = [BatchName(str(number)) for number in range(1, 5)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Four batches with answers."""
    for name in NAMES:
        put(tmp_path, name, input=[request(0), request(1)], output=[answered(1), answered(0)])
    return tmp_path


def facts(view: View, name: str) -> dict[Role, FileFact]:
    """The files of a batch as they are."""
    found = {role: view.look.fact(view.layout.live_path(file_name(role, name))) for role in Role}
    return {role: fact for role, fact in found.items() if fact is not None and role is not Role.METADATA}


class Eager(Ahead):
    """Workers from the first byte on."""

    def _worth_it(self, names: Sequence[BatchName]) -> bool:
        """Whenever there is anything."""
        return bool(names)


def eager(view: View, jobs: int = 2) -> Ahead:
    """Workers over four small batches."""
    return Eager(view, NAMES, jobs)


def test_a_verdict_is_that_of_this_process(root: Path) -> None:
    """What a worker draws is what matching here draws, places of the answers included; and it only reads."""
    before = files(root)
    with viewing(str(root), settings()) as view, eager(view) as ahead:
        for name in NAMES:
            seen = facts(view, name)
            drawn, here = ahead.take(name, seen, None), match(view, seen, None)
            assert drawn is not None or name == NAMES[0]
            if drawn is not None:
                assert drawn == here
                assert drawn.answers is not None
                assert here.answers is not None
                assert list(drawn.answers.failures()) == list(here.answers.failures())
            ahead.passed(name)
    assert files(root) == before


def test_a_verdict_on_other_files_does_not_count(root: Path) -> None:
    """A file that is not the one the worker saw, or other metadata, is matched here."""
    with viewing(str(root), settings()) as view, eager(view) as ahead:
        for name in NAMES[1:]:
            seen = facts(view, name)
            other = {**seen, Role.INPUT: attrs.evolve(seen[Role.INPUT], mtime_ns=1)}
            assert ahead.take(name, other, None) is None


def test_a_dead_worker_costs_nothing_but_time(root: Path) -> None:
    """A worker that is killed is forgotten, and the batches that it had are matched here."""
    with viewing(str(root), settings()) as view, eager(view) as ahead:
        for worker in list(ahead._workers):  # noqa: SLF001 - nobody else knows their processes
            os.kill(worker.process.pid, signal.SIGKILL)
            worker.process.wait()
        for name in NAMES:
            ahead.take(name, facts(view, name), None)
            ahead.passed(name)
        assert ahead._workers == []  # noqa: SLF001 - likewise


def test_nobody_starts_processes_for_little(root: Path) -> None:
    """Below the threshold, with one job, or with one batch, nothing is started."""
    with viewing(str(root), settings()) as view:
        for names, jobs in ((NAMES, 4), (NAMES, 1), (NAMES[:1], 4)):
            with Ahead(view, names, jobs) as ahead:
                assert ahead._workers == []  # noqa: SLF001 - likewise
                assert ahead.take(names[0], facts(view, names[0]), None) is None
    assert module.WORTH > 1 << 20


def test_a_worker_that_cannot_read_says_nothing(root: Path) -> None:
    """What a worker cannot make sense of it leaves to the pass, which says what is wrong."""
    with viewing(str(root), settings()) as view:
        (root / view.record_path("1")).write_bytes(b"{")
        assert draw(Task(str(root), view.layout, 1 << 20, NAMES[0])).matched is None
        assert draw(Task(str(root), view.layout, 1 << 20, BatchName("nobody"))).matched is None
