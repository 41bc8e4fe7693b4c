"""
Read members of replies: what has the wrong type, is empty or is null counts as absent.

Pure. Providers and what copies their APIs write null, "", 0 or nothing at all for the same thing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

import msgspec

from reconciler.codec.jsonl import shorten
from reconciler.errors import CallRefused, NotThere, TransientError, Uncertain
from reconciler.model.record import Counts
from reconciler.model.remote import RemoteBatch
from reconciler.model.status import Phase, phase_of
from reconciler.providers.calls import Call, Reply, Wire

NOTHING: Final[Mapping[str, Any]] = {}
_HUGE: Final = 1 << 53
_LONGEST: Final = 4096
"""Characters of an error object that are kept."""

_CONFLICTS: Final = (400, 409)
"""What services answer who are asked to cancel a batch that has ended."""


def text(value: Any) -> str | None:
    """A string that is not empty."""
    return value if isinstance(value, str) and value else None


def whole(value: Any) -> int | None:
    """A count: a whole number that is not negative, or the digits of one."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < len(str(_HUGE)):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value < _HUGE else None


def mapping(value: Any) -> Mapping[str, Any]:
    """An object; an empty one where there is none."""
    return value if isinstance(value, dict) else NOTHING


def items(value: Any) -> list[Any]:
    """A list; an empty one where there is none."""
    return value if isinstance(value, list) else []


def batch_error(reply: Mapping[str, Any]) -> str:
    """What a batch object says went wrong with all of it, as it says it; empty where it says nothing."""
    for value in (reply.get("errors"), reply.get("error")):
        if value and (not isinstance(value, dict) or value.get("data", True)):
            return msgspec.json.encode(value).decode()[:_LONGEST]
    return ""


def counts(total: int | None, completed: int | None, failed: int | None) -> Counts:
    """Line counts; zeros alone are none: no batch is empty, and one that is being validated has them."""
    if not (total or completed or failed):
        return Counts()
    return Counts(total or None, completed, failed)


def segment(value: str) -> str:
    """
    An id as one part of a path.

    Raises:
        NotThere: No id looks like that.
    """
    if not value or value in {".", ".."} or "\0" in value:
        raise NotThere(f"{value!r:.60} is no id", status=404)
    return quote(value, safe="")


def size_of(headers: Mapping[str, str]) -> int | None:
    """How many bytes a fetched file has in all, as its last reply says; None where it does not say."""
    _, slash, total = headers.get("content-range", "").rpartition("/")
    if slash:
        return whole(total.strip())
    if headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        return None  # the length of something else
    return whole(headers.get("content-length", "").strip())


def created(reply: Reply) -> Mapping[str, Any]:
    """
    What the reply to a create says.

    Raises:
        Uncertain: It is no object. The provider said yes to something.
    """
    try:
        return reply.object()
    except TransientError as error:
        raise Uncertain(f"the batch may have been created: {error.message}") from error


def uncertain(provider: str) -> Uncertain:
    """The error of a create whose reply names no batch."""
    return Uncertain(f"{provider} replied to the create, and named no batch: it may have been created")


def unreadable(provider: str, what: str, missing: str) -> TransientError:
    """The error of a reply that lacks what it is about."""
    return TransientError(f"{provider}: the reply about {what} holds no {missing}")


def settled(batch: RemoteBatch, provider: str) -> RemoteBatch:
    """
    *batch*, whose state was asked for.

    Raises:
        TransientError: The reply does not tell it.
    """
    if not batch.status:
        raise unreadable(provider, f"batch {batch.batch_id:.80}", "status")
    return batch


def refused(provider: str, what: str, told: str) -> CallRefused:
    """The error of a provider that said yes to a call, and no to what it was about."""
    words = f"{provider}: {shorten(what)}" + (f": {shorten(told)}" if told else "")
    return CallRefused(words, told=told)


def cancelled(wire: Wire, call: Call, look: Callable[[], str]) -> None:
    """
    Make the *call* that cancels a batch; one that has ended, or is being cancelled, is no error.

    Args:
        wire: Makes the call.
        call: The cancel.
        look: Asks for the batch's status; called when the cancel is refused.
    """
    try:
        wire.send(call)
    except NotThere:
        raise
    except CallRefused as refused:
        if refused.status not in _CONFLICTS:
            raise
        status = look()
        if phase_of(status) is Phase.RUNNING and "cancel" not in status.lower():
            raise


def gone(wire: Wire, call: Call) -> None:
    """Make the *call* that deletes something; what is not there is gone already."""
    try:
        wire.send(call)
    except NotThere:
        return


def until_old(pages: Iterator[list[RemoteBatch]], since: float | None) -> Iterator[RemoteBatch]:
    """
    The batches of *pages*, up to a page that ends before *since*, if the pages come newest first.

    No provider promises an order, so that it is read off what came: never a later one after an earlier, and
    at least one earlier after a later. In any other order everything is listed.
    """
    last: float | None = None
    falling, fell = True, False
    for page in pages:
        for batch in page:
            moment = batch.created_at
            falling = falling and moment is not None and (last is None or moment <= last)
            fell = fell or (moment is not None and last is not None and moment < last)
            last = moment
            yield batch
        if since is not None and falling and fell and last is not None and last < since:
            return


class Cursor:
    """Where a list goes on; a list that comes back to where it was is an error, not an endless one."""

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._seen: set[Any] = set()

    def move(self, place: Any) -> Any:
        """
        Go on at *place*.

        Raises:
            TransientError: It has been there.
        """
        if place in self._seen:
            raise TransientError(f"{self._provider}: its list goes in circles, at {place!r:.80}")
        self._seen.add(place)
        return place
