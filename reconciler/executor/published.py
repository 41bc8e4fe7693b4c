"""
What a batch has published, as far as its receipt vouches for it: the results of one whose files are gone.

A pure read. Kept per id is where its line stands and what it says in short.
"""

from __future__ import annotations

import contextlib
from array import array
from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs
import msgspec

from reconciler.errors import BadLine, StaleSnapshot
from reconciler.executor.answers import Read
from reconciler.executor.context import View
from reconciler.executor.lineages import Member
from reconciler.executor.reading import Lines
from reconciler.model.citation import Citation, Vouched
from reconciler.model.coverage import FileDigest, digest_id
from reconciler.model.facts import FileFact
from reconciler.model.identity import BatchName, Role
from reconciler.model.operation import ProcessOutput
from reconciler.model.receipt import STARTED
from reconciler.model.rows import ResultRow, Standing
from reconciler.processors.base import RESULTS, VERSIONS
from reconciler.processors.results import published_as

_PLAIN: Final = f"{RESULTS}/{VERSIONS[RESULTS]}"
"""Who publishes answers as they are, without a value."""

_CITATIONS: Final = tuple[Citation, ...] | None
_VOUCHED: Final = dict[str, tuple[Vouched, ...]] | None

_STANDINGS: Final = (Standing.ANSWERED, Standing.FAILED, Standing.DISMISSED, Standing.MISSING)


@attrs.frozen
class Published:
    """
    What a batch has published, one line a request.

    Attributes:
        member: The batch.
        digests: The 16-byte digest of each id.
        asked: Of the input that is not here any more, as the manifest remembers it.
        offsets: The first byte of each line, and the end of the last.
        codes: The standing of each request, as its position in `_STANDINGS`.
        tells: 1 where a line says what became of its request.
        read: Reads the file.
    """

    member: Member
    asked: FileDigest | None
    read: Read
    digests: bytearray = attrs.field(factory=bytearray)
    offsets: array[int] = attrs.field(factory=lambda: array("Q", (0,)))
    codes: bytearray = attrs.field(factory=bytearray)
    tells: bytearray = attrs.field(factory=bytearray)
    problems: list[str] = attrs.field(factory=list)

    def take(self, line: bytes) -> None:
        """Note where one line stands and what it says in short."""
        found = msgspec.json.decode(line)
        outcome, error = found["outcome"], found["error"]
        if outcome == "retried":
            # What came of it there, the child says.
            outcome = "failed" if error else "missing"
        self.digests.extend(digest_id(found["custom_id"].encode()))
        self.codes.append(_STANDINGS.index(Standing(outcome)))
        self.tells.append(outcome == "answered" or error is not None)
        self.offsets.append(self.offsets[-1] + len(line))

    def standing(self, at: int) -> Standing:
        """Where the request stands as far as this batch knows."""
        return _STANDINGS[self.codes[at]]

    def told(self, at: int) -> bool:
        """Whether the line says what became of it."""
        return bool(self.tells[at])

    def line(self, at: int) -> dict[str, Any]:
        """The line of a request."""
        first = self.offsets[at]
        found: dict[str, Any] = msgspec.json.decode(self.read(first, self.offsets[at + 1] - first))
        return found

    def row(self, at: int) -> ResultRow:
        """What the line says."""
        return row_of(self.line(at), self.standing(at), self.member.name)


def row_of(found: Mapping[str, Any], outcome: Standing, batch: BatchName) -> ResultRow:
    """
    What a published line says, as a row.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: It is none of ours.
    """
    error = found["error"] or {}
    calls = found["tool_calls"]
    return ResultRow(
        custom_id=found["custom_id"],
        outcome=outcome,
        text=found["text"],
        value=found["value"],
        finish_reason=found["finish_reason"],
        refusal=found["refusal"],
        tool_calls=None if calls is None else tuple(calls),
        usage=found["usage"],
        model=found["model"],
        provider=found["provider"],
        batch=batch,
        attempt=found["attempt"],
        error_class=error.get("class"),
        error_code=error.get("code"),
        error_message=error.get("message"),
        body=found.get("body"),
        citations=msgspec.convert(found.get("citations"), _CITATIONS),
        citation_mappings=msgspec.convert(found.get("citation_mappings"), _VOUCHED),
    )


def _receipt(member: Member) -> Mapping[str, Any]:
    """Proof of what the output processor published."""
    known = member.manifest or member.record
    found: Mapping[str, Any] = {} if known is None else known.receipts.get(ProcessOutput.verb, {})
    return {} if found.get("state") == STARTED else found


def has_values(member: Member) -> bool:
    """Whether lines with values were published for a batch."""
    receipt = _receipt(member)
    return receipt.get("path") == published_as(member.name) and receipt.get("processor") != _PLAIN


@contextlib.contextmanager
def published_of(view: View, member: Member) -> Iterator[Published | None]:
    """What a batch published, held to the digest in its receipt; None where that is not there any more."""
    receipt = _receipt(member)
    path = receipt.get("path")
    fact = view.look.fact(path) if path == published_as(member.name) else None
    if fact is None or fact.size != receipt.get("bytes"):
        yield None
        return
    asked = None if member.manifest is None else member.manifest.coverage.digests.get(Role.INPUT)
    with view.look.open_random(fact.path) as read:
        found = Published(member, asked, read)
        yield found if _read_whole(view, fact, receipt, found) else None


def _read_whole(view: View, fact: FileFact, receipt: Mapping[str, Any], found: Published) -> bool:
    """Note every line of what was published; false when it is not what the receipt says."""
    lines = Lines(view, fact, digest=True)
    try:
        for line in lines:
            found.take(line.data + b"\n")
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError, AttributeError, BadLine, StaleSnapshot):
        return False
    return lines.digest == FileDigest(receipt["sha256"], receipt["bytes"])
