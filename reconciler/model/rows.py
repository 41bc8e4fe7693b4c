"""
What became of one request over its whole lineage: the row that results are made of.

Pure values. `executor/lineages.py` builds them, `processors/tables.py` writes them down.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

import attrs

from reconciler.model.citation import Citation, Vouched
from reconciler.model.identity import BatchName


class Standing(enum.StrEnum):
    """Where a request stands, the batch that first asked it and all its retry children taken together."""

    ANSWERED = "answered"
    FAILED = "failed"
    DISMISSED = "dismissed"
    MISSING = "missing"
    QUARANTINED = "quarantined"
    RETRIED = "retried"
    IN_FLIGHT = "in-flight"
    PENDING = "pending"


LOST: Final = frozenset({Standing.FAILED, Standing.DISMISSED, Standing.MISSING, Standing.QUARANTINED})
"""No answer, and none is on its way."""

UNDER_WAY: Final = frozenset({Standing.IN_FLIGHT, Standing.PENDING})
"""Nobody has ended it yet."""


@attrs.frozen
class ResultRow:
    """
    The best that is known of one request: an answer, or else the last failure.

    Attributes:
        custom_id: The request.
        outcome: Where it stands. `retried`: it failed, and `child` asks it again.
        text: The answer's text, parts joined; None for refusals and tool calls.
        value: What was made of the answer by `[output] content` or a processor; None where nothing was.
        finish_reason: The provider's own word.
        refusal: The model's refusal in its own words.
        tool_calls: Tool calls in the provider's shape, None when there are none.
        usage: Token counts in the provider's shape.
        model: The model that answered.
        provider: Whose answer it is, None when nobody knows.
        batch: The batch that this answer or failure comes from; while there is none, the one that asks.
        attempt: How often the request had been sent then, from 1.
        error_class: Why it failed, as `ErrorClass` names it; None when it is answered.
        error_code: The provider's own code or type.
        error_message: The provider's own words.
        child: The retry child where it stands now, if that is not `batch`.
        lineage: The batch that first asked it.
        body: The response body where it has no text, refusal or tool call, such as embeddings.
        citations: The passages that the answer rests on, None where it names none.
        citation_mappings: Which of them vouch for which value in `value`, by JSON pointer.
    """

    custom_id: str
    outcome: Standing
    text: str | None = None
    value: Any = None
    finish_reason: str | None = None
    refusal: str | None = None
    tool_calls: tuple[Any, ...] | None = None
    usage: Mapping[str, Any] | None = None
    model: str | None = None
    provider: str | None = None
    batch: str = ""
    attempt: int = 1
    error_class: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    child: BatchName | None = None
    lineage: str = ""
    body: Any = None
    citations: tuple[Citation, ...] | None = None
    citation_mappings: Mapping[str, tuple[Vouched, ...]] | None = None

    @property
    def answered(self) -> bool:
        """Whether it has an answer."""
        return self.outcome is Standing.ANSWERED


COLUMNS: Final = tuple(field.name for field in attrs.fields(ResultRow))
"""The columns of a table of results, in order: the members of a row."""


class ResultRows(Protocol):
    """Rows that are read whenever somebody goes through them, and what can be made of them."""

    problems: list[str]
    """What could not be read the last time, for people."""

    def __iter__(self) -> Iterator[ResultRow]:
        """The rows, batch by batch, in input order."""

    def dataframe(self, columns: Sequence[str] = COLUMNS) -> Any:
        """
        All of them as a DataFrame of pandas or, if that is not there, of polars.

        Raises:
            UsageError: Neither is installed.
        """

    def write(
        self, path: str, kind: str | None = None, columns: Sequence[str] = COLUMNS, *, raw: bool = False
    ) -> str:
        """
        Put them into a file, whole: `jsonl`, `csv` or `parquet`, as *kind* or the end of its name says.

        Returns:
            The file, as an absolute path.

        Raises:
            UsageError: No format, no column, or no file of that name can be.
        """
