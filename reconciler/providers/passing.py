"""
The wire and the sink that a provider of a user is handed: the real ones, remembering what they have raised.

Whatever these raise is our own word, and is passed on as it is. What the provider makes of it is its word.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs

from reconciler.errors import ReconcilerError, Uncertain
from reconciler.providers.calls import Call, Kind, Reply, Sink, Wire

_LOOKS: Final = frozenset({Kind.READ, Kind.DOWNLOAD})


class Passing:
    """
    A wire that remembers what it has raised.

    Attributes:
        raised: What was raised, in order.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.raised: list[BaseException] = []

    def send(self, call: Call) -> Reply:
        """Make one call and read its reply."""
        try:
            return self._wire.send(call)
        except BaseException as error:
            self.raised.append(error)
            raise

    def fetch(self, call: Call, sink: Sink) -> Mapping[str, str]:
        """Stream a reply into *sink*."""
        try:
            return self._wire.fetch(call, sink)
        except BaseException as error:
            self.raised.append(error)
            raise

    def passed(self, error: BaseException) -> bool:
        """Whether it was this wire that raised *error*."""
        return any(error is each for each in self.raised)


class Once(Passing):
    """
    The wire of one create: the first call that may make something is sent as a create, and none after it.

    Attributes:
        began: That call was made.
        answered: It was answered, and not refused.
        first: What it raised.
    """

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire)
        self.began = False
        self.answered = False
        self.first: BaseException | None = None

    def send(self, call: Call) -> Reply:
        """
        Make one call and read its reply.

        Raises:
            Uncertain: It would be the second that may make something; it was not sent.
        """
        if _only_looks(call):
            return super().send(call)
        if self.began:
            # What the first one met is still what is known.
            raise self.first or Uncertain("a create makes one call that changes something, and no second one")
        self.began = True
        try:
            # Sent as a create whatever it is called: no other kind is sent once only.
            reply = super().send(attrs.evolve(call, kind=Kind.CREATE))
        except BaseException as error:
            self.first = error
            raise
        self.answered = True
        return reply

    def fetch(self, call: Call, sink: Sink) -> Mapping[str, str]:
        """Stream a reply into *sink*, of a call that makes nothing: a cut one is made again."""
        if not _only_looks(call):
            raise TypeError("what makes something is sent, and never fetched")
        return super().fetch(call, sink)

    @property
    def may_have_made(self) -> bool:
        """Whether something may be there because of it."""
        return self.answered or (self.first is not None and not _unmade(self.first))


def _only_looks(call: Call) -> bool:
    """Whether nothing can come of a call, by what it is called and by how it is sent."""
    return call.kind in _LOOKS and call.method.upper() in {"GET", "HEAD"}


def _unmade(error: BaseException) -> bool:
    """Whether an error of the wire says that nothing was made."""
    return isinstance(error, ReconcilerError) and not isinstance(error, Uncertain)


class Taking:
    """
    A sink that remembers what it has raised, and takes bytes alone.

    Attributes:
        raised: What was raised; None for nothing.
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.raised: BaseException | None = None

    @property
    def size(self) -> int:
        """Bytes taken so far."""
        return self._sink.size

    def write(self, block: Any) -> None:
        """Take the next bytes."""
        if not isinstance(block, bytes | bytearray | memoryview):
            raise TypeError(f"answers are bytes, and this is {type(block).__name__}")
        try:
            self._sink.write(bytes(block))
        except BaseException as error:
            self.raised = error
            raise

    def restart(self) -> None:
        """Forget what was taken."""
        try:
            self._sink.restart()
        except BaseException as error:
            self.raised = error
            raise
