"""
Metadata as most of it is written, for one typed decode: what differs from this is read with care.

Pure. Whatever one of these refuses may still be sound; what they take, `metadata.py` holds to the rest.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec

from reconciler.model.record import Submission

_Whole: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]


class Narrow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """What the quick way knows; an unknown field is for the careful way, which keeps it."""


class Input(Narrow, frozen=True):
    """The input of a record, as written."""

    sha256: str
    bytes: _Whole
    requests: _Whole


class Counts(Narrow, frozen=True):
    """The counts of a record, as written."""

    total: _Whole | None = None
    completed: _Whole | None = None
    failed: _Whole | None = None


UNSAID: Final = msgspec.Raw(b"null")
UNCOUNTED: Final = Counts()


class Plain(Narrow, frozen=True):
    """
    A record of ours; what is absent from most records is left to the careful readers.

    Its account is most of it, and stays as it is written until somebody asks.
    """

    schema: Literal[1]
    name: str
    generation: _Whole
    input: Input | None = None
    parent: str | None = None
    attempt: _Whole = 1
    provider: str | None = None
    endpoint: str | None = None
    account: str | None = None
    state: Submission | None = None
    sent_at: float | None = None
    intent: str | None = None
    batch_id: str | None = None
    input_file_id: str | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    status: str | None = None
    counts: Counts = UNCOUNTED
    results_until: float | None = None
    online: dict[str, Any] | None = None
    roles: dict[str, Any] = {}
    coverage: msgspec.Raw = UNSAID
    children: dict[str, Any] = {}
    dismissed: dict[str, Any] = {}
    receipts: dict[str, dict[str, Any]] = {}
    cost: dict[str, Any] | None = None
    imported: dict[str, Any] | None = None


class Ids(Narrow, frozen=True):
    """A record of the Rust batch-mode tools."""

    batch_id: str
    input_file_id: str | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None


PLAIN: Final = msgspec.json.Decoder(Plain)
IDS: Final = msgspec.json.Decoder(Ids)
