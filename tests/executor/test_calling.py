"""
User code is called, plain or async, and whatever it raises becomes a value, unless it is ours.

Nothing here waits for a clock: what has to be under way at once waits for each other.
"""

import asyncio
import functools
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from typing import Any, Final

import attrs
import pytest

from reconciler.errors import (
    Clash,
    Interrupted,
    PermanentError,
    ReconcilerError,
    StaleSnapshot,
    TransientError,
)
from reconciler.executor.calling import WINDOW, Calls, Ended, Outcome, Raised
from tests.plugging import LONG


def never() -> bool:
    """Nobody asks for an end."""
    return False


def double(number: int) -> int:
    """Twice the number."""
    return 2 * number


async def double_later(number: int) -> int:
    """Twice the number, later."""
    await asyncio.sleep(0)
    return 2 * number


@attrs.frozen
class Doubling:
    """An object that is called."""

    by: int = 2

    def __call__(self, number: int) -> int:
        """Multiply."""
        return self.by * number


@attrs.frozen
class DoublingLater:
    """An object that is called and awaited."""

    async def __call__(self, number: int) -> int:
        """Twice the number."""
        return await double_later(number)


FUNCTIONS: Final = [
    pytest.param(double, id="plain"),
    pytest.param(double_later, id="async"),
    pytest.param(Doubling(), id="object"),
    pytest.param(DoublingLater(), id="async-object"),
    pytest.param(functools.partial(Doubling.__call__, Doubling()), id="partial"),
    pytest.param(functools.partial(double_later), id="async-partial"),
    pytest.param(lambda number: double_later(number + 0), id="plain-that-gives-an-awaitable"),
    pytest.param(DoublingLater().__call__, id="async-method"),
]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_one(function: Callable[..., Any]) -> None:
    """Any kind of function is called to its end."""
    with Calls(never) as calls:
        assert calls.one(function, 21) == Ended(42)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_ordered(function: Callable[..., Any]) -> None:
    """Many are called in the order of their arguments, and what is no argument passes by."""
    pairs = [(n, None if n % 3 == 0 else n) for n in range(2 * WINDOW + 5)]
    with Calls(never) as calls:
        found = list(calls.ordered(function, pairs))
    assert found == [(n, None if n % 3 == 0 else Ended(2 * n)) for n in range(2 * WINDOW + 5)]


def test_results_keep_the_order_of_arguments() -> None:
    """Async calls that end in the opposite order come back in the order in which they were begun."""
    ends: list[int] = []
    events: dict[int, asyncio.Event] = {}

    async def backwards(n: int) -> int:
        events[n] = asyncio.Event()
        if n == WINDOW - 1:
            events[n].set()
        await asyncio.wait_for(events[n].wait(), LONG)
        ends.append(n)
        if n:
            events[n - 1].set()
        return n

    with Calls(never) as calls:
        found = list(calls.ordered(backwards, ((n, n) for n in range(WINDOW))))
    assert ends == list(reversed(range(WINDOW)))
    assert found == [(n, Ended(n)) for n in range(WINDOW)]


def test_as_many_at_once_and_no_more() -> None:
    """A window of async calls is under way at once: so many, and never one more."""
    inside = most = 0
    gate: list[asyncio.Event] = []

    async def crowd(_n: int) -> None:
        nonlocal inside, most
        gate[:] = gate or [asyncio.Event()]
        inside += 1
        most = max(most, inside)
        if inside == WINDOW:
            gate[0].set()
        await asyncio.wait_for(gate[0].wait(), LONG)
        for _ in range(3):
            await asyncio.sleep(0)
        inside -= 1

    with Calls(never) as calls:
        outcomes = [outcome for _, outcome in calls.ordered(crowd, ((n, n) for n in range(5 * WINDOW)))]
    assert outcomes == [Ended(None)] * (5 * WINDOW)
    assert (most, WINDOW) == (WINDOW, 32)


