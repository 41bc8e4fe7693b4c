"""
`done/<name>/tombstone.json`: what stays of the JSONL of a settled batch that `[retain]` removed.

It says what each removed file was, where the ids of the batch stood, and what was published of them: with
the manifest beside it and the published files, the account can still be proven.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs
import msgspec

from reconciler.errors import BadMetadata, PermanentError
from reconciler.model.coverage import Coverage, FileDigest
from reconciler.model.identity import BatchName
from reconciler.workspace import fields
from reconciler.workspace.nesting import shallow
from reconciler.workspace.reading import Reading
from reconciler.workspace.settled import folder_of

TOMBSTONE: Final = "tombstone.json"
SCHEMA: Final = 1


@attrs.frozen
class Tombstone:
    """
    What `tombstone.json` says.

    Attributes:
        name: The batch.
        files: Size and SHA-256 of each file that was removed.
        coverage: Where every id of the batch stands, as tallies; the manifest's.
        published: Size and SHA-256 of what was published, read again right before the removal.
        removed_at: Seconds since the epoch.
        version: The version of the reconciler that removed the files.
    """

    name: BatchName
    files: Mapping[str, FileDigest]
    coverage: Coverage
    published: Mapping[str, FileDigest]
    removed_at: float = 0.0
    version: str = ""


def path_of(name: str) -> str:
    """Where the tombstone of a settled batch stands."""
    return f"{folder_of(name)}/{TOMBSTONE}"


def encode(tombstone: Tombstone) -> bytes:
    """The tombstone as it stands on disk, indented for people."""
    found = {
        "schema": SCHEMA,
        "name": tombstone.name,
        "removed_at": tombstone.removed_at,
        "version": tombstone.version,
        "files": {leaf: fields.digest_fields(digest) for leaf, digest in tombstone.files.items()},
        "coverage": fields.coverage_fields(tombstone.coverage),
        "published": {path: fields.digest_fields(digest) for path, digest in tombstone.published.items()},
    }
    return msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n"


def decode(data: bytes, path: str) -> Tombstone:
    """
    Read a tombstone.

    Raises:
        BadMetadata: It is not what `encode` writes.
    """
    try:
        found = fields.mapping(shallow(data, msgspec.json.decode(data)), "the tombstone")
        schema = fields.whole(found["schema"], "schema")
        if schema != SCHEMA:
            raise BadMetadata(f"{path} has schema {schema}, known is {SCHEMA}")
        published = fields.mapping(found["published"], "published")
        return Tombstone(
            name=fields.name(found["name"], "name"),
            files=fields.read_files(found["files"]),
            coverage=fields.read_coverage(found["coverage"]),
            published={each: fields.read_digest(digest) for each, digest in published.items()},
            removed_at=fields.number(found["removed_at"], "removed_at"),
            version=fields.text(found["version"], "version"),
        )
    except (msgspec.MsgspecError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise BadMetadata(f"{path} is no tombstone ({type(error).__name__}: {str(error)[:100]})") from error


def read(look: Reading, name: str) -> Tombstone | None:
    """
    The tombstone of a settled batch, None when it has none.

    Raises:
        BadMetadata: It cannot be read, or speaks of another batch.
    """
    path = path_of(name)
    if look.kind(path) is None:
        return None
    try:
        data = look.read(path)
    except PermanentError as error:
        raise BadMetadata(error.message) from error
    tombstone = decode(data, path)
    if tombstone.name != name:
        raise BadMetadata(f"{path} speaks of batch {tombstone.name}; was the folder copied or renamed?")
    return tombstone
