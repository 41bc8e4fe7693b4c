"""
OpenAI's batch API, and whatever copies it.

Translation only. Sources: OpenAI's API reference (`/v1/files`, `/v1/batches`) and its batch guide; how others
differ is in `Switches`, and what they answer differently is read without a switch: times as numbers or as
ISO 8601, statuses in any case, lists under `data` or `value`, a created batch below `job`.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs

from reconciler.errors import TransientError
from reconciler.model.exchange import Dialect
from reconciler.model.remote import Limits, Order, RemoteBatch, RemoteFile
from reconciler.providers import members
from reconciler.providers.calls import Call, Form, Kind, Origin, Sink, Source, Wire
from reconciler.providers.openai_shape import INTENT, batch_of, file_of
from reconciler.providers.times import DAY

BASE_URL: Final = "https://api.openai.com/v1"
CHAT: Final = "/v1/chat/completions"
LIMITS: Final = Limits(requests=50_000, size=200 << 20)
PROCESSED: Final = "processed"
_BROKEN: Final = frozenset({"error", "deleting", "deleted"})


class Expiry(enum.Enum):
    """How the fields of an upload are written that say when the file may vanish."""

    BRACKETS = "expires_after[{}]"
    DOTS = "expires_after.{}"


@attrs.frozen
class Switches:
    """
    How a service differs from others in what it is sent.

    Attributes:
        purpose: What an uploaded input is for, in the service's own word.
        upload: Where files are uploaded to.
        named: Whether the name of an upload is a field of its own, too.
        window: How long a batch may take.
        metadata: Whether it keeps what a batch is tagged with.
        bare: Whether its lines may go without `method` and `url`.
        page: How many batches a page of its list is asked to hold; 0 asks for nothing, and takes what comes.
        files_page: The same for files.
        query: What every call carries in its query.
        content_type: What an uploaded file is said to be.
        processes: Whether an uploaded file has to be processed before a batch can be made of it.
        expiry: How an upload says when its file may vanish.
        expires_after: After how many seconds files may vanish; 0 leaves it to the service.
        kept: How many seconds after its creation the answers of a batch vanish; None when nobody says.
        limits: How large a batch may be.
    """

    purpose: str = "batch"
    upload: str = "/files"
    named: bool = False
    window: str = "24h"
    metadata: bool = True
    bare: bool = False
    page: int = 100
    files_page: int = 1000
    query: Mapping[str, str] = attrs.field(factory=dict)
    content_type: str = "application/jsonl"
    processes: bool = False
    expiry: Expiry = Expiry.BRACKETS
    expires_after: int = 0
    kept: float | None = None
    limits: Limits = LIMITS


OPENAI: Final = Switches(kept=30 * DAY)


@attrs.frozen
class OpenAI:
    """
    A client of OpenAI's batch API.

    Attributes:
        origin: Where it is, and the key.
        account: A fingerprint of whose batches these are.
        switches: How the service differs.
        endpoint: The API path of lines that name none.
    """

    origin: Origin
    account: str
    switches: Switches = OPENAI
    endpoint: str = CHAT

    @property
    def name(self) -> str:
        """The name in settings and metadata."""
        return self.origin.provider

    @property
    def limits(self) -> Limits:
        """How large one batch may be."""
        return self.switches.limits

    @property
    def dialects(self) -> frozenset[Dialect]:
        """The shapes of input lines that it takes."""
        return frozenset({Dialect.OPENAI, Dialect.MISTRAL} if self.switches.bare else {Dialect.OPENAI})

    @property
    def takes_file(self) -> bool:
        """Yes: the create names an uploaded file."""
        return True

    @property
    def tags(self) -> bool:
        """Whether a batch can be found by its intent; by its input file it always can."""
        return self.switches.metadata

    @property
    def numbers_ids(self) -> bool:
        """No: ids travel as they are."""
        return False

    @property
    def one_stream(self) -> bool:
        """No: answers and failures come as two files."""
        return False

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

    def upload(self, wire: Wire, source: Source, name: str) -> str:
        """Store an input, and give its file id."""
        fields = {"purpose": self.switches.purpose}
        if self.switches.named:
            fields["file_name"] = name
        if self.switches.expires_after:
            form = self.switches.expiry.value
            fields[form.format("anchor")] = "created_at"
            fields[form.format("seconds")] = str(self.switches.expires_after)
        body = Form(fields, name, self.switches.content_type, source)
        reply = wire.send(self._call(Kind.UPLOAD, "POST", self.switches.upload, content=body)).object()
        file_id = members.text(reply.get("id"))
        if file_id is None:
            raise members.unreadable(self.name, "an upload", "file id")
        return file_id

    def is_ready(self, wire: Wire, file_id: str) -> bool:
        """Whether an uploaded file can be made a batch of; only some services have to be asked."""
        if not self.switches.processes:
            return True
        reply = wire.send(self._call(Kind.READ, "GET", f"/files/{members.segment(file_id)}")).object()
        status = (members.text(reply.get("status")) or "").lower()
        if status in _BROKEN:
            told = members.text(reply.get("status_details")) or ""
            raise members.refused(self.name, f"the uploaded file is in state {status!r}", told)
        return status == PROCESSED

    def create(self, wire: Wire, order: Order, source: Source, file_id: str | None) -> RemoteBatch:  # noqa: ARG002 - the protocol's
        """Create a batch: one call, never repeated."""
        body: dict[str, Any] = {
            "input_file_id": file_id,
            "endpoint": order.endpoint,
            "completion_window": self.switches.window,
        }
        if self.switches.metadata:
            body["metadata"] = {INTENT: order.intent}
        if self.switches.expires_after:
            body["output_expires_after"] = {"anchor": "created_at", "seconds": self.switches.expires_after}
        reply = members.created(wire.send(self._call(Kind.CREATE, "POST", "/batches", json=body)))
        batch = self._batch(reply)
        if batch is None:
            raise members.uncertain(self.name)
        return batch

    def status(self, wire: Wire, batch_id: str) -> RemoteBatch:
        """Ask for one batch."""
        path = f"/batches/{members.segment(batch_id)}"
        batch = self._batch(wire.send(self._call(Kind.READ, "GET", path, paced=True)).object())
        if batch is None:
            raise members.unreadable(self.name, f"batch {batch_id:.80}", "id")
        return members.settled(batch, self.name)

    def batches(self, wire: Wire, since: float | None = None) -> Iterator[RemoteBatch]:
        """Batches of this account, page by page."""
        pages = self._pages(wire, "/batches", self.switches.page)
        return members.until_old((list(map(self._listed, page)) for page in pages), since)

    def download(self, wire: Wire, file_id: str, sink: Sink) -> int | None:
        """Fetch one answer file, and give its size where it is told."""
        path = f"/files/{members.segment(file_id)}/content"
        return members.size_of(wire.fetch(self._call(Kind.DOWNLOAD, "GET", path), sink))

    def cancel(self, wire: Wire, batch_id: str) -> None:
        """Ask for the end of a batch; one that has ended already is no error."""
        path = f"/batches/{members.segment(batch_id)}/cancel"
        members.cancelled(
            wire, self._call(Kind.CHANGE, "POST", path), lambda: self.status(wire, batch_id).status
        )

    def files(self, wire: Wire) -> Iterator[RemoteFile]:
        """Files of this account, page by page."""
        for page in self._pages(wire, "/files", self.switches.files_page):
            for found in page:
                file = file_of(found)
                if file is not None:
                    yield file

    def delete_file(self, wire: Wire, file_id: str) -> None:
        """Remove a file there; one that is gone already is no error."""
        members.gone(wire, self._call(Kind.CHANGE, "DELETE", f"/files/{members.segment(file_id)}"))

    def _call(self, kind: Kind, method: str, path: str, **more: Any) -> Call:
        """A call, with what every call to this service carries."""
        params = {**self.switches.query, **more.pop("params", {})}
        return Call(kind, self.origin, method, path, params=params, **more)

    def _pages(self, wire: Wire, path: str, size: int) -> Iterator[list[Any]]:
        """The pages of a list, to its end."""
        cursor = members.Cursor(self.name)
        params: dict[str, str | int] = {"limit": size} if size else {}
        while True:
            found = wire.send(self._call(Kind.READ, "GET", path, params=params, paced=True)).json()
            reply = members.mapping(found)
            page = found if isinstance(found, list) else reply.get("data", reply.get("value"))
            if not isinstance(page, list):
                raise members.unreadable(self.name, f"the list {path}", "data")
            yield page
            more = reply.get("has_more")
            full = size and len(page) >= size and page is not found
            if not (more is True or (more is None and full)):
                return
            last = members.text(members.mapping(page[-1]).get("id")) if page else None
            last = last or members.text(reply.get("last_id"))
            if last is None:
                raise TransientError(f"{self.name}: its list {path} goes on, and does not say where")
            params = {**params, "after": cursor.move(last)}

    def _listed(self, found: Any) -> RemoteBatch:
        """One batch of a list. What cannot be read may be ours, so that the whole list is no answer."""
        batch = self._batch(members.mapping(found))
        if batch is None:
            raise members.unreadable(self.name, "its batches", "id")
        return batch

    def _batch(self, reply: Mapping[str, Any]) -> RemoteBatch | None:
        """A batch object; None where it has no id."""
        return batch_of(reply, self.switches.expires_after or self.switches.kept)
