"""
Anthropic's Message Batches.

Translation only. Source: Anthropic's API reference for Message Batches and its batch guide. The create holds
all requests; nothing of ours is kept but their ids, so that these carry the intent. A batch ends as `ended`
whatever became of it, and all its answers are one stream, at an address that the provider names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs

from reconciler.errors import CallRefused, TransientError
from reconciler.model.exchange import Dialect
from reconciler.model.identity import Role
from reconciler.model.record import Counts
from reconciler.model.remote import Limits, Order, RemoteBatch, RemoteFile
from reconciler.providers import members
from reconciler.providers.calls import Call, Kind, Origin, Sink, Source, Wire
from reconciler.providers.inline import array_of
from reconciler.providers.times import DAY, seconds

BASE_URL: Final = "https://api.anthropic.com"
VERSION: Final = "2023-06-01"
HEADER: Final = "x-api-key"
KEYS: Final = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")
TOKEN: Final = KEYS[1]
LIMITS: Final = Limits(requests=100_000, size=256 << 20)
_PATH: Final = "/v1/messages/batches"
_PAGE: Final = 100
_KEPT: Final = 29 * DAY
_ENDED: Final = "ended"
_BODY: Final = {"content-type": "application/json"}
_WITHOUT_ANSWER: Final = ("errored", "canceled", "expired")


@attrs.frozen
class Anthropic:
    """
    A client of Anthropic's Message Batches.

    Attributes:
        origin: Where it is, the key, and the version of the API.
        account: A fingerprint of whose batches these are.
    """

    origin: Origin
    account: str

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
        """Lines with `params`."""
        return frozenset({Dialect.ANTHROPIC})

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
        """Yes: answers and failures come as one file."""
        return True

    @property
    def one_model(self) -> bool:
        """No: what lines say of a model is the provider's matter."""
        return False

    @property
    def cancels(self) -> bool:
        """Yes."""
        return True

    @property
    def model(self) -> str | None:
        """None: lines name their models."""
        return None

    @property
    def endpoint(self) -> str:
        """Empty: there is one endpoint."""
        return ""

    def upload(self, wire: Wire, source: Source, name: str) -> str:  # noqa: ARG002 - the protocol's
        """Refuse: there are no files."""
        raise CallRefused(f"{self.name} takes no files: its create carries the requests")

    def is_ready(self, wire: Wire, file_id: str) -> bool:  # noqa: ARG002 - the protocol's
        """Yes: there is no file to wait for."""
        return True

    def create(self, wire: Wire, order: Order, source: Source, file_id: str | None) -> RemoteBatch:  # noqa: ARG002 - the protocol's
        """Create a batch: one call, never repeated."""
        body = array_of(source, order)
        call = Call(Kind.CREATE, self.origin, "POST", _PATH, headers=_BODY, content=body)
        batch = _batch(members.created(wire.send(call)))
        if batch is None:
            raise members.uncertain(self.name)
        return batch

    def status(self, wire: Wire, batch_id: str) -> RemoteBatch:
        """Ask for one batch."""
        path = f"{_PATH}/{members.segment(batch_id)}"
        batch = _batch(wire.send(Call(Kind.READ, self.origin, "GET", path, paced=True)).object())
        if batch is None:
            raise members.unreadable(self.name, f"batch {batch_id:.80}", "id")
        return members.settled(batch, self.name)

    def batches(self, wire: Wire, since: float | None = None) -> Iterator[RemoteBatch]:
        """Batches of the workspace of the key, page by page."""
        return members.until_old(self._pages(wire), since)

    def download(self, wire: Wire, file_id: str, sink: Sink) -> int | None:
        """Fetch the answers of a batch from the address that the provider gave for them."""
        return members.size_of(wire.fetch(Call(Kind.DOWNLOAD, self.origin, "GET", file_id), sink))

    def cancel(self, wire: Wire, batch_id: str) -> None:
        """Ask for the end of a batch; one that has ended already is no error."""
        call = Call(Kind.CHANGE, self.origin, "POST", f"{_PATH}/{members.segment(batch_id)}/cancel")
        members.cancelled(wire, call, lambda: self.status(wire, batch_id).status)

    def files(self, wire: Wire) -> Iterator[RemoteFile]:  # noqa: ARG002 - the protocol's
        """None: nothing is kept but batches."""
        return iter(())

    def delete_file(self, wire: Wire, file_id: str) -> None:  # noqa: ARG002 - the protocol's
        """Refuse: there are no files."""
        raise CallRefused(f"{self.name} keeps no files: answers vanish with their batch")

    def _pages(self, wire: Wire) -> Iterator[list[RemoteBatch]]:
        """The pages of the list, to its end."""
        cursor = members.Cursor(self.name)
        params: dict[str, str | int] = {"limit": _PAGE}
        while True:
            reply = wire.send(Call(Kind.READ, self.origin, "GET", _PATH, params=params, paced=True)).object()
            page = reply.get("data")
            if not isinstance(page, list):
                raise members.unreadable(self.name, "its batches", "data")
            yield list(map(self._listed, page))
            if reply.get("has_more") is not True:
                return
            last = members.text(members.mapping(page[-1]).get("id")) if page else None
            if last is None:
                raise TransientError(f"{self.name}: its list of batches goes on, and does not say where")
            params = {**params, "after_id": cursor.move(last)}

    def _listed(self, found: Any) -> RemoteBatch:
        """One batch of a list. What cannot be read may be ours, so that the whole list is no answer."""
        batch = _batch(members.mapping(found))
        if batch is None:
            raise members.unreadable(self.name, "its batches", "id")
        return batch


def _batch(reply: Mapping[str, Any]) -> RemoteBatch | None:
    """A message batch; None where it has no id."""
    batch_id = members.text(reply.get("id"))
    if batch_id is None:
        return None
    status = members.text(reply.get("processing_status")) or ""
    created, archived = seconds(reply.get("created_at")), seconds(reply.get("archived_at"))
    results = members.text(reply.get("results_url"))
    ended = status.lower() == _ENDED
    until = None if created is None else created + _KEPT
    return RemoteBatch(
        batch_id=batch_id,
        status=status,
        counts=_counts(members.mapping(reply.get("request_counts")), ended=ended),
        created_at=created,
        files={Role.OUTPUT: results} if ended and results and archived is None else {},
        results_until=until if archived is None else min(archived, until or archived),
        error=members.batch_error(reply),
    )


def _counts(told: Mapping[str, Any], *, ended: bool) -> Counts:
    """Line counts: their sum is always that of all requests, each of them is true only in the end."""
    processing, succeeded = (members.whole(told.get(key)) for key in ("processing", "succeeded"))
    others = [members.whole(told.get(key)) for key in _WITHOUT_ANSWER]
    known = [count for count in (processing, succeeded, *others) if count is not None]
    if len(known) < 2 + len(_WITHOUT_ANSWER):
        return Counts()
    failed = sum(known[2:])
    return members.counts(sum(known), succeeded if ended else None, failed if ended else None)
