"""
What all providers share.

Every provider has a name, under which settings, metadata and plans know it; the engine plans operations for
those that it was given, and holds batches of all others. An `Embedded` one answers a request at once; those
that take whole batches and finish hours later come with the code that speaks to them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeAlias

from reconciler.model.exchange import Request

Body: TypeAlias = Mapping[str, Any]
"""A response body, in the shape that the request's own provider would answer with."""

Worker: TypeAlias = Callable[[Request], Awaitable[Body] | Body]
"""`async def worker(request) -> body`, or a plain function; what it raises becomes the request's failure."""


class Provider(Protocol):
    """Someone who answers."""

    @property
    def name(self) -> str:
        """The name in settings and metadata."""


class Embedded(Provider, Protocol):
    """A provider inside this process: one request in, one body out, now."""

    @property
    def concurrency(self) -> int:
        """How many requests it works on at once."""

    async def answer(self, request: Request) -> Body:
        """
        Answer one request.

        Raises:
            Exception: The request has failed; the type and words say how.
        """


def is_async(function: Callable[..., Any]) -> bool:
    """Whether calling *function*, which may be an object with a `__call__` of its own, gives an awaitable."""
    import inspect  # noqa: PLC0415 - for user code alone

    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(type(function), "__call__", None)  # noqa: B004 - an object with an async __call__
    )
