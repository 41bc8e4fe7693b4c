"""
The network fault matrix: what goes wrong, with which call, how often, and what has to come of it.

A cell is a fault, a kind of call, and whether it happens to the first call, to several in a row, or to every
one until it is over. `RULES` is the table of what each cell ends with, once the fault is over and three more
passes have been made; the first rule that fits holds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import formatdate
from typing import Any, Final, Literal

import attrs
from starlette.responses import Response

from reconciler.providers.calls import Call, Reply, Sink
from reconciler.providers.calls import Kind as CallKind
from reconciler.providers.http import Http
from reconciler.testing.exchange import Exchange, replay
from reconciler.testing.faults import (
    Cut,
    Drip,
    Fault,
    LateEffect,
    Refuse,
    ReplyDropped,
    Reset,
    Retype,
    Silent,
)
from reconciler.testing.faults import Reply as Answer
from reconciler.testing.world import World

Often = Literal["first", "repeated", "sticky"]
End = Literal["done", "doubt", "refused", "spare"]

DAY: Final = 86_400
TIMES: Final[Mapping[Often, int | None]] = {"first": 1, "repeated": 5, "sticky": None}
"""To how many calls in a row: several is more than one call is tried."""

KINDS: Final = ("upload", "create", "get", "list", "download", "cancel")


@attrs.frozen
class Elsewhere:
    """The calls go to another address than the provider's: nothing answers there, or not as it should."""

    base_url: str


@attrs.frozen
class Twice:
    """The effect happens twice, as when something on the way repeats a request, and the reply is lost."""

    async def play(self, exchange: Exchange, world: World) -> None:  # noqa: ARG002 - as every fault
        """Do it, do it again, hang up."""
        body = await exchange.body()
        for _ in range(2):
            await exchange.handle(replay(exchange.scope, body))
        await exchange.reset()


@attrs.frozen
class Skewed:
    """The right answer from a clock that is *seconds* wrong; before it, a 429 dated by that clock."""

    seconds: float

    async def play(self, exchange: Exchange, world: World) -> None:
        """Set the date."""
        answer = await exchange.answer()
        answer.headers["date"] = formatdate(world.clock.now + self.seconds, usegmt=True)
        await exchange.deliver(answer)


@attrs.frozen
class Dated:
    """A 429 that names the time to come back at as a date, by a clock that is *skew* wrong."""

    seconds: float
    skew: float = 0.0

    async def play(self, exchange: Exchange, world: World) -> None:
        """Refuse."""
        now = world.clock.now + self.skew
        headers = {"retry-after": formatdate(now + self.seconds, usegmt=True)}
        if self.skew:
            headers["date"] = formatdate(now, usegmt=True)
        await exchange.deliver(Response(b"{}", 429, headers, "application/json"))


HERE: Final = "{origin}"

FAULTS: Final[Mapping[str, Fault | Elsewhere]] = {
    "no-such-host": Elsewhere("https://nowhere.invalid"),
    "refused": Elsewhere("http://127.0.0.1:1"),
    "bad-tls": Elsewhere("https://127.0.0.1:{port}"),
    "silent": Silent(),
    "reset-before": Reset("before"),
    "reset-in-body": Reset("middle"),
    "reset-after": ReplyDropped(),
    "hung-up-after": ReplyDropped(reset=False),
    "short-of-length": Cut(40, "length"),
    "short-of-chunks": Cut(40, "chunked"),
    "short-at-line-end": Cut(700, "line"),
    "one-byte-at-a-time": Drip(0.05),
    "retry-after-seconds": Refuse(429, headers={"retry-after": "7"}),
    "retry-after-date": Dated(30),
    "retry-after-absurd": Refuse(429, headers={"retry-after": "99999999999"}),
    "retry-after-negative": Refuse(429, headers={"retry-after": "-5"}),
    "5xx": Refuse(503, "upstream connect error"),
    "web-page": Answer(200, b"<!doctype html><title>Sign in</title>", "text/html"),
    "wrong-type": Retype("text/html"),
    "no-content": Answer(204),
    "wrong-json": Answer(200, b"[1]"),
    "redirect-here": Answer(302, headers={"location": "/elsewhere"}),
    "redirect-away": Answer(302, headers={"location": "http://127.0.0.1:1/"}),
    "forgotten": Refuse(404, "No such thing"),
    "late": LateEffect(seconds=30, reply=504),
    "twice": Twice(),
    "clock-behind": Skewed(-DAY),
    "clock-ahead": Dated(30, DAY),
}


