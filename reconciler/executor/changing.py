"""
Have user code change failed requests before they are asked again; see docs/processors.md.

What it returns is written to a file of ours, whole, before a receipt names that file. From then on the
receipt decides: whatever crashes, the child gets these very lines, and the code is not asked to decide again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import attrs
import msgspec

from reconciler.codec.jsonl import Line, decode_value
from reconciler.codec.request import decode_request
from reconciler.errors import BadLine
from reconciler.executor.answers import places, read_at
from reconciler.executor.begun import REMEMBERED
from reconciler.executor.calling import Ended, Outcome
from reconciler.executor.changed import changed_path
from reconciler.executor.context import Context, Run
from reconciler.executor.reading import Lines, owners_of
from reconciler.executor.values import NoJson, as_json, is_plain
from reconciler.model.answers import Answers, Place
from reconciler.model.changes import VERB, Changes, Kept, by_fields, changes_fields
from reconciler.model.coverage import FileDigest
from reconciler.model.exchange import Dialect, Request, Result
from reconciler.model.facts import FileFact
from reconciler.model.identity import BatchName, Role
from reconciler.model.operation import ChangeRequests
from reconciler.model.outcome import ErrorClass
from reconciler.model.policy import LOCAL
from reconciler.model.receipt import STARTED, Receipt, invocation_token, record_token
from reconciler.model.record import Record
from reconciler.model.words import many
from reconciler.processors.base import Answer
from reconciler.processors.transform import Transform
from reconciler.providers.base import is_async
from reconciler.workspace.layout import CHANGED

REASONS: Final = 50
"""So many reasons are kept apart; metadata must not grow with what code has to say."""

_LONGEST: Final = 200
_NOTHING_RETURNED: Final = "it returned None"
_THE_SAME: Final = "it returned the request unchanged"
_MORE: Final = "further reasons, each of its own"

Write = Callable[[Mapping[str, Mapping[str, Any]]], object]
"""Puts receipts where they last."""


def change_requests(step: ChangeRequests, run: Run) -> Receipt:
    """Call user code for the failures of a live batch, and keep what it makes of them."""
    ctx = run.ctx
    record = ctx.record(step.name) or Record(step.name)
    changing = Changing(
        ctx=ctx,
        name=step.name,
        files=step.expects.files,
        digests={} if record.coverage is None else record.coverage.digests,
        answers=places(ctx, step.expects.files, record.coverage, run.known),
        attempt=record.attempt,
        provider=record.provider,
        by=step.by,
        token=step.token,
        skip=step.never | owners_of(ctx, record.children).keys(),
        receipts=record.receipts,
        write=lambda receipts: run.publish(attrs.evolve(record, receipts=receipts)),
    )
    changes, proof = changing.run()
    run.proofs[VERB] = proof
    facts = {"changed": changing.changed, "kept": len(changes.never), "told": changes.told, "by": proof["by"]}
    return Receipt(step.name, step.verb, changing.told(changes), facts)


class _Unusable(Exception):
    """What a call came to is not sent."""

    def __init__(self, why: str, *, attention: bool = True) -> None:
        super().__init__(why)
        self.why = why
        self.attention = attention


@attrs.define(kw_only=True)
class Changing:
    """
    One invocation of the transforms of a batch.

    Attributes:
        ctx: Rooms and settings.
        name: The batch.
        files: The triple.
        digests: What they hold.
        answers: Where each failure stands.
        attempt: How often its requests had been sent.
        provider: Who is asked, None when nobody knows.
        by: Name and version of the code, by the error class whose failures it changes.
        token: Of the invocation.
        skip: Hashes of ids that are not its business.
        receipts: What stands with the batch.
        write: Replaces them.
        changed: How many requests were changed.
    """

    ctx: Context
    name: BatchName
    files: Mapping[Role, FileFact]
    digests: Mapping[Role, FileDigest]
    answers: Answers
    attempt: int
    provider: str | None
    by: Mapping[ErrorClass, str]
    token: str
    skip: frozenset[int]
    receipts: Mapping[str, Mapping[str, Any]]
    write: Write
    changed: int = 0
    _kept: dict[tuple[str, bool], set[int]] = attrs.field(factory=dict, init=False)

    def run(self) -> tuple[Changes, dict[str, Any]]:
        """
        Call the code for every failure of its class, and make what it returned durable.

        Returns:
            What came of it, and the receipt that says so, which the caller makes durable.
        """
        codes = self.ctx.plugged.hooks_of(self.name).transforms
        tokens = {each: invocation_token(self.name, name, self.digests) for each, name in self.by.items()}
        known = tuple(self.receipts.get(VERB, {}).get("begun", ()))
        begun = self._begin(known, tuple(dict.fromkeys(tokens.values())), codes)
        path = changed_path(self.name)

        def lines() -> Iterator[bytes]:
            for each in sorted(self.by):
                yield from self._lines(each, codes[each], tokens[each], redelivery=tokens[each] in known)

        fx = self.ctx.fx
        digest = fx.stage(path, lines())
        if self.changed:
            fx.place(path)
        else:
            fx.unstage(path)
            fx.discard(path)
        fx.sync_folder(CHANGED)
        kept = tuple(Kept(why, person, frozenset(ids)) for (why, person), ids in self._kept.items())
        changes = Changes(self.by, digest if self.changed else None, kept)
        fields = {**changes_fields(changes), **self._noted(codes)}
        return changes, {"token": self.token, **fields, "begun": list(begun)}

    def told(self, changes: Changes) -> str:
        """What came of it, in words."""
        code = ", ".join(sorted(set(self.by.values())))
        told = f"{many(self.changed, 'request')} changed by {code}"
        return f"{told}; {changes.told}" if changes.kept else told

    # Within

    def _begin(
        self, known: tuple[str, ...], tokens: tuple[str, ...], codes: Mapping[ErrorClass, Transform]
    ) -> tuple[str, ...]:
        """Write down that user code begins, before it does."""
        begun = (*(each for each in known if each not in tokens), *tokens)[-REMEMBERED:]
        code = {"by": by_fields(self.by), **self._noted(codes)}
        mark = {"token": self.token, **code, "state": STARTED, "begun": list(begun)}
        if self.receipts.get(VERB) != mark:
            self.write({**self.receipts, VERB: mark})
        return begun

    def _noted(self, codes: Mapping[ErrorClass, Transform]) -> dict[str, Any]:
        """What a person types for the code of each class, and who was to be asked."""
        named = {each.value: codes[each].named for each in self.by if codes[each].named}
        asked = self.ctx.plugged.hooks_of(self.name).asked
        return {**({"named": named} if named else {}), **({"provider": asked} if asked else {})}

    def _lines(self, failed: ErrorClass, code: Transform, token: str, *, redelivery: bool) -> Iterator[bytes]:
        """The lines of one class that its transform has changed, in input order; what it did not is kept."""
        wanted = [
            (at, place)
            for at, place in self.answers.failures()
            if place.failed is failed and self.answers.hashed(at) not in self.skip
        ]
        if not wanted:
            return
        given = self._given(wanted, token, redelivery=redelivery)
        ended = self.ctx.calls.ordered(_spread(code), given)
        for (line, hashed), outcome in ((key, outcome) for key, outcome in ended if outcome is not None):
            try:
                data = self._usable(line, outcome)
            except _Unusable as problem:
                self._keep(hashed, problem)
            else:
                self.changed += 1
                yield data + b"\n"

    def _given(
        self, wanted: list[tuple[int, Place]], token: str, *, redelivery: bool
    ) -> Iterator[tuple[tuple[Line, int], tuple[Any, Result]]]:
        """Each failed request with its failure, in input order."""
        fact, left = self.files[Role.INPUT], dict(wanted)
        lines = (line for at, line in enumerate(Lines(self.ctx, fact)) if at in left)
        failures = read_at(self.ctx, self.files, self.answers, wanted)
        for line, (hashed, _, result) in zip(lines, failures, strict=True):
            failure = attrs.evolve(
                result,
                batch=self.name,
                attempt=self.attempt,
                token=record_token(token, result.custom_id),
                redelivery=redelivery,
                planned=Answer.RETRY.value,
            )
            yield (line, hashed), (decode_value(line.data, line, fact.path), failure)

    def _usable(self, line: Line, outcome: Outcome) -> bytes:
        """
        The changed line.

        Raises:
            _Unusable: It must not be sent, and why.
        """
        path = self.files[Role.INPUT].path
        data, compared, after = self._returned(line, outcome, path)
        before = decode_request(line, path)
        if after.custom_id != before.custom_id:
            raise _Unusable("it returned a request with another id")
        if (after.dialect, after.url) != (before.dialect, before.url):
            raise _Unusable("it returned a request of another shape, or for another url")
        if after.model != before.model and self.provider != LOCAL and after.dialect is Dialect.OPENAI:
            # One line of another model, and such a provider refuses them all.
            raise _Unusable("it returned a request for another model, and a batch has to have one")
        if len(data) > self.ctx.line_limit:
            raise _Unusable(f"it returned more than {self.ctx.line_limit} bytes")
        if compared == _sorted(decode_value(line.data, line, path)):
            raise _Unusable(_THE_SAME, attention=False)
        return data

    @staticmethod
    def _returned(line: Line, outcome: Outcome, path: str) -> tuple[bytes, bytes, Request]:
        """What a call returned: as a line, as it is compared, and as a request."""
        if not isinstance(outcome, Ended):
            raise _Unusable(outcome.told)
        if outcome.value is None:
            raise _Unusable(_NOTHING_RETURNED, attention=False)
        try:
            value = outcome.value if is_plain(outcome.value) else as_json(outcome.value, sort=False)
            data = msgspec.json.encode(value)
            return data, _sorted(value), decode_request(Line(line.number, 0, data), path)
        except NoJson as error:
            raise _Unusable(f"it {error}") from None
        except BadLine as error:
            raise _Unusable(f"it returned no request: {error.reason}") from None

    def _keep(self, hashed: int, problem: _Unusable) -> None:
        """Write down why a request is not asked again."""
        key = (problem.why[:_LONGEST], problem.attention)
        if key not in self._kept and len(self._kept) >= REASONS:
            key = (_MORE, problem.attention)
        self._kept.setdefault(key, set()).add(hashed)


def _sorted(value: Any) -> bytes:
    """JSON that is equal for equal values; a number is not equal to a truth value."""
    return msgspec.json.encode(value, order="deterministic")


def _spread(code: Transform) -> Callable[[tuple[Any, Result]], Any]:
    """The function, called with a request and its failure as it wants them."""

    def plain(given: tuple[Any, Result]) -> Any:
        return code.call(*given) if code.told else code.call(given[0])

    async def waiting(given: tuple[Any, Result]) -> Any:
        return await plain(given)

    return waiting if is_async(code.call) else plain
