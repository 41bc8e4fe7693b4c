"""Batches that wait for the disk together: turns, shared syncs, faults."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from reconciler.workspace.together import Syncs, Together, sync_now


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[int]:
    """An open file."""
    (tmp_path / "file").write_bytes(b"x")
    found = os.open(tmp_path / "file", os.O_RDONLY)
    yield found
    os.close(found)


def together(
    makers: list[Callable[[Callable[[list[int]], None]], Any]], syncs: Syncs = sync_now
) -> list[Any]:
    """Run works that get the sync of their group."""
    with ThreadPoolExecutor(4) as pool:
        group: Together[Any] = Together([lambda make=make: make(group.sync) for make in makers], pool, syncs)  # type: ignore[misc]
        return group.run()


def test_results_come_in_order(opened: int) -> None:
    """Each returns what it returned, in the order of the group, however often it waited."""

    def work(number: int) -> Callable[[Any], int]:
        def do(sync: Any) -> int:
            for _ in range(3 - number):
                sync([opened])
            return number

        return do

    assert together([work(number) for number in range(3)]) == [0, 1, 2]


def test_only_one_runs_at_a_time(opened: int) -> None:
    """Between two syncs nobody else runs, and every member has its turn before any has its second."""
    seen: list[tuple[int, int]] = []
    running: list[int] = []

    def work(number: int) -> Callable[[Any], None]:
        def do(sync: Any) -> None:
            for step in range(3):
                running.append(number)
                assert running == [number]
                seen.append((step, number))
                running.clear()
                sync([opened])

        return do

    together([work(number) for number in range(4)])
    assert seen == [(step, number) for step in range(3) for number in range(4)]


def test_a_thread_that_cannot_be_started_is_a_fault() -> None:
    """Where the machine has no thread left, nobody works, nobody is waited for, and the caller is told."""
    done: list[int] = []
    size = threading.stack_size(1 << 47)  # more than any machine can address
    try:
        with pytest.raises(RuntimeError, match="start new thread"):
            together([lambda _sync: done.append(1)])
    finally:
        threading.stack_size(size)
    assert done == []


def test_a_sync_that_fails_is_told_to_whom_it_concerns(opened: int) -> None:
    """A file that cannot be synced is the fault of one member; the others go on."""

    def bad(sync: Any) -> str:
        with pytest.raises(OSError, match="Bad file descriptor"):
            sync([1_000_000])
        sync([opened])
        return "told"

    def good(sync: Any) -> str:
        sync([opened])
        return "went on"

    assert together([bad, good]) == ["told", "went on"]


def test_a_fault_stops_everybody_where_they_are(opened: int) -> None:
    """What a member raises is raised by the group; the others do nothing more, as if the process had died."""
    seen: list[str] = []

    def faulty(sync: Any) -> None:
        sync([opened])
        raise KeyError("fault")

    def other(sync: Any) -> None:
        seen.append("before")
        sync([opened])
        sync([opened])
        seen.append("after")

    before = {*threading.enumerate()}
    with pytest.raises(KeyError, match="fault"):
        together([faulty, other, other])
    assert seen == ["before", "before"]
    assert {*threading.enumerate()} <= before


def test_a_recorder_hears_of_syncs_in_turn(opened: int) -> None:
    """Whoever stands in for the disk is told by one thread, when a sync is waited for: run for run alike."""
    told: list[str] = []

    def record(files: Sequence[int]) -> None:
        assert threading.current_thread() is threading.main_thread()
        assert files == (opened,)
        told.append("synced")

    def work(number: int) -> Callable[[Any], None]:
        def do(sync: Any) -> None:
            told.append(f"{number} waits")
            sync([opened])
            told.append(f"{number} goes on")

        return do

    together([work(0), work(1)], record)
    assert told == ["0 waits", "1 waits", "synced", "0 goes on", "synced", "1 goes on"]
