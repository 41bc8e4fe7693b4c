"""The pytest fixture `fake_provider`. Every pytest run beside this package loads it: it imports nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from reconciler.testing.server import FakeProvider


@pytest.fixture(scope="session")
def fake_provider_server() -> Iterator[FakeProvider]:
    """One server for the whole run; tests take `fake_provider`."""
    from reconciler.testing.server import FakeProvider  # noqa: PLC0415 - it needs the extra `testing`

    with FakeProvider() as fake:
        yield fake


@pytest.fixture
def fake_provider(fake_provider_server: FakeProvider) -> FakeProvider:
    """A fake provider in which nothing has happened yet."""
    fake_provider_server.reset()
    return fake_provider_server
