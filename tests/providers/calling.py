"""An `Http` whose time is made up, and the calls that tests make with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import attrs

from reconciler.providers.calls import Call, Exchange, Kind, Origin, Secret, Source
from reconciler.providers.http import Http
from reconciler.providers.http_settings import HttpSettings
from tests.providers.loopback import Loopback, Step

KEY: Final = "sk-canary-0123456789abcdef"
NOW: Final = 1_700_000_000.0
SETTINGS: Final = HttpSettings(silence=dict.fromkeys(Kind, 5.0), connect=5.0)
HASTY: Final = attrs.evolve(SETTINGS, silence=dict.fromkeys(Kind, 0.1))
"""For servers that say nothing: tests wait a tenth of a second for them."""

METHODS: Final = {Kind.CREATE: "POST", Kind.UPLOAD: "POST", Kind.CHANGE: "DELETE"}


@attrs.define(eq=False)
class World:
    """Time that passes when it is waited for, and what was seen of the calls."""

    time: float = 0.0
    step: float = 0.0
    waits: list[float] = attrs.field(factory=list)
    tapped: list[tuple[str, str]] = attrs.field(factory=list)
    heard: list[Exchange] = attrs.field(factory=list)
    stop_after: int = 1_000_000

    def clock(self) -> float:
        """The time; each look takes a step."""
        self.time += self.step
        return self.time

    def pause(self, seconds: float, _stopping: Callable[[], bool]) -> None:
        """Let time pass."""
        self.waits.append(seconds)
        self.time += seconds

    def stopping(self) -> bool:
        """Whether as many waits are over as were wanted."""
        return len(self.waits) >= self.stop_after

    def http(self, settings: HttpSettings = SETTINGS, **more: Any) -> Http:
        """A room in this world."""
        given: dict[str, Any] = {
            "pause": self.pause,
            "settings": settings,
            "stopping": self.stopping,
            "tap": lambda change, what: self.tapped.append((change, what)),
            "heard": self.heard.append,
            "clock": self.clock,
            "now": lambda: NOW,
            "chance": lambda: 0.0,
        }
        return Http(**given | more)


@contextmanager
def serving(*steps: Step) -> Iterator[Loopback]:
    """A server for as long as a test lasts."""
    server = Loopback(steps)
    try:
        yield server
    finally:
        server.close()


def origin(server: Loopback, path: str = "/v1") -> Origin:
    """The server as a provider with a key."""
    return Origin("openai", server.url + path, {"x-plain": "1"}, {"authorization": Secret(f"Bearer {KEY}")})


def call(server: Loopback, kind: Kind = Kind.READ, path: str = "/batches", **more: Any) -> Call:
    """A call to the server."""
    return Call(kind, origin(server), METHODS.get(kind, "GET"), path, **more)


def source(data: bytes, block: int = 1000) -> Source:
    """Bytes to send."""

    def read(offset: int) -> Iterator[bytes]:
        for begin in range(offset, len(data), block):
            yield data[begin : begin + block]

    return Source(len(data), read)


class Taken:
    """A sink in memory that counts its restarts."""

    def __init__(self) -> None:
        self.data = b""
        self.restarts = 0

    @property
    def size(self) -> int:
        """Bytes so far."""
        return len(self.data)

    def write(self, block: bytes) -> None:
        """Take the next bytes."""
        self.data += block

    def restart(self) -> None:
        """Forget them."""
        self.data = b""
        self.restarts += 1


def chain(error: BaseException) -> Sequence[BaseException]:
    """An error and everything that hangs on it."""
    found: list[BaseException] = []
    more: list[BaseException | None] = [error]
    while more:
        each = more.pop()
        if each is not None and each not in found:
            found.append(each)
            more += [each.__cause__, each.__context__]
    return found
