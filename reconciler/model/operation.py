"""
What can be done for one batch, as values.

Pure. An operation says what it relies on (`expects`); the executor checks it just before the effect,
so a world that moved between plan and effect is noticed, not overwritten.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, TypeAlias

import attrs

from reconciler.model import changes
from reconciler.model.changes import NO_CHANGES, Changes
from reconciler.model.coverage import FileDigest
from reconciler.model.extraction import Extraction
from reconciler.model.facts import Expects
from reconciler.model.identity import BatchName, Role
from reconciler.model.outcome import DEFAULT_CLASSES, ClassPolicy, ErrorClass
from reconciler.model.record import Limit


@attrs.frozen
class _Operation:
    """What all operations share."""

    verb: ClassVar[str]
    name: BatchName
    expects: Expects = attrs.field(kw_only=True, factory=Expects)


@attrs.frozen
class Submit(_Operation):
    """
    Send the input to the provider, or go on with a submission that was interrupted before its create.

    Attributes:
        provider: Who is to answer.
        again: A create may have left already: make sure that it cannot count any more, then begin anew.
        not_before: Until then, in seconds since the epoch, that create may still be on its way.
        probes: How many batches go ahead until one of them is answered; 0 for any number.
        wait: Seconds until a batch is looked at again that waits for those.
        most: How many batches may be there at once; 0 for any number.
        most_tokens: How many tokens may be there for one model; 0 for any number.
    """

    verb = "submit"
    probes: int = attrs.field(kw_only=True, default=0)
    wait: float = attrs.field(kw_only=True, default=60.0)
    most: int = attrs.field(kw_only=True, default=0)
    most_tokens: int = attrs.field(kw_only=True, default=0)
    provider: str = attrs.field(kw_only=True)
    again: bool = attrs.field(kw_only=True, default=False)
    not_before: float = attrs.field(kw_only=True, default=0.0)


@attrs.frozen
class AnswerHere(_Operation):
    """
    Answer the requests in this process (the embedded provider).

    Attributes:
        max_attempts: Sends of one request, those of earlier batches included.
        classes: What is done about failures of each class, within the run.
        until: When its time limit is over: from then on nothing is called, and what has no end has failed.
    """

    verb = "answer-here"
    until: float | None = attrs.field(default=None, kw_only=True)
    max_attempts: int = attrs.field(default=1, kw_only=True)
    classes: Mapping[ErrorClass, ClassPolicy] = attrs.field(default=DEFAULT_CLASSES, kw_only=True)


@attrs.frozen
class FindOrphan(_Operation):
    """Search the provider for a batch whose create may have left without its id coming back."""

    verb = "find-orphan"
    provider: str = attrs.field(kw_only=True)


@attrs.frozen
class Adopt(_Operation):
    """Write down a remote batch that was found to be this one."""

    verb = "adopt"
    provider: str = attrs.field(kw_only=True)
    batch_id: str = attrs.field(kw_only=True)


@attrs.frozen
class AdoptFile(_Operation):
    """
    Take over a results file that a person has downloaded.

    Attributes:
        path: Where it lies, a real path that need not be below the workspace.
    """

    verb = "adopt-file"
    path: str = attrs.field(kw_only=True)


@attrs.frozen
class CheckOnline(_Operation):
    """Ask the provider how the batch is doing."""

    verb = "check-online"
    provider: str = attrs.field(kw_only=True)


@attrs.frozen
class Download(_Operation):
    """Fetch the answer files that are not here yet."""

    verb = "download"
    provider: str = attrs.field(kw_only=True)
    roles: tuple[Role, ...] = attrs.field(kw_only=True)


@attrs.frozen
class MatchRequestIds(_Operation):
    """
    Hold every id of the input against every id of the answers.

    Attributes:
        extraction: What the answers themselves are held to, None for nothing.
    """

    verb = "match-request-ids"
    extraction: Extraction | None = attrs.field(kw_only=True, default=None)


@attrs.frozen
class _Process(_Operation):
    """
    What both kinds of processing share: which failures are asked again, and by whom.

    Attributes:
        child: The retry child that this plan is about to make, if any.
        classes: The error classes that go to it.
        missing: Whether ids without any answer go to it too.
        again: Hashes of ids that go to it though their class does not.
        never: Hashes of ids that do not go to it though their class does.
    """

    child: BatchName | None = attrs.field(kw_only=True, default=None)
    classes: frozenset[ErrorClass] = attrs.field(kw_only=True, default=frozenset())
    missing: bool = attrs.field(kw_only=True, default=False)
    again: frozenset[int] = attrs.field(kw_only=True, default=frozenset())
    never: frozenset[int] = attrs.field(kw_only=True, default=frozenset())


@attrs.frozen
class ProcessOutput(_Process):
    """
    Publish the results, one line a request, in input order.

    Attributes:
        token: The same for the same work, after every crash.
    """

    verb = "process-output"
    token: str = attrs.field(kw_only=True)


@attrs.frozen
class ProcessErrors(_Process):
    """
    Sum up the failures by class, with first examples and who asks them again.

    Attributes:
        token: For a custom error processor: the same for the same work; None for the summary.
        plans_retry: Whether some of the failures would be asked again if it said nothing.
    """

    verb = "process-errors"
    token: str | None = attrs.field(kw_only=True, default=None)
    plans_retry: bool = attrs.field(kw_only=True, default=False)


@attrs.frozen
class ChangeRequests(_Operation):
    """
    Have user code change failed requests before they are asked again.

    Attributes:
        token: The same for the same work, after every crash.
        by: Name and version of the code, by the error class whose failures it changes.
        never: Hashes of ids that are not asked again, and so not changed either.
    """

    verb = changes.VERB
    token: str = attrs.field(kw_only=True)
    by: Mapping[ErrorClass, str] = attrs.field(kw_only=True)
    never: frozenset[int] = attrs.field(kw_only=True, default=frozenset())


@attrs.frozen
class RetryLeftovers(_Operation):
    """
    Make a child batch of the requests that may be asked again.

    Attributes:
        child: Its name.
        attempt: How often its requests will then have been sent.
        provider: Who is to be asked, None when nobody knows yet.
        classes: The error classes that go to it.
        missing: Whether ids without any answer go to it too.
        again: Hashes of ids that go to it though their class does not.
        never: Hashes of ids that do not go to it though their class does.
        changes: What user code made of some of them; their changed lines go to it.
        limit: How long they may take, the earlier sends included; None for as long as it takes.
    """

    verb = "retry-leftovers"
    limit: Limit | None = attrs.field(kw_only=True, default=None)
    child: BatchName = attrs.field(kw_only=True)
    attempt: int = attrs.field(kw_only=True)
    provider: str | None = attrs.field(kw_only=True, default=None)
    classes: frozenset[ErrorClass] = attrs.field(kw_only=True)
    missing: bool = attrs.field(kw_only=True)
    again: frozenset[int] = attrs.field(kw_only=True, default=frozenset())
    never: frozenset[int] = attrs.field(kw_only=True, default=frozenset())
    changes: Changes = attrs.field(kw_only=True, default=NO_CHANGES)


@attrs.frozen
class MoveToDone(_Operation):
    """
    Publish the whole batch as `done/<name>/`.

    Attributes:
        finishing: The folder is there already: remove the equal copies that an interrupted move left.
        removable: Note first that its JSONL is to be removed once nothing needs it any more.
    """

    verb = "move-to-done"
    finishing: bool = attrs.field(kw_only=True, default=False)
    removable: bool = attrs.field(kw_only=True, default=False)


@attrs.frozen
class RemoveJsonl(_Operation):
    """
    Remove the JSONL of a settled batch, once what was published of it is verified; a tombstone stays.

    Attributes:
        published: What was published of it; it has to be there, byte for byte.
    """

    verb = "remove-jsonl"
    published: Mapping[str, FileDigest] = attrs.field(kw_only=True)


@attrs.frozen
class Quarantine(_Operation):
    """
    Set the batch aside for a person, with the reason.

    Attributes:
        reason: What is wrong, for people.
        details: The same for machines.
        finishing: A quarantine folder whose move was interrupted, None for a new one.
    """

    verb = "quarantine"
    reason: str = attrs.field(kw_only=True)
    details: Mapping[str, object] = attrs.field(kw_only=True, factory=dict)
    finishing: str | None = attrs.field(kw_only=True, default=None)


@attrs.frozen
class Cancel(_Operation):
    """
    Ask the provider to stop the batch.

    Attributes:
        limited: Its time limit is over; nobody else asks for its end.
    """

    verb = "cancel"
    provider: str = attrs.field(kw_only=True)
    limited: bool = attrs.field(kw_only=True, default=False)


@attrs.frozen
class EndHere(_Operation):
    """
    End a batch that no provider has: each request of it has failed, and nothing was sent.

    Attributes:
        why: `time-limit`, or `cancelled` by a person.
    """

    verb = "end-here"
    why: ErrorClass = attrs.field(kw_only=True)


@attrs.frozen
class Rescue(_Operation):
    """
    Write down that what of the batch has no answer is asked live, once its provider works on it no more.

    Attributes:
        why: `asked` by a person, or `overdue`.
    """

    verb = "rescue"
    why: str = attrs.field(kw_only=True)


Operation: TypeAlias = (
    Submit
    | AnswerHere
    | FindOrphan
    | Adopt
    | AdoptFile
    | CheckOnline
    | Download
    | MatchRequestIds
    | ProcessOutput
    | ProcessErrors
    | ChangeRequests
    | RetryLeftovers
    | MoveToDone
    | RemoveJsonl
    | Quarantine
    | Cancel
    | EndHere
    | Rescue
)
