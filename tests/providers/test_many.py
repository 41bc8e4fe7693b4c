"""Many requests, some at once: taken as there is room, each with its own end, whatever becomes of others."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.exchange import Dialect, Request
from reconciler.model.standing import Standing
from reconciler.providers.ends import Answered, End, Failed, Judged, Rules, as_they_are
from reconciler.providers.local import Local
from reconciler.providers.many import answer_all

ONCE = Rules(judge=as_they_are)
"""Each request is sent once, and its end kept as it is."""


def requests(count: int) -> list[tuple[int, Request]]:
    """So many requests, numbered from 1."""
    return [(n, Request(f"r-{n}", Dialect.MISTRAL, None, {}, None)) for n in range(1, count + 1)]


def collected(
    worker: Callable[[Request], Any],
    asked: Iterator[tuple[int, Request]],
    concurrency: int = 3,
    stopping: Callable[[], bool] = lambda: False,
) -> list[End]:
    """Every end, in the order in which they came."""
    ends: list[End] = []
    asyncio.run(answer_all(Local(worker, concurrency), asked, ends.extend, stopping, ONCE))
    return ends


@given(st.integers(0, 30), st.integers(1, 8), st.sets(st.integers(1, 30)), st.randoms(use_true_random=False))
def test_each_request_has_one_end(count: int, concurrency: int, faulty: set[int], dice: Any) -> None:
    """Whatever fails and in whatever order calls end: as many ends as requests, each the request's own."""

    async def worker(request: Request) -> dict[str, Any]:
        for _ in range(dice.randrange(4)):
            await asyncio.sleep(0)
        if int(request.custom_id[2:]) in faulty:
            raise ValueError(request.custom_id)
        return {"id": request.custom_id}

    ends = collected(worker, iter(requests(count)), concurrency)
    assert sorted(end.number for end in ends) == list(range(1, count + 1))
    for end in ends:
        assert end.request.custom_id == f"r-{end.number}"
        if end.number in faulty:
            assert isinstance(end, Failed)
            assert end.message == f"ValueError: r-{end.number}"
        else:
            assert isinstance(end, Answered)
            assert end.body == {"id": f"r-{end.number}"}


def test_requests_are_taken_as_there_is_room() -> None:
    """An input of any size is read as it is worked on: never more ahead than can be under way."""
    taken: list[int] = []
    ended: list[int] = []

    def ask() -> Iterator[tuple[int, Request]]:
        for number, request in requests(20):
            taken.append(number)
            assert len(taken) - len(ended) <= 3
            yield number, request

    async def worker(_request: Request) -> dict[str, Any]:
        return {}

    def end(ends: Sequence[End]) -> None:
        ended.extend(each.number for each in ends)

    asyncio.run(answer_all(Local(worker, 3), ask(), end, lambda: False, ONCE))
    assert len(ended) == 20


def test_a_fault_of_the_input_waits_for_what_is_under_way() -> None:
    """When the requests cannot be read on, those that were begun still end; then the fault is raised."""
    gate = asyncio.Event()

    def ask() -> Iterator[tuple[int, Request]]:
        yield from requests(2)
        gate.set()
        raise OSError(5, "gone")

    async def worker(_request: Request) -> dict[str, Any]:
        await gate.wait()
        return {}

    ends: list[End] = []
    with pytest.raises(OSError, match="gone"):
        asyncio.run(answer_all(Local(worker, 8), ask(), ends.extend, lambda: False, ONCE))
    assert sorted(end.number for end in ends) == [1, 2]


def test_nothing_begins_once_an_end_was_asked_for() -> None:
    """From the very first request on."""
    called: list[str] = []

    async def worker(request: Request) -> dict[str, Any]:
        called.append(request.custom_id)
        return {}

    assert collected(worker, iter(requests(3)), stopping=lambda: True) == []
    assert called == []


@pytest.mark.parametrize("faults", [1, 9], ids=["passing", "lasting"])
def test_a_fault_in_keeping_begins_nothing_new(faults: int) -> None:
    """What is under way still ends and is handed over once more; only a lasting fault loses it."""
    begun: list[str] = []
    loops: list[asyncio.AbstractEventLoop] = []
    offered: list[list[int]] = []
    gate = asyncio.Event()

    async def worker(request: Request) -> dict[str, Any]:
        begun.append(request.custom_id)
        loops.append(asyncio.get_running_loop())
        if request.custom_id != "r-1":
            await gate.wait()
        return {}

    def full(ends: Sequence[End]) -> None:
        offered.append(sorted(end.number for end in ends))
        loops[0].call_soon_threadsafe(gate.set)
        if len(offered) <= faults:
            raise OSError(28, "full")

    with pytest.raises(OSError, match="full"):
        asyncio.run(answer_all(Local(worker, 3), iter(requests(9)), full, lambda: False, ONCE))
    assert begun == ["r-1", "r-2", "r-3"]
    assert offered == [[1], [1, 2, 3]]


def test_a_fault_in_telling_ends_the_run() -> None:
    """Where nobody can be told any more, nothing new begins and every end is kept."""
    ends: list[End] = []
    begun: list[str] = []

    async def worker(request: Request) -> dict[str, Any]:
        begun.append(request.custom_id)
        return {}

    def heard(_standing: Standing) -> None:
        raise BrokenPipeError

    async def work() -> None:
        rules = attrs.evolve(ONCE, heard=heard)
        async with asyncio.timeout(20):
            await answer_all(Local(worker, 3), iter(requests(20)), ends.extend, lambda: False, rules)

    with pytest.raises(BrokenPipeError):
        asyncio.run(work())
    assert len(begun) < 20
    assert sorted(each.request.custom_id for each in ends) == sorted(begun)


def test_words_of_a_failure_are_cut() -> None:
    """A message of any length keeps its first 500 characters."""

    async def worker(_request: Request) -> dict[str, Any]:
        raise ValueError("x" * 10_000)

    (end,) = collected(worker, iter(requests(1)))
    assert isinstance(end, Failed)
    assert end.message == "ValueError: " + "x" * 500


def test_a_fault_in_judging_ends_the_run() -> None:
    """Nothing new begins, what is under way still ends and is kept, and the fault is told."""
    begun: list[str] = []
    ends: list[End] = []

    async def worker(request: Request) -> dict[str, Any]:
        begun.append(request.custom_id)
        await asyncio.sleep(0)
        return {}

    def judge(end: End) -> Judged[End]:
        if end.number == 2:
            raise ZeroDivisionError
        return as_they_are(end)

    async def work() -> None:
        async with asyncio.timeout(20):
            await answer_all(
                Local(worker, 3), iter(requests(20)), ends.extend, lambda: False, Rules(judge=judge)
            )

    with pytest.raises(ZeroDivisionError):
        asyncio.run(work())
    assert len(begun) < 20
    assert sorted(["r-2", *(end.request.custom_id for end in ends)]) == sorted(begun)


def test_as_many_as_allowed_are_under_way() -> None:
    """Workers that wait for each other all get their turn at once: the concurrency is reached."""
    busy = most = 0

    async def worker(_request: Request) -> dict[str, Any]:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        for _ in range(40):
            await asyncio.sleep(0)
        busy -= 1
        return {}

    assert len(collected(worker, iter(requests(60)), concurrency=20)) == 60
    assert most == 20
