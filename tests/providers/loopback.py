"""
A server on this machine that answers as it is told, faults included.

Every request that arrives is written down. Each takes the next step of the script; the last one stays.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import attrs


@attrs.frozen
class Seen:
    """One request as it arrived; `connection` counts the connections."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    connection: int


@attrs.frozen
class Talk:
    """A connection on which a request has arrived, and how to end it."""

    wire: socket.socket
    ended: threading.Event

    def say(self, data: bytes) -> None:
        """Send bytes."""
        self.wire.sendall(data)

    def reset(self) -> None:
        """End the connection with a reset."""
        self.wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.wire.close()

    def wait(self) -> None:
        """Say nothing until the test is over."""
        self.ended.wait(20)


Step = Callable[[Talk, Seen], bool]
"""Answers a request; gives whether the connection stays."""


class Loopback:
    """The server."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.steps = list(steps)
        self.seen: list[Seen] = []
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._connections = 0
        self._open: set[socket.socket] = set()
        self._door = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        """Where it listens."""
        found: int = self._door.getsockname()[1]
        return found

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        """End everything."""
        self._ended.set()
        with contextlib.suppress(OSError):
            self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()
        with self._lock:
            for wire in self._open:
                with contextlib.suppress(OSError):
                    wire.shutdown(socket.SHUT_RDWR)
                wire.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                wire, _ = self._door.accept()
                with self._lock:
                    self._open.add(wire)
                    self._connections += 1
                    number = self._connections
                threading.Thread(target=self._serve, args=(wire, number), daemon=True).start()

    def _serve(self, wire: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError), wire, wire.makefile("rb") as lines:
            while True:
                request = lines.readline().split()
                if len(request) < 2:
                    return
                headers = dict(_headers(lines))
                size = int(headers.get("content-length", "0"))
                body = lines.read(size)
                if len(body) < size:
                    return  # no server takes half a request
                seen = Seen(request[0].decode(), request[1].decode(), headers, body, number)
                with self._lock:
                    step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
                    self.seen.append(seen)
                if not step(Talk(wire, self._ended), seen):
                    return


def _headers(lines: Iterator[bytes]) -> Iterator[tuple[str, str]]:
    for line in lines:
        if not line.strip():
            return
        name, _, value = line.decode("latin-1").partition(":")
        yield name.strip().lower(), value.strip()


# --- steps ------------------------------------------------------------------------------------------

JSON: Final = {"content-type": "application/json"}


def raw(data: bytes, *, stays: bool = False) -> Step:
    """Answer with these bytes, and hang up."""

    def step(talk: Talk, _seen: Seen) -> bool:
        talk.say(data)
        return stays

    return step


def message(
    status: int = 200, body: bytes = b"{}", headers: Mapping[str, str] = JSON, *, length: int | None = None
) -> bytes:
    """A reply in bytes; *length* is what it says of its length."""
    said = {"content-length": str(len(body) if length is None else length), **headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in said.items())
    return f"HTTP/1.1 {status} Whatever\r\n{lines}\r\n".encode("latin-1") + body


def reply(status: int = 200, body: bytes = b"{}", headers: Mapping[str, str] = JSON) -> Step:
    """Answer, and keep the connection."""
    return raw(message(status, body, headers), stays=True)


def hang_up(_talk: Talk, _seen: Seen) -> bool:
    """Close without a word."""
    return False


def reset(talk: Talk, _seen: Seen) -> bool:
    """Reset without a word."""
    talk.reset()
    return False


def reset_after(data: bytes) -> Step:
    """Say this much, then reset."""

    def step(talk: Talk, _seen: Seen) -> bool:
        talk.say(data)
        talk.reset()
        return False

    return step


def silent_after(data: bytes) -> Step:
    """Say this much, then nothing."""

    def step(talk: Talk, _seen: Seen) -> bool:
        talk.say(data)
        talk.wait()
        return False

    return step


def endless(head: bytes, block: bytes) -> Step:
    """Say *head*, then *block* for ever."""

    def step(talk: Talk, _seen: Seen) -> bool:
        talk.say(head)
        while True:
            talk.say(block)

    return step


silence: Final = silent_after(b"")
