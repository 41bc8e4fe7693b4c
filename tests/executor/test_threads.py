"""Plain functions of users in threads: called as asked, so many at once, and waited for by nobody."""

import asyncio
import threading
from typing import Final

import pytest

from reconciler.executor.calling import Calls, Ended
from reconciler.executor.threads import Threads

SOON: Final = 60.0
"""Seconds within which whatever is not stuck happens."""


def test_what_a_function_returns_or_raises() -> None:
    """Either comes back where somebody waits for it, even what would end a thread."""

    def leaving() -> None:
        raise SystemExit(3)

    threads = Threads(2)
    assert threads.submit(divmod, 7, 2).result(SOON) == (3, 1)
    assert threads.submit(int, "ff", base=16).result(SOON) == 255
    with pytest.raises(SystemExit):
        threads.submit(leaving).result(SOON)
    assert threads.submit(len, "abc").result(SOON) == 3
    threads.shutdown()


def test_so_many_at_once_and_no_more() -> None:
    """As many calls as there may be threads can meet; the next one waits for its turn."""
    threads, meeting, begun = Threads(3), threading.Barrier(4), threading.Semaphore(0)

    def meet() -> int:
        begun.release()
        return meeting.wait(SOON)

    calls = [threads.submit(meet) for _ in range(3)]
    last = threads.submit(len, "ab")
    for _ in calls:
        assert begun.acquire(timeout=SOON)
    assert not last.done()
    meeting.wait(SOON)
    assert last.result(SOON) == 2
    assert all(call.result(SOON) in range(4) for call in calls)
    threads.shutdown()


def test_an_end_waits_for_nothing() -> None:
    """What has not begun is cancelled, what hangs is left behind, and a thread that ends later ends alone."""
    threads, hung, begun = Threads(1), threading.Event(), threading.Event()

    def hang() -> bool:
        begun.set()
        return hung.wait(SOON)

    first, second = threads.submit(hang), threads.submit(len, "ab")
    assert begun.wait(SOON)
    threads.shutdown(wait=False)
    assert (second.cancelled(), first.done()) == (True, False)
    hung.set()
    assert first.result(SOON) is True


def test_calls_end_while_a_function_hangs() -> None:
    """The loop ends with what it was given up on still at work, and nothing is said of it on stderr."""
    hung, begun = threading.Event(), threading.Event()

    def hang() -> bool:
        begun.set()
        return hung.wait(SOON)

    async def impatient(_: int) -> str:
        task = asyncio.get_running_loop().run_in_executor(None, hang)
        await asyncio.to_thread(begun.wait, SOON)
        task.cancel()
        return "left"

    with Calls(lambda: False) as calls:
        assert calls.one(impatient, 1) == Ended("left")
    assert not hung.is_set()
    hung.set()
