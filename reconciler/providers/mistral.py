"""
Mistral's batch API.

Translation only. Source: Mistral's API reference (`/v1/files`, `/v1/batch/jobs`) and its batch guide. Lines
have no method and no url; the model may be named once for the whole batch. Whether a list can be narrowed by
metadata is not known for certain, so that it never is.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs

from reconciler.errors import ConfigError
from reconciler.model.exchange import Dialect
from reconciler.model.identity import Role
from reconciler.model.record import Refusal
from reconciler.model.remote import Limits, Order, RemoteBatch, RemoteFile
from reconciler.providers import members
from reconciler.providers.calls import Call, Form, Kind, Origin, Sink, Source, Wire
from reconciler.providers.openai_shape import INTENT, file_of
from reconciler.providers.times import iso, seconds

BASE_URL: Final = "https://api.mistral.ai"
CHAT: Final = "/v1/chat/completions"
LIMITS: Final = Limits(requests=1_000_000, size=512 << 20)
_JOBS: Final = "/v1/batch/jobs"
_FILES: Final = "/v1/files"
_PAGE: Final = 100
_WINDOW: Final = re.compile(r"([1-9][0-9]{0,3})([hd])", re.ASCII)


def hours_of(window: str) -> int | None:
    """
    A window such as `24h` or `3d` in hours; None for an empty one.

    Raises:
        ConfigError: It is neither.
    """
    if not window:
        return None
    found = _WINDOW.fullmatch(window)
    if found is None:
        raise ConfigError(f"provider.completion_window is {window!r:.60}", hint="write it as 24h or 3d")
    return int(found[1]) * (24 if found[2] == "d" else 1)


@attrs.frozen
class Mistral:
    """
    A client of Mistral's batch API.

    Attributes:
        origin: Where it is, and the key.
        account: A fingerprint of whose batches these are.
        model: The model for whole batches, None where lines name theirs.
        endpoint: The API path that lines are for.
        hours: How long a batch may take; None leaves it to the provider.
    """

    origin: Origin
    account: str
    model: str | None = None
    endpoint: str = CHAT
    hours: int | None = None

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
        """Lines with a bare `body`."""
        return frozenset({Dialect.MISTRAL})

    @property
    def takes_file(self) -> bool:
        """Yes: the create names an uploaded file."""
        return True

    @property
    def tags(self) -> bool:
        """Yes: metadata is kept."""
        return True

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

    def upload(self, wire: Wire, source: Source, name: str) -> str:
        """Store an input, and give its file id."""
        body = Form({"purpose": "batch"}, name, "application/jsonl", source)
        reply = wire.send(Call(Kind.UPLOAD, self.origin, "POST", _FILES, content=body)).object()
        file_id = members.text(reply.get("id"))
        if file_id is None:
            raise members.unreadable(self.name, "an upload", "file id")
        return file_id

    def is_ready(self, wire: Wire, file_id: str) -> bool:  # noqa: ARG002 - the protocol's
        """Yes: nothing has to be waited for."""
        return True

    def create(self, wire: Wire, order: Order, source: Source, file_id: str | None) -> RemoteBatch:  # noqa: ARG002 - the protocol's
        """Create a batch: one call, never repeated."""
        body: dict[str, Any] = {
            "endpoint": order.endpoint,
            "input_files": [file_id],
            "metadata": {INTENT: order.intent},
        }
        if order.model:
            body["model"] = order.model
        if self.hours:
            body["timeout_hours"] = self.hours
        call = Call(Kind.CREATE, self.origin, "POST", _JOBS, json=body)
        batch = _batch(members.created(wire.send(call)))
        if batch is None:
            raise members.uncertain(self.name)
        return batch

    def status(self, wire: Wire, batch_id: str) -> RemoteBatch:
        """Ask for one batch."""
        path = f"{_JOBS}/{members.segment(batch_id)}"
        batch = _batch(wire.send(Call(Kind.READ, self.origin, "GET", path, paced=True)).object())
        if batch is None:
            raise members.unreadable(self.name, f"batch {batch_id:.80}", "id")
        return members.settled(batch, self.name)

    def batches(self, wire: Wire, since: float | None = None) -> Iterator[RemoteBatch]:
        """Batches of the workspace of the key, the newest first, page by page."""
        params: dict[str, str | int] = {"order_by": "-created"}
        if since is not None:
            params["created_after"] = iso(since)
        for found in self._items(wire, _JOBS, params):
            batch = _batch(members.mapping(found))
            if batch is None:
                raise members.unreadable(self.name, "its batches", "id")
            yield batch

    def download(self, wire: Wire, file_id: str, sink: Sink) -> int | None:
        """Fetch one answer file, and give its size where it is told."""
        path = f"{_FILES}/{members.segment(file_id)}/content"
        return members.size_of(wire.fetch(Call(Kind.DOWNLOAD, self.origin, "GET", path), sink))

    def cancel(self, wire: Wire, batch_id: str) -> None:
        """Ask for the end of a batch; one that has ended already is no error."""
        call = Call(Kind.CHANGE, self.origin, "POST", f"{_JOBS}/{members.segment(batch_id)}/cancel")
        members.cancelled(wire, call, lambda: self.status(wire, batch_id).status)

    def files(self, wire: Wire) -> Iterator[RemoteFile]:
        """Files of the workspace of the key, page by page."""
        return filter(None, map(file_of, self._items(wire, _FILES, {})))

    def delete_file(self, wire: Wire, file_id: str) -> None:
        """Remove a file there; one that is gone already is no error."""
        path = f"{_FILES}/{members.segment(file_id)}"
        members.gone(wire, Call(Kind.CHANGE, self.origin, "DELETE", path))

    def _items(self, wire: Wire, path: str, params: Mapping[str, str | int]) -> Iterator[Any]:
        """
        What a list holds, to its end, each thing once.

        Pages have numbers: when something is added in front, the last of one page is the first of the next.
        """
        cursor = members.Cursor(self.name)
        given: set[Any] = set()
        for page in itertools.count():
            query = {**params, "page": page, "page_size": _PAGE}
            call = Call(Kind.READ, self.origin, "GET", path, params=query, paced=True)
            reply = wire.send(call).object()
            found = reply.get("data")
            if not isinstance(found, list):
                raise members.unreadable(self.name, f"the list {path}", "data")
            for each in found:
                item_id = members.text(members.mapping(each).get("id"))
                if item_id is None or item_id not in given:
                    given.add(item_id)
                    yield each
            total = members.whole(reply.get("total"))
            if not found or (len(found) < _PAGE and total is not None and len(given) >= total):
                return
            cursor.move(members.text(members.mapping(found[-1]).get("id")))


def _batch(reply: Mapping[str, Any]) -> RemoteBatch | None:
    """A batch job; None where it has no id."""
    batch_id = members.text(reply.get("id"))
    if batch_id is None:
        return None
    inputs = list(filter(None, map(members.text, members.items(reply.get("input_files")))))
    files = {
        Role.OUTPUT: members.text(reply.get("output_file")),
        Role.ERROR: members.text(reply.get("error_file")),
    }
    total, succeeded, failed = (
        members.whole(reply.get(f"{what}_requests")) for what in ("total", "succeeded", "failed")
    )
    return RemoteBatch(
        batch_id=batch_id,
        status=members.text(reply.get("status")) or "",
        endpoint=members.text(reply.get("endpoint")),
        counts=members.counts(total, succeeded, failed),
        created_at=seconds(reply.get("created_at")),
        intent=members.text(members.mapping(reply.get("metadata")).get(INTENT)),
        input_file_id=inputs[0] if inputs else None,
        files={role: file_id for role, file_id in files.items() if file_id},
        refusals=tuple(filter(None, map(_refusal, members.items(reply.get("errors"))))),
        error=members.batch_error(reply),
    )


def _refusal(found: Any) -> Refusal | None:
    """One group of findings: a message, and how many lines it speaks of."""
    told = members.mapping(found)
    message = members.text(told.get("message"))
    if message is None:
        return None
    count = members.whole(told.get("count"))
    return Refusal("", message if count is None or count < 2 else f"{message} ({count} times)")  # noqa: PLR2004 - once needs no saying
