"""Matching ahead in worker processes: what counts, what does not, and what a dead worker costs."""

import os
import resource
import signal
from collections.abc import Sequence
from multiprocessing.connection import Pipe
from pathlib import Path
from threading import Thread
from typing import Final

import attrs
import pytest

from reconciler.executor import ahead as module
from reconciler.executor.ahead import Ahead
from reconciler.executor.context import View, viewing
from reconciler.executor.matching import match
from reconciler.executor.worker import Drawn, Task, draw
from reconciler.executor.worker import main as work
from reconciler.model.facts import FileFact
from reconciler.model.identity import BatchName, Role, file_name
from tests.workspaces import answered, files, put, request, settings

NAMES: Final = [BatchName(str(number)) for number in range(1, 5)]
MORE: Final = [BatchName("5"), BatchName("6")]


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


def test_a_worker_works_until_its_pipe_ends(root: Path) -> None:
    """It answers task by task, Ctrl-C does not end it, and it goes when nobody asks any more."""
    ours, theirs = Pipe()
    before = signal.getsignal(signal.SIGINT)
    drawn: list[Drawn] = []

    def ask() -> None:
        with viewing(str(root), settings()) as view:
            for name in NAMES[:2]:
                ours.send(Task(str(root), view.layout, 1 << 20, name))
                drawn.append(ours.recv())
            os.kill(os.getpid(), signal.SIGINT)
            ours.close()

    asking = Thread(target=ask)
    asking.start()
    try:
        work(os.dup(theirs.fileno()))
    finally:
        theirs.close()
        asking.join()
        signal.signal(signal.SIGINT, before)
    assert [(each.name, each.matched is not None) for each in drawn] == [(name, True) for name in NAMES[:2]]


def test_much_to_read_is_worth_processes(root: Path) -> None:
    """As soon as the batches together are large enough, workers start, each with more than one before it."""
    os.truncate(root / file_name(Role.INPUT, NAMES[3]), module.WORTH)
    with viewing(str(root), settings()) as view, Ahead(view, NAMES, 2) as ahead:
        assert [len(worker.before) for worker in ahead._workers] == [2, 2]  # noqa: SLF001 - likewise


@pytest.mark.parametrize("room", [0, 2], ids=["for-nothing", "for-the-pipe-alone"])
def test_a_machine_without_room_for_processes_matches_here(root: Path, room: int) -> None:
    """Where no process can be started everything is matched in this one, and nothing is left open."""
    with viewing(str(root), settings()) as view:
        free = os.dup(0)
        os.close(free)
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        # Files that others have open above may leave no room for the pipe either.
        resource.setrlimit(resource.RLIMIT_NOFILE, (free + room, limits[1]))
        try:
            ahead = eager(view)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        again = os.dup(0)
        os.close(again)
        assert (ahead._workers, again) == ([], free)  # noqa: SLF001 - likewise
        assert ahead.take(NAMES[0], facts(view, NAMES[0]), None) is None


def test_what_the_pass_is_through_with_is_not_matched_ahead(root: Path) -> None:
    """A batch that has settled before a worker comes to it is passed over; a verdict too late is dropped."""
    for name in MORE:
        put(root, name, input=[request(0)], output=[answered(0)])
    with viewing(str(root), settings()) as view, Eager(view, [*NAMES, *MORE], 2) as ahead:
        ahead.passed(MORE[0])
        ahead.passed(NAMES[0])
        assert ahead.take(NAMES[2], facts(view, NAMES[2]), None) is not None
        assert ahead.take(NAMES[3], facts(view, NAMES[3]), None) is not None
        known = {name for worker in ahead._workers for name in worker.before}  # noqa: SLF001 - likewise
        assert known == {MORE[1]}
        assert ahead.take(NAMES[0], facts(view, NAMES[0]), None) is None


def test_a_worker_that_died_gets_nothing_more(root: Path) -> None:
    """What a worker said before it died counts; it is not asked again."""
    for name in MORE:
        put(root, name, input=[request(0)], output=[answered(0)])
    with viewing(str(root), settings()) as view, Eager(view, [*NAMES, *MORE], 2) as ahead:
        worker = ahead._workers[0]  # noqa: SLF001 - likewise
        first = worker.before[0]
        assert worker.line.poll(60)
        worker.process.kill()
        worker.process.wait()
        assert ahead.take(first, facts(view, first), None) is not None
        assert worker not in ahead._workers  # noqa: SLF001 - likewise
