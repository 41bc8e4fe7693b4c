"""
Our record of one batch: what `batch_metadata_<name>.jsonl` says.

Pure values; `workspace/metadata.py` reads and writes them. Metadata decides: where it and the ledger
differ, this is right.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, Final

import attrs

from reconciler.model.changes import Changed
from reconciler.model.coverage import Coverage, FileDigest, Tally
from reconciler.model.extraction import Extraction
from reconciler.model.identity import BatchName, Role


class Submission(enum.StrEnum):
    """How far the submission of one attempt came; a create can have left from `creating` on."""

    PREPARED = "prepared"
    UPLOADED = "uploaded"
    CREATING = "creating"
    SUBMITTED = "submitted"
    REJECTED = "rejected"


class Odd(enum.StrEnum):
    """What a provider says of a batch that it has, and that cannot be, or cannot be all."""

    UNKNOWN = "unknown"
    """It does not know the batch."""
    NO_FILE = "no-file"
    """The batch has ended, and names no file."""
    NO_RESULTS = "no-results"
    """It names a file, and does not have it."""
    SHORT = "short"
    """What came down is less than what was asked, or counted."""


PATIENCE: Final = 3
"""How often a provider is heard out that says what cannot be, before that is believed."""

SOON: Final = 30.0
"""Seconds until a provider is asked again that says what cannot be."""


@attrs.frozen
class InputFact:
    """
    The input as it was when this record first trusted it.

    Attributes:
        digest: Content of the file.
        requests: Number of request lines.
    """

    digest: FileDigest
    requests: int


@attrs.frozen
class Child:
    """
    A retry child that owns some of this batch's ids.

    Attributes:
        owns: The ids that went over to it.
        digest: The child's input file.
        changed: How its lines differ from those of this batch; None where they do not.
    """

    owns: Tally
    digest: FileDigest
    changed: Changed | None = None


@attrs.frozen
class Counts:
    """Line counts as the provider reports them; None where it says nothing."""

    total: int | None = None
    completed: int | None = None
    failed: int | None = None


@attrs.frozen
class Refusal:
    """
    One finding of a provider that did not accept an input.

    Attributes:
        code: The provider's own code; empty where it gave none.
        message: The provider's own words.
        line: The line that it speaks of, from 1: in the file that was sent, and from metadata on in the input
            file here; None for all of it.
    """

    code: str
    message: str
    line: int | None = None


@attrs.frozen
class Limit:
    """
    How long the requests of an author may take, retries included.

    Attributes:
        seconds: What the author has said.
        until: When that is over, in seconds since the epoch.
    """

    seconds: float
    until: float


@attrs.frozen
class After:
    """
    What a batch waits for before it is sent.

    Attributes:
        batches: Those that go ahead of it.
        share: How many of their requests need a valid answer, as a part of all.
    """

    batches: tuple[BatchName, ...]
    share: float


@attrs.frozen
class Online:
    """
    What was heard of a batch besides its status.

    Attributes:
        refusals: Why its input was not accepted.
        error: The error object of the whole batch as its provider gave it, JSON; empty where there is none.
        candidates: Remote batches of which any may be this one, while nobody can tell.
        not_before: Nothing is sent before that time, in seconds since the epoch, and no odd look counts.
        tries: How often in a row it was sent away before or after its create, as by a quota.
        odd: What it has said that cannot be, when it was last asked.
        looks: How often in a row it has said that.
        stopped: A person asked for its end.
        rescue: What of it has no answer is asked live, by a worker that its user has chosen.
        limited: Its time limit was over, and something was done about it: nothing of it is asked again by
            itself.
        unstoppable: Its provider did not stop it when its time limit was over.
        worker: Who began to answer its requests in this process, or those of the batch whose leftovers it
            asks: as `Policy.worker` says it; empty where nobody is known.
    """

    refusals: tuple[Refusal, ...] = ()
    candidates: tuple[str, ...] = ()
    not_before: float | None = None
    tries: int = 0
    odd: Odd | None = None
    looks: int = 0
    stopped: bool = False
    rescue: bool = False
    limited: bool = False
    unstoppable: bool = False
    worker: str = ""

    def heard(self, odd: Odd, now: float) -> Online:
        """The same once this was heard, for the first time or again; looks in a row within `SOON` are one."""
        if odd is not self.odd:
            return attrs.evolve(self, odd=odd, looks=1, not_before=now + SOON)
        at_once = self.not_before is not None and self.not_before - SOON <= now < self.not_before
        if at_once or self.looks >= PATIENCE:
            # Nothing hangs on it, and a pass that learns nothing writes nothing.
            return self
        return attrs.evolve(self, looks=self.looks + 1, not_before=now + SOON)

    def heard_out(self, odd: Odd) -> bool:
        """Whether this was heard often enough, and nothing else in between, to be believed."""
        return odd is self.odd and self.looks >= PATIENCE

    def ended_by(self, *, limit: bool) -> Online:
        """The same once an end was asked for: by a time limit, or else by a person."""
        return attrs.evolve(self, limited=True) if limit else attrs.evolve(self, stopped=True)

    error: str = ""


NOTHING_HEARD = Online()
BY_POSITION = "by-position"


@attrs.frozen
class Record:
    """
    One generation of a batch's metadata.

    Attributes:
        name: The batch.
        generation: Grows by one with each replacement; 0 for a record another tool wrote.
        input: The input that the record speaks of; None until something was sent or matched.
        parent: The batch whose leftovers this one asks again.
        attempt: How often these requests have been sent, this batch included; from 1.
        provider: Whose batch it is (`openai`, `anthropic`, ...).
        endpoint: The API path that the batch was made for.
        account: Fingerprint of the key's account, never the key.
        state: How far the submission came; None when none was begun.
        sent_at: When the create may have left, in seconds since the epoch.
        intent: The token that marks this attempt at the provider.
        batch_id: The provider's id of the batch.
        input_file_id: The provider's id of the uploaded input.
        output_file_id: The provider's id of the answers, None where there are none.
        error_file_id: The provider's id of the failures, None where there are none.
        status: The provider's word, as last heard.
        counts: The provider's line counts, as last heard.
        results_until: When the remote results vanish, in seconds since the epoch.
        online: What else the provider said.
        roles: What was downloaded: a digest, or None for "the provider has no such file".
        coverage: The last account that was drawn up.
        children: Retry children that own ids of this batch.
        dismissed: What a person gave up, by part (`missing`, `failed`).
        receipts: Proof of what processors have done, by operation.
        cost: Money, in the words of whoever computed it.
        imported: Of a batch that another tool has sent: what its registry said that has no other place here,
            and `ids`, `by-position` where its requests went out without ids. Nothing of it is sent again
            but by a person.
        extra: Keys that this version does not know; written back unchanged.
        asks: What its author asks of answers, where no setting says anything of it.
        limit: How long its author gives it; None for as long as it takes.
        after: What it waits for before it is sent; None for nothing.
    """

    name: BatchName
    generation: int = 0
    input: InputFact | None = None
    parent: BatchName | None = None
    attempt: int = 1
    provider: str | None = None
    endpoint: str | None = None
    account: str | None = None
    state: Submission | None = None
    sent_at: float | None = None
    intent: str | None = None
    batch_id: str | None = None
    input_file_id: str | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    status: str | None = None
    counts: Counts = Counts()
    results_until: float | None = None
    online: Online = NOTHING_HEARD
    roles: Mapping[Role, FileDigest | None] = attrs.field(factory=dict)
    coverage: Coverage | None = None
    children: Mapping[BatchName, Child] = attrs.field(factory=dict)
    dismissed: Mapping[str, Tally] = attrs.field(factory=dict)
    receipts: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict)
    cost: Mapping[str, Any] | None = None
    imported: Mapping[str, Any] | None = None
    extra: Mapping[str, Any] = attrs.field(factory=dict)
    asks: Extraction | None = None
    limit: Limit | None = None
    after: After | None = None

    def is_over(self, now: float) -> bool:
        """Whether its time limit is over; never once a person has stopped it."""
        over = self.limit is not None and now >= self.limit.until
        return (over or self.online.limited) and not self.online.stopped

    @property
    def held_to(self) -> Extraction | None:
        """What its answers were held to, or would be, unless a setting says otherwise."""
        return self.asks if self.coverage is None else self.coverage.extraction

    @property
    def ids_by_position(self) -> bool:
        """Whether its requests were sent without ids, so that the place of an answer says whose it is."""
        return self.imported is not None and self.imported.get("ids") == BY_POSITION

    @property
    def at_provider(self) -> tuple[Role, ...]:
        """The answer files that the provider has, whether they were downloaded or not."""
        return at_provider(self.roles, self.output_file_id, self.error_file_id)

    def remote_file(self, role: Role) -> str | None:
        """The provider's file id for *role*, None when the record names none."""
        return {
            Role.INPUT: self.input_file_id,
            Role.OUTPUT: self.output_file_id,
            Role.ERROR: self.error_file_id,
        }.get(role)


def at_provider(roles: Mapping[Role, object], output: str | None, error: str | None) -> tuple[Role, ...]:
    """
    The answer files that a record says the provider has.

    Args:
        roles: What was downloaded; None for "the provider has no such file", which outranks an id.
        output: The provider's id of the answers.
        error: The provider's id of the failures.
    """
    if not (roles or output or error):
        return ()
    ids = ((Role.OUTPUT, output), (Role.ERROR, error))
    return tuple(role for role, known in ids if roles.get(role, known or None) is not None)
