"""Read the answers of a batch once, line by line, against the ids of its input."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final

import attrs

from reconciler.codec.jsonl import Line, line_at
from reconciler.codec.passing import passed_answers
from reconciler.codec.plain import Answered, plain_answers
from reconciler.codec.result import decode_result, decode_verdict
from reconciler.errors import BadLine
from reconciler.executor.asked import EXAMPLES, Asked
from reconciler.executor.context import View
from reconciler.executor.reading import Lines
from reconciler.model.answers import ROLE_CODES, Answers
from reconciler.model.coverage import NOTHING, Coverage, FileDigest, Tally
from reconciler.model.exchange import Result, Verdict
from reconciler.model.extraction import Extraction
from reconciler.model.facts import FileFact
from reconciler.model.identity import ANSWERS, BatchName, Role
from reconciler.model.outcome import ErrorClass, Outcome
from reconciler.model.snapshot import Mismatch
from reconciler.native import Native
from reconciler.processors.extraction import held_to
from reconciler.processors.results import PIECES, head_of_plain

KEPT: Final = 8 << 20
"""Bytes of answers up to which the results are made while matching, and kept until they are published."""

_KINDS: Final = ("unknown", "duplicate", "both", "corrupt")


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
    _number: int = attrs.field(default=0, init=False)
    _offset: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        # What is taken out of answers stands on their lines too, so none of them is a plain one.
        keep = self.keep and self.extraction is None
        heads: list[bytes | None] | None = [None] * len(self.asked.positions) if keep else None
        asked = self.asked
        self.answers = Answers(asked.digests, heads, self.extraction, asked.starts, asked.lines)

    def read(self, view: View, lines: Lines, role: Role) -> None:
        """Take in one answer file."""
        try:
            self._read(view, lines, role)
        except BadLine as error:
            self._note("corrupt", str(error))

    def _read(self, view: View, lines: Lines, role: Role) -> None:
        position, answers = self.asked.positions.get, self.answers
        roles, numbers, offsets, sizes = answers.roles, answers.numbers, answers.offsets, answers.sizes
        heads, code, short = answers.heads, ROLE_CODES[role], self.extraction is None and not self.owners
        left = plain_answers if heads is None else passed_answers
        if view.native is not None and short:
            left = partial(self._left, view.native, code, left)
        self._number = self._offset = 0
        for block, end in lines.blocks():
            for first, stop, custom_id, fields in left(block, end):
                self._number += 1
                if short and custom_id is not None:
                    # The way that nearly every line takes: a plain answer to a short id without another.
                    at = position(custom_id)
                    if at is not None and not roles[at]:
                        roles[at], numbers[at] = code, self._number
                        offsets[at], sizes[at] = self._offset + first, stop - first - 1
                        if heads is not None and fields is not None:
                            heads[at] = head_of_plain(fields)
                        continue
                raw, offset = bytes(block[first:stop]), self._offset + first
                line = line_at(raw, lines.path, self._number, offset, view.line_limit)
                if line is not None:
                    self._look(line, lines.path, role, custom_id)
            self._offset += end
            lines.line = self._number

    def _left(
        self,
        native: Native,
        code: int,
        one: Callable[[bytearray, int], Iterator[Answered]],
        block: bytearray,
        end: int,
    ) -> Iterator[Answered]:
        """The lines of a block that native code does not take in, each taken apart by *one*."""
        answers, positions = self.answers, self.asked.positions
        arrays = answers.roles, answers.numbers, answers.offsets, answers.sizes
        at = 0
        while True:
            where = at, end, self._offset, self._number
            at, taken = native.take_answers(block, *where, positions, code, *arrays, answers.heads, PIECES)
            self._number += taken
            if at == end:
                return
            begun, at = at, block.find(b"\n", at, end) + 1 or end
            raw = block[begun:at]
            yield from ((begun, at, custom_id, fields) for _, _, custom_id, fields in one(raw, len(raw)))

    def _look(self, line: Line, path: str, role: Role, custom_id: bytes | None) -> None:
        """Take in a line that is no plain answer, or not the first one, to a request that is asked here."""
        try:
            verdict = self._verdict(line, path, role, custom_id)
        except BadLine as error:
            self._note("corrupt", str(error))
            return
        answers = self.answers
        at = self._take(verdict, f"{path}:{line.number}", ROLE_CODES[role])
        if at is None:
            return
        answers.numbers[at], answers.offsets[at], answers.sizes[at] = line.number, line.offset, len(line.data)
        if answers.heads is not None and isinstance(verdict, Result) and verdict.outcome is Outcome.FAILED:
            answers.failures_read[at] = verdict

    def _verdict(self, line: Line, path: str, role: Role, custom_id: bytes | None) -> Verdict | Result:
        """Whose a line is and what became of the request; an answer that falls short has failed."""
        if self.extraction is not None:
            return held_to(decode_result(line, path), self.extraction)
        if custom_id is not None:
            return Verdict(custom_id.decode(), Outcome.ANSWERED, None)
        # Failures of small batches are wanted soon.
        whole = role is Role.ERROR and self.answers.heads is not None
        return decode_result(line, path) if whole else decode_verdict(line, path)

    def _take(self, verdict: Verdict | Result, where: str, code: int) -> int | None:
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


def quoted(custom_id: str, limit: int = 80) -> str:
    """An id as people may safely see it: quoted, escaped, cut."""
    shown = custom_id if len(custom_id) <= limit else custom_id[: limit - 1] + "…"
    return (
        '"'
        + "".join(each if each.isprintable() and each != '"' else ascii(each)[1:-1] for each in shown)
        + '"'
    )
