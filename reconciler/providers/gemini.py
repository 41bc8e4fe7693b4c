"""
Gemini's Batch API, the one of the Gemini Developer API.

Translation only. Source: Google's API reference for `batches` and `files`, its Batch API guide and its
cookbook. A batch is a long-running operation: what it is about stands in `metadata`, and its answers there or
in `response`, as a file or as the answers themselves. An input is uploaded in chunks; see `gemini_upload`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote

import attrs

from reconciler.errors import CallRefused, NotThere, PermanentError
from reconciler.model.exchange import Dialect
from reconciler.model.remote import Limits, Order, RemoteBatch, RemoteFile
from reconciler.providers import members
from reconciler.providers.calls import Call, Kind, Origin, Sink, Source, Wire
from reconciler.providers.gemini_shape import batch_of, file_of, inline_lines
from reconciler.providers.gemini_upload import upload

BASE_URL: Final = "https://generativelanguage.googleapis.com"
VERSION: Final = "v1beta"
KEYS: Final = ("GOOGLE_API_KEY", "GEMINI_API_KEY")
"""Where the key may be, as its own client looks for it: the first that is set counts, live and in batches."""
HEADER: Final = "x-goog-api-key"
GENERATE: Final = "batchGenerateContent"
EMBED: Final = "asyncBatchEmbedContent"
LIMITS: Final = Limits(requests=None, size=2 << 30)
_PAGE: Final = 100
_NAME: Final = re.compile(r"(batches|files)/[A-Za-z0-9_-][A-Za-z0-9._-]*", re.ASCII)
_BROKEN: Final = "FAILED"
_PENDING: Final = "PROCESSING"


@attrs.frozen
class Gemini:
    """
    A client of Gemini's Batch API.

    Attributes:
        origin: Where it is, and the key.
        account: A fingerprint of whose batches these are.
        model: The model for whole batches, which is part of the address of the create.
        endpoint: What the model is asked for: `batchGenerateContent`, which is also what an empty text
            means, or `asyncBatchEmbedContent`.
        version: The version of the API, part of every address.
    """

    origin: Origin
    account: str
    model: str | None = None
    endpoint: str = ""
    version: str = VERSION

    @property
    def name(self) -> str:
        """The name in settings and metadata."""
        return self.origin.provider

    @property
    def limits(self) -> Limits:
        """How large one batch may be; the number of its requests has no bound that is documented."""
        return LIMITS

    @property
    def dialects(self) -> frozenset[Dialect]:
        """Lines with `key` and `request`."""
        return frozenset({Dialect.GEMINI})

    @property
    def takes_file(self) -> bool:
        """Yes: the create names an uploaded file."""
        return True

    @property
    def tags(self) -> bool:
        """Yes: a batch is called by its intent."""
        return True

    @property
    def numbers_ids(self) -> bool:
        """No: ids travel as they are."""
        return False

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

    def upload(self, wire: Wire, source: Source, name: str) -> str:
        """Store an input, and give its file id."""
        return upload(wire, self.origin, self.version, source, name)

    def is_ready(self, wire: Wire, file_id: str) -> bool:
        """Whether an uploaded file can be made a batch of."""
        reply = wire.send(Call(Kind.READ, self.origin, "GET", self._path(file_id))).object()
        state = (members.text(reply.get("state")) or "").upper()
        if state == _BROKEN:
            told = members.text(members.mapping(reply.get("error")).get("message")) or ""
            raise members.refused(self.name, "the uploaded file could not be processed", told)
        return state != _PENDING

    def create(self, wire: Wire, order: Order, source: Source, file_id: str | None) -> RemoteBatch:  # noqa: ARG002 - the protocol's
        """Create a batch: one call, never repeated."""
        model = (order.model or "").removeprefix("models/")
        if not model:
            hint = "set model under [provider]: this provider asks one model for a whole batch"
            raise PermanentError(f"{self.name}: no model for the batch; nothing was sent", hint=hint)
        path = f"/{self.version}/models/{quote(model, safe='')}:{order.endpoint or GENERATE}"
        batch = {"displayName": order.intent, "inputConfig": {"fileName": file_id}}
        call = Call(Kind.CREATE, self.origin, "POST", path, json={"batch": batch})
        found = batch_of(members.created(wire.send(call)))
        if found is None:
            raise members.uncertain(self.name)
        return found

    def status(self, wire: Wire, batch_id: str) -> RemoteBatch:
        """Ask for one batch."""
        call = Call(Kind.READ, self.origin, "GET", self._path(batch_id), paced=True)
        batch = batch_of(wire.send(call).object())
        if batch is None:
            raise members.unreadable(self.name, f"batch {batch_id:.80}", "name")
        return members.settled(batch, self.name)

    def batches(self, wire: Wire, since: float | None = None) -> Iterator[RemoteBatch]:
        """Batches of this project, page by page; answers that come inline are not among what they tell."""
        pages = self._pages(wire, "batches", "operations")
        return members.until_old((list(map(self._listed, page)) for page in pages), since)

    def download(self, wire: Wire, file_id: str, sink: Sink) -> int | None:
        """Fetch the answers of a batch: a file, or what its operation holds."""
        if file_id.startswith("batches/"):
            return self._inline(wire, file_id, sink)
        path, params = f"{self._path(file_id)}:download", {"alt": "media"}
        call = Call(Kind.DOWNLOAD, self.origin, "GET", path, params=params)
        try:
            return members.size_of(wire.fetch(call, sink))
        except CallRefused:
            # The guide downloads from another address than the official client does.
            other = attrs.evolve(call, path=f"/download{path}")
            return members.size_of(wire.fetch(other, sink))

    def cancel(self, wire: Wire, batch_id: str) -> None:
        """Ask for the end of a batch; one that has ended already is no error."""
        call = Call(Kind.CHANGE, self.origin, "POST", f"{self._path(batch_id)}:cancel")
        members.cancelled(wire, call, lambda: self.status(wire, batch_id).status)

    def files(self, wire: Wire) -> Iterator[RemoteFile]:
        """Files of this project, page by page."""
        for page in self._pages(wire, "files", "files"):
            yield from filter(None, map(file_of, page))

    def delete_file(self, wire: Wire, file_id: str) -> None:
        """Remove a file there; one that is gone already is no error."""
        members.gone(wire, Call(Kind.CHANGE, self.origin, "DELETE", self._path(file_id)))

    def _path(self, name: str) -> str:
        """The path of a batch or a file."""
        if not _NAME.fullmatch(name):
            raise NotThere(f"{name!r:.60} is no id of {self.name}", status=404)
        return f"/{self.version}/{name}"

    def _inline(self, wire: Wire, batch_id: str, sink: Sink) -> int:
        """Write the answers that an operation holds as the lines of a file."""
        reply = wire.send(Call(Kind.DOWNLOAD, self.origin, "GET", self._path(batch_id)))
        lines = inline_lines(reply.body)
        if sink.size:
            sink.restart()
        for line in lines:
            sink.write(line)
        return sum(map(len, lines))

    def _pages(self, wire: Wire, path: str, key: str) -> Iterator[list[Any]]:
        """The pages of a list, to its end; an empty one lacks its array."""
        cursor = members.Cursor(self.name)
        params: dict[str, str | int] = {"pageSize": _PAGE}
        while True:
            call = Call(Kind.READ, self.origin, "GET", f"/{self.version}/{path}", params=params, paced=True)
            reply = wire.send(call).object()
            page = reply.get(key, [])
            if not isinstance(page, list):
                raise members.unreadable(self.name, f"the list {path}", key)
            yield page
            token = members.text(reply.get("nextPageToken"))
            if token is None:
                return
            params = {**params, "pageToken": cursor.move(token)}

    def _listed(self, found: Any) -> RemoteBatch:
        """One batch of a list. What cannot be read may be ours, so that the whole list is no answer."""
        batch = batch_of(members.mapping(found))
        if batch is None:
            raise members.unreadable(self.name, "its batches", "name")
        return batch
