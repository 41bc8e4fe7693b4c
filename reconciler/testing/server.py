"""The server: one loopback address, six providers behind it, in a thread of the test's own process."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from asyncio import Transport
from threading import Thread
from typing import Any, ClassVar, Final, Self, TypeVar, cast

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from reconciler.testing.anthropic import Anthropic
from reconciler.testing.azure import Azure
from reconciler.testing.dialect import Desk, Dialect, Endpoint
from reconciler.testing.exchange import Refusal
from reconciler.testing.fates import Fate
from reconciler.testing.faults import Fault, Faults
from reconciler.testing.files import Disk
from reconciler.testing.gemini import Gemini
from reconciler.testing.mistral import Mistral
from reconciler.testing.openai import OpenAI
from reconciler.testing.openrouter import OpenRouter
from reconciler.testing.records import Kind, Records
from reconciler.testing.world import KEY, Batch, Clock, File, World

DIALECTS: Final = (OpenAI, Azure, Anthropic, Gemini, Mistral, OpenRouter)
HOST: Final = "127.0.0.1"
_D = TypeVar("_D", bound=Dialect)


class FakeProvider:
    """
    Six batch providers on one loopback address, with scripted fates and faults.

    A context manager; it works as well without: `start` and `close`.

    Args:
        port: A free one when 0.
        start: Where the virtual clock begins, in Unix seconds; the time of day when None.
        ticking: Whether that clock also runs by itself.
    """

    key: ClassVar[str] = KEY
    """A key that every dialect takes; `other-key` is that of another account."""

    def __init__(self, *, port: int = 0, start: float | None = None, ticking: bool = False) -> None:
        self._clock = (start, ticking)
        self._port = port
        self._thread: Thread | None = None
        self._server: uvicorn.Server | None = None
        self._socket: socket.socket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._disk = Disk()
        self._desk = Desk(self._world())
        self.dialects: dict[str, Dialect] = {make.name: make(self._desk) for make in DIALECTS}

    def _world(self) -> World:
        start, ticking = self._clock
        return World(self._disk, Clock(start, ticking=ticking))

    # --- what tests say and ask -----------------------------------------------------------------------------

    @property
    def clock(self) -> Clock:
        """The virtual clock."""
        return self._desk.world.clock

    @property
    def calls(self) -> Records:
        """Every call, as it arrived."""
        return self._desk.records

    @property
    def faults(self) -> Faults:
        """What goes wrong."""
        return self._desk.faults

    @property
    def world(self) -> World:
        """Files, batches and accounts."""
        return self._desk.world

    @property
    def mistakes(self) -> list[str]:
        """Tracebacks of the fake's own faults; a test that wonders about a 500 looks here."""
        return self._desk.mistakes

    @property
    def files(self) -> list[File]:
        """Every file that is not deleted, oldest first."""
        return [file for file in self._desk.world.files.values() if not file.deleted]

    @property
    def batches(self) -> list[Batch]:
        """Every batch that ever was created, oldest first."""
        return list(self._desk.world.batches.values())

    @property
    def openai(self) -> OpenAI:
        """OpenAI and compatible services."""
        return self._dialect(OpenAI)

    @property
    def azure(self) -> Azure:
        """Azure OpenAI, both surfaces."""
        return self._dialect(Azure)

    @property
    def anthropic(self) -> Anthropic:
        """Anthropic's Message Batches."""
        return self._dialect(Anthropic)

    @property
    def gemini(self) -> Gemini:
        """Gemini's Developer API."""
        return self._dialect(Gemini)

    @property
    def mistral(self) -> Mistral:
        """Mistral's batch jobs."""
        return self._dialect(Mistral)

    @property
    def openrouter(self) -> OpenRouter:
        """OpenRouter."""
        return self._dialect(OpenRouter)

    def _dialect(self, kind: type[_D]) -> _D:
        return cast("_D", self.dialects[kind.name])

    def url(self, name: str = "") -> str:
        """The base URL to give a client of provider *name*; without one, the server's origin."""
        origin = f"http://{HOST}:{self.port}"
        return origin + self.dialects[name].prefix if name else origin

    @property
    def port(self) -> int:
        """Where it listens."""
        if self._socket is None:
            raise RuntimeError("the fake provider has not been started")
        return int(self._socket.getsockname()[1])

    def script(self, *fates: Fate) -> None:
        """The next batches that are created have these fates, in this order."""
        self._desk.world.script.extend(fates)

    def default(self, fate: Fate) -> None:
        """What becomes of batches that no `script` speaks of."""
        self._desk.world.default = fate

    def fault(self, kind: Kind | None, fault: Fault, **when: Any) -> None:
        """Let something go wrong; see `Faults.set`."""
        self._desk.faults.set(kind, fault, **when)

    def reset(self) -> None:
        """Forget everything that happened and was scripted; the server goes on."""
        for file in self._desk.world.files.values():
            self._disk.drop(file.content)
        self._disk.abandon()
        self._desk.world = self._world()
        self._desk.faults.clear()
        self._desk.records.clear()
        self._desk.mistakes.clear()
        for dialect in self.dialects.values():
            dialect.reset()

    # --- the server -----------------------------------------------------------------------------------------

    def _application(self) -> Starlette:
        routes = [route for dialect in self.dialects.values() for route in dialect.routes()]
        methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
        nobody = Route("/{path:path}", Endpoint(self._desk, None, "other", _nobody), methods=methods)
        return Starlette(routes=[*routes, nobody])

    def start(self) -> Self:
        """Listen; calls are answered from now on."""
        self._socket = socket.create_server((HOST, self._port))
        connections = self._desk.connections

        class Protocol(H11Protocol):
            """uvicorn's own, which also says which connection a call came on."""

            def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
                self.peer = transport.get_extra_info("peername")
                connections[self.peer] = transport
                # asyncio does that for sockets made as TCP, which this one is not; 40 ms a call otherwise.
                peer = transport.get_extra_info("socket")
                peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                super().connection_made(transport)

            def connection_lost(self, exc: Exception | None) -> None:
                connections.pop(self.peer, None)
                super().connection_lost(exc)

        self._server = uvicorn.Server(
            uvicorn.Config(
                self._application(),
                http=Protocol,
                ws="none",
                lifespan="off",
                loop="asyncio",
                log_config=None,
                log_level="critical",
                access_log=False,
                server_header=False,
                date_header=False,
            )
        )
        self._thread = Thread(target=self._run, name="fake-provider", daemon=True)
        self._thread.start()
        return self

    def _run(self) -> None:
        server, listening = self._server, self._socket
        if server is None or listening is None:
            return

        async def serve() -> None:
            self._loop = asyncio.get_running_loop()
            await server.serve(sockets=[listening])

        asyncio.run(serve())

    def close(self) -> None:
        """Hang up on everybody, stop, and remove what was stored."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            while self._thread.is_alive():
                # Whoever still waits for an answer is hung up on; a call may have come in between.
                self._hang_up()
                self._thread.join(0.02)
        if self._socket is not None:
            self._socket.close()
        self._disk.close()

    def _hang_up(self) -> None:
        loop = self._loop
        if loop is None:
            return

        def abort() -> None:
            for transport in tuple(self._desk.connections.values()):
                transport.abort()

        with contextlib.suppress(RuntimeError):  # the loop has just been closed
            loop.call_soon_threadsafe(abort)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()


async def _nobody(request: Request) -> Response:
    """A path that no provider serves; the call is written down all the same."""
    raise Refusal(404, f"nothing is at {request.url.path}")
