"""Ask a custom error processor what becomes of each failure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from reconciler.executor.answers import read_at
from reconciler.executor.begun import begun
from reconciler.executor.calling import Ended, Outcome
from reconciler.executor.context import Run
from reconciler.executor.handing import FaultyData, Handed
from reconciler.executor.reading import owners_of
from reconciler.model.answers import Answers, Place
from reconciler.model.coverage import hash_id
from reconciler.model.exchange import Result
from reconciler.model.operation import ProcessErrors
from reconciler.model.overrides import Overrides, overrides_fields
from reconciler.model.receipt import record_token
from reconciler.model.record import Record
from reconciler.processors.base import Answer, Per, Processor

EXAMPLES = 5
"""How many failures of the error processor itself are named."""


@attrs.define
class Asking:
    """
    One invocation of an error processor.

    Attributes:
        step: The operation.
        run: What the operations of the plan share.
        record: The metadata of the batch.
        processor: The error processor.
        answers: Where each answer, and so each failure, stands.
        faults: What went wrong in the processor itself.
    """

    step: ProcessErrors
    run: Run
    record: Record
    processor: Processor
    answers: Answers
    faults: list[str] = attrs.field(factory=list)
    failures: Mapping[int, Place] = attrs.field(init=False)
    mine: list[tuple[int, Place]] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        taken = owners_of(self.run.ctx, self.record.children)
        failures = self.answers.failures()
        self.mine = [(at, place) for at, place in failures if self.answers.hashed(at) not in taken]
        self.failures = {self.answers.hashed(at): place for at, place in self.mine}

    def ask(self) -> tuple[Overrides, dict[str, Any]]:
        """
        Ask about every failure that no child owns.

        Returns:
            The answers that change something, and what of it goes into the receipt.
        """
        token = self.step.token or ""
        earlier = begun(self.step.verb, token, self.record, self.run, self._noted)
        published: dict[str, Any] = {}
        if self.processor.per is Per.BATCH:
            answers, published = self._whole(token, redelivery=earlier.redelivery)
        else:
            rows = self._results(token, redelivery=earlier.redelivery)
            pairs = ((hash_id(each.custom_id), each) for each in rows)
            ended = self.run.ctx.calls.ordered(self.processor.call, pairs)
            answers = {hashed: self._answer(outcome) for hashed, outcome in ended if outcome is not None}
        overrides = self._overrides(answers)
        proof = {
            "token": token,
            **self._noted,
            "classes_asked": sorted(each.value for each in self.step.classes),
            **overrides_fields(overrides),
            **published,
            **earlier.fields,
        }
        if self.faults:
            proof["faults"] = self.faults[:EXAMPLES]
        return overrides, proof

    # Within

    @property
    def _noted(self) -> dict[str, str]:
        """Who decides as receipts know it, and who was to be asked again."""
        asked = self.run.ctx.plugged.hooks_of(self.step.name).asked
        return {**self.processor.noted, **({"provider": asked} if asked else {})}

    def _results(self, token: str, *, redelivery: bool) -> Iterator[Result]:
        """The failures, each with what is planned for it."""
        for _, place, result in read_at(self.run.ctx, self.step.expects.files, self.answers, self.mine):
            yield attrs.evolve(
                result,
                batch=self.step.name,
                attempt=self.record.attempt,
                token=record_token(token, result.custom_id),
                redelivery=redelivery,
                planned=(Answer.RETRY if place.failed in self.step.classes else Answer.GIVE_UP).value,
            )

    def _whole(self, token: str, *, redelivery: bool) -> tuple[dict[int, Answer | None], dict[str, Any]]:
        """Hand the whole batch over; the answers come back by id."""
        ctx = self.run.ctx
        hooks = ctx.plugged.hooks_of(self.step.name)
        errors_folder = f"target/{self.step.name}.errors"
        operations = ("summary", "retry") if self.step.plans_retry else ("summary",)
        files = self.step.expects.files
        handed = Handed(ctx, files, hooks.content, token, redelivery, operations, folder=errors_folder)
        batch = handed.batch(self.record, lambda: self._results(token, redelivery=redelivery))
        outcome = handed.call(self.processor, batch)
        published: dict[str, Any] = {}
        if isinstance(outcome, Ended):
            try:
                published = handed.publish(self.step.name, None)
            except FaultyData as error:
                outcome = error.raised
        if isinstance(outcome, Ended) and (outcome.value is None or isinstance(outcome.value, dict)):
            told: Mapping[str, Any] = outcome.value or {}
            known = set(map(hash_id, told)) & self.failures.keys()
            unknown = [custom_id for custom_id in told if hash_id(custom_id) not in known]
            if unknown:
                self.faults.append(f"answered for ids that did not fail: {', '.join(unknown[:EXAMPLES])}")
            answers = {hash_id(each): self._answer(Ended(word)) for each, word in told.items()}
            return {hashed: answer for hashed, answer in answers.items() if hashed in known}, published
        why = self._answer(outcome)
        return dict.fromkeys(self.failures, why), published

    def _answer(self, outcome: Outcome) -> Answer | None:
        """The answer; what is none needs a person."""
        if not isinstance(outcome, Ended):
            self.faults.append(outcome.told)
            return Answer.ATTENTION
        if outcome.value is None:
            return None
        try:
            return Answer(outcome.value)
        except Exception:  # noqa: BLE001 - what it returned is compared, by its own `__eq__` if it has one
            words = ", ".join(each.value for each in Answer)
            self.faults.append(f"returned {_shown(outcome.value)}, expected {words} or None")
            return Answer.ATTENTION

    def _overrides(self, answers: Mapping[int, Answer | None]) -> Overrides:
        """What the answers change of what the classes say; without an attempt left nothing is asked again."""
        again, never, attention = set(), set(), set()
        for hashed, answer in answers.items():
            planned = self.failures[hashed].failed in self.step.classes
            if answer is Answer.RETRY and not planned and self.step.classes:
                again.add(hashed)
            elif answer in (Answer.GIVE_UP, Answer.ATTENTION) and planned:
                never.add(hashed)
            if answer is Answer.ATTENTION:
                attention.add(hashed)
        return Overrides(frozenset(again), frozenset(never), frozenset(attention))


def _shown(value: object) -> str:
    """A value in a few words, whatever its own `__repr__` does."""
    try:
        return repr(value)[:60]
    except Exception:  # noqa: BLE001 - user code may raise anything
        return f"a {type(value).__name__}"
