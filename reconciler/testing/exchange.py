"""One call and its answer, down to the socket: what handlers answer with and what faults act on."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from asyncio import Transport
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final

import attrs
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from reconciler.testing.records import Call

RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER for a close that is a reset."""


@attrs.frozen
class Refusal(Exception):
    """
    A request is refused; the dialect gives it its own shape.

    Attributes:
        status: The HTTP status.
        message: What the provider says.
        code: Its machine-readable word, where there is one.
        param: Which field is to blame, where that is told.
        headers: Further headers.
    """

    status: int
    message: str
    code: str | None = None
    param: str | None = None
    headers: Mapping[str, str] = attrs.field(factory=dict)


class _Enough(Exception):
    """The captured part of a body is complete."""


@attrs.define
class Captured:
    """What a handler would have answered."""

    status: int = 200
    headers: list[tuple[bytes, bytes]] = attrs.field(factory=list)
    body: bytearray = attrs.field(factory=bytearray)

    def head(self, *, without: tuple[bytes, ...] = (), **more: str) -> bytes:
        """The status line and headers as bytes, some left out, some added (`content_length`)."""
        fields = [(name, value) for name, value in self.headers if name.lower() not in without]
        fields += [(name.replace("_", "-").encode(), value.encode()) for name, value in more.items()]
        lines = [b"HTTP/1.1 %d Scripted" % self.status, *(b"%s: %s" % field for field in fields)]
        return b"\r\n".join([*lines, b"", b""])


@attrs.define
class Exchange:
    """
    One call that is being answered.

    Attributes:
        call: How it is written down.
        transport: The connection.
        handle: What answers it when nothing interferes; never raises a refusal.
        marks: Headers that every answer carries.
    """

    scope: Scope
    receive: Receive
    send: Send
    call: Call
    transport: Transport
    handle: Callable[[Request], Awaitable[Response]]
    marks: Callable[[], list[tuple[bytes, bytes]]]
    _read: bool = False

    async def take(self) -> Message:
        """The next piece of the request."""
        message = await self.receive()
        if message["type"] == "http.request":
            self.call.received += len(message.get("body", b""))
            self._read = not message.get("more_body", False)
        return message

    async def answer(self) -> Response:
        """Let the handler do its work: from here on the effect has happened."""
        return await self.handle(Request(self.scope, self.take))

    async def deliver(self, response: Response) -> None:
        """Send *response*, once all of the request has been read."""
        await self.drain()
        self.call.status = response.status_code
        marks = self.marks()

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *marks]
            await self.send(message)

        await response(self.scope, self.take, send)

    async def drain(self) -> None:
        """Read what is left of the request and let go of it."""
        while not self._read and (await self.take())["type"] != "http.disconnect":
            pass

    async def body(self) -> bytes:
        """The whole request body."""
        return await Request(self.scope, self.take).body()

    async def capture(self, response: Response, limit: int) -> Captured:
        """The first *limit* bytes of what *response* would send."""
        captured = Captured()

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                captured.status = message["status"]
                captured.headers = list(message.get("headers", ()))
                return
            captured.body += message.get("body", b"")
            if len(captured.body) >= limit:
                raise _Enough

        await self.drain()
        with contextlib.suppress(_Enough):
            await response(self.scope, _never, send)
        del captured.body[limit:]
        return captured

    async def reset(self) -> None:
        """Close the connection with a reset."""
        connection = self.transport.get_extra_info("socket")
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.transport.abort()
        await self.gone()

    async def raw(self, *pieces: bytes, reset: bool = False) -> None:
        """Send bytes as they are, then close (or reset) the connection."""
        for piece in pieces:
            self.transport.write(piece)
        if reset:
            # What was written is on its way: the pieces are small enough for the socket's buffer.
            await self.reset()
            return
        self.transport.close()
        await self.gone()

    async def gone(self) -> None:
        """Wait until the other side has gone."""
        while (await self.receive())["type"] != "http.disconnect":
            pass

    @property
    def lost(self) -> bool:
        """Whether the connection is closed."""
        return self.transport.is_closing()


async def _never() -> Message:
    """A request of which nothing more comes, not even its end: whoever listens for that waits."""
    await asyncio.Event().wait()
    return {"type": "http.disconnect"}


def replay(scope: Scope, body: bytes) -> Request:
    """A request that was read before, to be handled later."""
    left = [body]

    async def receive() -> Message:
        return {"type": "http.request", "body": left.pop() if left else b"", "more_body": False}

    return Request(dict(scope), receive)


async def pieces(request: Request) -> AsyncIterator[bytes]:
    """The body of a request as it comes."""
    async for piece in request.stream():
        if piece:
            yield piece


def header(request: Request, name: str) -> str:
    """A header, or an empty text."""
    return request.headers.get(name, "")


Json = dict[str, Any]
