"""
Proof that an effect took place.

Pure values. Receipts go into the report of the pass and, where a later pass needs them, into metadata
and manifest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Final

import attrs

from reconciler.model.coverage import FileDigest
from reconciler.model.extraction import Extraction
from reconciler.model.identity import BatchName, Role

STARTED: Final = "started"
"""The `state` of a receipt whose processor may have begun and is not known to have ended."""


@attrs.frozen
class Receipt:
    """
    What one operation did.

    Attributes:
        name: The batch.
        verb: The operation, as users know it.
        summary: One line for people.
        facts: The same for machines.
    """

    name: BatchName
    verb: str
    summary: str
    facts: Mapping[str, Any] = attrs.field(factory=dict)


def invocation_token(
    name: str,
    processor: str,
    digests: Mapping[Role, FileDigest],
    retried: Iterable[str] = (),
    extraction: Extraction | None = None,
) -> str:
    """
    The token of one processor invocation: equal for equal work, on every machine and after every crash.

    Args:
        name: The batch.
        processor: Name and version of the processor.
        digests: The files that it reads.
        retried: The children that ask ids again.
        extraction: What the answers were held to.

    Returns:
        32 hexadecimal digits.
    """
    parts = [name, processor]
    parts += [f"{role.value}={digests[role].sha256}" for role in sorted(digests)]
    parts += sorted(retried)
    parts += [] if extraction is None else [f"extraction={extraction.digest}"]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def record_token(token: str, custom_id: str) -> str:
    """
    The token of one answer within an invocation: 32 hexadecimal digits.

    Args:
        token: The token of the invocation.
        custom_id: The request.
    """
    return hashlib.sha256(f"{token}\n{custom_id}".encode()).hexdigest()[:32]
