"""What the dialects share: who is calling, and how a call goes through records, faults and its handler."""

from __future__ import annotations

from abc import ABC, abstractmethod
from asyncio import Transport
from collections.abc import Awaitable, Callable, Iterable, Mapping
from email.utils import formatdate
from traceback import format_exc
from typing import Any, ClassVar

import attrs
import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from reconciler.testing.exchange import Exchange, Json, Refusal
from reconciler.testing.faults import Faults
from reconciler.testing.files import Content
from reconciler.testing.records import KEY_HEADERS, Call, Kind, Records, bare
from reconciler.testing.world import World

Handler = Callable[[Request], Awaitable[Response]]
Kinds = Kind | Callable[[Scope], Kind]


@attrs.define
class Desk:
    """
    Where every call passes.

    Attributes:
        world: What happened so far.
        faults: What goes wrong.
        records: What was asked.
        connections: Those that are open, by the other side's address.
        mistakes: Tracebacks of handlers that failed by a fault of their own.
    """

    world: World
    faults: Faults = attrs.field(factory=Faults)
    records: Records = attrs.field(factory=Records)
    connections: dict[tuple[str, int], Transport] = attrs.field(factory=dict)
    mistakes: list[str] = attrs.field(factory=list)


class Endpoint:
    """One path and method of a dialect, as an ASGI application."""

    def __init__(self, desk: Desk, dialect: Dialect | None, kind: Kinds, handle: Handler) -> None:
        self.desk = desk
        self.dialect = dialect
        self.kind = kind
        self.handle = handle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Write the call down, let due effects land, then answer or play the fault."""
        name = self.dialect.name if self.dialect else ""
        kind = self.kind(scope) if callable(self.kind) else self.kind
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        line = (scope["method"], scope["path"], scope["query_string"].decode("latin-1"))
        world = self.desk.world
        call = self.desk.records.note(world.clock.now, (name, kind), line, headers)
        transport = self.desk.connections[tuple(scope["client"])]
        exchange = Exchange(
            scope, receive, send, call, transport, self._answer, lambda: self._marks(call, world.clock.now)
        )
        await world.land()
        fault = self.desk.faults.take(kind, name)
        try:
            if fault is None:
                await exchange.deliver(await exchange.answer())
            else:
                call.fault = type(fault).__name__
                await fault.play(exchange, world)
        except ClientDisconnect:
            pass
        except Exception:
            self.desk.mistakes.append(format_exc())
            raise

    def _marks(self, call: Call, now: float) -> list[tuple[bytes, bytes]]:
        """What every answer carries: the virtual date and its number."""
        marks = [(b"date", formatdate(now, usegmt=True).encode())]
        if self.dialect is not None and self.dialect.request_id:
            marks.append((self.dialect.request_id.encode(), b"req_%08d" % call.number))
        return marks

    async def _answer(self, request: Request) -> Response:
        scripted: Refusal | None = request.scope.get("refusal")
        try:
            if scripted is None:
                return await self.handle(request)
            refusal = scripted
        except Refusal as raised:
            refusal = raised
        except ClientDisconnect:
            raise
        except Exception:  # noqa: BLE001 - whatever it was, the test has to learn of it
            # Nothing shows it otherwise: the client would see a 500 that no test has scripted.
            self.desk.mistakes.append(format_exc())
            return Response("the fake provider has made a mistake of its own", 500, media_type="text/plain")
        return self.dialect.refuse(refusal) if self.dialect else Response(status_code=refusal.status)


class Dialect(ABC):
    """
    One provider's way to speak.

    Attributes:
        name: What tests call it.
        prefix: Where its paths begin on this server.
        key_headers: In which headers it takes a key.
        request_id: The header that numbers its answers.
    """

    name: ClassVar[str]
    prefix: ClassVar[str]
    key_headers: ClassVar[tuple[str, ...]] = ("authorization",)
    request_id: ClassVar[str] = "x-request-id"

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    @property
    def world(self) -> World:
        """What happened so far."""
        return self.desk.world

    @property
    def now(self) -> float:
        """The virtual time."""
        return self.desk.world.clock.now

    @abstractmethod
    def endpoints(self) -> Iterable[tuple[str, str, Kinds, Handler]]:
        """Method, path below the prefix, kind and handler of each endpoint."""

    @abstractmethod
    def reset(self) -> None:
        """Set the switches back."""

    @abstractmethod
    def refuse(self, refusal: Refusal) -> Response:
        """A refusal in this dialect's shape."""

    def routes(self) -> list[Route]:
        """Every endpoint, for the server."""
        return [
            Route(self.prefix + path, Endpoint(self.desk, self, kind, handle), methods=[method])
            for method, path, kind, handle in self.endpoints()
        ]

    def account(self, request: Request) -> str:
        """Whose key this is; 401 for a key of nobody, and for none."""
        for name in self.key_headers:
            if name in request.headers:
                account = self.world.accounts.get(bare(request.headers[name]))
                if account is not None:
                    return account
                break
        brought = any(name in request.headers for name in KEY_HEADERS)
        raise self.unknown_key(brought=brought)

    def unknown_key(self, *, brought: bool) -> Refusal:
        """The refusal of a wrong key, or of none."""
        return Refusal(401, "Incorrect API key provided." if brought else "No API key.", "invalid_api_key")


def body_of(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer."""
    return Response(msgspec.json.encode(value), status, dict(headers or {}), "application/json")


async def object_in(request: Request) -> Json:
    """The JSON object that was sent."""
    try:
        value = msgspec.json.decode(await request.body())
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refusal(400, f"We could not parse the JSON body of your request. {error}") from None
    if not isinstance(value, dict):
        raise Refusal(400, "The JSON body of your request is not an object.")
    return value


def whole_number(request: Request, name: str, default: int, most: int, *, least: int = 1) -> int:
    """A number in the query, within its limits."""
    given = request.query_params.get(name)
    if given is None:
        return default
    try:
        number = int(given)
    except ValueError:
        raise Refusal(400, f"Invalid value for '{name}': not a number.", None, name) from None
    if not least <= number <= most:
        raise Refusal(400, f"Invalid value for '{name}': not in {least}..{most}.", None, name)
    return number


def download(request: Request, content: Content, *, media_type: str, ranges: bool = True) -> Response:
    """The bytes of a file, or the range of them that was asked for."""
    asked = request.headers.get("range", "")
    size = content.size
    if not ranges or not asked.startswith("bytes="):
        headers = {"content-length": str(size)} | ({"accept-ranges": "bytes"} if ranges else {})
        return StreamingResponse(content.chunks(), 200, headers, media_type)
    first, _, last = asked.removeprefix("bytes=").partition("-")
    if not first.isdigit() or (last and not last.isdigit()) or int(first) >= size:
        return Response(None, 416, {"content-range": f"bytes */{size}"})
    start, stop = int(first), min(int(last) + 1 if last else size, size)
    headers = {
        "content-length": str(stop - start),
        "content-range": f"bytes {start}-{stop - 1}/{size}",
        "accept-ranges": "bytes",
    }
    return StreamingResponse(content.chunks(start, stop), 206, headers, media_type)
