"""
`batch_metadata_<name>.jsonl`: one JSON object on one line, our record of a batch.

Absent, empty and corrupt are three different things: only an absent file means "no record". A file of a
newer schema is refused, unknown keys of our own schema are kept. Pure: bytes in, values out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs
import msgspec

from reconciler.errors import BadMetadata
from reconciler.model.identity import BatchName, Role
from reconciler.model.record import Counts, InputFact, Record, Submission
from reconciler.workspace import fields

SCHEMA: Final = 1

_ANCESTOR: Final = frozenset({"batch_id", "input_file_id", "output_file_id", "error_file_id"})
# How the ids of each provider begin; the Rust tools wrote no other hint.
_PREFIXES: Final = (("msgbatch_", "anthropic"), ("batches/", "gemini"), ("batch_", "openai"))
_TEXTS: Final = (
    *("parent", "provider", "endpoint", "account", "intent", "batch_id"),
    *("input_file_id", "output_file_id", "error_file_id", "status"),
)
_KNOWN: Final = frozenset(
    {
        *("schema", "generation", "name", "input", "attempt", "state", "sent_at", "counts", "results_until"),
        *("roles", "coverage", "children", "dismissed", "receipts", "cost"),
        *_TEXTS,
    }
)


def decode(data: bytes, path: str, name: BatchName) -> Record:
    """
    Read a metadata file.

    Args:
        data: The whole file.
        path: Where it stands, for messages.
        name: The batch that the file name speaks of.

    Raises:
        BadMetadata: It is empty, no JSON object, of a newer schema, of another batch, or holds a value
            of the wrong kind.
    """
    if not data.strip():
        raise BadMetadata(f"{path} is empty, which is not the same as no metadata")
    try:
        found = msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise BadMetadata(f"{path} is not JSON ({str(error)[:120]})") from error
    if not isinstance(found, dict):
        raise BadMetadata(f"{path} holds no JSON object")
    if "schema" not in found:
        return _ancestor(found, path, name)
    schema = found["schema"]
    if not isinstance(schema, int) or isinstance(schema, bool) or schema < 1:
        raise BadMetadata(f"{path}: schema is {schema!r:.40}, expected {SCHEMA}")
    if schema > SCHEMA:
        hint = "run the version of reconcile that wrote it, or a newer one"
        raise BadMetadata(
            f"{path} was written by a newer version (schema {schema}, known {SCHEMA})", hint=hint
        )
    try:
        record = _record(found)
    except (TypeError, ValueError, KeyError) as error:
        raise BadMetadata(f"{path}: {str(error)[:200]}") from error
    if record.name != name:
        raise BadMetadata(f"{path} speaks of batch {record.name!r:.100}; was it copied or renamed?")
    return record


def encode(record: Record) -> bytes:
    """One line, newline included; fields that say nothing are left out."""
    found: dict[str, Any] = dict(record.extra)
    found |= {"schema": SCHEMA, "generation": record.generation, "name": record.name}
    if record.input is not None:
        found["input"] = fields.digest_fields(record.input.digest) | {"requests": record.input.requests}
    found["attempt"] = record.attempt
    optional: dict[str, Any] = {key: getattr(record, key) for key in _TEXTS}
    optional |= {"state": record.state, "sent_at": record.sent_at, "results_until": record.results_until}
    optional |= {"cost": record.cost, "coverage": record.coverage and fields.coverage_fields(record.coverage)}
    found |= {key: value for key, value in optional.items() if value is not None}
    roles = {
        role.value: fields.digest_fields(kept) if kept else "none" for role, kept in record.roles.items()
    }
    groups: dict[str, Mapping[str, Any]] = {
        "counts": {key: value for key, value in attrs.asdict(record.counts).items() if value is not None},
        "roles": roles,
        "children": fields.children_fields(record.children),
        "dismissed": {part: fields.tally_fields(tally) for part, tally in record.dismissed.items()},
        "receipts": record.receipts,
    }
    found |= {key: group for key, group in groups.items() if group}
    return msgspec.json.encode(found) + b"\n"


def _ancestor(found: dict[str, Any], path: str, name: BatchName) -> Record:
    """A record of the Rust batch-mode tools: four ids, the provider told by their prefix."""
    batch_id = found.get("batch_id")
    if not isinstance(batch_id, str) or not batch_id:
        raise BadMetadata(
            f"{path} holds neither a schema nor a batch_id: it says nothing that can be trusted"
        )
    ids = {key: found.get(key) for key in _ANCESTOR}
    if any(value is not None and not isinstance(value, str) for value in ids.values()):
        raise BadMetadata(f"{path}: a file id is no string")
    provider = next((word for prefix, word in _PREFIXES if batch_id.startswith(prefix)), None)
    extra = {key: value for key, value in found.items() if key not in _ANCESTOR | _KNOWN}
    taken = {key: value for key, value in found.items() if key in _KNOWN - _ANCESTOR}
    if taken:
        # Words that mean something else in a record of ours keep their values in a place of their own.
        extra["ancestor"] = taken
    texts: dict[str, Any] = {key: value or None for key, value in ids.items()}
    return Record(name, provider=provider, state=Submission.SUBMITTED, extra=extra, **texts)


def _record(found: dict[str, Any]) -> Record:
    """A record of our own schema."""
    counts = fields.mapping(found.get("counts", {}), "counts")
    roles = fields.mapping(found.get("roles", {}), "roles")
    dismissed = fields.mapping(found.get("dismissed", {}), "dismissed")
    texts: dict[str, Any] = {key: fields.maybe(found, key, fields.text) for key in _TEXTS}
    texts["parent"] = fields.maybe(found, "parent", fields.name)
    return Record(
        name=fields.name(found["name"], "name"),
        generation=fields.whole(found["generation"], "generation"),
        input=fields.maybe(found, "input", _input),
        attempt=fields.whole(found.get("attempt", 1), "attempt"),
        state=fields.maybe(found, "state", lambda value, _: Submission(value)),
        sent_at=fields.maybe(found, "sent_at", fields.number),
        counts=Counts(*(fields.maybe(counts, key, fields.whole) for key in ("total", "completed", "failed"))),
        results_until=fields.maybe(found, "results_until", fields.number),
        roles={
            Role(key): None if value == "none" else fields.read_digest(value) for key, value in roles.items()
        },
        coverage=fields.maybe(found, "coverage", lambda value, _: fields.read_coverage(value)),
        children=fields.read_children(found.get("children", {})),
        dismissed={key: fields.read_tally(value) for key, value in dismissed.items()},
        receipts=fields.read_receipts(found.get("receipts", {})),
        cost=fields.maybe(found, "cost", fields.mapping),
        extra={key: value for key, value in found.items() if key not in _KNOWN},
        **texts,
    )


def _input(found: Any, key: str) -> InputFact:
    """The input that a record speaks of."""
    return InputFact(
        fields.read_digest(found), fields.whole(fields.mapping(found, key)["requests"], "requests")
    )
