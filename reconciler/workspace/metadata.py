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
from reconciler.model.coverage import Coverage, FileDigest, Tally
from reconciler.model.identity import BatchName, Role
from reconciler.model.record import NOTHING_HEARD, Counts, InputFact, Record, Submission, at_provider
from reconciler.workspace import fields, typed
from reconciler.workspace.nesting import may_be_deep, shallow
from reconciler.workspace.receipt_fields import read_receipts

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
        *(
            "online",
            "roles",
            "coverage",
            "children",
            "dismissed",
            "receipts",
            "cost",
            "imported",
            "asks",
            "limit",
            "after",
        ),
        *_TEXTS,
    }
)
_UNCOUNTED: Final = Counts()


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
    return _quickly(data, name) or _carefully(data, path, name)


def decode_for_answers(data: bytes, path: str, name: BatchName) -> tuple[Role, ...]:
    """
    `Record.at_provider` of a metadata file: what counts at a glance where answers are here.

    The account is passed over. Nothing may be done on the word of this; `decode` comes before.

    Raises:
        BadMetadata: As `decode`, but for what is wrong with the account.
    """
    try:
        found = typed.PLAIN.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return decode(data, path, name).at_provider
    unread = found.roles or found.children or found.dismissed
    if found.name != name or found.parent is not None or found.online is not None or unread:
        # The typed decode says too little of these.
        return decode(data, path, name).at_provider
    return at_provider({}, found.output_file_id, found.error_file_id)


def _quickly(data: bytes, name: BatchName) -> Record | None:
    """The record, when it is sound and has no field that is unknown; the careful way must agree."""
    if may_be_deep(data):
        return None
    try:
        if b'"schema"' not in data:
            ids = typed.IDS.decode(data)
            batch_id, files = ids.batch_id, (ids.input_file_id, ids.output_file_id, ids.error_file_id)
            return _submitted(name, batch_id, *files) if batch_id else None
        found = typed.PLAIN.decode(data)
        if found.name != name:
            return None
        known, counts = found.input, found.counts
        # In the order of the fields: names would cost half as much again, a hundred thousand times.
        return Record(
            name,
            found.generation,
            None if known is None else InputFact(FileDigest(known.sha256, known.bytes), known.requests),
            None if found.parent is None else fields.name(found.parent, "parent"),
            found.attempt,
            found.provider,
            found.endpoint,
            found.account,
            found.state,
            found.sent_at,
            found.intent,
            found.batch_id,
            found.input_file_id,
            found.output_file_id,
            found.error_file_id,
            found.status,
            _UNCOUNTED
            if counts is typed.UNCOUNTED
            else Counts(counts.total, counts.completed, counts.failed),
            found.results_until,
            NOTHING_HEARD if found.online is None else fields.read_online(found.online),
            _roles(found.roles) if found.roles else {},
            None if found.coverage is typed.UNSAID else _account(msgspec.json.decode(found.coverage)),
            fields.read_children(found.children) if found.children else {},
            _dismissed(found.dismissed) if found.dismissed else {},
            read_receipts(found.receipts) if found.receipts else {},
            found.cost,
            found.imported,
            {},
        )
    except (msgspec.MsgspecError, TypeError, ValueError, KeyError, RecursionError):
        return None


def _carefully(data: bytes, path: str, name: BatchName) -> Record:
    """The record, or in words what is wrong with it."""
    if not data.strip():
        raise BadMetadata(f"{path} is empty, which is not the same as no metadata")
    try:
        found = shallow(data, msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf")))
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
            f"{path} was written by a newer version (schema {schema!r:.40}, known {SCHEMA})", hint=hint
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
    optional |= {
        "cost": record.cost,
        "imported": record.imported,
        "coverage": record.coverage and fields.coverage_fields(record.coverage),
        "asks": record.asks and fields.extraction_fields(record.asks),
        "limit": record.limit and fields.limit_fields(record.limit),
        "after": record.after and fields.after_fields(record.after),
    }
    found |= {key: value for key, value in optional.items() if value is not None}
    roles = {
        role.value: fields.digest_fields(kept) if kept else "none" for role, kept in record.roles.items()
    }
    groups: dict[str, Mapping[str, Any]] = {
        "counts": {key: value for key, value in attrs.asdict(record.counts).items() if value is not None},
        "online": fields.online_fields(record.online),
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
    files = [found.get(f"{role}_file_id") for role in ("input", "output", "error")]
    if any(value is not None and not isinstance(value, str) for value in files):
        raise BadMetadata(f"{path}: a file id is no string")
    extra = {key: value for key, value in found.items() if key not in _ANCESTOR | _KNOWN}
    taken = {key: value for key, value in found.items() if key in _KNOWN - _ANCESTOR}
    if taken:
        # Words that mean something else in a record of ours keep their values in a place of their own.
        extra["ancestor"] = taken
    return attrs.evolve(_submitted(name, batch_id, *files), extra=extra)


def _submitted(name: BatchName, batch_id: str, asked: str | None, out: str | None, bad: str | None) -> Record:
    """A batch that was sent with another tool; an empty id of a file is none."""
    provider = None
    for prefix, word in _PREFIXES:
        if batch_id.startswith(prefix):
            provider = word
    return Record(
        name,
        provider=provider,
        state=Submission.SUBMITTED,
        batch_id=batch_id,
        input_file_id=asked or None,
        output_file_id=out or None,
        error_file_id=bad or None,
    )


def _record(found: dict[str, Any]) -> Record:
    """A record of our own schema."""
    counts = fields.mapping(found.get("counts", {}), "counts")
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
        online=fields.read_online(found.get("online", {})),
        roles=_roles(fields.mapping(found.get("roles", {}), "roles")),
        coverage=_account(found.get("coverage")),
        children=fields.read_children(found.get("children", {})),
        dismissed=_dismissed(fields.mapping(found.get("dismissed", {}), "dismissed")),
        receipts=read_receipts(found.get("receipts", {})),
        cost=fields.maybe(found, "cost", fields.mapping),
        imported=fields.maybe(found, "imported", fields.mapping),
        extra={key: value for key, value in found.items() if key not in _KNOWN},
        asks=fields.maybe(found, "asks", fields.read_extraction),
        limit=fields.maybe(found, "limit", fields.read_limit),
        after=fields.maybe(found, "after", fields.read_after),
        **texts,
    )


def _account(found: Any) -> Coverage | None:
    """The last account, None where none was drawn up."""
    return None if found is None else fields.read_coverage(found)


def _roles(found: Mapping[str, Any]) -> dict[Role, FileDigest | None]:
    """What was downloaded."""
    return {Role(key): None if value == "none" else fields.read_digest(value) for key, value in found.items()}


def _dismissed(found: Mapping[str, Any]) -> dict[str, Tally]:
    """What a person gave up."""
    return {key: fields.read_tally(value) for key, value in found.items()}


def _input(found: Any, key: str) -> InputFact:
    """The input that a record speaks of."""
    return InputFact(
        fields.read_digest(found), fields.whole(fields.mapping(found, key)["requests"], "requests")
    )
