"""
What a reply amounts to: the whole of it, bytes for a sink, or a refusal.

Pure but for the sink.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Final

import attrs
import msgspec

from reconciler.providers.bodies import BadBody, Bounds, decoded
from reconciler.providers.calls import Call, Kind, Reply
from reconciler.providers.downloading import Download
from reconciler.providers.refusals import Said, is_page, said

ERROR_BYTES: Final = 262_144
"""How much of a refusal is read."""


@attrs.define(eq=False)
class Coming:
    """
    A reply on its way.

    Attributes:
        status: The HTTP status.
        headers: By name in lower case.
        blocks: The body as it comes, still encoded; raises BadBody when it stops coming.
    """

    status: int
    headers: Mapping[str, str]
    blocks: Iterator[bytes]

    def body(self, bounds: Bounds) -> Iterator[bytes]:
        """The body, decoded."""
        return decoded(self.blocks, self.headers.get("content-encoding", ""), bounds)


def whole(call: Call, coming: Coming, bounds: Bounds) -> Reply:
    """
    A reply with all of its body.

    Raises:
        BadBody: It is cut, too large, or not what the API speaks.
    """
    body = call.origin.scrub(b"".join(coming.body(bounds)))
    kind, status = coming.headers.get("content-type", "").lower(), coming.status
    if is_page(kind, body):
        raise BadBody(f"it answers {status} with a web page")
    if call.kind is Kind.CREATE and not body.lstrip().startswith(b"{"):
        raise BadBody(f"it answers {status} without saying what it made")
    if (call.kind is Kind.CREATE or (body and "json" in kind)) and not _is_json(body):
        raise BadBody(f"it answers {status} with something that is no JSON, or is cut")
    return Reply(status, coming.headers, body)


def streamed(download: Download, coming: Coming, bounds: Bounds) -> Mapping[str, str]:
    """
    Hand a reply on to a sink, block by block; gives its headers.

    Raises:
        BadBody: It is cut, too large, or not the bytes that were asked for.
    """
    download.begin(coming.status, coming.headers)
    left = max(bounds.size - download.sink.size, 0)
    download.take(coming.body(attrs.evolve(bounds, size=left)))
    return coming.headers


def refused(call: Call, coming: Coming, who: str, elsewhere: str) -> Said:
    """What a reply says that is no success; as much of its body as can be read counts."""
    body = bytearray()
    with contextlib.suppress(BadBody):
        for block in coming.body(Bounds(ERROR_BYTES)):
            body += block
    return said(who, coming.status, bytes(body), elsewhere, call.origin.hide)


def _is_json(body: bytes) -> bool:
    """Whether a body is JSON from end to end."""
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True
