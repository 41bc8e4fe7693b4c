"""
What became of requests: `Answer`, and `Answers`, which reads them whenever it is gone through.

Nothing is kept: a long run is streamed.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, Self, overload

import attrs
import msgspec

from reconciler.model.citation import Citation, Vouched
from reconciler.model.outcome import ErrorClass
from reconciler.model.policy import LOCAL
from reconciler.model.rows import UNDER_WAY, ResultRow, Standing
from reconciler.pricing.book import LISTED, Book
from reconciler.pricing.tokens import tokens_of
from reconciler.prompting import reader_of

_SAID_ABOVE: Final = ("custom_id", "outcome", "text", "usage", "citations", "citation_mappings")
"""Members of a row that its answer says too; the row has them where they differ."""


class Group(enum.StrEnum):
    """Where an answer belongs; each belongs to one."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    PENDING = "pending"


@attrs.frozen
class Answer:
    """
    What became of one request.

    Attributes:
        custom_id: The request.
        outcome: `answered`, `failed`, `pending` or another word of `Standing`.
        value: The answer as a value of its `response_model`, or the text where it has none; None unless
            answered.
        text: The answer as it came; of a failure too, where it came with one.
        error: Why there is no value, in one line; None where there is one.
        row: Everything else that is known.
        batch_id: The provider's id of the batch; None while it has none, and where none is needed.
        cost_usd: What this attempt cost, at the price of its batch; None where no price is known.
    """

    custom_id: str
    outcome: str
    value: Any
    text: str | None
    error: str | None
    row: ResultRow | None = attrs.field(default=None, repr=False)
    batch_id: str | None = None
    cost_usd: float | None = None

    @property
    def group(self) -> Group:
        """Whether it is completed, failed, cancelled or pending."""
        if self.row is None or self.row.outcome in UNDER_WAY or self.row.outcome is Standing.RETRIED:
            return Group.PENDING
        if self.is_success:
            return Group.COMPLETED
        cancelled = self.row.error_class == ErrorClass.CANCELLED
        return Group.CANCELLED if cancelled else Group.FAILED

    @property
    def is_success(self) -> bool:
        """Whether there is a value, and it is what was asked for."""
        return self.outcome == Standing.ANSWERED and self.error is None

    @property
    def usage(self) -> Mapping[str, Any] | None:
        """Token counts in the provider's shape."""
        return None if self.row is None else self.row.usage

    @property
    def total_tokens(self) -> int | None:
        """Tokens of request and answer together; None where the provider does not say."""
        tokens = tokens_of(self.usage)
        return None if tokens is None else tokens.read + tokens.output

    @property
    def citations(self) -> tuple[Citation, ...]:
        """The passages that the answer rests on; empty where it names none."""
        return (self.row and self.row.citations) or ()

    @property
    def citation_mappings(self) -> Mapping[str, tuple[Vouched, ...]]:
        """Which of them vouch for which part of the value, by JSON pointer; empty where none does."""
        return (self.row and self.row.citation_mappings) or {}

    def to_dict(self) -> dict[str, Any]:
        """All of it as values that JSON knows; `from_dict` makes the same answer of it."""
        row = None
        if self.row is not None:
            above: dict[str, Any] = {name: getattr(self, name) or None for name in _SAID_ABOVE}
            row = {
                field.name: msgspec.to_builtins(getattr(self.row, field.name))
                for field in attrs.fields(ResultRow)
                if getattr(self.row, field.name) != above.get(field.name, field.default)
            }
        return {
            "custom_id": self.custom_id,
            "outcome": self.outcome,
            "is_success": self.is_success,
            "value": _plain(self.value),
            "text": self.text,
            "error": self.error,
            "batch_id": self.batch_id,
            "usage": msgspec.to_builtins(self.usage),
            "total_tokens": self.total_tokens,
            "cost_usd": self.cost_usd,
            "citations": msgspec.to_builtins(self.citations),
            "citation_mappings": msgspec.to_builtins(self.citation_mappings),
            "row": row,
        }

    @classmethod
    def from_dict(cls, found: Mapping[str, Any], response_model: Any = None) -> Self:
        """
        The answer that `to_dict` was called on.

        Args:
            found: What it gave, maybe by way of a JSON file.
            response_model: The form of the value; without it, it stays as JSON has it.

        Raises:
            ValueError: It is nothing that `to_dict` gives, or its value is none of that form.
        """
        try:
            row = None
            if found["row"] is not None:
                row = msgspec.convert(
                    {**{key: found[key] or None for key in _SAID_ABOVE}, **found["row"]}, ResultRow
                )
            made = cls(
                custom_id=found["custom_id"],
                outcome=found["outcome"],
                value=found["value"],
                text=found["text"],
                error=found["error"],
                row=row,
                batch_id=found["batch_id"],
                cost_usd=found["cost_usd"],
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"no answer as to_dict() gives it: {error}") from error
        if response_model is None or not made.is_success:
            return made
        return attrs.evolve(made, value=value_of(response_model, msgspec.json.encode(made.value).decode()))


