"""The embedded provider takes whatever can be called with a request."""

import asyncio
import functools
import threading
from collections.abc import Awaitable
from typing import Any

import pytest

from reconciler.model.exchange import Dialect, Request
from reconciler.model.policy import LOCAL
from reconciler.providers.local import Local

REQUEST = Request("r-1", Dialect.MISTRAL, None, {}, None)


def plain(request: Request) -> dict[str, Any]:
    """A plain function."""
    return {"id": request.custom_id}


async def coroutine(request: Request) -> dict[str, Any]:
    """An async function."""
    return {"id": request.custom_id}


def awaitable(request: Request) -> Awaitable[dict[str, Any]]:
    """A plain function that returns something to await."""
    return coroutine(request)


def tagged(_tag: str, request: Request) -> dict[str, Any]:
    """A function with something to bind first."""
    return {"id": request.custom_id}


async def tagged_coroutine(_tag: str, request: Request) -> dict[str, Any]:
    """The same, async."""
    return {"id": request.custom_id}


class Object:
    """An object that can be called, and has methods."""

    def __call__(self, request: Request) -> dict[str, Any]:
        """Answer."""
        return {"id": request.custom_id}

    async def method(self, request: Request) -> dict[str, Any]:
        """Answer."""
        return {"id": request.custom_id}


class AsyncObject:
    """An object whose call is async."""

    async def __call__(self, request: Request) -> dict[str, Any]:
        """Answer."""
        return {"id": request.custom_id}


@pytest.mark.parametrize(
    "worker",
    [
        pytest.param(plain, id="plain"),
        pytest.param(coroutine, id="async"),
        pytest.param(awaitable, id="returns-an-awaitable"),
        pytest.param(functools.partial(tagged, "t"), id="partial"),
        pytest.param(functools.partial(tagged_coroutine, "t"), id="async-partial"),
        pytest.param(Object(), id="object"),
        pytest.param(Object().method, id="async-method"),
        pytest.param(AsyncObject(), id="async-object"),
    ],
)
def test_whatever_can_be_called_answers(worker: Any) -> None:
    """Plain or async, function or object: the body comes back."""
    assert asyncio.run(Local(worker).answer(REQUEST)) == {"id": "r-1"}


def test_a_plain_function_does_not_block_the_others() -> None:
    """It runs in a thread of its own; an async one runs where its loop is."""
    seen: list[bool] = []

    def note_plain(_request: Request) -> dict[str, Any]:
        seen.append(threading.current_thread() is threading.main_thread())
        return {}

    async def note_async(_request: Request) -> dict[str, Any]:
        seen.append(threading.current_thread() is threading.main_thread())
        return {}

    asyncio.run(Local(note_plain).answer(REQUEST))
    asyncio.run(Local(note_async).answer(REQUEST))
    assert seen == [False, True]


def test_it_is_called_local() -> None:
    """Settings, metadata and plans know it under one name."""
    assert Local(coroutine).name == LOCAL == "local"
