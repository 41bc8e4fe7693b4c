"""
The providers of one pass: who can be asked, and what they said that concerns every batch of theirs.

A refused key, an empty account or a host that is out of reach is found out once, not once a batch. Where many
batches are in flight, a few pages of a list answer for all of them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

import attrs

from reconciler.errors import CallRefused, KeyRefused, Later, PermanentError, TransientError, Uncertain
from reconciler.model.status import Phase, phase_of
from reconciler.providers.base import Provider, Remote

if TYPE_CHECKING:
    from reconciler.model.remote import RemoteBatch
    from reconciler.providers.calls import Wire

STRIKES: Final = 5
"""Batches in a row for which nothing sensible came back, after which a provider is left alone for a pass."""

FEW: Final = 3
"""Batches that are asked for one by one; from the next one on, a list is asked for."""

NO_CREDIT: Final = frozenset({"insufficient_quota", "billing_error", "billing_hard_limit_reached"})
"""Codes of a provider that wants money first (OpenAI, Anthropic)."""


@attrs.define
class _Heard:
    """
    What one account has said in this pass.

    Attributes:
        over: Why it is not asked any more.
        strikes: How many calls in a row came to nothing.
        asked: How many batches were asked for one by one.
        pages: The rest of its list of batches, once one was asked for.
        listed: What has come of that list.
    """

    over: Exception | None = None
    strikes: int = 0
    asked: int = 0
    pages: Iterator[RemoteBatch] | None = None
    listed: dict[str, RemoteBatch] = attrs.field(factory=dict)


class Remotes:
    """
    Calls of one pass.

    Args:
        wire: Makes calls; not called before the first one is wanted.

    Attributes:
        full: Where a batch of this pass found no room, and why.
    """

    def __init__(self, wire: Callable[[], Wire]) -> None:
        self._open = wire
        self._wire: Wire | None = None
        self._heard: dict[str, _Heard] = {}
        self._told: set[str] = set()
        self.full: dict[str, str] = {}

    def once(self, first: str, then: str) -> str:
        """*first* where it has not been told in this pass, *then* where it has."""
        told = first in self._told
        self._told.add(first)
        return then if told else first

    @contextlib.contextmanager
    def asking(self, remote: Remote) -> Iterator[Wire]:
        """
        Ask a provider; what concerns all of its batches is remembered.

        Raises:
            ReconcilerError: What it said to an earlier batch of this pass, or says now.
        """
        self.hold_back(remote)
        heard = self._of(remote)
        if self._wire is None:
            self._wire = self._open()
        try:
            yield self._wire
            heard.strikes = 0
        except (KeyRefused, Later) as error:
            heard.over = error
            raise
        except CallRefused as error:
            if error.code in NO_CREDIT:
                heard.over = error
            raise
        except Uncertain:
            raise
        except TransientError as error:
            # Each was tried several times already. One batch alone must not stand in the way of the others.
            heard.strikes += 1
            if heard.strikes >= STRIKES:
                heard.over = error
            raise

    def hold_back(self, remote: Remote) -> None:
        """
        Do nothing, unless the provider is not asked any more in this pass.

        Raises:
            ReconcilerError: What it said to an earlier batch.
        """
        over = self._of(remote).over
        if over is not None:
            raise over

    def look(self, remote: Remote, batch_id: str) -> RemoteBatch:
        """
        How one batch is doing: by a list of all, once a few were asked for.

        Raises:
            NotThere: The provider knows nothing of it.
            ReconcilerError: It cannot be asked.
        """
        heard = self._of(remote)
        with self.asking(remote) as wire:
            if heard.asked < FEW:
                heard.asked += 1
                return remote.status(wire, batch_id)
            found = self._listed(remote, wire, batch_id)
            if found is None or phase_of(found.status) is not Phase.RUNNING:
                # A list may leave out what has ended; what has ended is asked for once.
                return remote.status(wire, batch_id)
            return found

    def _listed(self, remote: Remote, wire: Wire, batch_id: str) -> RemoteBatch | None:
        """A batch as the list has it; pages are taken only until it is found."""
        heard = self._of(remote)
        if heard.pages is None:
            heard.pages = remote.batches(wire)
        while batch_id not in heard.listed:
            found = next(heard.pages, None)
            if found is None:
                return None
            heard.listed[found.batch_id] = found
        return heard.listed[batch_id]

    def _of(self, remote: Remote) -> _Heard:
        return self._heard.setdefault(f"{remote.name} {remote.account}", _Heard())


def no_wire() -> Wire:
    """For passes that were given no way to make calls."""
    raise PermanentError("this process makes no calls to providers")


def remote_of(providers: Mapping[str, Provider], name: str) -> Remote:
    """
    The client of a provider.

    Raises:
        PermanentError: This process has none of that name that takes whole batches.
    """
    found = providers.get(name)
    if not isinstance(found, Remote):
        raise PermanentError(f"there is no client for the provider {name!r}")
    return found


def nameless(name: str) -> PermanentError:
    """Metadata is not what a plan was made by: without an id nobody can be asked."""
    hint = f"put the metadata back; or reconcile adopt WORKSPACE {name} BATCH_ID"
    return PermanentError(f"the metadata of {name} names no remote batch", hint=hint)
