"""
What systemd wants to hear of a service: that it is ready, that it lives, that it leaves.

A datagram to the socket that NOTIFY_SOCKET names, as sd_notify(3) describes. Elsewhere it does nothing.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Mapping

_CLOSE_ON_EXEC = getattr(socket, "SOCK_CLOEXEC", 0)
SECOND = 1_000_000.0
"""Microseconds."""


class Systemd:
    """
    The service manager, if there is one.

    Args:
        environment: Where it says how it is reached.
        clock: Seconds that only go forward, as of CLOCK_MONOTONIC.
    """

    def __init__(self, environment: Mapping[str, str], clock: Callable[[], float]) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self._clock = clock
        try:
            wanted = float(environment.get("WATCHDOG_USEC", "0")) / SECOND
        except ValueError:
            wanted = 0.0
        # Twice in the time that it grants, as its manual asks for.
        self._every = wanted / 2
        self._next = 0.0

    def ready(self, told: str) -> None:
        """All workspaces are watched."""
        self._send(f"READY=1\nSTATUS={told}")

    def alive(self) -> None:
        """Every thread lives; sent as often as it wants to hear it."""
        now = self._clock()
        if self._every and now >= self._next:
            self._next = now + self._every
            self._send("WATCHDOG=1")

    def reloading(self) -> None:
        """Settings are read anew; `ready` ends that."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={int(self._clock() * SECOND)}")

    def stopping(self) -> None:
        """The process leaves."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address.startswith(("/", "@")):
            return
        address = "\0" + self._address[1:] if self._address[0] == "@" else self._address
        # A manager that does not listen must not stop the work.
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | _CLOSE_ON_EXEC) as out,
        ):
            out.sendto(message.encode(), address)
