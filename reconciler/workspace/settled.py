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

from reconciler.errors import BadMetadata, PermanentError
from reconciler.model.coverage import Coverage, FileDigest
from reconciler.model.facts import Kind
from reconciler.model.identity import BatchName, Role, parse_file_name, parse_name
from reconciler.model.record import Child
from reconciler.workspace import fields
from reconciler.workspace.layout import DONE
from reconciler.workspace.nesting import shallow
from reconciler.workspace.reading import Reading
from reconciler.workspace.receipt_fields import read_receipts

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
        worker: Who answered in this process; see `Online.worker`.
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
    worker: str = ""

    @property
    def leaves(self) -> dict[Role, str]:
        """The name of each file beside it; those of a dismissed twin are not named like its folder."""
        found = ((parse_file_name(leaf), leaf) for leaf in self.files)
        return {parsed[0]: leaf for parsed, leaf in found if parsed is not None}


def encode(manifest: Manifest) -> bytes:
    """The manifest as it stands on disk, indented for people."""
    found: dict[str, Any] = {
        "schema": SCHEMA,
        "name": manifest.name,
        "settled_at": manifest.settled_at,
        "version": manifest.version,
        "parent": manifest.parent,
        "attempt": manifest.attempt,
        "provider": manifest.provider,
        "batch_id": manifest.batch_id,
        "worker": manifest.worker or None,
        "files": {leaf: fields.digest_fields(digest) for leaf, digest in manifest.files.items()},
        "coverage": fields.coverage_fields(manifest.coverage),
        "children": fields.children_fields(manifest.children),
        "dismissed": manifest.dismissed,
        "receipts": manifest.receipts,
    }
    kept = {key: value for key, value in found.items() if key == "files" or value not in (None, {})}
    return msgspec.json.format(msgspec.json.encode(kept), indent=2) + b"\n"


def decode(data: bytes, path: str) -> Manifest:
    """
    Read a manifest.

    Raises:
        BadMetadata: It is not what `encode` writes.
    """
    try:
        found = fields.mapping(shallow(data, msgspec.json.decode(data)), "the manifest")
        schema = fields.whole(found["schema"], "schema")
        if schema != SCHEMA:
            raise BadMetadata(f"{path} has schema {schema}, known is {SCHEMA}")
        return Manifest(
            name=fields.name(found["name"], "name"),
            files=fields.read_files(found["files"]),
            coverage=fields.read_coverage(found["coverage"]),
            parent=fields.maybe(found, "parent", fields.name),
            attempt=fields.whole(found["attempt"], "attempt"),
            children=fields.read_children(found.get("children", {})),
            settled_at=fields.number(found["settled_at"], "settled_at"),
            version=fields.text(found["version"], "version"),
            dismissed=fields.maybe(found, "dismissed", fields.text),
            provider=fields.maybe(found, "provider", fields.text),
            batch_id=fields.maybe(found, "batch_id", fields.text),
            receipts=read_receipts(found.get("receipts", {})),
            worker=fields.text(found.get("worker", ""), "worker"),
        )
    except (msgspec.MsgspecError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise BadMetadata(f"{path} is no manifest ({type(error).__name__}: {str(error)[:100]})") from error


def folder_of(name: str) -> str:
    """Where a settled batch lies."""
    return f"{DONE}/{name}"


def read(look: Reading, name: str) -> Manifest:
    """
    The manifest of a settled batch.

    Raises:
        BadMetadata: It cannot be read, or speaks of another batch.
        FileNotFoundError: There is none.
    """
    path = f"{folder_of(name)}/{MANIFEST}"
    try:
        data = look.read(path)
    except PermanentError as error:
        raise BadMetadata(error.message) from error
    manifest = decode(data, path)
    if manifest.name != name:
        raise BadMetadata(f"{path} speaks of batch {manifest.name}; was the folder copied or renamed?")
    return manifest


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
