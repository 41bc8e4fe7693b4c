"""
The objects of OpenRouter's batch API.

Pure. A batch that has ended holds its results, too, behind all that says how it is doing; pages of results
and the batch's own are lines of OpenAI's shape, but that an error says `type` where OpenAI says `code`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from reconciler.errors import NotThere, TransientError
from reconciler.model.identity import Role
from reconciler.model.record import Refusal
from reconciler.model.remote import RemoteBatch
from reconciler.model.status import Phase, phase_of
from reconciler.providers import members
from reconciler.providers.calls import Origin
from reconciler.providers.times import DAY, seconds

KEPT: Final = 30 * DAY
"""How long after its creation the requests and results of a batch are kept."""

LARGEST: Final = 64 << 20
"""Bytes of a batch object without its results."""

_LOOKS: Final = 8
"""How often results may seem to begin: each look reads all that came before it."""

_RESULTS: Final = re.compile(rb'[,{]\s*"results"\s*:\s*\[')


def batch_of(reply: Mapping[str, Any]) -> RemoteBatch | None:
    """A batch object; None where it has no id."""
    batch_id = members.text(reply.get("id"))
    if batch_id is None:
        return None
    told = members.mapping(reply.get("request_counts"))
    counts = members.counts(*(members.whole(told.get(key)) for key in ("total", "completed", "failed")))
    status, moment = members.text(reply.get("status")) or "", seconds(reply.get("created_at"))
    phase = phase_of(status)
    # One that failed ran nothing, as a rule; where something was answered, it is there and paid.
    answered = phase in (Phase.DONE, Phase.PARTIAL) or bool(phase is Phase.REFUSED and counts.completed)
    return RemoteBatch(
        batch_id=batch_id,
        status=status,
        endpoint=members.text(reply.get("endpoint")),
        counts=counts,
        created_at=moment,
        files={Role.OUTPUT: batch_id} if answered else {},
        results_until=None if moment is None else moment + KEPT,
        refusals=_refusals(reply) if phase is Phase.REFUSED else (),
        error=members.batch_error(reply),
    )


def _refusals(reply: Mapping[str, Any]) -> tuple[Refusal, ...]:
    """Why a batch failed: one message."""
    error = reply.get("error")
    told = members.mapping(error)
    message = members.text(error) or members.text(told.get("message"))
    code = members.text(told.get("code")) or members.text(told.get("type")) or ""
    return (Refusal(code, message or ""),) if message or code else ()


class Enough(Exception):
    """All that says how a batch is doing is here."""


class Head:
    """A sink that takes a batch object up to its results, which may be many and are not wanted."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._seen = 0
        self._looks = _LOOKS

    @property
    def size(self) -> int:
        """Bytes taken so far."""
        return len(self._data)

    def write(self, block: bytes) -> None:
        """
        Take the next bytes.

        Raises:
            Enough: The results begin, and everything that counts stood before them.
            TransientError: There is no end of it.
        """
        self._data += block
        while self._looks and (found := _RESULTS.search(self._data, self._seen)):
            # Where they are inside of something else, or stand first, what is before them is no batch.
            before = bytes(self._data[: found.start()]) + b"}"
            if members.text(_object(before).get("status")) is not None and "id" in _object(before):
                self._data[:] = before
                raise Enough
            self._seen = found.end()
            self._looks -= 1
        # The next block may complete what begins at the end of this one.
        self._seen = max(self._seen, len(self._data) - 64)
        if len(self._data) > LARGEST:
            raise TransientError("the reply about a batch is too large to be read")

    def restart(self) -> None:
        """Forget what was taken."""
        self._data.clear()
        self._seen = 0
        self._looks = _LOOKS

    def read(self, origin: Origin) -> Mapping[str, Any]:
        """
        What was taken, without the key, which some servers repeat.

        Raises:
            TransientError: It is no object.
        """
        data = origin.scrub(bytes(self._data))
        try:
            found = msgspec.json.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise TransientError(f"the reply is no JSON ({str(error)[:200]})") from error
        if not isinstance(found, dict):
            raise TransientError(f"the reply is {type(found).__name__}, expected an object")
        return found


def _object(data: bytes) -> Mapping[str, Any]:
    """An object; an empty one where *data* is none."""
    try:
        return members.mapping(msgspec.json.decode(data))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return members.NOTHING


class _Page(msgspec.Struct):
    data: list[msgspec.Raw]
    has_more: bool = False
    next_cursor: str | None = None


class _Batch(msgspec.Struct):
    status: str = ""
    results: list[msgspec.Raw] | None = None


_PAGE: Final = msgspec.json.Decoder(_Page)
_BATCH: Final = msgspec.json.Decoder(_Batch)


def page_of(body: bytes, provider: str) -> tuple[list[bytes], str | None]:
    """
    A page of results as lines, and where the next one begins.

    Raises:
        TransientError: It cannot be read, or goes on and does not say where.
    """
    try:
        page = _PAGE.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise TransientError(f"{provider}: a page of results cannot be read ({str(error)[:200]})") from error
    if page.has_more and not page.next_cursor:
        raise TransientError(f"{provider}: its results go on, and it does not say where")
    return [_line(row, provider) for row in page.data], page.next_cursor if page.has_more else None


def held_rows(body: bytes, provider: str) -> list[bytes]:
    """
    The results that a batch object holds, as lines; none where one that ended early holds none.

    Raises:
        TransientError: They cannot be read.
        NotThere: There are none, not yet or not any more.
    """
    try:
        batch = _BATCH.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise TransientError(
            f"{provider}: the results of the batch cannot be read ({str(error)[:200]})"
        ) from error
    if batch.results is None and phase_of(batch.status) is not Phase.PARTIAL:
        told = f"{provider}: the batch is {batch.status or 'in no state'}, and holds no results"
        raise NotThere(told, status=404)
    return [_line(row, provider) for row in batch.results or ()]


def _line(row: msgspec.Raw, provider: str) -> bytes:
    """One result as a line: white space is all that a line feed can be between the members."""
    data = bytes(row)
    if not data.startswith(b"{"):
        raise TransientError(f"{provider}: a result is no object")
    return data.replace(b"\n", b" ").replace(b"\r", b" ") + b"\n"