def value_of(model: Any, text: str) -> Any:
    """
    A text as a value of the form that was asked for.

    Raises:
        ValueError: It is none.
    """
    return reader_of(model)(text)


def answer_of(
    custom_id: str,
    row: ResultRow | None,
    model: Any = None,
    batch_id: str | None = None,
    prices: Book = LISTED,
) -> Answer:
    """One answer, read into the form that was asked for."""
    if row is None:
        return Answer(custom_id, Standing.PENDING.value, None, None, None)
    cost = prices.cost_of(row.usage, row.provider or "", row.model, live=row.provider == LOCAL)
    answer = Answer(
        custom_id=custom_id,
        outcome=row.outcome.value,
        value=None,
        text=row.text,
        error=None,
        row=row,
        batch_id=batch_id,
        cost_usd=None if cost is None else float(cost),
    )
    if row.outcome is not Standing.ANSWERED:
        return attrs.evolve(answer, error=row.error_message or row.error_code or row.error_class)
    if model is None or row.text is None:
        # Without the code that asked, the value is what the schema of its batch has taken out of the text.
        return attrs.evolve(answer, value=row.text if row.value is None else row.value)
    try:
        return attrs.evolve(answer, value=value_of(model, row.text))
    except ValueError as error:
        return attrs.evolve(answer, error=f"not what was asked for: {error}")


@attrs.frozen
class Answers(Sequence[Answer]):
    """
    What became of each request of a run, in the order in which they were added; read anew each time.

    Attributes:
        reads: Reads all of them.
        size: How many there are; None where only reading tells.
    """

    reads: Callable[[], Iterable[Answer]]
    size: int | None = None

    def __iter__(self) -> Iterator[Answer]:
        return iter(self.reads())

    def __len__(self) -> int:
        return sum(1 for _ in self) if self.size is None else self.size

    @overload
    def __getitem__(self, at: int) -> Answer: ...
    @overload
    def __getitem__(self, at: slice) -> list[Answer]: ...
    def __getitem__(self, at: int | slice) -> Answer | list[Answer]:
        if isinstance(at, int) and at >= 0:
            for answer in islice(self, at, None):
                return answer
            raise IndexError(f"there is no answer {at}")
        return list(self)[at]

    @property
    def completed(self) -> list[Answer]:
        """Those with a value that is what was asked for."""
        return self._in(Group.COMPLETED)

    @property
    def failed(self) -> list[Answer]:
        """Those that have none and get none, but for what was cancelled."""
        return self._in(Group.FAILED)

    @property
    def cancelled(self) -> list[Answer]:
        """Those that somebody stopped before they ran."""
        return self._in(Group.CANCELLED)

    @property
    def pending(self) -> list[Answer]:
        """Those that have not come to their end."""
        return self._in(Group.PENDING)

    def _in(self, group: Group) -> list[Answer]:
        return [answer for answer in self if answer.group is group]


def _plain(value: Any) -> Any:
    """A value of any form as JSON has it."""
    dump = getattr(value, "model_dump", None)
    return dump(mode="json") if callable(dump) else msgspec.to_builtins(value)