def test_arguments_are_read_as_calls_end() -> None:
    """No more arguments are read ahead than may be under way."""
    taken = 0

    def pairs() -> Iterator[tuple[int, int]]:
        nonlocal taken
        for n in range(10 * WINDOW):
            taken += 1
            yield n, n

    with Calls(never) as calls:
        next(calls.ordered(double_later, pairs()))
        assert taken == WINDOW


class WordlessError(Exception):
    """An exception that cannot be shown."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


RAISED: Final = [
    pytest.param(ValueError("no use"), Raised("ValueError", "no use"), id="error"),
    pytest.param(TimeoutError("late"), Raised("TimeoutError", "late"), id="timeout"),
    pytest.param(
        OSError(28, "No space left on device"),
        Raised("OSError", "[Errno 28] No space left on device"),
        id="oserror",
    ),
    pytest.param(KeyError("a"), Raised("KeyError", "'a'"), id="key"),
    pytest.param(ValueError("x" * 9999), Raised("ValueError", "x" * 500), id="long"),
    pytest.param(ValueError("\ud800"), Raised("ValueError", "\\ud800"), id="half-a-surrogate"),
    pytest.param(WordlessError(), Raised("WordlessError", "(its message cannot be shown)"), id="wordless"),
    pytest.param(PermanentError("never"), Raised("PermanentError", "never"), id="permanent"),
    pytest.param(Clash("taken"), Raised("Clash", "taken"), id="below-permanent"),
    pytest.param(RecursionError(), Raised("RecursionError", ""), id="recursion"),
]


def raising(error: BaseException) -> Callable[[Any], Any]:
    """A function that raises."""

    def function(_argument: Any) -> Any:
        raise error

    return function


def raising_later(error: BaseException) -> Callable[[Any], Any]:
    """An async function that raises."""

    async def function(_argument: Any) -> Any:
        await asyncio.sleep(0)
        raise error

    return function


@pytest.mark.parametrize("make", [raising, raising_later], ids=["plain", "async"])
@pytest.mark.parametrize(("error", "told"), RAISED)
def test_what_user_code_raises(make: Callable[..., Any], error: Exception, told: Raised) -> None:
    """What it raises becomes a value that any file takes, and the next call is made."""
    with Calls(never) as calls:
        assert calls.one(make(error), 1) == told
        found: list[tuple[int, Outcome | None]] = list(calls.ordered(make(error), [(1, 1), (2, 2)]))
    assert found == [(1, told), (2, told)]
    assert told.told.encode()


def test_an_exit_is_an_error_too() -> None:
    """A plain function that calls `sys.exit` ends itself, not the pass."""
    with Calls(never) as calls:
        assert calls.one(raising(SystemExit(3)), 1) == Raised("SystemExit", "3")


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
def test_what_would_end_the_loop_ends_one_call(error: BaseException) -> None:
    """An async function that exits fails by itself: the calls beside it and after it come to their ends."""
    fail = raising_later(error)

    async def some(n: int) -> int:
        return await fail(n) if n == 1 else await double_later(n)

    told = Raised("RuntimeError", f"{type(error).__name__} in user code")
    with Calls(never) as calls:
        found: list[tuple[int, Outcome | None]] = list(calls.ordered(some, [(n, n) for n in range(3)]))
        assert found == [(0, Ended(0)), (1, told), (2, Ended(4))]
        assert calls.one(double_later, 21) == Ended(42)


@pytest.mark.parametrize("make", [raising, raising_later], ids=["plain", "async"])
@pytest.mark.parametrize("error", [TransientError("later"), StaleSnapshot("moved"), Interrupted("stop")])
def test_what_is_not_its_fault(make: Callable[..., Any], error: ReconcilerError) -> None:
    """What says that the pass should be run again goes through as it is."""
    with Calls(never) as calls:
        with pytest.raises(type(error)):
            calls.one(make(error), 1)
        with pytest.raises(type(error)):
            list(calls.ordered(make(error), [(1, 1)]))


def test_a_keyboard_interrupt_goes_through() -> None:
    """Ctrl-C in a plain function is no failure of its own."""
    with Calls(never) as calls, pytest.raises(KeyboardInterrupt):
        calls.one(raising(KeyboardInterrupt()), 1)


def test_stopping_before_a_call() -> None:
    """Once someone has asked for an end, no plain function is called any more."""
    called: list[int] = []
    with Calls(lambda: len(called) == 2) as calls, pytest.raises(Interrupted):
        list(calls.ordered(called.append, ((n, n) for n in range(9))))
    assert called == [0, 1]


def test_stopping_during_a_call() -> None:
    """A call that never ends is left when someone asks for an end, and cancelled on its loop."""
    cancelled = threading.Event()

    async def forever(_n: int) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    asked = iter([False, True])
    with Calls(lambda: next(asked, True)) as calls, pytest.raises(Interrupted):
        calls.one(forever, 1)
    assert cancelled.is_set()


def test_what_is_left_behind_is_cancelled() -> None:
    """A call ends the run while another is under way: that one is cancelled before the loop goes."""
    began, cancelled = asyncio.Event(), threading.Event()

    async def call(n: int) -> None:
        if n == 0:
            await began.wait()
            raise TransientError("the file changed")
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with Calls(never) as calls, pytest.raises(TransientError):
        list(calls.ordered(call, [(n, n) for n in range(2)]))
    assert cancelled.is_set()


def test_a_call_that_takes_its_time() -> None:
    """A call that outlasts a look at whether someone asked for an end is waited for."""
    looks: list[int] = []
    looked = threading.Event()

    def stopping() -> bool:
        looks.append(len(looks))
        if len(looks) > 1:
            looked.set()
        return False

    async def until_looked(n: int) -> int:
        await asyncio.to_thread(looked.wait)
        return n

    with Calls(stopping) as calls:
        assert calls.one(until_looked, 7) == Ended(7)
    assert len(looks) == 2


class Late(Future[int]):
    """A call that ends when somebody looks for the third time."""

    looks = 0

    def result(self, timeout: float | None = None) -> int:
        """What it came to, in the end."""
        self.looks += 1
        if self.looks < 3:
            raise TimeoutError
        if not self.done():
            self.set_result(7)
        return super().result(timeout)


def test_our_own_work_is_waited_for_whoever_wants_an_end() -> None:
    """It sees to that itself; the main thread looks up all the same, so that it hears of a second signal."""
    late = Late()

    class Waiting(Calls):
        def _begin(self, coroutine: Coroutine[Any, Any, Any]) -> Future[Any]:
            coroutine.close()
            return late

    with Waiting(lambda: True) as calls:
        assert calls.wait(double_later(1)) == 7
    assert late.looks == 3


def test_no_thread_is_left() -> None:
    """The private loop's thread ends with the calls, and plain functions need none."""
    before = {*threading.enumerate()}

    def more() -> list[threading.Thread]:
        # Those of other tests may be about to end.
        return [each for each in threading.enumerate() if each not in before]

    with Calls(never) as calls:
        calls.one(double, 1)
        assert more() == []
        calls.one(double_later, 1)
        assert len(more()) == 1
    assert more() == []


def test_inside_a_loop_of_the_caller() -> None:
    """Async functions run where the caller has a loop of its own already."""

    async def main() -> Outcome:
        with Calls(never) as calls:
            return calls.one(double_later, 2)

    assert asyncio.run(main()) == Ended(4)


def test_all_async_calls_share_a_loop() -> None:
    """Whatever an async function keeps between its calls (a client, a lock) stays on one loop."""
    loops: list[asyncio.AbstractEventLoop] = []

    async def note(_n: int) -> None:
        loops.append(asyncio.get_running_loop())

    with Calls(never) as calls:
        calls.one(note, 1)
        list(calls.ordered(note, [(n, n) for n in range(4)]))
    assert len(set(map(id, loops))) == 1
