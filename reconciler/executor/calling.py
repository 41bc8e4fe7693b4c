"""
Call user code, plain or `async`, and keep what it raises from ending the pass.

Async functions run on one private loop in a thread of its own, so that they work wherever the caller has a
loop already. Results come back in the order of the arguments, whatever order they end in.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import attrs

from reconciler.errors import Interrupted, PermanentError, ReconcilerError
from reconciler.model.words import words_of
from reconciler.providers.base import is_async

if TYPE_CHECKING:
    import asyncio
    from concurrent.futures import Future

T = TypeVar("T")

WINDOW: Final = 32
"""How many calls of an async function are under way at once."""

THREADS: Final = 256
"""Plain functions that run at once, at the most; the settings say how many of them there are."""

_POLL: Final = 0.2
"""Seconds between two looks at whether someone asked for an end."""


@attrs.frozen
class Ended:
    """What a call returned."""

    value: Any


@attrs.frozen
class Raised:
    """
    What a call raised.

    Attributes:
        kind: The name of the exception's class.
        message: Its words, cut.
    """

    kind: str
    message: str

    @property
    def told(self) -> str:
        """Both in one line."""
        return f"{self.kind}: {self.message}" if self.message else self.kind


Outcome = Ended | Raised


class Calls:
    """
    Calls functions of the user, all of a pass on one loop; to be closed.

    Args:
        stopping: Whether someone asked for an end.
        made: Makes the loop; None for asyncio's own.
    """

    def __init__(
        self, stopping: Callable[[], bool], made: Callable[[], asyncio.AbstractEventLoop] | None = None
    ) -> None:
        self._stopping = stopping
        self._made = made
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Nothing is started before the first async call."""
        return self

    def __exit__(self, *_error: object) -> None:
        """
        End the private loop, cancelling what still runs on it.

        Plain functions that run in threads cannot be cancelled. What is still at work there was given up
        before, by its time limit or by who wants an end now, and nobody waits for it.
        """
        if self._loop is None or self._thread is None:
            return
        import asyncio  # noqa: PLC0415 - it is loaded by now

        loop = self._loop

        def end() -> None:
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.call_soon(loop.stop)

        loop.call_soon_threadsafe(end)
        self._thread.join()
        # It takes the pool along.
        loop.close()

    def one(self, function: Callable[..., Any], *arguments: Any) -> Outcome:
        """
        Call *function* once, to its end.

        Raises:
            Interrupted: Someone asked for an end meanwhile.
            ReconcilerError: One that is no PermanentError: it is not the function's fault.
        """
        return self._guarded(lambda: self._run(function, *arguments))

    def ordered(
        self, function: Callable[[Any], Any], pairs: Iterable[tuple[T, Any]]
    ) -> Iterator[tuple[T, Outcome | None]]:
        """
        Call *function* with the second of each pair, unless that is None, and give the first back with it.

        Yields:
            The pairs in their order, each argument replaced by what became of its call.
        """
        if not is_async(function):
            for key, argument in pairs:
                yield key, None if argument is None else self.one(function, argument)
            return
        under_way: deque[tuple[T, Future[Any] | None]] = deque()
        for key, argument in pairs:
            under_way.append((key, None if argument is None else self._begin(_invoked(function, argument))))
            if len(under_way) >= WINDOW:
                yield self._first(under_way)
        while under_way:
            yield self._first(under_way)

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine of our own, which sees to an end itself; what it raises is raised here."""
        found: T = self._result(self._begin(coroutine), patient=True)
        return found

    # Within

    def _first(self, under_way: deque[tuple[T, Any]]) -> tuple[T, Outcome | None]:
        """The oldest call, once it has ended."""
        key, future = under_way.popleft()
        return key, None if future is None else self._guarded(lambda: self._result(future))

    def _run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call, and await where there is something to await."""
        import inspect  # noqa: PLC0415 - for user code alone

        if self._stopping():
            raise Interrupted("stopped between two calls of a processor; everything is resumable")
        value = function(*arguments)
        return self._result(self._begin(_awaited(value))) if inspect.isawaitable(value) else value

    def _result(self, future: Future[Any], *, patient: bool = False) -> Any:
        """
        Wait for a call, looking up now and then.

        Without that a signal may not be heard: one that comes just before the main thread begins to wait
        wakes nobody.
        """
        while True:
            try:
                return future.result(_POLL)
            except TimeoutError:
                if future.done():
                    return future.result()
            if not patient and self._stopping():
                future.cancel()
                raise Interrupted("stopped while a processor was at work; everything is resumable")

    def _guarded(self, call: Callable[[], Any]) -> Outcome:
        """What became of a call."""
        try:
            return Ended(call())
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            if isinstance(error, ReconcilerError) and not isinstance(error, PermanentError):
                # A changed file, an interrupt, or a TransientError: run the pass again.
                raise
            return raised_by(error)

    def _begin(self, coroutine: Coroutine[Any, Any, Any]) -> Future[Any]:
        """Start a coroutine on the private loop."""
        import asyncio  # noqa: PLC0415 - most passes call no user code

        if self._loop is None:
            from reconciler.executor.threads import Threads  # noqa: PLC0415 - likewise

            self._loop = loop = (self._made or asyncio.new_event_loop)()
            loop.set_default_executor(Threads(THREADS))
            self._thread = threading.Thread(target=loop.run_forever, name="reconciler-user-code", daemon=True)
            self._thread.start()
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)


def raised_by(error: BaseException) -> Raised:
    """What user code raised, in words that can be written down."""
    return Raised(type(error).__name__, words_of(error))


async def _invoked(function: Callable[[Any], Any], argument: Any) -> Any:
    """Call an async function where its loop is."""
    return await _awaited(function(argument))


async def _awaited(value: Any) -> Any:
    """Any awaitable as a coroutine; what would end the loop ends only the call."""
    try:
        return await value
    except (KeyboardInterrupt, SystemExit, GeneratorExit) as leaving:
        raise RuntimeError(f"{type(leaving).__name__} in user code") from leaving
