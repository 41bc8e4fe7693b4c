"""Many calls under one time limit: each has its own, and nobody is cancelled who is in time."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.providers.deadlines import Deadlines
from tests.looptime import run_jumping


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 30).filter(lambda takes: takes != 10)), max_size=20)
)
def test_each_call_has_its_own_time(calls: list[tuple[int, int]]) -> None:
    """Ten seconds from when it began: what takes longer is given up just then, and all else is answered."""

    async def work() -> list[tuple[float, bool]]:
        deadlines, now = Deadlines(10), asyncio.get_running_loop().time

        async def one(begins: int, takes: int) -> tuple[float, bool]:
            await asyncio.sleep(begins)
            try:
                await deadlines.within(asyncio.sleep(takes))
            except TimeoutError:
                return now(), False
            return now(), True

        return await asyncio.gather(*(one(*call) for call in calls))

    found, _ = run_jumping(work())
    assert found == [(begins + min(takes, 10), takes < 10) for begins, takes in calls]


def test_a_lane_goes_on_after_a_call_that_was_late() -> None:
    """Its task is not left cancelled, also where the late call hid that it was stopped."""

    async def stubborn(then: Any) -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            if then is not None:
                raise then from None
        return "after all"

    async def work() -> None:
        deadlines = Deadlines(10)
        assert await deadlines.within(stubborn(None)) == "after all"
        with pytest.raises(ValueError, match="mine"):
            await deadlines.within(stubborn(ValueError("mine")))
        with pytest.raises(TimeoutError):
            await deadlines.within(asyncio.sleep(60))
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        assert await deadlines.within(asyncio.sleep(5, "in time")) == "in time"

    run_jumping(work())


def test_a_cancellation_of_somebody_else_is_theirs() -> None:
    """Whoever cancels the task sees it cancelled, before the time is up and just when it is."""

    async def work() -> None:
        for seconds in (1, 10):
            deadlines = Deadlines(10)
            task = asyncio.create_task(deadlines.within(asyncio.sleep(60)))
            asyncio.get_running_loop().call_later(seconds, task.cancel)
            with pytest.raises(asyncio.CancelledError):
                await task
            assert task.cancelled()

    run_jumping(work())


def test_no_timer_is_left() -> None:
    """A loop that goes on after the run is not woken for it."""

    async def work() -> None:
        deadlines = Deadlines(10)
        await deadlines.within(asyncio.sleep(1))
        deadlines.close()
        await deadlines.within(asyncio.sleep(1))
        deadlines.close()

    assert run_jumping(work())[1] == 2
