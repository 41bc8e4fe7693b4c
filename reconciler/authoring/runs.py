"""What became of described requests: `Run`, which reads it from the workspace each time, and `Answer`."""

from __future__ import annotations

from typing import Any

import attrs
import msgspec

from reconciler.authoring.adding import Added
from reconciler.choices import prepared
from reconciler.model.report import Report
from reconciler.model.rows import ResultRow, Standing
from reconciler.plugins import Mode
from reconciler.prompting import reader_of
from reconciler.results import Results


@attrs.frozen
class Answer:
    """
    What became of one request.

    Attributes:
        custom_id: The request.
        outcome: `answered`, `failed`, `pending` or another word of `Standing`.
        value: The answer as a value of its `response_model`, or the text where it has none; None unless
            answered.
        text: The answer as it came.
        error: Why there is no value, in one line; None where there is one.
        row: Everything else that is known.
    """

    custom_id: str
    outcome: str
    value: Any
    text: str | None
    error: str | None
    row: ResultRow | None = attrs.field(default=None, repr=False)


@attrs.frozen
class Run:
    """
    A batch that was written and taken as far as one call takes it.

    Attributes:
        workspace: Where it is.
        added: What was made of it.
        report: Where its batches stand.
    """

    workspace: str
    added: Added
    report: Report

    @property
    def is_complete(self) -> bool:
        """Whether every request has come to its end."""
        return all(
            row is not None and row.outcome not in (Standing.PENDING, Standing.IN_FLIGHT)
            for _, row in self._rows()
        )

    def results(self) -> list[Answer]:
        """What became of each request, in the order in which they were added; read anew each time."""
        models = [item.wanted.response_model for _, item in self.added.asked]
        pairs = zip(self._rows(), models, strict=True)
        return [_answer(custom_id, row, model) for (custom_id, row), model in pairs]

    def _rows(self) -> list[tuple[str, ResultRow | None]]:
        ready = prepared(self.workspace, {}, Mode.LOOK)
        found: dict[str, ResultRow] = {}
        for row in Results(self.workspace, ready.settings):
            before = found.get(row.custom_id)
            if before is None or not before.answered:
                found[row.custom_id] = row
        return [(custom_id, found.get(custom_id)) for custom_id, _ in self.added.asked]


def _answer(custom_id: str, row: ResultRow | None, model: Any) -> Answer:
    """One answer, read into the form that was asked for."""
    if row is None:
        return Answer(custom_id, Standing.PENDING.value, None, None, None)
    if row.outcome is not Standing.ANSWERED:
        told = row.error_message or row.error_code or row.error_class
        return Answer(custom_id, row.outcome.value, None, None, told, row)
    if model is None or row.text is None:
        # Without the code that asked, the value is what the schema of its batch has taken out of the text.
        value = row.text if row.value is None else row.value
        return Answer(custom_id, row.outcome.value, value, row.text, None, row)
    try:
        value = reader_of(model)(row.text)
    except (ValueError, msgspec.ValidationError) as error:
        return Answer(custom_id, row.outcome.value, None, row.text, f"not what was asked for: {error}", row)
    return Answer(custom_id, row.outcome.value, value, row.text, None, row)
