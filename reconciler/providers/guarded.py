"""
A provider of a user, held to what the engine relies on.

It may raise anything and say anything. A create that it was asked for is in doubt unless the provider, or the
wire, says in so many words that nothing was made; elsewhere whatever it raises is a call that has failed, and
is told with its name. What it says is taken over as plain values, or called nonsense.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

import attrs

from reconciler.errors import (
    CallRefused,
    KeyRefused,
    Later,
    ReconcilerError,
    TransientError,
    Uncertain,
    Unreachable,
)
from reconciler.model.exchange import Dialect
from reconciler.model.remote import Limits, Order, RemoteBatch, RemoteFile
from reconciler.model.words import words_of
from reconciler.providers import stating
from reconciler.providers.calls import Sink, Source, Wire
from reconciler.providers.passing import Once, Passing, Taking
from reconciler.providers.stating import Nonsense, seen

T = TypeVar("T")

_CIRCLES: Final = 10_000
"""How often a list may name what it has named before."""

_NOTHING_MADE: Final = (CallRefused, KeyRefused, Later, Unreachable)
"""What a provider raises to say that its create has made nothing."""


@attrs.define(eq=False)
class Guarded:
    """
    A `Remote` that is made of a provider of a user; see there.

    Attributes:
        own: The provider.
        name: What settings call it.
        hide: Takes the keys that it was given out of a text.
    """

    own: Any = attrs.field(repr=False)
    name: str
    account: str
    limits: Limits
    dialects: frozenset[Dialect]
    takes_file: bool
    tags: bool
    numbers_ids: bool
    one_stream: bool
    one_model: bool
    cancels: bool
    model: str | None
    endpoint: str
    hide: stating.Hide = attrs.field(repr=False)
    _broken: tuple[Wire, str] | None = attrs.field(default=None, init=False, repr=False)

    def upload(self, wire: Wire, source: Source, name: str) -> str:
        """Store an input, and give its file id."""
        self._refuse_more(wire)
        passing = Passing(wire)

        def ask() -> str:
            return stating.text("the file id", self.own.upload(passing, source, name))

        return self._asked("upload", passing, ask)

    def is_ready(self, wire: Wire, file_id: str) -> bool:
        """Whether an uploaded file can be made a batch of."""
        passing = Passing(wire)
        return self._asked("is_ready", passing, lambda: _truth(self.own.is_ready(passing, file_id)))

    def create(self, wire: Wire, order: Order, source: Source, file_id: str | None) -> RemoteBatch:
        """
        Create a batch: one call, never repeated.

        Raises:
            Uncertain: Something may have been made: also where the provider raises what nobody knows.
            CallRefused, KeyRefused, Later, Unreachable: The provider, or the wire, says that nothing was.
            ReconcilerError: What else the wire raises for the create itself.
        """
        self._refuse_more(wire)
        once = Once(wire)
        try:
            made = self.own.create(once, order, source, file_id)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            if error is once.first:
                raise  # our own word for what became of that one call
            raise self._of_create(error, once, wire) from error
        return self._made(made, order, once)

    def status(self, wire: Wire, batch_id: str) -> RemoteBatch:
        """Ask for one batch."""
        passing = Passing(wire)
        return self._asked(
            "status", passing, lambda: self._told(self.own.status(passing, batch_id), batch_id)
        )

    def batches(self, wire: Wire, since: float | None = None) -> Iterator[RemoteBatch]:
        """Batches of this account; each once."""
        return self._each(
            "batches",
            wire,
            lambda passing: self.own.batches(passing, since),
            lambda found: stating.batch(found, self.hide),
            lambda found: found.batch_id,
        )

    def download(self, wire: Wire, file_id: str, sink: Sink) -> int | None:
        """Fetch one answer file, and give its size where it is told."""
        passing, taking = Passing(wire), Taking(sink)

        def ask() -> int | None:
            return stating.count("the size", self.own.download(passing, file_id, taking))

        return self._asked("download", passing, ask, taking)

    def cancel(self, wire: Wire, batch_id: str) -> None:
        """Ask for the end of a batch."""
        passing = Passing(wire)
        self._asked("cancel", passing, lambda: self.own.cancel(passing, batch_id))

    def files(self, wire: Wire) -> Iterator[RemoteFile]:
        """Files of this account; each once."""
        return self._each("files", wire, self.own.files, stating.file, lambda found: found.file_id)

    def delete_file(self, wire: Wire, file_id: str) -> None:
        """Remove a file there."""
        passing = Passing(wire)
        self._asked("delete_file", passing, lambda: self.own.delete_file(passing, file_id))

    # A create

    def _refuse_more(self, wire: Wire) -> None:
        """
        Send nothing more in a pass in which a create broke: each further one would be in doubt, too.

        Raises:
            TransientError: So it is.
        """
        if self._broken is not None and self._broken[0] is wire:
            raise TransientError(f"{self._broken[1]}; nothing more is sent in this pass")

    def _made(self, made: Any, order: Order, once: Once) -> RemoteBatch:
        """
        What a create gave.

        Raises:
            Uncertain: It is not the batch that was asked for, as far as anybody can tell.
        """
        try:
            batch = stating.batch(made, self.hide)
        except Exception as error:  # noqa: BLE001 - it may be of a class of the user's
            batch = self._salvaged(made, error)
        if batch.intent not in (None, order.intent):
            raise Uncertain(f"{self.name}: its create gave {batch.batch_id}, which is of another intent")
        if once.first is not None and batch.intent is None:
            told = f"its create gave {batch.batch_id}, and its call came to nothing ({words_of(once.first)})"
            raise Uncertain(self.hide(f"{self.name}: {told}"))
        return batch

    def _salvaged(self, made: Any, error: Exception) -> RemoteBatch:
        """
        The id of a batch of which nothing else makes sense: it was paid for.

        Raises:
            Uncertain: That makes none either.
        """
        try:
            return RemoteBatch(stating.text("batch_id", made.batch_id), "")
        except Exception:  # noqa: BLE001 - likewise
            told = f"its create gave {words_of(error)}: a batch may have been made"
            raise Uncertain(self.hide(f"{self.name}: {told}")) from error

    def _of_create(self, error: BaseException, once: Once, wire: Wire) -> ReconcilerError:
        """What an error of a create comes to that is not the wire's word for that one call."""
        ours = stating.restated(error, self.name, self.hide)
        if isinstance(ours, Uncertain):
            return ours
        if isinstance(ours, _NOTHING_MADE) and not once.may_have_made and not once.passed(error):
            return ours
        told = self.hide(f"{self.name}: its create raised {type(error).__name__}: {words_of(error)}")
        if ours is None:
            self._broken = (wire, told)
        return Uncertain(told)

    # All else

    def _asked(self, what: str, passing: Passing, ask: Callable[[], T], taking: Taking | None = None) -> T:
        """
        One call of the provider, held to raising what a call may raise.

        Raises:
            ReconcilerError: It has failed.
        """
        try:
            found = ask()
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            if passing.passed(error) or (taking is not None and error is taking.raised):
                raise
            if taking is None or taking.raised is None:
                raise self._failed(what, error) from error
        else:
            if taking is None or taking.raised is None:
                return found
        # A full disk, or an end that somebody asked for, is not the provider's to swallow.
        raise taking.raised

    def _failed(self, what: str, error: BaseException) -> ReconcilerError:
        """A call that has failed, in words."""
        if isinstance(error, Nonsense):
            return TransientError(self.hide(f"{self.name}: its {what} gave {error}"))
        ours = stating.restated(error, self.name, self.hide)
        if ours is not None:
            return TransientError(ours.message, hint=ours.hint) if isinstance(ours, Uncertain) else ours
        told = f"{type(error).__name__}: {words_of(error)}"
        return TransientError(self.hide(f"{self.name}: its {what} raised {told}"))

    def _told(self, found: Any, batch_id: str) -> RemoteBatch:
        """
        The batch that was asked for.

        Raises:
            Nonsense: It is another, or says nothing.
        """
        batch = stating.batch(found, self.hide)
        if batch.batch_id != batch_id:
            raise Nonsense(f"{batch.batch_id:.80}, where {batch_id:.80} was asked for")
        if not batch.status:
            raise Nonsense("no status")
        return batch

    def _each(
        self,
        what: str,
        wire: Wire,
        ask: Callable[[Passing], Any],
        sound: Callable[[Any], T],
        key: Callable[[T], str],
    ) -> Iterator[T]:
        """The items of a list, each once; a list with one that cannot be read is no answer."""
        passing = Passing(wire)
        known: set[str] = set()
        repeats = 0
        items = self._asked(what, passing, lambda: iter(ask(passing)))
        end = object()

        def take() -> T | object:
            found = next(items, end)
            return end if found is end else sound(found)

        while (found := self._asked(what, passing, take)) is not end:
            item: Any = found
            if key(item) not in known:
                known.add(key(item))
                yield item
            elif (repeats := repeats + 1) > _CIRCLES:
                raise TransientError(f"{self.name}: its list of {what} goes in circles")


def _truth(value: Any) -> bool:
    """
    True or False.

    Raises:
        Nonsense: Something else.
    """
    if type(value) is not bool:
        raise Nonsense(f"{seen(value)}, expected True or False")
    return value
