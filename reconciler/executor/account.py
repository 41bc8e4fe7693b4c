"""Read the ids of a batch once: those of the input, then those of its answers, line by line against them."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping
from typing import Final

import attrs

from reconciler.codec.jsonl import Line, line_at
from reconciler.codec.passing import passed_answers
from reconciler.codec.plain import plain_answers, plain_requests
from reconciler.codec.request import request_id
from reconciler.codec.result import decode_result, decode_verdict
from reconciler.errors import BadLine
from reconciler.executor.context import View
from reconciler.executor.reading import Lines
from reconciler.model.answers import ROLE_CODES, Answers
from reconciler.model.coverage import NOTHING, Coverage, FileDigest, Tally, digest_id
from reconciler.model.exchange import Verdict
from reconciler.model.extraction import Extraction
from reconciler.model.facts import FileFact
from reconciler.model.identity import ANSWERS, BatchName, Role
from reconciler.model.outcome import ErrorClass, Outcome
from reconciler.model.snapshot import Mismatch
from reconciler.processors.extraction import held_to
from reconciler.processors.results import head_of_plain

EXAMPLES: Final = 5
"""How many findings of a kind are named; the rest are counted."""

KEPT: Final = 8 << 20
"""Bytes of answers up to which the results are made while matching, and kept until they are published."""

_KINDS: Final = ("unknown", "duplicate", "both", "corrupt")

_SHORT: Final = 64
"""Bytes up to which an id is kept as it is; longer ones are kept as their hash."""


class Asked:
    """
    Every id of an input, once; what is wrong with the input otherwise.

    Args:
        view: Rooms and settings.
        fact: The input.
        digest: Compute the digest of the file on the way.

    Attributes:
        bad: What is wrong, as `file:line: reason`.
        positions: The place of each id in the order of the input, by its key.
        digests: The 16-byte digest of each id, in that order.
        starts: The first byte of the line of each id.
        lines: The number of that line.
    """

    def __init__(self, view: View, fact: FileFact, *, digest: bool = True) -> None:
        self.bad: list[str] = []
        self.positions: dict[bytes, int] = {}
        self.digests = bytearray()
        self.starts, self.lines = array("Q"), array("Q")
        self._lines = Lines(view, fact, digest=digest)
        try:
            self._read(view, self._lines, fact.path)
        except BadLine as error:
            self._complain(str(error))
        if not self.bad and not self.positions:
            self.bad.append(f"{fact.path}: there is no request in it")

    @property
    def digest(self) -> FileDigest:
        """That of the file, if it was computed."""
        return self._lines.digest

    def _read(self, view: View, lines: Lines, path: str) -> None:
        positions, digests, limit = self.positions, self.digests, view.line_limit
        begins, is_line = self.starts.append, self.lines.append
        count = number = offset = 0
        for block, end in lines.blocks():
            for at, stop, plain in plain_requests(block, end):
                number += 1
                custom_id = plain
                if custom_id is None:
                    line = line_at(bytes(block[at:stop]), path, number, offset + at, limit)
                    if line is None:
                        continue
                    try:
                        custom_id = request_id(line, path).encode()
                    except BadLine as error:
                        self._complain(str(error))
                        continue
                digest = digest_id(custom_id)
                key = custom_id if len(custom_id) <= _SHORT else _key_of(digest)
                if positions.setdefault(key, count) != count:
                    self._complain(f"{path}:{number}: its custom_id stands on an earlier line too")
                    continue
                digests += digest
                begins(offset + at)
                is_line(number)
                count += 1
            offset += end
            lines.line = number

    def _complain(self, what: str) -> None:
        if len(self.bad) < EXAMPLES:
            self.bad.append(what)

    def position(self, custom_id: bytes) -> int | None:
        """The place of an id in the order of the input, None when nobody asked for it."""
        return self.positions.get(custom_id if len(custom_id) <= _SHORT else _key_of(digest_id(custom_id)))


@attrs.define
class Found:
    """
    What the answers of one batch say, while they are read.

    Attributes:
        asked: The ids of the input.
        owners: Which child owns which id, by the hash of the id.
        keep: Make the results lines of plain answers on the way.
        extraction: What answers are held to; every line is then decoded whole.
        answers: Where each answer stands.
        examples: The first findings of each kind, as `Mismatch` names the kinds.
        totals: How many findings there are of each kind.
        late: The first ids that are answered here though a child asks them again.
    """

    asked: Asked
    owners: Mapping[int, BatchName]
    keep: bool = False
    extraction: Extraction | None = None
    answers: Answers = attrs.field(init=False)
    examples: dict[str, list[str]] = attrs.field(factory=dict)
    totals: Counter[str] = attrs.field(factory=Counter)
    late: list[str] = attrs.field(factory=list)

    def __attrs_post_init__(self) -> None:
        # What is taken out of answers stands on their lines too, so none of them is a plain one.
        keep = self.keep and self.extraction is None
        heads: list[bytes | None] | None = [None] * len(self.asked.positions) if keep else None
        asked = self.asked
        self.answers = Answers(asked.digests, heads, self.extraction, asked.starts, asked.lines)

    def read(self, view: View, lines: Lines, role: Role) -> None:
        """Take in one answer file."""
        try:
            self._read(view, lines, lines.path, role)
        except BadLine as error:
            self._note("corrupt", str(error))

    def _read(self, view: View, lines: Lines, path: str, role: Role) -> None:
        position, answers, limit = self.asked.positions.get, self.answers, view.line_limit
        roles, numbers, offsets, sizes = answers.roles, answers.numbers, answers.offsets, answers.sizes
        heads = answers.heads
        taken_apart = plain_answers if heads is None else passed_answers
        code, plainly = ROLE_CODES[role], self.extraction is None
        short = plainly and not self.owners
        number = offset = 0
        for block, end in lines.blocks():
            for first, stop, custom_id, fields in taken_apart(block, end):
                number += 1
                if short and custom_id is not None:
                    # The way that nearly every line takes: a plain answer to a short id without another.
                    at = position(custom_id)
                    if at is not None and not roles[at]:
                        roles[at], numbers[at] = code, number
                        offsets[at], sizes[at] = offset + first, stop - first - 1
                        if heads is not None and fields is not None:
                            heads[at] = head_of_plain(fields)
                        continue
                line = line_at(bytes(block[first:stop]), path, number, offset + first, limit)
                if line is None:
                    continue
                if custom_id is not None and plainly:
                    verdict = Verdict(custom_id.decode(), Outcome.ANSWERED, None)
                else:
                    try:
                        verdict = self._verdict(line, path)
                    except BadLine as error:
                        self._note("corrupt", str(error))
                        continue
                at = self._take(verdict, f"{path}:{number}", code)
                if at is not None:
                    numbers[at], offsets[at], sizes[at] = number, line.offset, len(line.data)
            offset += end
            lines.line = number

    def _verdict(self, line: Line, path: str) -> Verdict:
        """Whose a line is and what became of the request; an answer that falls short has failed."""
        if self.extraction is None:
            return decode_verdict(line, path)
        result = held_to(decode_result(line, path), self.extraction)
        return Verdict(result.custom_id, result.outcome, result.error_class)

    def _take(self, verdict: Verdict, where: str, code: int) -> int | None:
        """The position of a request that gets its answer here; None when there is something to note."""
        answers, custom_id = self.answers, verdict.custom_id
        at = self.asked.position(custom_id.encode())
        if at is None:
            self._note("unknown", f"{quoted(custom_id)} ({where})")
            return None
        if answers.roles[at]:
            kind = "duplicate" if answers.roles[at] == code else "both"
            self._note(kind, f"{quoted(custom_id)} ({where})")
            return None
        answers.roles[at] = code
        if verdict.outcome is Outcome.FAILED:
            answers.fail(at, verdict.error_class or ErrorClass.UNKNOWN)
        elif self.owners and len(self.late) < EXAMPLES:
            owner = self.owners.get(answers.hashed(at))
            if owner is not None:
                self.late.append(f"{quoted(custom_id)} ({where}, {owner})")
        return at

    def mismatch(self) -> Mismatch | None:
        """How answers and input disagree, None when they do not."""
        if not self.totals:
            return None
        named = {kind: tuple(few) for kind, few in self.examples.items()}
        return Mismatch(**named, total={kind: self.totals[kind] for kind in _KINDS if self.totals[kind]})

    def coverage(self, digests: Mapping[Role, FileDigest], dismissed: Mapping[str, Tally]) -> Coverage:
        """The account, once every answer has been read."""
        answers, owners = self.answers, self.owners
        by_class: dict[ErrorClass, list[int]] = {}
        retried: list[int] = []
        for at, place in answers.failures():
            hashed = answers.hashed(at)
            if hashed in owners:
                retried.append(hashed)
            else:
                by_class.setdefault(place.failed or ErrorClass.UNKNOWN, []).append(hashed)
        silent = [answers.hashed(at) for at in answers.missing()]
        tallies = {part: Tally.of(by_class[part]) for part in ErrorClass if part in by_class}
        failed = sum(tallies.values(), NOTHING)
        asked = Tally.of_digests(answers.digests)
        answered = asked - failed - Tally.of(retried) - Tally.of(silent)
        missing = Tally.of(hashed for hashed in silent if hashed not in owners)
        over = Tally.of(retried) + Tally.of(silent) - missing
        given_up = NOTHING
        if missing != NOTHING and dismissed.get("missing") == missing:
            given_up, missing = given_up + missing, NOTHING
        if failed != NOTHING and dismissed.get("failed") == failed:
            given_up, failed, tallies = given_up + failed, NOTHING, {}
        return Coverage(
            input=asked,
            answered=answered,
            failed=failed,
            retried=over,
            dismissed=given_up,
            missing=missing,
            by_class=tallies,
            digests=digests,
            extraction=self.extraction,
        )

    def _note(self, kind: str, what: str) -> None:
        self.totals[kind] += 1
        named = self.examples.setdefault(kind, [])
        if len(named) < EXAMPLES:
            named.append(what)


def is_small(files: Mapping[Role, FileFact]) -> bool:
    """Whether the results of a batch with these files may be kept in memory."""
    return sum(files[role].size for role in ANSWERS if role in files) <= KEPT


def _key_of(digest: bytes) -> bytes:
    """The key of a long id: no id begins with a NUL, so it is taken for none."""
    return b"\0" + digest


def quoted(custom_id: str, limit: int = 80) -> str:
    """An id as people may safely see it: quoted, escaped, cut."""
    shown = custom_id if len(custom_id) <= limit else custom_id[: limit - 1] + "…"
    return (
        '"'
        + "".join(each if each.isprintable() and each != '"' else ascii(each)[1:-1] for each in shown)
        + '"'
    )
