"""
Faults: what goes wrong with a call, on purpose.

A fault is a value; it is set for a kind of call and for which of the next such calls. It acts on the
connection itself, so that a client meets what a network would do, not an exception in its own process.
"""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator, Mapping
from typing import Final, Literal, Protocol

import attrs
from starlette.responses import Response, StreamingResponse

from reconciler.testing.exchange import Exchange, Refusal, replay
from reconciler.testing.records import Kind
from reconciler.testing.world import Late, World

MIB: Final = 1 << 20


class Fault(Protocol):
    """Something that goes wrong."""

    async def play(self, exchange: Exchange, world: World) -> None:
        """Answer the call in place of its handler, or after it."""


@attrs.frozen
class Reset:
    """The connection is reset `before` the request is read, or in its `middle`; nothing happens."""

    when: Literal["before", "middle"] = "before"

    async def play(self, exchange: Exchange, world: World) -> None:
        """Reset, with at most one piece read."""
        if self.when == "middle":
            await exchange.take()
        await exchange.reset()


@attrs.frozen
class ReplyDropped:
    """The effect happens and its reply never arrives: the connection is closed, with a *reset* or without."""

    reset: bool = True

    async def play(self, exchange: Exchange, world: World) -> None:
        """Do it, then hang up."""
        await exchange.answer()
        await (exchange.reset() if self.reset else exchange.raw())


@attrs.frozen
class LateEffect:
    """
    The client is turned away and the effect comes later: *seconds* of the clock and *calls* further calls on.

    The measured case of a resubmit that paid twice; *reply* is what the client sees meanwhile.
    """

    seconds: float = 0
    calls: int = 0
    reply: Literal["reset", "silent"] | int = "reset"

    async def play(self, exchange: Exchange, world: World) -> None:
        """Keep the request for later."""
        request = replay(exchange.scope, await exchange.body())

        async def effect() -> None:
            await exchange.handle(request)

        world.pending.append(Late(world.clock.now + self.seconds, self.calls, effect))
        if isinstance(self.reply, int):
            await exchange.deliver(Response("upstream timed out", self.reply, media_type="text/plain"))
        else:
            await (exchange.reset() if self.reply == "reset" else exchange.gone())


@attrs.frozen
class Silent:
    """The request is accepted and nothing ever comes back; with *effect*, it is carried out."""

    effect: bool = False

    async def play(self, exchange: Exchange, world: World) -> None:
        """Wait for the client to give up."""
        if self.effect:
            await exchange.answer()
        await exchange.gone()


