"""
`batch_metadata_<name>.jsonl`: one JSON object on one line, our record of a batch.

Absent, empty and corrupt are three different things: only an absent file means "no record". A file of a
newer schema is refused, unknown keys of our own schema are kept. Pure: bytes in, values out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import msgspec

from reconciler.errors import BadMetadata
from reconciler.model.coverage import NOTHING, Coverage, FileDigest, Tally
from reconciler.model.identity import BatchName, Role
from reconciler.model.outcome import ErrorClass
from reconciler.model.record import Child, Counts, InputFact, Record, Submission

SCHEMA: Final = 1

_T = TypeVar("_T")
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
    fields: dict[str, Any] = dict(record.extra)
    fields |= {"schema": SCHEMA, "generation": record.generation, "name": record.name}
    if record.input is not None:
        fields["input"] = digest_fields(record.input.digest) | {"requests": record.input.requests}
    fields["attempt"] = record.attempt
    optional: dict[str, Any] = {key: getattr(record, key) for key in _TEXTS}
    optional |= {"state": record.state, "sent_at": record.sent_at, "results_until": record.results_until}
    optional |= {"cost": record.cost, "coverage": record.coverage and coverage_fields(record.coverage)}
    fields |= {key: value for key, value in optional.items() if value is not None}
    counts = {key: value for key, value in _counts_fields(record.counts).items() if value is not None}
    groups: dict[str, Mapping[str, Any]] = {
        "counts": counts,
        "roles": {role.value: digest_fields(kept) if kept else "none" for role, kept in record.roles.items()},
        "children": {
            child: {"owns": tally_fields(fact.owns), "input": digest_fields(fact.digest)}
            for child, fact in record.children.items()
        },
        "dismissed": {part: tally_fields(tally) for part, tally in record.dismissed.items()},
        "receipts": record.receipts,
    }
    fields |= {key: group for key, group in groups.items() if group}
    return msgspec.json.encode(fields) + b"\n"


def digest_fields(digest: FileDigest) -> dict[str, Any]:
    """A file's digest as it stands on disk."""
    return {"sha256": digest.sha256, "bytes": digest.size}


def tally_fields(tally: Tally) -> dict[str, Any]:
    """A tally as it stands on disk."""
    return {"requests": tally.requests, "ids": tally.digest}


def coverage_fields(coverage: Coverage) -> dict[str, Any]:
    """An account as it stands in metadata and manifests."""
    parts = ("input", "answered", "failed", "retried", "dismissed", "missing")
    fields: dict[str, Any] = {part: tally_fields(getattr(coverage, part)) for part in parts}
    fields["by_class"] = {name.value: tally_fields(tally) for name, tally in coverage.by_class.items()}
    fields["digests"] = {role.value: digest_fields(kept) for role, kept in coverage.digests.items()}
    return fields


def read_coverage(found: Any) -> Coverage:
    """
    The inverse of `coverage_fields`.

    Raises:
        TypeError, ValueError, KeyError: A value is missing or of the wrong kind.
    """
    fields = _mapping(found, "coverage")
    parts = ("answered", "failed", "retried", "dismissed", "missing")
    return Coverage(
        input=read_tally(fields["input"]),
        by_class={
            ErrorClass(key): read_tally(value)
            for key, value in _mapping(fields.get("by_class", {}), "by_class").items()
        },
        digests={
            Role(key): read_digest(value)
            for key, value in _mapping(fields.get("digests", {}), "digests").items()
        },
        **{part: read_tally(fields[part]) if part in fields else NOTHING for part in parts},
    )


def read_tally(found: Any) -> Tally:
    """The inverse of `tally_fields`."""
    fields = _mapping(found, "tally")
    return Tally(_whole(fields["requests"], "requests"), int(_text(fields["ids"], "ids"), 16))


def read_digest(found: Any) -> FileDigest:
    """The inverse of `digest_fields`."""
    fields = _mapping(found, "digest")
    return FileDigest(_text(fields["sha256"], "sha256"), _whole(fields["bytes"], "bytes"))


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
    extra = {key: value for key, value in found.items() if key not in _ANCESTOR}
    texts: dict[str, Any] = {key: value or None for key, value in ids.items()}
    return Record(name, provider=provider, state=Submission.SUBMITTED, extra=extra, **texts)


def _record(found: dict[str, Any]) -> Record:
    """A record of our own schema."""
    counts = _mapping(found.get("counts", {}), "counts")
    optional: dict[str, Any] = {key: _maybe(found, key, _text) for key in _TEXTS}
    parent = optional.pop("parent")
    return Record(
        name=BatchName(_text(found["name"], "name")),
        generation=_whole(found["generation"], "generation"),
        input=_maybe(found, "input", _input),
        parent=None if parent is None else BatchName(parent),
        attempt=_whole(found.get("attempt", 1), "attempt"),
        state=_maybe(found, "state", lambda value, _: Submission(value)),
        sent_at=_maybe(found, "sent_at", _number),
        counts=Counts(*(_maybe(counts, key, _whole) for key in ("total", "completed", "failed"))),
        results_until=_maybe(found, "results_until", _number),
        roles={
            Role(key): None if value == "none" else read_digest(value)
            for key, value in _mapping(found.get("roles", {}), "roles").items()
        },
        coverage=_maybe(found, "coverage", lambda value, _: read_coverage(value)),
        children={
            BatchName(key): Child(read_tally(value["owns"]), read_digest(value["input"]))
            for key, value in _mapping(found.get("children", {}), "children").items()
        },
        dismissed={
            key: read_tally(value) for key, value in _mapping(found.get("dismissed", {}), "dismissed").items()
        },
        receipts=_mapping(found.get("receipts", {}), "receipts"),
        cost=_maybe(found, "cost", _mapping),
        extra={key: value for key, value in found.items() if key not in _KNOWN},
        **optional,
    )


def _input(found: Any, _key: str) -> InputFact:
    fields = _mapping(found, "input")
    return InputFact(read_digest(fields), _whole(fields["requests"], "requests"))


def _counts_fields(counts: Counts) -> dict[str, int | None]:
    return {"total": counts.total, "completed": counts.completed, "failed": counts.failed}


def _maybe(found: Mapping[str, Any], key: str, read: Callable[[Any, str], _T]) -> _T | None:
    """The value under *key*, None when it is absent or null."""
    value = found.get(key)
    return None if value is None else read(value, key)


def _mapping(value: Any, key: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{key} is {value!r:.40}, expected an object")
    return value


def _text(value: Any, key: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{key} is {value!r:.40}, expected a string")
    return value


def _whole(value: Any, key: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError(f"{key} is {value!r:.40}, expected a whole number")
    return value


def _number(value: Any, key: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"{key} is {value!r:.40}, expected a number")
    return float(value)
