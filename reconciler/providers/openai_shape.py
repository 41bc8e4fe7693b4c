"""
The objects of OpenAI's batch API, as it and its copies write them.

Pure. Sources: OpenAI's API reference; the batch guides of Azure (times as ISO 8601, null counts, files of no
bytes) and of Together (no counts, an error that is a text).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from reconciler.model.identity import Role
from reconciler.model.record import Refusal
from reconciler.model.remote import RemoteBatch, RemoteFile
from reconciler.model.status import Phase, phase_of
from reconciler.providers import members
from reconciler.providers.times import seconds

INTENT: Final = "reconciler_intent"
"""The key of a batch's metadata that holds the intent."""


def batch_of(reply: Mapping[str, Any], kept: float | None) -> RemoteBatch | None:
    """
    A batch object, which may stand below `job`; None where it has no id.

    Args:
        reply: The object.
        kept: After how many seconds its answers vanish, where it does not say.
    """
    if members.text(reply.get("id")) is None:
        reply = members.mapping(reply.get("job"))
    batch_id = members.text(reply.get("id"))
    if batch_id is None:
        return None
    told = members.mapping(reply.get("request_counts"))
    total, completed, failed = (members.whole(told.get(key)) for key in ("total", "completed", "failed"))
    moment = seconds(reply.get("created_at"))
    files = {
        Role.OUTPUT: members.text(reply.get("output_file_id")),
        Role.ERROR: members.text(reply.get("error_file_id")),
    }
    after = members.whole(members.mapping(reply.get("output_expires_after")).get("seconds")) or kept
    return RemoteBatch(
        batch_id=batch_id,
        status=members.text(reply.get("status")) or "",
        endpoint=members.text(reply.get("endpoint")),
        counts=members.counts(total, completed, failed),
        created_at=moment,
        intent=members.text(members.mapping(reply.get("metadata")).get(INTENT)),
        input_file_id=members.text(reply.get("input_file_id")),
        files={role: file_id for role, file_id in files.items() if file_id},
        results_until=None if moment is None or after is None else moment + after,
        refusals=_refusals(reply),
        error=members.batch_error(reply),
    )


def file_of(found: Any) -> RemoteFile | None:
    """A file object; None where it has no id."""
    reply = members.mapping(found)
    file_id = members.text(reply.get("id"))
    if file_id is None:
        return None
    return RemoteFile(
        file_id,
        name=members.text(reply.get("filename")) or "",
        size=members.whole(reply.get("bytes")),
        created_at=seconds(reply.get("created_at")),
        purpose=members.text(reply.get("purpose")) or "",
    )


def _refusals(reply: Mapping[str, Any]) -> tuple[Refusal, ...]:
    """Why an input was not accepted: a list of findings, or one text."""
    errors = reply.get("errors")
    found = errors if isinstance(errors, list) else members.items(members.mapping(errors).get("data"))
    if not found and phase_of(members.text(reply.get("status"))) is Phase.REFUSED:
        found = [errors, reply.get("error")]
    return tuple(filter(None, map(_refusal, found)))


def _refusal(found: Any) -> Refusal | None:
    """One finding; None where it says nothing."""
    if isinstance(found, str):
        return Refusal("", found) if found else None
    told = members.mapping(found)
    code, message = members.text(told.get("code")), members.text(told.get("message"))
    if code is None and message is None:
        return None
    return Refusal(code or "", message or "", members.whole(told.get("line")) or None)
