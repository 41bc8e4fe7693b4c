"""
Hand verified answers to whatever reads, handles or spreads them, and publish what comes of it.

Everything is published whole, and anew whenever the same work is done again. An answer that cannot be handled
is written down with its reason, and the rest go on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from reconciler.executor.answers import ChildOf, joined
from reconciler.executor.calling import Ended, Outcome
from reconciler.executor.context import Context
from reconciler.executor.handing import FaultyData, Handed
from reconciler.executor.hooks import Hooks
from reconciler.executor.unhandled import PROCESSOR, Unhandled, Unhandleds
from reconciler.executor.values import NoJson, as_json
from reconciler.model import outcome as outcomes
from reconciler.model.answers import Answers, Place
from reconciler.model.content import Content
from reconciler.model.exchange import Result
from reconciler.model.extraction import Kind, Think
from reconciler.model.facts import FileFact
from reconciler.model.identity import BatchName, Role
from reconciler.model.receipt import record_token
from reconciler.model.record import Record
from reconciler.processors import files as spread
from reconciler.processors import results
from reconciler.processors.base import FILES, Per, Processor
from reconciler.processors.content import Unreadable, read
from reconciler.workspace.fields import digest_fields


@attrs.frozen
class Row:
    """
    One request with what is known of it.

    Attributes:
        at: Its position in the input, from 0.
        custom_id: The request.
        hashed: The hash of its id.
        place: Where its answer stands, None when there is none.
        result: The answer, normalised.
        child: The retry child that asks it again.
        extra: Further members of its line: how its value was found, or why there is none.
    """

    at: int
    custom_id: str
    hashed: int
    place: Place | None
    result: Result | None
    child: BatchName | None
    extra: Mapping[str, Any] = attrs.field(factory=dict)

    @property
    def answered(self) -> bool:
        """Whether there is something to hand over."""
        return self.result is not None and self.result.outcome is outcomes.Outcome.ANSWERED


@attrs.define(kw_only=True)
class Delivery:
    """
    One invocation of an output processor that looks at single answers.

    Attributes:
        ctx: Rooms and settings.
        files: The triple; its ids are known to match.
        answers: Where each answer stands.
        record: The metadata of the batch.
        origin: What all lines share.
        child_of: The retry child that asks an unanswered id again.
        hooks: What works on the batch.
        token: The token of the invocation.
        redelivery: An earlier invocation with this token may have begun.
        unhandled: What could not be handled.
        found: How many values were found in which way.
    """

    ctx: Context
    files: Mapping[Role, FileFact]
    answers: Answers
    record: Record
    origin: results.Origin
    child_of: ChildOf
    hooks: Hooks
    token: str
    redelivery: bool
    unhandled: Unhandleds = attrs.field(init=False)
    found: Counter[str] = attrs.field(init=False, factory=Counter)

    def __attrs_post_init__(self) -> None:
        self.unhandled = Unhandleds(self.origin.batch)

    def run(self) -> dict[str, Any]:
        """
        Do all of it.

        Returns:
            For the receipt: `path`, `sha256`, `bytes`, and, where there is any, `found` and `unhandled`.
        """
        if isinstance(self.hooks.output, Processor) and self.hooks.output.per is Per.BATCH:
            published = self._publish_whole(self.hooks.output)
        elif self.hooks.output == FILES:
            published = self._publish_files()
        else:
            path = results.published_as(self.origin.batch)
            lines = (self._line(row) for row in self._handled())
            published = {"path": path, **digest_fields(self.ctx.fx.publish(path, lines, replace=True))}
        if self.found:
            published["found"] = dict(self.found)
        unhandled = self.unhandled.publish(self.ctx, self.files, self.answers, self.hooks.identity)
        return published | ({"unhandled": unhandled} if unhandled else {})

    def rows(self) -> Iterator[Row]:
        """Every request in input order, its answer read as the settings ask for."""
        rows = joined(self.ctx, self.files, self.answers)
        for at, (custom_id, hashed, place, result) in enumerate(rows):
            answered = place is not None and place.failed is None
            child = None if answered else self.child_of(hashed, place)
            marked = None if result is None else self._marked(result)
            row = Row(at, custom_id, hashed, place, marked, child)
            yield self._read(row) if row.answered else row

    # Within

    def _marked(self, result: Result) -> Result:
        """A result with everything that user code may want to know of its delivery."""
        return attrs.evolve(
            result,
            batch=self.origin.batch,
            attempt=self.origin.attempt,
            token=record_token(self.token, result.custom_id),
            redelivery=self.redelivery,
        )

    def _read(self, row: Row) -> Row:
        """An answer with its text read as the settings ask for."""
        assert row.result is not None  # noqa: S101 - answered rows have a result
        result, how = row.result, row.result.value_from
        if self.hooks.content is not Content.TEXT and not self._is_json:
            # Of what was taken out by tags, only that is read.
            text, think = (result.value, Think.SEARCH) if how else (result.text, self.hooks.think)
            seen = read(attrs.evolve(result, text=text), self.hooks.content, think)
            if isinstance(seen, Unreadable):
                return self._give_up(row, seen.why.value, seen.reason)
            how = seen.how.value
            result = attrs.evolve(result, value=seen.value, value_from=how)
        if not how:
            return row
        self.found[how] += 1
        return attrs.evolve(row, result=result, extra={"value_from": how})

    @property
    def _is_json(self) -> bool:
        """Whether the answers were read as JSON before, to be held to something."""
        extraction = self.answers.extraction
        return extraction is not None and extraction.kind is not Kind.TAGS

    @property
    def _content(self) -> Content:
        """What values are."""
        return Content.JSON if self._is_json else self.hooks.content

    def _give_up(self, row: Row, why: str, reason: str, token: str = "") -> Row:
        """A row whose answer could not be handled."""
        self.unhandled.found.append(Unhandled(row.custom_id, row.at, row.hashed, why, reason, token))
        result = None if row.result is None else attrs.evolve(row.result, value=None, problem=reason)
        return attrs.evolve(row, result=result, extra={"unhandled": {"why": why, "reason": reason}})

    def _handled(self) -> Iterator[Row]:
        """Every row, with what a custom processor made of it."""
        processor = self.hooks.output
        if not isinstance(processor, Processor):
            yield from self.rows()
            return
        pairs = ((row, row.result if self._wanted(row) else None) for row in self.rows())
        for row, outcome in self.ctx.calls.ordered(processor.call, pairs):
            yield row if outcome is None else self._with(row, outcome)

    def _wanted(self, row: Row) -> bool:
        """Whether a processor gets to see this row: an answer that could be read."""
        return row.answered and "unhandled" not in row.extra

    def _with(self, row: Row, outcome: Outcome) -> Row:
        """A row with what its processor returned."""
        result = row.result
        assert result is not None  # noqa: S101 - only answered rows are handed over
        if isinstance(outcome, Ended):
            try:
                value = as_json(outcome.value)
            except NoJson as error:
                return self._give_up(row, PROCESSOR, str(error), result.token)
            extracted = {} if self.answers.extraction is None else {"extracted": result.value}
            extra = {**row.extra, **extracted}
            return attrs.evolve(row, result=attrs.evolve(result, value=value), extra=extra)
        return self._give_up(row, PROCESSOR, outcome.told, result.token)

    def _line(self, row: Row) -> bytes:
        """The line of a row in the results file."""
        value = None if row.result is None else row.result.value
        return results.line_of(
            row.custom_id, row.result, self.origin, row.child, value=value, extra=row.extra
        )

    def _publish_whole(self, processor: Processor) -> dict[str, Any]:
        """What a processor made of the whole batch; answers that could not be read are told first."""
        if self.hooks.content is not Content.TEXT:
            for _ in self.rows():
                pass
        # Reading again, as often as the processor likes, must not tell them again.
        again = attrs.evolve(self)
        handed = Handed(self.ctx, self.files, self._content, self.token, self.redelivery)
        batch = handed.batch(self.record, lambda: (row.result for row in again.rows() if row.result))
        outcome = handed.call(processor, batch)
        if isinstance(outcome, Ended):
            try:
                return handed.publish(self.origin.batch, outcome.value)
            except FaultyData as error:
                outcome = error.raised
        account = self.record.coverage
        self.unhandled.whole = None if account is None else account.answered
        self.unhandled.found.append(Unhandled(None, None, 0, PROCESSOR, outcome.told, self.token))
        return {}

    def _publish_files(self) -> dict[str, Any]:
        """One file a request and their index; files of an earlier invocation that are not wanted go."""
        fx, folder = self.ctx.fx, spread.folder_of(self.origin.batch)
        content = self._content
        path = f"{folder}/{spread.INDEX}"
        # Only what our own index names may go: whatever else lies there is somebody's.
        before = spread.leaves(fx.read(path)) if fx.fact(path) else set()
        kept: set[str] = set()

        def index() -> Iterator[bytes]:
            for row in self.rows():
                leaf, facts = None, dict(row.extra)
                line = results.record_of(row.custom_id, row.result, self.origin, row.child)
                if self._wanted(row) and row.result is not None:
                    leaf = spread.leaf_of(row.custom_id, content)
                    kept.add(leaf)
                    data = spread.data_of(row.result, content)
                    digest = fx.publish(f"{folder}/{leaf}", (data,), replace=True, sync_folder=False)
                    facts |= digest_fields(digest)
                elif line["error"] is not None:
                    facts["error"] = line["error"]
                yield spread.index_line(row.custom_id, line["outcome"], leaf, facts)

        published = fx.stage(path, index())
        # The old index still names them: a crash in between is mended by doing it again.
        for leaf in sorted(before - kept):
            fx.unlink(f"{folder}/{leaf}")
        fx.place(path)
        fx.sync_folder(folder)
        return {"path": path, **digest_fields(published)}
