"""
Gemini's resumable upload: begun with one call, then chunk after chunk to an address that it names.

Source: Google's guide to the Files API, and the official client, whose chunks have 8 MiB. After a cut the
server is asked how much it has, and the upload goes on there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import attrs

from reconciler.errors import CallRefused, Later, TransientError
from reconciler.providers import members
from reconciler.providers.calls import Call, Kind, Origin, Reply, Source, Wire

MIME: Final = "application/jsonl"
CHUNK: Final = 8 << 20
_CUTS: Final = 3
"""So often a chunk is sent again from the same place."""
_FORGOTTEN: Final = (404, 410)


@attrs.frozen
class Session:
    """
    An upload that has begun.

    Attributes:
        wire: Makes the calls.
        origin: Whose they are.
        address: Where the bytes go.
        source: All of them.
    """

    wire: Wire
    origin: Origin
    address: str
    source: Source

    def send(self, offset: int, end: int) -> Reply:
        """Send a chunk."""
        last = end == self.source.size
        headers = {
            "X-Goog-Upload-Offset": str(offset),
            "X-Goog-Upload-Command": "upload, finalize" if last else "upload",
        }
        chunk = Source(end - offset, lambda at: _some(self.source, offset + at, end))
        return self.wire.send(
            Call(Kind.UPLOAD, self.origin, "POST", self.address, headers=headers, content=chunk)
        )

    def ask(self) -> Reply:
        """
        Ask how much has arrived.

        Raises:
            TransientError: The server has forgotten the upload: another may be begun.
        """
        headers = {"X-Goog-Upload-Command": "query"}
        try:
            return self.wire.send(Call(Kind.READ, self.origin, "POST", self.address, headers=headers))
        except CallRefused as error:
            if error.status in _FORGOTTEN:
                raise TransientError(f"{self.origin.provider} has forgotten the upload") from error
            raise


def upload(  # noqa: PLR0913 - what an upload is of
    wire: Wire, origin: Origin, version: str, source: Source, name: str, *, chunk: int = CHUNK
) -> str:
    """
    Store a file, and give its id.

    Args:
        wire: Makes the calls.
        origin: Where to.
        version: The version of the API.
        source: The bytes.
        name: What the file is called there.
        chunk: How many bytes go with one call.

    Raises:
        TransientError: It did not come to an end; it may be begun anew.
    """
    session = Session(wire, origin, _begin(wire, origin, version, source.size, name), source)
    offset = stuck = 0
    while True:
        end = min(offset + chunk, source.size)
        try:
            reply = session.send(offset, end)
        except Later:
            raise
        except (TransientError, CallRefused):
            # A chunk that arrived, and whose reply was lost, is refused when it is sent again.
            if stuck >= _CUTS:
                raise
            reply = Reply(200, {}, b"")
        if _status(reply) == "active" and end < source.size:
            offset, stuck = end, 0
            continue
        if _status(reply) != "final":
            # Only the server knows how much it has.
            reply = session.ask()
        if _status(reply) == "final":
            return _file_id(reply, origin)
        received = members.whole(reply.headers.get("x-goog-upload-size-received"))
        if received is None or received > source.size:
            raise members.unreadable(origin.provider, "a cut upload", "place to go on at")
        stuck = 0 if received > offset else stuck + 1
        if stuck > _CUTS:
            raise TransientError(f"{origin.provider}: the upload of {name} does not get past byte {offset}")
        offset = received


def _begin(wire: Wire, origin: Origin, version: str, size: int, name: str) -> str:
    """Announce a file, and take the address for its bytes."""
    headers = {
        "X-Goog-Upload-Protocol": "resumable",
        "X-Goog-Upload-Command": "start",
        "X-Goog-Upload-Header-Content-Length": str(size),
        "X-Goog-Upload-Header-Content-Type": MIME,
    }
    body = {"file": {"displayName": name, "mimeType": MIME}}
    call = Call(Kind.UPLOAD, origin, "POST", f"/upload/{version}/files", headers=headers, json=body)
    address = wire.send(call).headers.get("x-goog-upload-url", "")
    if "://" not in address:
        raise members.unreadable(origin.provider, "the beginning of an upload", "address")
    return address


def _status(reply: Reply) -> str:
    """How far the server says the upload is: `active`, `final`, or nothing."""
    return reply.headers.get("x-goog-upload-status", "").strip().lower()


def _file_id(reply: Reply, origin: Origin) -> str:
    """The file that an upload has become."""
    file_id = members.text(members.mapping(reply.object().get("file")).get("name"))
    if file_id is None:
        raise members.unreadable(origin.provider, "an upload", "file name")
    return file_id


def _some(source: Source, start: int, end: int) -> Iterator[bytes]:
    """The bytes of *source* from *start* to *end*."""
    for block in source.read(start):
        if len(block) >= end - start:
            yield block[: end - start]
            return
        yield block
        start += len(block)
