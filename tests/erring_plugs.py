"""
Providers of a user as the engine meets them, for the fake one: right, or with a create that errs.

They are made of `tests/plugged_provider.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from reconciler.model.remote import Order, RemoteBatch
from reconciler.providers.base import Remote
from reconciler.providers.calls import Source, Wire
from reconciler.providers.keys import ProviderOptions
from reconciler.providers.plugged import plug
from reconciler.testing import FakeProvider
from tests.plugged_provider import Acme, make
from tests.stopping import PLUGGED

Create = Callable[[Acme, Wire, Order, Source, str | None], Any]


def own(fake: FakeProvider, kind: type[Acme] = Acme) -> Remote:
    """A provider of a user, for the fake one."""

    def factory(options: ProviderOptions, environment: Mapping[str, str]) -> Acme:
        plain = make(options, environment)
        assert isinstance(plain, Acme)
        return kind(plain.origin, plain.account)

    options = ProviderOptions(base_url=fake.url("openai"))
    client = plug(PLUGGED, factory, options, {"ACME_API_KEY": fake.key})
    assert isinstance(client, Remote)
    return client


def odd(create: Create) -> type[Acme]:
    """A provider whose create is another."""

    class Odd(Acme):
        def create(self, wire: Wire, order: Order, source: Source, file_id: str | None) -> RemoteBatch:
            found: RemoteBatch = create(self, wire, order, source, file_id)
            return found

    return Odd
