"""
Values as they stand in metadata and manifests: written as JSON, read back with every kind checked.

Pure. The readers raise TypeError, ValueError or KeyError with the name of the field; the callers turn
that into a `BadMetadata` that says where.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from reconciler.model.changes import Changed, by_fields, read_by
from reconciler.model.coverage import NOTHING, Coverage, FileDigest, Tally
from reconciler.model.extraction import Extraction, Kind, Think
from reconciler.model.identity import BatchName, Role, parse_file_name, parse_name
from reconciler.model.outcome import ErrorClass
from reconciler.model.record import After, Child, Limit, Odd, Online, Refusal

_T = TypeVar("_T")


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
    if coverage.extraction is not None:
        fields["extraction"] = extraction_fields(coverage.extraction)
    return fields


def read_coverage(found: Any) -> Coverage:
    """
    The inverse of `coverage_fields`.

    Raises:
        TypeError, ValueError, KeyError: A value is missing or of the wrong kind.
    """
    fields = mapping(found, "coverage")
    parts = ("answered", "failed", "retried", "dismissed", "missing")
    return Coverage(
        input=read_tally(fields["input"]),
        by_class={
            ErrorClass(key): read_tally(value)
            for key, value in mapping(fields.get("by_class", {}), "by_class").items()
        },
        digests={
            Role(key): read_digest(value)
            for key, value in mapping(fields.get("digests", {}), "digests").items()
        },
        extraction=maybe(fields, "extraction", read_extraction),
        **{part: read_tally(fields[part]) if part in fields else NOTHING for part in parts},
    )


def extraction_fields(extraction: Extraction) -> dict[str, Any]:
    """What answers are held to, with its digest."""
    return extraction.fields | {"sha256": extraction.digest}


def read_extraction(found: Any, key: str) -> Extraction:
    """
    What answers were held to; the account cannot be drawn again with another one, so its digest has to agree.

    Raises:
        TypeError, ValueError, KeyError: A value is of the wrong kind, or the digest is another one.
    """
    fields = mapping(found, key)
    texts = {
        name: text(fields.get(name, ""), name) for name in ("prefix", "suffix", "pointer", "schema", "repair")
    }
    extraction = Extraction(Kind(fields["kind"]), think=Think(fields["think"]), **texts)
    if fields.get("sha256") != extraction.digest:
        raise ValueError(f"{key} is not what its sha256 says: it was changed")
    return extraction


def read_tally(found: Any) -> Tally:
    """The inverse of `tally_fields`."""
    fields = mapping(found, "tally")
    return Tally(whole(fields["requests"], "requests"), int(text(fields["ids"], "ids"), 16))


def read_digest(found: Any) -> FileDigest:
    """The inverse of `digest_fields`."""
    fields = mapping(found, "digest")
    return FileDigest(text(fields["sha256"], "sha256"), whole(fields["bytes"], "bytes"))


def read_files(found: Any) -> dict[str, FileDigest]:
    """
    What a manifest or a tombstone says of the files beside it; another name could lead out of the folder.

    Raises:
        TypeError, ValueError, KeyError: A value is of the wrong kind, or a name is no batch file's.
    """
    files = {leaf: read_digest(digest) for leaf, digest in mapping(found, "files").items()}
    others = [leaf for leaf in files if parse_file_name(leaf) is None]
    if others:
        raise ValueError(f"files names {others[0]!r:.100}, which is no batch file")
    return files


def children_fields(children: Mapping[BatchName, Child]) -> dict[str, Any]:
    """Retry children as they stand on disk."""
    found: dict[str, Any] = {}
    for child, fact in children.items():
        found[child] = {"owns": tally_fields(fact.owns), "input": digest_fields(fact.digest)}
        if fact.changed is not None:
            found[child]["changed"] = tally_fields(fact.changed.tally) | {"by": by_fields(fact.changed.by)}
    return found


def read_children(found: Any) -> dict[BatchName, Child]:
    """The inverse of `children_fields`."""
    return {
        name(key, "child"): Child(
            read_tally(value["owns"]), read_digest(value["input"]), maybe(value, "changed", _read_changed)
        )
        for key, value in mapping(found, "children").items()
    }


def _read_changed(found: Any, key: str) -> Changed:
    """How a child's lines differ from its parent's."""
    by = mapping(mapping(found, key).get("by", {}), "by")
    return Changed(read_tally(found), read_by({each: text(name, "by") for each, name in by.items()}))


def online_fields(online: Online) -> dict[str, Any]:
    """What a provider said, as it stands in metadata; empty when it said nothing."""
    refusals = [
        {"code": each.code, "message": each.message} | ({} if each.line is None else {"line": each.line})
        for each in online.refusals
    ]
    found = {
        "refusals": refusals,
        "error": online.error,
        "candidates": list(online.candidates),
        "tries": online.tries,
        "odd": online.odd,
        "looks": online.looks,
        "stopped": online.stopped,
        "rescue": online.rescue,
        "limited": online.limited,
        "unstoppable": online.unstoppable,
        "worker": online.worker,
    }
    said: dict[str, Any] = {key: value for key, value in found.items() if value}
    return said if online.not_before is None else said | {"not_before": online.not_before}


def read_online(found: Any) -> Online:
    """The inverse of `online_fields`."""
    fields = mapping(found, "online")
    return Online(
        refusals=tuple(_read_refusal(each) for each in listed(fields, "refusals")),
        error=text(fields.get("error", ""), "error"),
        candidates=tuple(text(each, "candidates") for each in listed(fields, "candidates")),
        not_before=maybe(fields, "not_before", number),
        tries=whole(fields.get("tries", 0), "tries"),
        odd=maybe(fields, "odd", lambda value, _: Odd(value)),
        looks=whole(fields.get("looks", 0), "looks"),
        stopped=flag(fields.get("stopped", False), "stopped"),
        rescue=flag(fields.get("rescue", False), "rescue"),
        limited=flag(fields.get("limited", False), "limited"),
        unstoppable=flag(fields.get("unstoppable", False), "unstoppable"),
        worker=text(fields.get("worker", ""), "worker"),
    )


def limit_fields(limit: Limit) -> dict[str, Any]:
    """A time limit as it stands in metadata."""
    return {"seconds": limit.seconds, "until": limit.until}


def read_limit(found: Any, key: str) -> Limit:
    """The inverse of `limit_fields`."""
    fields = mapping(found, key)
    return Limit(number(fields["seconds"], "seconds"), number(fields["until"], "until"))


def after_fields(after: After) -> dict[str, Any]:
    """What a batch waits for, as it stands in metadata."""
    return {"batches": list(after.batches), "share": after.share}


def read_after(found: Any, key: str) -> After:
    """The inverse of `after_fields`."""
    fields = mapping(found, key)
    names = tuple(name(each, "batches") for each in listed(fields, "batches"))
    return After(names, number(fields["share"], "share"))


def _read_refusal(found: Any) -> Refusal:
    """One finding of a provider."""
    fields = mapping(found, "refusal")
    return Refusal(
        text(fields["code"], "code"), text(fields["message"], "message"), maybe(fields, "line", whole)
    )


def flag(value: Any, key: str) -> bool:
    """A truth value."""
    if not isinstance(value, bool):
        raise TypeError(f"{key} is {value!r:.40}, expected true or false")
    return value


def listed(fields: Mapping[str, Any], key: str) -> list[Any]:
    """A JSON array, empty when it is absent."""
    value = fields.get(key, [])
    if not isinstance(value, list):
        raise TypeError(f"{key} is {value!r:.40}, expected an array")
    return value


def name(value: Any, key: str) -> BatchName:
    """A batch name; anything else could lead out of the workspace when it becomes part of a path."""
    parsed = parse_name(text(value, key))
    if parsed is None:
        raise ValueError(f"{key} is {value!r:.100}, which is no batch name")
    return parsed


def maybe(found: Mapping[str, Any], key: str, read: Callable[[Any, str], _T]) -> _T | None:
    """The value under *key*, None when it is absent or null."""
    value = found.get(key)
    return None if value is None else read(value, key)


def mapping(value: Any, key: str) -> Mapping[str, Any]:
    """A JSON object."""
    if not isinstance(value, dict):
        raise TypeError(f"{key} is {value!r:.40}, expected an object")
    return value


def text(value: Any, key: str) -> str:
    """A string."""
    if not isinstance(value, str):
        raise TypeError(f"{key} is {value!r:.40}, expected a string")
    return value


def whole(value: Any, key: str) -> int:
    """A whole number that is not negative."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError(f"{key} is {value!r:.40}, expected a whole number")
    return value


def number(value: Any, key: str) -> float:
    """A number that a float can hold."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"{key} is {value!r:.40}, expected a number")
    try:
        return float(value)
    except OverflowError as error:
        raise ValueError(f"{key} is beyond all numbers") from error
