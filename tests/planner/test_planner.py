"""Which operations each snapshot leads to: every shape by every record by every status, from the contract."""

import itertools
from collections.abc import Iterator
from typing import Final

import attrs
import pytest

from reconciler.model.record import Record, Submission
from reconciler.model.snapshot import Snapshot
from reconciler.planner import plan
from tests.planner.builders import (
    NAME,
    POLICY_NONE,
    POLICY_OPENAI,
    POLICY_OPENAI_REACHABLE,
    record,
    remote,
    snap,
    told,
)

FILES: Final = ("-", "i", "o", "e", "io", "ie", "oe", "ioe")
ANSWERED: Final = "io ie ioe"
ORPHANED: Final = "o e oe"

# What each provider says, by what it means for planning.
STATUSES: Final[dict[str, tuple[str | None, ...]]] = {
    "silent": (None,),
    "running": (
        *("validating", "in_progress", "finalizing", "cancelling"),  # OpenAI
        *("Validating", "InProgress"),  # Azure, in its samples
        "canceling",  # Anthropic
        *("BATCH_STATE_PENDING", "BATCH_STATE_RUNNING", "JOB_STATE_QUEUED", "JOB_STATE_CANCELLING"),  # Gemini
        *("QUEUED", "RUNNING", "CANCELLATION_REQUESTED"),  # Mistral
        "IN_PROGRESS",  # Together
    ),
    "done": (
        *("completed", "COMPLETED", "ended", "SUCCESS"),
        *("BATCH_STATE_SUCCEEDED", "JOB_STATE_SUCCEEDED", "JOB_STATE_PARTIALLY_SUCCEEDED"),
    ),
    "partial": (
        *("expired", "cancelled", "canceled", "TIMEOUT_EXCEEDED", "CANCELLED"),
        *("BATCH_STATE_EXPIRED", "JOB_STATE_CANCELLED"),
    ),
    "refused": ("failed", "FAILED", "BATCH_STATE_FAILED", "JOB_STATE_FAILED"),
    "unheard-of": ("paused_by_moonlight", "", "JOB_STATE_UNSPECIFIED"),
}

# What metadata says. `submitted` is a submission whose batch id never came back; `legacy` is the record of
# the Rust tools with its batch id alone, `finished` is one that names both answer files.
RECORDS: Final[dict[str, Record | None]] = {
    "none": None,
    "corrupt": None,
    "child": record(parent="4", attempt=2),
    "prepared": record(provider="openai", state="prepared"),
    "uploaded": record(provider="openai", state="uploaded", input_file_id="file-i"),
    "creating": record(provider="openai", state="creating", sent_at=900.0),
    "submitted": record(provider="openai", state="submitted"),
    "rejected": record(provider="openai", state="rejected"),
    "legacy": remote(generation=0),
    "finished": remote(output_file_id="file-o", error_file_id="file-e"),
}

ANY_RECORD: Final = " ".join(RECORDS)
ANY_STATUS: Final = " ".join(STATUSES)
UNFINISHED: Final = "silent running unheard-of"
FINISHED: Final = "done partial refused"

POLICIES: Final = (POLICY_OPENAI_REACHABLE, POLICY_OPENAI, POLICY_NONE)


@attrs.frozen
class Row:
    """
    What is planned for each of *files* by each of *records* by each of *statuses*.

    Attributes:
        client: With OpenAI configured and a client for it.
        bare: With OpenAI configured and no client, as in this version.
        none: With no provider configured; as *bare* unless it differs.
    """

    files: str
    records: str
    statuses: str
    client: str
    bare: str
    none: str = ""

    @property
    def expected(self) -> tuple[str, str, str]:
        """In the order of POLICIES."""
        return self.client, self.bare, self.none or self.bare

    def cells(self) -> Iterator[tuple[str, str, str]]:
        """Every combination that this row speaks of."""
        return itertools.product(self.files.split(), self.records.split(), self.statuses.split())


STAYS: Final = (": needs attention", ": needs attention")
MATCH: Final = ("match-request-ids: pending", "match-request-ids: pending")
KNOWN: Final = "child prepared uploaded creating submitted rejected legacy finished"

TABLE: Final = {
    # Corrupt metadata is never read as "no metadata".
    "corrupt": Row("- i o e io ie oe ioe", "corrupt", ANY_STATUS, *STAYS),
    # Nothing at all, or metadata whose input is gone.
    "empty": Row("-", "none", ANY_STATUS, ": settled", ": settled"),
    "input-gone": Row("-", KNOWN, ANY_STATUS, *STAYS),
    # Answers without their input stay where they are, whatever metadata knows.
    "orphaned": Row(ORPHANED, f"none {KNOWN}", ANY_STATUS, *STAYS),
    # An input alone: metadata decides, and only a batch id gives the status a meaning.
    "unsent": Row("i", "none child", ANY_STATUS, "submit: pending", ": held"),
    "no-create-can-have-left": Row("i", "prepared uploaded", ANY_STATUS, "submit: pending", ": held"),
    "create-in-doubt": Row("i", "creating submitted", ANY_STATUS, "find-orphan: pending", ": held"),
    "rejected": Row("i", "rejected", ANY_STATUS, *STAYS),
    "in-flight": Row("i", "legacy finished", UNFINISHED, "check-online: pending", ": held"),
    "finished-with-files": Row("i", "finished", FINISHED, "download: pending", ": held"),
    "ended-without-files": Row("i", "legacy", "done partial", "check-online: pending", ": held"),
    "nothing-ran": Row("i", "legacy", "refused", *STAYS),
    # Answers beside their input are matched, once no role is open any more.
    "answered": Row(
        ANSWERED, "none child prepared uploaded creating submitted rejected legacy", ANY_STATUS, *MATCH
    ),
    "other-half-is-remote": Row("io ie", "finished", ANY_STATUS, "download: pending", ": held"),
    "both-halves-are-here": Row("ioe", "finished", ANY_STATUS, *MATCH),
}

CELLS: Final = [
    pytest.param(*cell, row.expected, id=f"{group}:{'/'.join(cell)}")
    for group, row in TABLE.items()
    for cell in row.cells()
]


def seen(letters: str, kind: str, status: str | None) -> Snapshot:
    """The snapshot of one cell."""
    known = RECORDS[kind]
    if known is not None:
        known = attrs.evolve(known, status=status)
    bad = f"workdir/batch_metadata_{NAME}.jsonl is no JSON" if kind == "corrupt" else None
    return snap(letters.strip("-"), record=known, bad_record=bad)


def test_the_table_is_exhaustive() -> None:
    """Every subset of files by every record by every status stands in exactly one row."""
    cells = [cell for row in TABLE.values() for cell in row.cells()]
    assert sorted(cells) == sorted(itertools.product(FILES, RECORDS, STATUSES))


def test_every_submission_state_is_in_the_table() -> None:
    """No state of a submission is left out."""
    assert {known.state for known in RECORDS.values() if known is not None} == {None, *Submission}


@pytest.mark.parametrize(("letters", "kind", "status", "expected"), CELLS)
def test_every_shape_by_record_by_status(
    letters: str, kind: str, status: str, expected: tuple[str, str, str]
) -> None:
    """Each cell leads to one list of operations, in the words of every provider and under every policy."""
    for word in STATUSES[status]:
        snapshot = seen(letters, kind, word)
        assert tuple(told(plan(snapshot, policy)) for policy in POLICIES) == expected
