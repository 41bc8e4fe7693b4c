"""
OpenRouter's batch API, and services that copy it: requests inside of the create, results as pages.

Translation only. Sources: OpenRouter's batch quickstart and its API reference (create, list, get, results,
delete), the models of its own clients, and, for what the quickstart says of an earlier surface and for the
order of members, the crate `openrouter-batch`. There is no tag, no idempotency key and no cancel, so that ids
carry the intent. One endpoint and one model hold for a whole batch.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final

import attrs
import msgspec

from reconciler.codec.wire import to_item
from reconciler.errors import CallRefused, PermanentError, TransientError
from reconciler.model.exchange import Dialect
from reconciler.model.remote import Limits, Order, RemoteBatch, RemoteFile
from reconciler.model.status import Phase, phase_of
from reconciler.providers import members
from reconciler.providers.calls import Call, Kind, Origin, Sink, Source, Wire
from reconciler.providers.inline import array_of
from reconciler.providers.openrouter_shape import Enough, Head, batch_of, held_rows, page_of

BASE_URL: Final = "https://openrouter.ai/api/v1"
CHAT: Final = "/v1/chat/completions"
LIMITS: Final = Limits(requests=None, size=200 << 20)
"""No bound is documented. A batch runs at a provider behind it; this is OpenAI's bound of a file."""

_BATCHES: Final = "/batches"
_PAGE: Final = 100
_ROWS: Final = 200
"""Results of a page, of up to 1,000: one page is held at a time."""

_BODY: Final = {"content-type": "application/json"}
_NO_PAGES: Final = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.METHOD_NOT_ALLOWED,
        HTTPStatus.CONFLICT,
        HTTPStatus.GONE,
    }
)
"""What a service may answer that has no pages of results, or none of a batch that ended early."""