@attrs.frozen
class Reply:
    """Some answer that has nothing to do with the request; nothing happens."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = attrs.field(factory=dict)

    async def play(self, exchange: Exchange, world: World) -> None:
        """Answer that."""
        answer = Response(self.body or None, self.status, dict(self.headers), self.content_type)
        await exchange.deliver(answer)


@attrs.frozen
class Refuse:
    """The provider refuses, in its own error shape; nothing happens."""

    status: int
    message: str = "scripted refusal"
    code: str | None = None
    param: str | None = None
    headers: Mapping[str, str] = attrs.field(factory=dict)

    async def play(self, exchange: Exchange, world: World) -> None:
        """Let the dialect word it."""
        refusal = Refusal(self.status, self.message, self.code, self.param, self.headers)
        exchange.scope["refusal"] = refusal
        await exchange.deliver(await exchange.answer())


@attrs.frozen
class Retype:
    """The right answer under a wrong content type."""

    content_type: str = "text/html"

    async def play(self, exchange: Exchange, world: World) -> None:
        """Change the header alone."""
        answer = await exchange.answer()
        answer.headers["content-type"] = self.content_type
        await exchange.deliver(answer)


@attrs.frozen
class Cut:
    """
    The right answer, cut after *after* bytes of its body.

    Attributes:
        after: How many bytes of the body come.
        how: `length`: the connection closes before Content-Length is reached; `chunked`: before the last
            chunk; `line`: at the end of a line, with no length at all, which HTTP cannot notice; `reset`.
    """

    after: int = 100
    how: Literal["length", "chunked", "line", "reset"] = "length"

    async def play(self, exchange: Exchange, world: World) -> None:
        """Send the first part by hand."""
        captured = await exchange.capture(await exchange.answer(), self.after)
        body = bytes(captured.body)
        bare = (b"content-length", b"transfer-encoding", b"connection")
        if self.how == "chunked":
            head = captured.head(without=bare, transfer_encoding="chunked")
            await exchange.raw(head, b"%x\r\n%s\r\n" % (len(body), body))
        elif self.how == "line":
            body = body[: body.rfind(b"\n") + 1]
            await exchange.raw(captured.head(without=bare, connection="close"), body)
        else:
            length = dict(captured.headers).get(b"content-length", b"%d" % (self.after * 2)).decode()
            head = captured.head(without=bare, content_length=length)
            await exchange.raw(head, body, reset=self.how == "reset")


@attrs.frozen
class Drip:
    """The right answer, *size* bytes at a time, with *pause* real seconds between them."""

    pause: float = 0.02
    size: int = 1

    async def play(self, exchange: Exchange, world: World) -> None:
        """Go on until all is sent or the client has gone."""
        captured = await exchange.capture(await exchange.answer(), MIB)
        exchange.transport.write(captured.head())
        for at in range(0, len(captured.body), self.size):
            if exchange.lost:
                break
            exchange.transport.write(bytes(captured.body[at : at + self.size]))
            await asyncio.sleep(self.pause)
        await exchange.raw()


@attrs.frozen
class GzipBomb:
    """A small body that unpacks to *mib* mebibytes, about a thousand times its size."""

    mib: int = 100

    async def play(self, exchange: Exchange, world: World) -> None:
        """Answer with blanks, which JSON would allow."""
        packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
        packed = b"".join(packer.compress(b" " * MIB) for _ in range(self.mib)) + packer.flush()
        answer = Response(packed, 200, {"content-encoding": "gzip"}, "application/json")
        await exchange.deliver(answer)


@attrs.frozen
class Gzipped:
    """The right answer, compressed whether it was asked for or not (up to a mebibyte of it)."""

    async def play(self, exchange: Exchange, world: World) -> None:
        """Pack it."""
        captured = await exchange.capture(await exchange.answer(), MIB)
        kind = dict(captured.headers).get(b"content-type", b"application/json").decode()
        packed = gzip.compress(bytes(captured.body), mtime=0)
        await exchange.deliver(Response(packed, captured.status, {"content-encoding": "gzip"}, kind))


@attrs.frozen
class Endless:
    """A body that does not end: *line* again and again, until the client has had enough."""

    line: bytes = b'{"custom_id": "endless"}\n'
    status: int = 200

    async def play(self, exchange: Exchange, world: World) -> None:
        """Send until the connection is closed."""

        async def forever() -> AsyncIterator[bytes]:
            block = self.line * max(1, 65_536 // len(self.line))
            while not exchange.lost:
                yield block
                await asyncio.sleep(0)

        await exchange.deliver(StreamingResponse(forever(), self.status, media_type="application/jsonl"))


@attrs.define
class Planned:
    """A fault that waits for its calls."""

    fault: Fault
    kind: Kind | None
    dialect: str | None
    skip: int
    times: int | None


@attrs.define
class Faults:
    """The faults that are set, oldest first."""

    planned: list[Planned] = attrs.field(factory=list)

    def set(
        self,
        kind: Kind | None,
        fault: Fault,
        *,
        nth: int = 1,
        times: int | None = 1,
        dialect: str | None = None,
    ) -> None:
        """
        Let *fault* happen to calls of *kind* (any kind when None).

        Args:
            nth: From which of the next such calls on, 1 being the very next.
            times: To how many in a row; None is all from there on.
            dialect: Only at this provider.
        """
        self.planned.append(Planned(fault, kind, dialect, nth - 1, times))

    def take(self, kind: Kind, dialect: str) -> Fault | None:
        """The fault for this call; every plan that it could belong to counts it."""
        found: Fault | None = None
        for plan in tuple(self.planned):
            if plan.kind not in {None, kind} or plan.dialect not in {None, dialect}:
                continue
            if plan.skip > 0:
                plan.skip -= 1
            elif found is None:
                found = plan.fault
                if plan.times is not None:
                    plan.times -= 1
                    if plan.times <= 0:
                        self.planned.remove(plan)
        return found

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        self.planned.clear()
