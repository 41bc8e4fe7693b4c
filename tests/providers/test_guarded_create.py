"""A create of a provider of a user, behind its guard: sent once, and believed where it is proven."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from reconciler.errors import (
    CallRefused,
    KeyRefused,
    Later,
    NotThere,
    ReconcilerError,
    TransientError,
    Uncertain,
)
from reconciler.model.remote import RemoteBatch
from reconciler.providers.calls import Call, Kind
from tests.providers.calling import Taken
from tests.providers.guarding import ASKS, GET, MADE, POST, Said, Whole, create, made, plugged, raising


@pytest.mark.parametrize(
    "error", [CallRefused("400"), KeyRefused("401"), Later("429", 1.0), TransientError("x")]
)
def test_the_wires_word_for_the_create_is_kept(error: ReconcilerError) -> None:
    """What the wire says of that one call is known: nothing was made."""
    with pytest.raises(ReconcilerError) as raised:
        create(plugged(), Said([error]))
    assert raised.value is error


def test_an_error_of_another_call_says_nothing_of_the_create() -> None:
    """A refusal of a look, before the create or after it, is no refusal of the create."""

    def looks(self: Any, wire: Any, *asked: Any) -> Any:
        wire.send(GET)
        return Whole.create(self, wire, *asked)

    with pytest.raises(Uncertain, match="its create raised NotThere"):
        create(plugged(create=looks), Said([NotThere("404", status=404)]))


def test_a_refusal_after_a_lost_reply_is_not_believed() -> None:
    """Nobody who has lost the reply of a create knows that nothing was made."""

    def gives_up(self: Any, *asked: Any) -> Any:
        try:
            return Whole.create(self, *asked)
        except Uncertain as error:
            raise CallRefused("it did not work") from error

    with pytest.raises(Uncertain, match="its create raised CallRefused"):
        create(plugged(create=gives_up), Said([Uncertain("no reply")]))


def test_a_batch_that_was_found_by_its_tag_is_believed() -> None:
    """A provider may look for the batch itself once the reply is lost; without the tag it is not believed."""

    def searching(found: RemoteBatch) -> Callable[..., Any]:
        def method(self: Any, *asked: Any) -> Any:
            try:
                return Whole.create(self, *asked)
            except Uncertain:
                return found

        return method

    assert create(plugged(create=searching(MADE)), Said([Uncertain("no reply")])) == MADE
    with pytest.raises(Uncertain, match="came to nothing"):
        create(plugged(create=searching(made(intent=None))), Said([Uncertain("no reply")]))


@pytest.mark.parametrize(
    "call", [POST, attrs.evolve(GET, method="PUT"), attrs.evolve(POST, kind=Kind.UPLOAD)]
)
def test_what_may_make_something_is_sent_as_a_create(call: Call) -> None:
    """A call of a create that is no look goes out as one that is never repeated; a second one does not go."""

    def twice(_self: Any, wire: Any, *_asked: Any) -> Any:
        wire.send(call)
        wire.send(call)

    wire = Said()
    with pytest.raises(Uncertain):
        create(plugged(create=twice), wire)
    assert [each.kind for each in wire.calls] == [Kind.CREATE]


def test_anothers_batch_is_not_taken_for_ours() -> None:
    """A create that gives a batch of another intent has made ours or not: it is in doubt."""

    def another(self: Any, *asked: Any) -> RemoteBatch:
        Whole.create(self, *asked)
        return made(batch_id="b-0", intent="2" * 32)

    with pytest.raises(Uncertain, match="b-0, which is of another intent"):
        create(plugged(create=another), Said())


def test_a_create_is_not_fetched() -> None:
    """A stream is begun anew where it is cut, and so must not make anything."""
    wire = Said()
    with pytest.raises(Uncertain):
        create(plugged(create=lambda _self, wire, *_asked: wire.fetch(POST, Taken())), wire)
    assert wire.calls == []


def test_a_broken_create_is_not_called_again_in_a_pass() -> None:
    """One doubt is enough for a pass; the next pass, which has a wire of its own, asks again."""
    remote, wire = plugged(create=raising(KeyError("id"))), Said()
    with pytest.raises(Uncertain, match="its create raised KeyError"):
        create(remote, wire)
    for ask in (create, ASKS["upload"]):
        with pytest.raises(TransientError, match="nothing more is sent in this pass") as raised:
            ask(remote, wire)
        assert not isinstance(raised.value, Uncertain)
    assert ASKS["status"](remote, wire) == MADE
    with pytest.raises(Uncertain):
        create(remote, Said())
