"""
The objects of Gemini's Batch API, as the API and its guide write them.

Pure. What a batch is about stands in the operation's `metadata`; its answers there under `output`, or in
`response`; its state has one of two prefixes. Counts are texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from reconciler.errors import TransientError
from reconciler.model.identity import Role
from reconciler.model.record import Refusal
from reconciler.model.remote import RemoteBatch, RemoteFile
from reconciler.model.status import Phase, phase_of
from reconciler.providers import members
from reconciler.providers.times import seconds

_CANCELLED: Final = 1
"""The code of the error that a cancelled operation ends with."""
_UNSPECIFIED: Final = "UNSPECIFIED"


def batch_of(reply: Mapping[str, Any]) -> RemoteBatch | None:
    """An operation as a batch; None where it has no name."""
    batch_id = members.text(reply.get("name"))
    if batch_id is None:
        return None
    told = members.mapping(reply.get("metadata"))
    stats = members.mapping(told.get("batchStats"))
    total, succeeded, failed = (
        members.whole(stats.get(f"{what}Count")) for what in ("request", "successfulRequest", "failedRequest")
    )
    status = _status(reply, told)
    return RemoteBatch(
        batch_id=batch_id,
        status=status,
        counts=members.counts(total, succeeded, failed),
        created_at=seconds(told.get("createTime")),
        intent=members.text(told.get("displayName")),
        input_file_id=members.text(members.mapping(told.get("inputConfig")).get("fileName")),
        files=_files(batch_id, reply, told),
        refusals=_refusals(reply) if phase_of(status) is Phase.REFUSED else (),
        error=members.batch_error(reply),
    )


def file_of(found: Any) -> RemoteFile | None:
    """A file object; None where it has no name."""
    reply = members.mapping(found)
    file_id = members.text(reply.get("name"))
    if file_id is None:
        return None
    return RemoteFile(
        file_id,
        name=members.text(reply.get("displayName")) or "",
        size=members.whole(reply.get("sizeBytes")),
        created_at=seconds(reply.get("createTime")),
        purpose=members.text(reply.get("source")) or "",
    )


class _Item(msgspec.Struct):
    """One answer that an operation holds: its members but for the key are kept as the bytes that came."""

    metadata: msgspec.Raw = msgspec.Raw(b"{}")
    response: msgspec.Raw = msgspec.Raw(b"null")
    error: msgspec.Raw = msgspec.Raw(b"null")


class _Items(msgspec.Struct):
    inlinedResponses: list[_Item] | None = None  # noqa: N815 - the provider's name


class _Output(msgspec.Struct):
    inlinedResponses: _Items | list[_Item] | None = None  # noqa: N815 - the provider's name


class _Metadata(msgspec.Struct):
    output: _Output | None = None


class _Operation(msgspec.Struct):
    metadata: _Metadata | None = None
    response: _Output | None = None


_OPERATION: Final = msgspec.json.Decoder(_Operation)
_ANY: Final = msgspec.json.Decoder()
_NULL: Final = msgspec.Raw(b"null")


def inline_lines(body: bytes) -> list[bytes]:
    """
    The answers that an operation holds, as the lines that a file of them would have.

    Raises:
        TransientError: There are none to be read.
    """
    try:
        found = _OPERATION.decode(body)
        outputs = (found.metadata and found.metadata.output, found.response)
        lists = [_list_of(output) for output in outputs if output]
        return [_line(item) for item in next(filter(None, lists), [])]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise TransientError(f"the answers of the batch cannot be read ({str(error)[:200]})") from error


def _list_of(output: _Output) -> list[_Item]:
    """The answers, which stand in a list or in a list below the same name."""
    found = output.inlinedResponses
    if isinstance(found, _Items):
        found = found.inlinedResponses
    return found or []


def _line(item: _Item) -> bytes:
    """One answer as a line, under the key that its request was given."""
    parts = []
    key = members.mapping(_ANY.decode(item.metadata)).get("key")
    if key is not None:
        parts.append(b'"key":' + msgspec.json.encode(key))
    parts += [
        b'"%b":%b' % (name, bytes(value).replace(b"\n", b" ").replace(b"\r", b" "))
        for name, value in ((b"response", item.response), (b"error", item.error))
        if value != _NULL
    ]
    return b"{" + b",".join(parts) + b"}\n"


def _status(reply: Mapping[str, Any], told: Mapping[str, Any]) -> str:
    """The state; of an operation that tells none, what its end means."""
    state = members.text(told.get("state")) or members.text(reply.get("state"))
    if state is not None and not (reply.get("done") is True and state.endswith(_UNSPECIFIED)):
        return state
    if reply.get("done") is not True:
        return ""
    error = members.mapping(reply.get("error"))
    if not error:
        return "BATCH_STATE_SUCCEEDED"
    return "BATCH_STATE_CANCELLED" if error.get("code") == _CANCELLED else "BATCH_STATE_FAILED"


def _files(batch_id: str, reply: Mapping[str, Any], told: Mapping[str, Any]) -> Mapping[Role, str]:
    """The answers: a file, or the operation itself, which holds them."""
    for output in (members.mapping(told.get("output")), members.mapping(reply.get("response"))):
        name = members.text(output.get("responsesFile"))
        if name is not None:
            return {Role.OUTPUT: name}
        if output.get("inlinedResponses"):
            return {Role.OUTPUT: batch_id}
    return {}


def _refusals(reply: Mapping[str, Any]) -> tuple[Refusal, ...]:
    """Why an operation failed."""
    error = members.mapping(reply.get("error"))
    message = members.text(error.get("message"))
    code = members.text(error.get("status")) or str(members.whole(error.get("code")) or "")
    return (Refusal(code, message or ""),) if message or code else ()
