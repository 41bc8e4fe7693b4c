"""
A server on loopback that stands between a client and whoever answers it, and keeps what both said.

What answers is a function: `forward` asks another server, `Replay` gives what was kept before.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import attrs

HOP: Final = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding"})
"""Headers of one connection, which are not handed on."""


@attrs.frozen
class Said:
    """
    One side of an exchange.

    Attributes:
        line: `METHOD /path?query` of a request, the status of an answer.
        headers: By name in lower case.
        body: The whole body.
    """

    line: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def method(self) -> str:
        """GET, POST, DELETE."""
        return self.line.partition(" ")[0]

    @property
    def path(self) -> str:
        """The path of a request."""
        return urlsplit(self.line.partition(" ")[2]).path

    @property
    def query(self) -> dict[str, str]:
        """The query of a request."""
        return dict(parse_qsl(urlsplit(self.line.partition(" ")[2]).query, keep_blank_values=True))

    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


@attrs.frozen
class Spoken:
    """A request and its answer."""

    asked: Said
    answered: Said


Answer = Callable[[Said], Said]


def forward(origin: str, timeout: float = 60.0) -> Answer:
    """Ask the server at *origin* (`http://host:port`) the same."""
    place = urlsplit(origin).netloc

    def answer(asked: Said) -> Said:
        connection = http.client.HTTPConnection(place, timeout=timeout)
        try:
            method, _, target = asked.line.partition(" ")
            headers = {name: value for name, value in asked.headers.items() if name not in HOP}
            connection.request(method, target, asked.body or None, headers)
            reply = connection.getresponse()
            return Said(str(reply.status), lowered(reply.headers), reply.read())
        finally:
            connection.close()

    return answer


def lowered(headers: Message) -> dict[str, str]:
    """Headers by name in lower case."""
    return {name.lower(): value for name, value in headers.items()}


class Tape:
    """
    The server and what it heard.

    Attributes:
        spoken: Every exchange, in the order of the answers.
        failures: What went wrong inside; a test looks here.
        url: Where it listens.
    """

    def __init__(self, answer: Answer) -> None:
        self.spoken: list[Spoken] = []
        self.failures: list[str] = []
        self._lock = Lock()
        tape = self

        class Handler(BaseHTTPRequestHandler):
            """Hands a request on, and its answer back."""

            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle_any(self) -> None:
                """One request."""
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                asked = Said(f"{self.command} {self.path}", lowered(self.headers), body)
                with tape._lock:
                    try:
                        answered = answer(asked)
                    except Exception as error:  # noqa: BLE001 - told to the test, which fails with it
                        tape.failures.append(f"{asked.line}: {error!r}")
                        answered = Said("500", {}, b"")
                    tape.spoken.append(Spoken(asked, answered))
                self.send_response(int(answered.line))
                for name, value in answered.headers.items():
                    if name not in HOP:
                        self.send_header(name, value)
                self.send_header("content-length", str(len(answered.body)))
                self.end_headers()
                self.wfile.write(answered.body)

            do_GET = do_POST = do_DELETE = handle_any  # noqa: N815 - names of the standard library

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - likewise
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url: Final = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def taped(answer: Answer) -> Iterator[Tape]:
    """A tape for as long as a test lasts, which fails with what failed in it."""
    tape = Tape(answer)
    try:
        yield tape
    finally:
        tape.close()
    assert tape.failures == []


def found(spoken: Sequence[Spoken], method: str, end: str) -> list[Spoken]:
    """The exchanges with that method, whose path ends so."""
    return [each for each in spoken if each.asked.method == method and each.asked.path.endswith(end)]
