"""The least that any runner does: an asyncio loop in which so many lanes answer one request after another."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any


async def answered(requests: Iterable[Any], answer: Callable[[Any], Awaitable[Any]], lanes: int) -> list[Any]:
    """Every answer, as it comes; nothing is kept anywhere else."""
    left, found = iter(requests), []

    async def lane() -> None:
        for request in left:
            said = await answer(request)
            found.append(said)

    await asyncio.gather(*(lane() for _ in range(lanes)))
    return found
