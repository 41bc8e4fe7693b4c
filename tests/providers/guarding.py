"""A provider of a user for tests, behind its guard, and a wire in memory that answers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs

from reconciler.model.remote import Order, RemoteBatch
from reconciler.providers.base import Remote
from reconciler.providers.calls import Call, Kind, Origin, Reply, Sink
from reconciler.providers.keys import ProviderOptions
from reconciler.providers.own import BatchProvider
from reconciler.providers.plugged import plug
from tests.providers.calling import Taken, source

SECRET: Final = "acme-secret-0123456789"
ORIGIN: Final = Origin("acme", "https://acme.example")
GET: Final = Call(Kind.READ, ORIGIN, "GET", "/batches")
POST: Final = Call(Kind.CREATE, ORIGIN, "POST", "/batches")
INTENT: Final = "1" * 32
ORDER: Final = Order(INTENT, "/v1/chat/completions", None, 1)
MADE: Final = RemoteBatch("b-1", "in_progress", intent=INTENT)


@attrs.define(eq=False)
class Said:
    """A wire in memory: what it answers or raises, call by call, and what it was asked."""

    answers: list[Any] = attrs.field(factory=list)
    calls: list[Call] = attrs.field(factory=list)

    def send(self, call: Call) -> Reply:
        """Give the next answer."""
        self.calls.append(call)
        answer = self.answers.pop(0) if self.answers else b"{}"
        if isinstance(answer, BaseException):
            raise answer
        return Reply(200, {}, answer)

    def fetch(self, call: Call, sink: Sink) -> Mapping[str, str]:
        """Give the next answer to *sink*."""
        sink.write(self.send(call).body)
        return {}


class Whole(BatchProvider):
    """A provider that does what it should, and nothing in between."""

    account = SECRET
    takes_file = True
    cancels = True

    def upload(self, *_asked: Any) -> Any:
        """Store nothing."""
        return "f-1"

    def create(self, wire: Any, *_asked: Any) -> Any:
        """One call."""
        wire.send(POST)
        return MADE

    def status(self, *_asked: Any) -> Any:
        """It goes on."""
        return MADE

    def batches(self, *_asked: Any) -> Any:
        """It is there."""
        return iter([MADE])

    def download(self, *_asked: Any) -> Any:
        """There is nothing."""
        return None

    def cancel(self, *_asked: Any) -> Any:
        """It stops."""
        return None


def plugged(**methods: Callable[..., Any]) -> Remote:
    """That provider with other methods, behind its guard."""
    kind = type("Own", (Whole,), methods)

    def factory(_options: ProviderOptions, environment: Mapping[str, str]) -> Any:
        assert environment["ACME_API_KEY"]
        return kind()

    found = plug("acme", factory, ProviderOptions(), {"ACME_API_KEY": SECRET})
    assert isinstance(found, Remote)
    return found


def made(**more: Any) -> RemoteBatch:
    """A batch that says something else."""
    return attrs.evolve(MADE, **more)


ASKS: Final[dict[str, Callable[[Remote, Any], Any]]] = {
    "upload": lambda remote, wire: remote.upload(wire, source(b"{}\n"), "batch_input.jsonl"),
    "is_ready": lambda remote, wire: remote.is_ready(wire, "f-1"),
    "status": lambda remote, wire: remote.status(wire, "b-1"),
    "batches": lambda remote, wire: list(remote.batches(wire)),
    "download": lambda remote, wire: remote.download(wire, "f-1", Taken()),
    "cancel": lambda remote, wire: remote.cancel(wire, "b-1"),
    "files": lambda remote, wire: list(remote.files(wire)),
    "delete_file": lambda remote, wire: remote.delete_file(wire, "f-1"),
}
"""Each call but the create."""


def create(remote: Remote, wire: Said) -> RemoteBatch:
    """Ask for one."""
    return remote.create(wire, ORDER, source(b"{}\n"), "f-1")


def raising(error: BaseException) -> Callable[..., Any]:
    """A method that raises."""

    def method(*_asked: Any) -> Any:
        raise error

    return method


def sending(*answers: Any) -> tuple[Callable[..., Any], Said]:
    """A method that makes a call, and the wire that answers it."""

    def method(_self: Any, wire: Any, *_asked: Any) -> Any:
        return wire.send(GET)

    return method, Said([*answers])