@attrs.frozen
class Cell:
    """One case: what goes wrong, with which calls, how often."""

    fault: str
    kind: str
    often: Often

    def __str__(self) -> str:
        return f"{self.fault}-{self.kind}-{self.often}"


CELLS: Final = tuple(
    Cell(fault, kind, often) for fault in FAULTS for kind in KINDS for often in TIMES
)  # fmt: skip


@attrs.frozen
class Rule:
    """
    What cells end with.

    Attributes:
        faults: Which faults, as a pattern.
        kinds: Of which calls, as a pattern.
        often: How often, as a pattern.
        end: `done`: settled. `doubt`: nobody can tell whether the batch exists, so it is held. `refused`: the
            provider did not take it. After both, a person's `resubmit` settles it. `spare`: settled, with a
            second batch that cannot be told from others before it has ended, and is paid for.
        why: In words.
        providers: At which providers, as a pattern.
    """

    faults: str
    kinds: str
    often: str
    end: End
    why: str
    providers: str = ".*"

    def fits(self, cell: Cell, provider: str) -> bool:
        """Whether it speaks of *cell* at *provider*."""
        parts = (
            (self.faults, cell.fault),
            (self.kinds, cell.kind),
            (self.often, cell.often),
            (self.providers, provider),
        )
        return all(re.fullmatch(pattern, value) for pattern, value in parts)


RULES: Final = (
    Rule(
        "silent|reset-before|reset-in-body|5xx|web-page|no-content|wrong-json|redirect-.*",
        "create",
        ".*",
        "doubt",
        "it may have arrived, it has not, and nothing proves that: sending it again could pay twice",
    ),
    Rule(
        "twice",
        "create",
        ".*",
        "spare",
        "it keeps no tag: whose it is shows when it has ended, and what may be another's is not cancelled",
        "anthropic|openrouter",
    ),
    Rule(
        "reset-after|hung-up-after|short-.*|one-byte-at-a-time|wrong-type|late|twice",
        "create",
        ".*",
        "done",
        "it happened and its reply is lost: the search finds it; of two, one is cancelled",
    ),
    Rule(
        "no-such-host|refused|bad-tls|retry-after-.*|clock-.*",
        "create",
        ".*",
        "done",
        "it was not sent, or surely refused: it goes out again",
    ),
    Rule("forgotten", "create", ".*", "refused", "a plain no to what was sent: a person looks at it"),
    Rule(".*", "upload", ".*", "done", "a file costs nothing: it is sent again"),
    Rule(".*", "get|list|cancel", ".*", "done", "it is asked again"),
    Rule(".*", "download", ".*", "done", "it is fetched again, and nothing is published before it is whole"),
)


def expected(cell: Cell, provider: str) -> Rule:
    """The rule for a cell at a provider."""
    return next(rule for rule in RULES if rule.fits(cell, provider))


@attrs.define(eq=False)
class Detour:
    """
    A wire that sends some calls elsewhere, over the real network all the same.

    Attributes:
        http: The network.
        origin: Scheme, host and port of the provider.
        kind: Which calls.
        elsewhere: Scheme, host and port where they go.
        times: How many of them; None for all.
    """

    http: Http
    origin: str
    kind: str
    elsewhere: str
    times: int | None

    def send(self, call: Call) -> Reply:
        """Make one call."""
        return self.http.send(self._led(call))

    def fetch(self, call: Call, sink: Sink) -> Mapping[str, str]:
        """Stream a reply."""
        return self.http.fetch(self._led(call), sink)

    def _led(self, call: Call) -> Call:
        """The call, to wherever it goes."""
        if kind_of(call) != self.kind or self.times == 0:
            return call
        if self.times is not None:
            self.times -= 1
        base = call.origin.base_url.replace(self.origin, self.elsewhere)
        path = call.path.replace(self.origin, self.elsewhere)
        return attrs.evolve(call, origin=attrs.evolve(call.origin, base_url=base), path=path)


def kind_of(call: Call) -> str:
    """Which of the six kinds of call it is; empty for another."""
    leaf = call.path.partition("?")[0].rstrip("/").rpartition("/")[2]
    match call.kind:
        case CallKind.CREATE | CallKind.UPLOAD | CallKind.DOWNLOAD:
            return call.kind.value
        case CallKind.CHANGE:
            return "cancel" if leaf.endswith("cancel") else ""
        case _ if leaf in ("batches", "jobs"):
            return "list"
        case _:
            return "" if "files" in call.path else "get"


def when(cell: Cell) -> Mapping[str, Any]:
    """To which calls a fault happens, for `FakeProvider.fault`."""
    return {"times": TIMES[cell.often]}
