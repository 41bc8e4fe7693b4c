"""
`done/<name>/`: what a settled batch leaves, and its `manifest.json`.

The manifest lists the files with size and SHA-256, the account of every id, the lineage, what the
processors published, versions and times. It is written by staging, with the folder; only the account
and the children change later, when a person asks failed requests again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs
import msgspec

from reconciler.errors import BadMetadata
from reconciler.model.coverage import Coverage, FileDigest
from reconciler.model.identity import BatchName, Role, parse_file_name, parse_name
from reconciler.model.operation import Kind
from reconciler.model.record import Child
from reconciler.workspace.layout import DONE
from reconciler.workspace.metadata import (
    coverage_fields,
    digest_fields,
    read_coverage,
    read_digest,
    read_tally,
    tally_fields,
)
from reconciler.workspace.reading import Reading

MANIFEST: Final = "manifest.json"
SCHEMA: Final = 1


@attrs.frozen
class Manifest:
    """
    What `manifest.json` says.

    Attributes:
        name: The batch.
        files: Size and SHA-256 of each file beside it.
        coverage: The account; it balances.
        parent: The batch whose leftovers this one asked again.
        attempt: How often its requests had been sent.
        children: Retry children that own ids of this batch.
        settled_at: Seconds since the epoch.
        version: The version of the reconciler that settled it.
        dismissed: Why a person gave up what is dismissed, None when nothing is.
        provider: Whose answers these are, None when nobody knows.
        batch_id: The provider's id of the batch.
        receipts: Proof of what processors did.
    """

    name: BatchName
    files: Mapping[str, FileDigest]
    coverage: Coverage
    parent: BatchName | None = None
    attempt: int = 1
    children: Mapping[BatchName, Child] = attrs.field(factory=dict)
    settled_at: float = 0.0
    version: str = ""
    dismissed: str | None = None
    provider: str | None = None
    batch_id: str | None = None
    receipts: Mapping[str, Any] = attrs.field(factory=dict)


def encode(manifest: Manifest) -> bytes:
    """The manifest as it stands on disk, indented for people."""
    fields = {
        "schema": SCHEMA,
        "name": manifest.name,
        "settled_at": manifest.settled_at,
        "version": manifest.version,
        "parent": manifest.parent,
        "attempt": manifest.attempt,
        "provider": manifest.provider,
        "batch_id": manifest.batch_id,
        "files": {leaf: digest_fields(digest) for leaf, digest in manifest.files.items()},
        "coverage": coverage_fields(manifest.coverage),
        "children": {
            child: {"owns": tally_fields(fact.owns), "input": digest_fields(fact.digest)}
            for child, fact in manifest.children.items()
        },
        "dismissed": manifest.dismissed,
        "receipts": manifest.receipts,
    }
    kept = {key: value for key, value in fields.items() if value not in (None, {})}
    return msgspec.json.format(msgspec.json.encode(kept), indent=2) + b"\n"


def decode(data: bytes, path: str) -> Manifest:
    """
    Read a manifest.

    Raises:
        BadMetadata: It is not what `encode` writes.
    """
    try:
        found = msgspec.json.decode(data)
        if found["schema"] != SCHEMA:
            raise BadMetadata(f"{path} has schema {found['schema']!r:.40}, known is {SCHEMA}")
        return Manifest(
            name=BatchName(found["name"]),
            files={leaf: read_digest(digest) for leaf, digest in found["files"].items()},
            coverage=read_coverage(found["coverage"]),
            parent=found.get("parent"),
            attempt=found["attempt"],
            children={
                BatchName(child): Child(read_tally(fact["owns"]), read_digest(fact["input"]))
                for child, fact in found.get("children", {}).items()
            },
            settled_at=found["settled_at"],
            version=found["version"],
            dismissed=found.get("dismissed"),
            provider=found.get("provider"),
            batch_id=found.get("batch_id"),
            receipts=found.get("receipts", {}),
        )
    except (msgspec.MsgspecError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BadMetadata(f"{path} is no manifest ({type(error).__name__}: {str(error)[:100]})") from error


def folder_of(name: str) -> str:
    """Where a settled batch lies."""
    return f"{DONE}/{name}"


def read(look: Reading, name: str) -> Manifest:
    """
    The manifest of a settled batch.

    Raises:
        BadMetadata: It cannot be read.
        FileNotFoundError: There is none.
    """
    path = f"{folder_of(name)}/{MANIFEST}"
    return decode(look.read(path), path)


def names(look: Reading) -> Iterator[BatchName]:
    """Every folder of `done/` whose name is a batch's; lists the folder, so never part of a pass."""
    for entry in sorted(look.listing(DONE)):
        name = parse_name(entry.name)
        if entry.kind is Kind.FOLDER and name is not None:
            yield name


def history(look: Reading) -> Iterator[tuple[Role, BatchName]]:
    """Flat files in `done/`, left by another tool."""
    for entry in sorted(look.listing(DONE)):
        found = parse_file_name(entry.name)
        if found is not None and entry.kind is Kind.FILE:
            yield found
