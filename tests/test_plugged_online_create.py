"""
The create of a provider of a user may err in any way: a batch that was made is found, and none is made twice.

`tests/plugged_provider.py` is such a provider, over the real network to the fake one. Those here are made of
it, and err in their create.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import attrs
import pytest

from reconciler.errors import CallRefused, KeyRefused, Later, PermanentError, TransientError, Unreachable
from reconciler.model.remote import RemoteBatch
from reconciler.providers.calls import Call, Kind, Reply, Sink, Wire
from reconciler.testing import FakeProvider
from tests.erring_plugs import Create, odd, own
from tests.online import put_input
from tests.plugged_provider import Acme
from tests.stopping import PLUGGED, begun, in_doubt, lines_of, resubmit, settled, sound
from tests.stopping import mended as mend
from tests.workspaces import record

DAYS: Final = 2 * 86400.0


# --- a create that errs when the batch is there -------------------------------------------------------------


def then(error: BaseException) -> Create:
    """A create that makes the batch, and raises."""

    def create(self: Acme, *asked: Any) -> Any:
        Acme.create(self, *asked)
        raise error

    return create


def giving(change: Callable[[RemoteBatch], Any]) -> Create:
    """A create that makes the batch, and gives something else."""
    return lambda self, *asked: change(Acme.create(self, *asked))


def saying(key: str, value: Any) -> Create:
    """A create that makes the batch, and says something else of it."""
    more: dict[str, Any] = {key: value}
    return giving(lambda made: attrs.evolve(made, **more))


def looks_for_another(self: Acme, wire: Wire, *asked: Any) -> RemoteBatch:
    """Makes it, then asks for one that is not there: the wire says NotThere."""
    Acme.create(self, wire, *asked)
    return self.status(wire, "batch_of_nobody")


def makes_two(self: Acme, *asked: Any) -> RemoteBatch:
    """Makes it twice."""
    Acme.create(self, *asked)
    return Acme.create(self, *asked)


def tries_again(self: Acme, *asked: Any) -> RemoteBatch:
    """Repeats a create that came to nothing, as many do."""
    for _ in range(5):
        try:
            return Acme.create(self, *asked)
        except Exception:  # noqa: BLE001, S112 - that is the error
            continue
    raise CallRefused("it did not work")


def calling_it(kind: Kind) -> Create:
    """A create that says of its call that it is another one, which the wire would repeat."""

    class Miscalled:
        def __init__(self, wire: Wire) -> None:
            self._wire = wire

        def send(self, call: Call) -> Reply:
            return self._wire.send(attrs.evolve(call, kind=kind))

        def fetch(self, call: Call, sink: Sink) -> Any:
            return self._wire.fetch(call, sink)

    return lambda self, wire, *asked: Acme.create(self, Miscalled(wire), *asked)


MADE: Final[dict[str, Create]] = {
    "value-error": then(ValueError("no such thing")),
    "unspeakable": then(ValueError("\ud800")),
    "system-exit": then(SystemExit(1)),
    "cancelled": then(asyncio.CancelledError()),
    "transient": then(TransientError("no JSON")),
    "permanent": then(PermanentError("no JSON")),
    "refused": then(CallRefused("400", status=400)),
    "later": then(Later("come back", 5.0)),
    "key": then(KeyRefused("no key")),
    "not-there": looks_for_another,
    "none": giving(lambda _made: None),
    "its-id": giving(lambda made: made.batch_id),
    "number": saying("batch_id", 7),
    "no-counts": saying("counts", None),
    "no-refusals": saying("refusals", None),
    "another-intent": saying("intent", "0" * 32),
    "twice": makes_two,
}


@pytest.mark.parametrize("create", MADE.values(), ids=MADE)
def test_a_batch_that_was_made_is_found(create: Create, fake_provider: FakeProvider) -> None:
    """Whatever a create raises or gives after the batch was made, it is found, and paid for once."""
    with begun(PLUGGED, fake_provider) as online:
        online.client = own(fake_provider, odd(create))
        online.wait(DAYS)
        sound(online, "made")
        settled(online, "made")


LOST: Final[dict[str, Create]] = {
    "repeated": tries_again,
    **{f"called-{kind}": calling_it(kind) for kind in (Kind.READ, Kind.UPLOAD, Kind.CHANGE, Kind.DOWNLOAD)},
}


@pytest.mark.parametrize("create", LOST.values(), ids=LOST)
def test_a_create_is_sent_once(create: Create, fake_provider: FakeProvider) -> None:
    """Who repeats a create whose reply was lost, or has the wire repeat it, sends it once all the same."""
    with begun(PLUGGED, fake_provider, "is-lost") as online:
        online.client = own(fake_provider, odd(create))
        online.wait(DAYS)
        assert fake_provider.calls.count("create") == 1
        settled(online, "lost")


# --- a create that errs before anything is there ------------------------------------------------------------


def before(error: BaseException) -> Create:
    """A create that raises before it sends anything."""

    def create(*_asked: Any) -> Any:
        raise error

    return create


@pytest.mark.parametrize(
    "error", [KeyError("id"), TransientError("503"), PermanentError("no"), SystemExit(2)], ids=repr
)
def test_what_nobody_knows_is_in_doubt(error: BaseException, fake_provider: FakeProvider) -> None:
    """A create that raises what nobody knows is in doubt, though nothing was made; a person sends it."""
    with begun(PLUGGED, fake_provider) as online:
        online.client = own(fake_provider, odd(before(error)))
        online.wait(DAYS)
        report = online.wait(DAYS)
        in_doubt(online, report.batch("1"), "before")
        online.client = own(fake_provider)
        resubmit(online)
        assert mend(online) is None
        settled(online, "sent by a person")


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (CallRefused("no such model", status=400), "rejected"),
        (KeyRefused("no key"), "uploaded"),
        (Later("come back", 60.0), "uploaded"),
        (Unreachable("nobody there"), "uploaded"),
    ],
    ids=["refused", "key", "later", "unreachable"],
)
def test_the_words_for_it_are_believed(error: Exception, state: str, fake_provider: FakeProvider) -> None:
    """What a provider raises to say that nothing was made leaves nothing in doubt."""
    with begun(PLUGGED, fake_provider) as online:
        online.client = own(fake_provider, odd(before(error)))
        report = online.run()
        assert record(online.root, "1")["state"] == state
        assert "acme: " in report.batch("1").because
        assert online.creates() == 0


def test_one_broken_create_is_one_doubt(fake_provider: FakeProvider) -> None:
    """Once a create has raised what nobody knows, the pass sends nothing more there; the others wait."""
    with begun(PLUGGED, fake_provider) as online:
        put_input(online.root, lines_of(PLUGGED, 10), "2")
        fake_provider.clock.advance(60.0)
        online.client = own(fake_provider, odd(before(ValueError("broken"))))
        report = online.run()
        assert record(online.root, "1")["state"] == "creating"
        assert record(online.root, "2")["state"] in (None, "prepared")
        assert "its create raised ValueError: broken" in report.batch("2").because
