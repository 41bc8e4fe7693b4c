"""
Batches at a provider: the real client and the real network, against the fake provider on loopback.

Time is virtual, for the provider and for the pass alike: who waits moves both clocks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from reconciler import engine, waiting
from reconciler.executor.hooks import Hooks, Plugged
from reconciler.model.outcome import ErrorClass
from reconciler.model.report import Report
from reconciler.processors.transform import Transform
from reconciler.providers.base import Provider
from reconciler.providers.calls import Exchange, Wire
from reconciler.session import Options, Unwatched
from reconciler.testing import FakeProvider
from reconciler.workspace.effects import Tap, no_tap
from tests.workspaces import Line, put, settings

CHAT: Final = "/v1/chat/completions"


class Heard(Unwatched):
    """Keeps every exchange with a provider."""

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []

    def called(self, exchange: Exchange) -> None:
        """Keep it."""
        self.exchanges.append(exchange)


@attrs.define
class Online:
    """
    A workspace and a provider that it can ask.

    Attributes:
        root: The workspace.
        fake: The provider.
        client: Who asks it.
        flags: Settings of every pass.
        tap: Called before each change, of the disk or at the provider.
        heard: Every call.
        keyless: Who only lacks a key, and what is told of it; there is no client then.
        others: Further clients, for batches that their metadata gives to them.
        transforms: What changes failed requests, by error class.
        wire: Makes the calls; None for the network as a pass opens it.
    """

    root: Path
    fake: FakeProvider
    client: Provider
    flags: Mapping[str, Any] = attrs.field(factory=dict)
    tap: Tap = no_tap
    heard: Heard = attrs.field(factory=Heard)
    keyless: Mapping[str, str] = attrs.field(factory=dict)
    others: tuple[Provider, ...] = ()
    transforms: Mapping[ErrorClass, Transform] = attrs.field(factory=dict)
    wire: Callable[[], Wire] | None = None

    @property
    def options(self) -> Options:
        """What a pass takes."""
        clients = self.others if self.keyless else (self.client, *self.others)
        hooks = Hooks(
            transforms=self.transforms,
            providers={each.name: each for each in clients},
            keyless=self.keyless,
        )
        return Options(
            plugged=Plugged(lambda _name: hooks),
            pause=self.pause,
            chance=lambda: 0.0,
            clock=self.now,
            tap=self.tap,
            watcher=self.heard,
            wire=self.wire,
        )

    def settings(self, **flags: Any) -> Any:
        """The settings of a pass."""
        own = {"provider": self.client.name, "settle_seconds": 0.0}
        return settings(**{**own, **self.flags, **flags})

    def run(self, **flags: Any) -> Report:
        """One pass."""
        return engine.reconcile(str(self.root), self.settings(**flags), self.options)

    def wait(self, timeout: float | None = 7 * 86400, **flags: Any) -> Report:
        """Passes until nothing waits, within a week of virtual time."""
        return waiting.reconcile_until_settled(str(self.root), self.settings(**flags), self.options, timeout)

    def decide(self, verb: Callable[..., Any], *names: str, **more: Any) -> Any:
        """A person's verb, and the pass that follows it."""
        return verb(str(self.root), self.settings(), names or ("1",), options=self.options, **more)

    def now(self) -> float:
        """The time, here as there."""
        return self.fake.clock.now

    def pause(self, seconds: float, _stopping: Callable[[], bool]) -> None:
        """Let time pass."""
        self.fake.clock.advance(seconds)

    def creates(self) -> int:
        """How many batches were ever created at the provider."""
        return len(self.fake.batches)


def put_input(root: Path, lines: list[Line], name: str = "1") -> None:
    """An input without answers."""
    put(root, name, input=lines)