@attrs.frozen
class OpenRouter:
    """
    A client of OpenRouter's batch API.

    Attributes:
        origin: Where it is, and the key.
        account: A fingerprint of whose batches these are.
        model: The model for whole batches, None where lines name it.
        endpoint: The API path of lines that name none.
    """

    origin: Origin
    account: str
    model: str | None = None
    endpoint: str = CHAT

    @property
    def name(self) -> str:
        """The name in settings and metadata."""
        return self.origin.provider

    @property
    def limits(self) -> Limits:
        """How large one batch may be."""
        return LIMITS

    @property
    def dialects(self) -> frozenset[Dialect]:
        """Lines with `body`, with `method` and `url` or without."""
        return frozenset({Dialect.OPENAI, Dialect.MISTRAL})

    @property
    def takes_file(self) -> bool:
        """No: the create carries the requests."""
        return False

    @property
    def tags(self) -> bool:
        """No: nothing but the ids of the requests says whose a batch is."""
        return False

    @property
    def numbers_ids(self) -> bool:
        """Yes: nothing else would show whose batch it is."""
        return True

    @property
    def one_stream(self) -> bool:
        """Yes: answers and failures come together."""
        return True

    @property
    def one_model(self) -> bool:
        """Yes: the create names it, and a line that names another is refused with all others."""
        return True

    @property
    def cancels(self) -> bool:
        """No: there is no call for it."""
        return False

    def upload(self, wire: Wire, source: Source, name: str) -> str:  # noqa: ARG002 - the protocol's
        """Refuse: there are no files."""
        raise CallRefused(f"{self.name} takes no files: its create carries the requests")

    def is_ready(self, wire: Wire, file_id: str) -> bool:  # noqa: ARG002 - the protocol's
        """Yes: there is no file to wait for."""
        return True

    def create(self, wire: Wire, order: Order, source: Source, file_id: str | None) -> RemoteBatch:  # noqa: ARG002 - the protocol's
        """Create a batch: one call, never repeated."""
        if not order.model:
            hint = "set model under [provider], or name it in every line"
            raise PermanentError(f"{self.name}: no model for the batch; nothing was sent", hint=hint)
        # The service reads this as it comes, and refuses it when the requests stand first.
        named = msgspec.json.encode({"endpoint": order.endpoint or self.endpoint, "model": order.model})
        body = array_of(source, order, head=named[:-1] + b',"requests":[', item=to_item)
        call = Call(Kind.CREATE, self.origin, "POST", _BATCHES, headers=_BODY, content=body)
        batch = batch_of(members.created(wire.send(call)))
        if batch is None:
            raise members.uncertain(self.name)
        return batch

    def status(self, wire: Wire, batch_id: str) -> RemoteBatch:
        """Ask for one batch; of one that has ended, its results are not read along."""
        head = Head()
        call = Call(Kind.READ, self.origin, "GET", self._path(batch_id), paced=True)
        with contextlib.suppress(Enough):
            wire.fetch(call, head)
        batch = batch_of(head.read(self.origin))
        if batch is None:
            raise members.unreadable(self.name, f"batch {batch_id:.80}", "id")
        return members.settled(batch, self.name)

    def batches(self, wire: Wire, since: float | None = None) -> Iterator[RemoteBatch]:
        """Batches of the workspace of the key, page by page, newest first."""
        return members.until_old(self._pages(wire), since)

    def download(self, wire: Wire, file_id: str, sink: Sink) -> int | None:
        """Write the results of the batch *file_id* as the lines of a file, a page at a time."""
        if sink.size:
            sink.restart()
        path = f"{self._path(file_id)}/results"
        places, written = members.Cursor(self.name), 0
        cursor: str | None = None
        while True:
            params = {"limit": _ROWS, "cursor": cursor}
            try:
                reply = wire.send(Call(Kind.DOWNLOAD, self.origin, "GET", path, params=params))
            except CallRefused as refused:
                if cursor is not None or refused.status not in _NO_PAGES:
                    raise
                return self._held(wire, file_id, sink)
            rows, more = page_of(reply.body, self.name)
            for row in rows:
                sink.write(row)
                written += len(row)
            if more is None:
                return written
            cursor = places.move(more)

    def cancel(self, wire: Wire, batch_id: str) -> None:
        """
        Refuse, unless the batch has ended or is ending: there is no such call.

        Raises:
            CallRefused: It runs, and goes on.
        """
        status = self.status(wire, batch_id).status
        if phase_of(status) is Phase.RUNNING and "cancel" not in status.lower():
            raise CallRefused(f"{self.name} has no call that stops a batch: {batch_id} goes on")

    def files(self, wire: Wire) -> Iterator[RemoteFile]:
        """What batches that have ended keep there: their requests and results, under the batch's own id."""
        for batch in self.batches(wire):
            if phase_of(batch.status) is not Phase.RUNNING:
                yield RemoteFile(batch.batch_id, created_at=batch.created_at, purpose="batch")

    def delete_file(self, wire: Wire, file_id: str) -> None:
        """Remove a batch that has ended, with its requests and results; one that is gone is no error."""
        members.gone(wire, Call(Kind.CHANGE, self.origin, "DELETE", self._path(file_id)))

    def _held(self, wire: Wire, batch_id: str, sink: Sink) -> int:
        """The results that the batch itself holds: the way of copies, and of OpenRouter's first surface."""
        reply = wire.send(Call(Kind.DOWNLOAD, self.origin, "GET", self._path(batch_id)))
        rows = held_rows(reply.body, self.name)
        for row in rows:
            sink.write(row)
        return sum(map(len, rows))

    def _path(self, batch_id: str) -> str:
        """The path of a batch."""
        return f"{_BATCHES}/{members.segment(batch_id)}"

    def _pages(self, wire: Wire) -> Iterator[list[RemoteBatch]]:
        """The pages of the list, to its end; unfiltered: what a filter leaves out would be paid for again."""
        cursor = members.Cursor(self.name)
        params: dict[str, str | int] = {"limit": _PAGE}
        while True:
            call = Call(Kind.READ, self.origin, "GET", _BATCHES, params=params, paced=True)
            reply = wire.send(call).object()
            page = reply.get("data")
            if not isinstance(page, list):
                raise members.unreadable(self.name, "its batches", "data")
            yield list(map(self._listed, page))
            if reply.get("has_more") is not True:
                return
            last = members.text(reply.get("last_id"))
            if last is None and page:
                last = members.text(members.mapping(page[-1]).get("id"))
            if last is None:
                raise TransientError(f"{self.name}: its list of batches goes on, and does not say where")
            params = {**params, "after": cursor.move(last)}

    def _listed(self, found: Any) -> RemoteBatch:
        """One batch of a list. What cannot be read may be ours, so that the whole list is no answer."""
        batch = batch_of(members.mapping(found))
        if batch is None:
            raise members.unreadable(self.name, "its batches", "id")
        return batch
