"""The embedded provider: a function on this machine answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import Any, cast

import attrs

from reconciler.model.exchange import Request
from reconciler.model.policy import LOCAL
from reconciler.providers.base import Body, Worker, is_async
from reconciler.providers.pacing import UNHURRIED, Gate, Pace


@attrs.frozen(slots=False)
class Local:
    """
    The embedded provider.

    Attributes:
        worker: The function that answers.
        concurrency: How many requests it works on at once, at the most.
        pace: How fast they may go.
        let_go: Lets go of what a worker of our own holds open, None where there is nothing.
    """

    worker: Worker
    concurrency: int = 32
    pace: Pace = UNHURRIED
    let_go: Callable[[], Awaitable[None]] | None = None

    @cached_property
    def is_async(self) -> bool:
        """Whether calling the worker gives something to await."""
        return is_async(self.worker)

    @cached_property
    def gate(self) -> Gate:
        """What holds all its runs in this process to the pace."""
        return Gate(self.pace)

    @property
    def name(self) -> str:
        """`local`."""
        return LOCAL

    async def answer(self, request: Request) -> Body:
        """One answer; a plain function is taken too, and runs in a thread of its own."""
        if self.is_async:
            answered: Body = await cast("Awaitable[Body]", self.worker(request))
            return answered
        import asyncio  # noqa: PLC0415 - most passes answer nothing here
        import inspect  # noqa: PLC0415 - likewise

        body: Any = await asyncio.to_thread(_plainly, self.worker, request)
        if inspect.isawaitable(body):
            body = await body
        found: Body = body
        return found

    async def close(self) -> None:
        """Let go of what the worker holds open."""
        if self.let_go is not None:
            await self.let_go()


def _plainly(worker: Worker, request: Request) -> Any:
    """Call a plain function; what a thread cannot hand on to a loop is handed on in words."""
    try:
        return worker(request)
    except (StopIteration, KeyboardInterrupt, GeneratorExit) as leaving:
        raise RuntimeError(f"{type(leaving).__name__} in the worker") from leaving
