"""
Hold every id of the input against every id of the answers, and draw up the account.

Multisets are compared, not sets: an id answered twice, in one file or in two, is a finding. What is
kept per id is its hash; ids are named by a second reading, only when there is something to name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

import attrs

from reconciler.codec.jsonl import Line
from reconciler.codec.request import request_id
from reconciler.codec.result import decode_verdict
from reconciler.errors import BadLine, PermanentError
from reconciler.executor.context import Run, View
from reconciler.executor.reading import Lines, owners_of
from reconciler.model.coverage import NOTHING, Coverage, FileDigest, Tally, hash_id
from reconciler.model.exchange import Verdict
from reconciler.model.identity import ANSWERS, BatchName, Role
from reconciler.model.operation import FileFact, MatchRequestIds
from reconciler.model.outcome import ErrorClass, Outcome
from reconciler.model.receipt import Receipt
from reconciler.model.record import InputFact, Record
from reconciler.model.snapshot import Matched, Mismatch
from reconciler.model.words import many

EXAMPLES: Final = 5
"""How many findings of a kind are named; the rest are counted."""


def match_request_ids(step: MatchRequestIds, run: Run) -> Receipt:
    """
    Draw the verdict on a batch, and keep its account in metadata.

    Raises:
        StaleSnapshot: A file was written to meanwhile.
    """
    record = run.ctx.record(step.name)
    files = step.expects.files
    matched = run.ctx.drawn(step.name, files, record) or match(run.ctx, files, record)
    run.matched = matched
    coverage = matched.coverage
    known = None if record is None else record.coverage
    if coverage is not None and known is not None and coverage.answered.requests < known.answered.requests:
        gone = many(known.answered.requests - coverage.answered.requests, "answer")
        hint = f"put the answer file back as it was, or move batch_metadata_{step.name}.jsonl away with it"
        raise PermanentError(f"{gone} of {step.name} that an earlier pass counted are gone", hint=hint)
    if coverage is not None and matched.mismatch is None:
        _keep(run, step.name, record, coverage)
    balanced = matched.mismatch is None and coverage is not None and coverage.balanced
    return Receipt(step.name, step.verb, _told(matched), {"balanced": balanced})


def match(view: View, files: Mapping[Role, FileFact], record: Record | None) -> Matched:
    """
    The verdict on *files*; a pure read.

    Args:
        view: Rooms and settings.
        files: The triple; the input is among it.
        record: Its metadata, for children and for what a person dismissed.
    """
    asked = _Asked(view, files[Role.INPUT])
    if asked.bad:
        return Matched(files, bad_input=tuple(asked.bad))
    owners = owners_of(view, record.children) if record is not None else {}
    account = _Account(asked.pending, owners)
    digests = {Role.INPUT: asked.digest}
    for role in ANSWERS:
        if role in files:
            digests[role] = account.read(view, files[role])
    mismatch = account.mismatch(view, files[Role.INPUT])
    coverage = account.coverage(asked.tally, digests, {} if record is None else record.dismissed)
    missing: tuple[str, ...] = ()
    if coverage.missing != NOTHING and mismatch is None:
        missing = tuple(_first_missing(view, files[Role.INPUT], account.pending, owners))
    return Matched(files, coverage, mismatch, missing=missing, late=tuple(account.late))


class _Asked:
    """Every id of an input, once; what is wrong with the input otherwise."""

    def __init__(self, view: View, fact: FileFact) -> None:
        self.bad: list[str] = []
        self.pending: set[int] = set()
        total = count = 0
        lines = Lines(view, fact, digest=True)
        try:
            for line in lines:
                try:
                    hashed = hash_id(request_id(line, fact.path))
                except BadLine as error:
                    self._complain(str(error))
                    continue
                if hashed in self.pending:
                    self._complain(f"{fact.path}:{line.number}: its custom_id stands on an earlier line too")
                    continue
                self.pending.add(hashed)
                total += hashed
                count += 1
        except BadLine as error:
            self._complain(str(error))
        if not self.bad and count == 0:
            self.bad.append(f"{fact.path}: there is no request in it")
        self.tally = Tally() + Tally(count, total)
        self.digest = lines.digest

    def _complain(self, what: str) -> None:
        if len(self.bad) < EXAMPLES:
            self.bad.append(what)


@attrs.define
class _Account:
    """The account of one batch while its answers are read."""

    pending: set[int]
    owners: Mapping[int, BatchName]
    sums: dict[object, int] = attrs.field(factory=Counter)
    counts: Counter[object] = attrs.field(factory=Counter)
    corrupt: list[str] = attrs.field(factory=list)
    odd: list[tuple[int, str]] = attrs.field(factory=list)
    totals: Counter[str] = attrs.field(factory=Counter)
    late: list[str] = attrs.field(factory=list)

    def read(self, view: View, fact: FileFact) -> FileDigest:
        """Take in one answer file."""
        lines = Lines(view, fact, digest=True)
        try:
            for line in lines:
                try:
                    verdict = decode_verdict(line, fact.path)
                except BadLine as error:
                    self._corrupt(str(error))
                    continue
                self._answer(verdict, line, fact.path)
        except BadLine as error:
            self._corrupt(str(error))
        return lines.digest

    def _answer(self, verdict: Verdict, line: Line, path: str) -> None:
        hashed = hash_id(verdict.custom_id)
        if hashed not in self.pending:
            self.odd.append((hashed, f"{quoted(verdict.custom_id)} ({path}:{line.number})"))
            return
        self.pending.remove(hashed)
        if verdict.outcome is Outcome.ANSWERED and hashed in self.owners and len(self.late) < EXAMPLES:
            self.late.append(f"{quoted(verdict.custom_id)} ({path}:{line.number}, {self.owners[hashed]})")
        part: object = Outcome.ANSWERED
        if verdict.outcome is Outcome.FAILED:
            part = "retried" if hashed in self.owners else verdict.error_class or ErrorClass.UNKNOWN
        self.sums[part] += hashed
        self.counts[part] += 1

    def _corrupt(self, what: str) -> None:
        self.totals["corrupt"] += 1
        if len(self.corrupt) < EXAMPLES:
            self.corrupt.append(what)

    def mismatch(self, view: View, asked: FileFact) -> Mismatch | None:
        """How answers and input disagree, None when they do not."""
        if not self.odd and not self.corrupt:
            return None
        suspects = {hashed for hashed, _ in self.odd}
        known = set()
        if suspects:
            known = {hashed for _, hashed in _hashes(view, asked) if hashed in suspects}
        duplicate = [where for hashed, where in self.odd if hashed in known]
        unknown = [where for hashed, where in self.odd if hashed not in known]
        totals = {"unknown": len(unknown), "duplicate": len(duplicate), **self.totals}
        return Mismatch(
            corrupt=tuple(self.corrupt),
            unknown=tuple(unknown[:EXAMPLES]),
            duplicate=tuple(duplicate[:EXAMPLES]),
            total={kind: count for kind, count in totals.items() if count},
        )

    def coverage(
        self, asked: Tally, digests: Mapping[Role, FileDigest], dismissed: Mapping[str, Tally]
    ) -> Coverage:
        """The account, once every answer has been read."""
        by_class = {part: self._tally(part) for part in ErrorClass if self.counts[part]}
        failed = sum(by_class.values(), NOTHING)
        retried = Tally.of(hashed for hashed in self.pending if hashed in self.owners)
        missing = Tally.of(self.pending) - retried
        given_up = NOTHING
        if missing != NOTHING and dismissed.get("missing") == missing:
            given_up, missing = given_up + missing, NOTHING
        if failed != NOTHING and dismissed.get("failed") == failed:
            given_up, failed, by_class = given_up + failed, NOTHING, {}
        return Coverage(
            input=asked,
            answered=self._tally(Outcome.ANSWERED),
            failed=failed,
            retried=retried + self._tally("retried"),
            dismissed=given_up,
            missing=missing,
            by_class=by_class,
            digests=digests,
        )

    def _tally(self, part: object) -> Tally:
        return Tally() + Tally(self.counts[part], self.sums[part])


def _hashes(view: View, fact: FileFact) -> Iterator[tuple[str, int]]:
    """`id (file:line)` and hash of every request of an input that is known to be sound."""
    for line in Lines(view, fact):
        custom_id = request_id(line, fact.path)
        yield f"{quoted(custom_id)} ({fact.path}:{line.number})", hash_id(custom_id)


def _first_missing(
    view: View, fact: FileFact, pending: set[int], owners: Mapping[int, BatchName]
) -> Iterator[str]:
    """The first few ids that no answer speaks of."""
    count = 0
    for where, hashed in _hashes(view, fact):
        if hashed in pending and hashed not in owners:
            yield where
            count += 1
            if count == EXAMPLES:
                return


def _keep(run: Run, name: BatchName, record: Record | None, coverage: Coverage) -> None:
    """
    Keep the account in metadata, unless it stands there already.

    The input is pinned only when every id has an end: while ids are missing, a person may mend either file.
    """
    record = record or Record(name)
    asked = record.input
    if asked is None and coverage.missing == NOTHING:
        asked = InputFact(coverage.digests[Role.INPUT], coverage.input.requests)
    if record.coverage != coverage or record.input != asked:
        run.publish(attrs.evolve(record, input=asked, coverage=coverage))


def _told(matched: Matched) -> str:
    """One line for the report."""
    if matched.coverage is None:
        return "the input cannot be read"
    if matched.mismatch is not None:
        return "input and answers disagree"
    coverage = matched.coverage
    if coverage.missing != NOTHING:
        return f"{many(coverage.missing.requests, 'id')} of {coverage.input.requests} without an answer"
    return f"{many(coverage.input.requests, 'id')}, each accounted for"


def quoted(custom_id: str, limit: int = 80) -> str:
    """An id as people may safely see it: quoted, escaped, cut."""
    shown = custom_id if len(custom_id) <= limit else custom_id[: limit - 1] + "…"
    return (
        '"'
        + "".join(each if each.isprintable() and each != '"' else ascii(each)[1:-1] for each in shown)
        + '"'
    )
