"""
What was seen of one batch, frozen at one moment.

Pure. The planner gets this and the policy and nothing else; it never sees a file's content, only the
verdict that matching drew from it.
"""

from __future__ import annotations

import enum
from collections.abc import Container, Mapping

import attrs

from reconciler.model.answers import Answers
from reconciler.model.canary import Sample
from reconciler.model.coverage import Coverage
from reconciler.model.facts import FileFact
from reconciler.model.identity import ANSWERS, BatchName, Role
from reconciler.model.record import Record
from reconciler.model.triple import Shape, shape_of


class Place(enum.StrEnum):
    """Where the children of a lineage were found."""

    LIVE = "live"
    DONE = "done"
    QUARANTINE = "quarantine"


@attrs.frozen
class ChildFact:
    """
    A name of this lineage that is taken.

    Attributes:
        name: `7.r1`, ...
        place: Where it stands.
        parent: Whose leftovers it says it asks; None when its metadata cannot tell.
    """

    name: BatchName
    place: Place
    parent: BatchName | None


@attrs.frozen
class Mismatch:
    """
    How input and answers disagree, with the first few ids of each kind and where they stand.

    Attributes:
        corrupt: Answer lines that cannot be read, as `file:line: reason`.
        unknown: Ids that were answered and never asked.
        duplicate: Ids that are answered twice in one file.
        both: Ids that are answered in both files.
        total: How many findings there are of each kind: `corrupt`, `unknown`, `duplicate` and `both`.
    """

    corrupt: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    duplicate: tuple[str, ...] = ()
    both: tuple[str, ...] = ()
    total: Mapping[str, int] = attrs.field(factory=dict)


@attrs.frozen
class Matched:
    """
    The verdict of match-request-ids, valid for exactly these files.

    Attributes:
        files: The files as they were while they were read.
        coverage: The account; None when the input itself cannot be read.
        mismatch: How they disagree; None when they agree or ids are only missing.
        bad_input: What is wrong with the input, as `file:line: reason`.
        missing: The first few missing ids, with their input lines.
        late: Ids that are answered here though a retry child asks them again.
        answers: Where each answer stands; no part of the verdict, so equal verdicts may differ in it.
    """

    files: Mapping[Role, FileFact]
    coverage: Coverage | None = None
    mismatch: Mismatch | None = None
    bad_input: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    late: tuple[str, ...] = ()
    answers: Answers | None = attrs.field(default=None, eq=False, repr=False)


@attrs.frozen
class Glance:
    """
    What the names of its files and its metadata alone say of a batch; of no file is anything else known.

    Attributes:
        name: The batch.
        seen_at: When, in seconds since the epoch.
        roles: Its files, as the scan has listed them.
        record: What its metadata says of a batch without answers; None when there is no metadata file.
        at_provider: Of a batch with answers here, the answer files that its metadata says the provider has.
        odd: Something is unusual about it, so nothing may be decided at a glance.
    """

    name: BatchName
    seen_at: float
    roles: Container[Role] = ()
    record: Record | None = None
    at_provider: tuple[Role, ...] = ()
    odd: bool = False


@attrs.frozen
class Snapshot:
    """
    One batch at one moment.

    Attributes:
        name: The batch.
        seen_at: When, in seconds since the epoch.
        files: The regular files of the triple; `stat` facts, no content.
        record: What its metadata says; None when there is no metadata file.
        bad_record: Why the metadata cannot be trusted (empty, corrupt, newer); None when it can.
        bad_record_hint: What to do about it, where that is special.
        problems: Reasons not to touch this batch at all (a link, a FIFO, a clash of names).
        in_done: `done/<name>/` exists.
        history: Roles that lie flat in `done/`, left there by another tool.
        quarantine_tail: A quarantine folder that holds hard links of these very files.
        quarantined: Folders of `quarantine/` that still hold files of this batch.
        children: Names of this lineage that are taken, in order.
        matched: The verdict on these files, when this pass has drawn one.
        asked: The provider was asked in this pass, so `record.status` is fresh.
        unowned: It is a retry child that its parent does not name: the ids are still the parent's.
        sample: How the batches stand that go ahead of it; None where none does.
    """

    name: BatchName
    seen_at: float
    files: Mapping[Role, FileFact] = attrs.field(factory=dict)
    record: Record | None = None
    bad_record: str | None = None
    bad_record_hint: str = ""
    problems: tuple[str, ...] = ()
    in_done: bool = False
    history: frozenset[Role] = frozenset()
    quarantine_tail: str | None = None
    quarantined: tuple[str, ...] = ()
    children: tuple[ChildFact, ...] = ()
    matched: Matched | None = None
    asked: bool = False
    unowned: bool = False
    sample: Sample | None = None

    @property
    def shape(self) -> Shape:
        """Which files of the triple exist."""
        return shape_of(self.files)

    @property
    def answers(self) -> tuple[Role, ...]:
        """The answer files that exist, in reading order."""
        return tuple(role for role in ANSWERS if role in self.files)
