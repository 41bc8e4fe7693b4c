"""The embedded provider: a function on this machine answers."""

from __future__ import annotations

import inspect

import attrs

from reconciler.model.exchange import Request
from reconciler.model.policy import LOCAL
from reconciler.providers.base import Body, Worker


@attrs.frozen
class Local:
    """
    The embedded provider.

    Attributes:
        worker: The function that answers.
        concurrency: How many requests it works on at once.
    """

    worker: Worker
    concurrency: int = 32

    @property
    def name(self) -> str:
        """`local`."""
        return LOCAL

    async def answer(self, request: Request) -> Body:
        """One answer; a plain function is taken too, and runs in a thread of its own."""
        import asyncio  # noqa: PLC0415 - most passes answer nothing here

        if inspect.iscoroutinefunction(self.worker) or inspect.iscoroutinefunction(
            getattr(type(self.worker), "__call__", None)  # noqa: B004 - an object with an async __call__
        ):
            body = await self.worker(request)
        else:
            body = await asyncio.to_thread(self.worker, request)  # type: ignore[arg-type]
            if inspect.isawaitable(body):
                body = await body
        return body
