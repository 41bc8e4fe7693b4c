"""
Why a batch did not settle, as types that a program can tell apart.

Pure values. `BatchReport.failure` holds one; `Report.raise_for_failures()` raises them together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import attrs

from reconciler.errors import ReconcilerError
from reconciler.model.identity import BatchName, Role
from reconciler.model.outcome import ErrorClass
from reconciler.model.trouble import Trouble


@attrs.frozen(kw_only=True)
class Failure:
    """
    A batch that did not settle and will not by waiting.

    Attributes:
        batch: The batch.
        operation: The operation that failed, or that cannot be done (`match-request-ids`, ...).
        because: Why, in one line.
        hint: What a person could type or change.
        exit_code: The exit code that says so, where it is another than the state's.
    """

    exit_code: ClassVar[int | None] = None
    batch: BatchName
    operation: str
    because: str
    hint: str = ""


@attrs.frozen(kw_only=True)
class MissingInput(Failure):
    """
    Answers, or metadata, without the input that they belong to.

    Attributes:
        present: The files that are there.
    """

    present: tuple[Role, ...] = ()


@attrs.frozen(kw_only=True)
class BadInput(Failure):
    """
    The input cannot be read.

    Attributes:
        lines: The first few faults, as `file:line: reason`.
    """

    lines: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class IdMismatch(Failure):
    """
    Input and answers do not hold the same ids; each kind with its first few, as `"id" (file:line)`.

    Attributes:
        missing: Asked and not answered.
        unknown: Answered and never asked.
        duplicate: Answered twice in one file.
        both: Answered in the output file and in the error file.
        corrupt: Answer lines that cannot be read, as `file:line: reason`.
        total: How many there are of each kind.
    """

    missing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    duplicate: tuple[str, ...] = ()
    both: tuple[str, ...] = ()
    corrupt: tuple[str, ...] = ()
    total: Mapping[str, int] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class BadRecord(Failure):
    """The metadata is empty, corrupt, or of a newer version."""


@attrs.frozen(kw_only=True)
class BadFile(Failure):
    """A file of the batch is a link, a folder, unreadable, or clashes with another name."""


@attrs.frozen(kw_only=True)
class FileChanged(Failure):
    """A file is not the one that the metadata knows."""


@attrs.frozen(kw_only=True)
class NameTaken(Failure):
    """`done/` or `quarantine/` holds other files of that name."""


@attrs.frozen(kw_only=True)
class AnswersGone(Failure):
    """Answers were here at an earlier pass and are not here any more."""


@attrs.frozen(kw_only=True)
class Refused(Failure):
    """The provider did not accept the batch; nothing ran."""


@attrs.frozen(kw_only=True)
class FailedForGood(Failure):
    """
    Requests failed, none of them may be asked again, and the settings want a person to look.

    Attributes:
        by_class: How many, by error class.
    """

    by_class: Mapping[ErrorClass, int] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Unhandled(Failure):
    """
    The output processor could not handle some answers.

    Attributes:
        requests: How many.
        files: Where they are written down, relative to the workspace.
    """

    requests: int = 0
    files: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Held(Failure):
    """Only a person can move it on; nothing is wrong with its files."""


@attrs.frozen(kw_only=True)
class NoKey(Failure):
    """The key of its provider is missing or refused; the batch is unchanged."""

    exit_code = 77


@attrs.frozen(kw_only=True)
class Capped(Failure):
    """It may cost more than what is left of the limit of cost; nothing of it was sent."""


@attrs.frozen(kw_only=True)
class InDoubt(Failure):
    """Its create may have reached the provider, and nobody can tell."""


@attrs.frozen(kw_only=True)
class Quarantined(Failure):
    """
    It was set aside at an earlier pass.

    Attributes:
        path: Where it lies, relative to the workspace.
    """

    path: str = ""


@attrs.frozen(kw_only=True)
class StepFailed(Failure):
    """
    An operation raised.

    Attributes:
        error: What it raised; a `TransientError` may be mended by a re-run.
    """

    error: ReconcilerError


BY_TROUBLE: Final[Mapping[Trouble, type[Failure]]] = {
    Trouble.MISSING_INPUT: MissingInput,
    Trouble.BAD_INPUT: BadInput,
    Trouble.ID_MISMATCH: IdMismatch,
    Trouble.BAD_RECORD: BadRecord,
    Trouble.BAD_FILE: BadFile,
    Trouble.FILE_CHANGED: FileChanged,
    Trouble.NAME_TAKEN: NameTaken,
    Trouble.ANSWERS_GONE: AnswersGone,
    Trouble.REFUSED: Refused,
    Trouble.FAILED_FOR_GOOD: FailedForGood,
    Trouble.UNHANDLED: Unhandled,
    Trouble.HELD: Held,
    Trouble.NO_KEY: NoKey,
    Trouble.IN_DOUBT: InDoubt,
    Trouble.STEP_FAILED: StepFailed,
    Trouble.OTHER: Failure,
}
"""The type that speaks of each trouble."""


class ReconciliationFailed(ReconcilerError):
    """
    Some batches did not settle.

    Attributes:
        failures: One for each of them, in the order of the report.
        exit_code: That of the report.
    """

    def __init__(self, failures: tuple[Failure, ...], exit_code: int = ReconcilerError.exit_code) -> None:
        first = failures[0]
        more = f", and {len(failures) - 1} more" if len(failures) > 1 else ""
        super().__init__(f"{first.batch}: {first.because}{more}", hint=first.hint)
        self.failures = failures
        self.exit_code = exit_code

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by what it was made of: it may cross from another process."""
        return (type(self), (self.failures, self.exit_code))
