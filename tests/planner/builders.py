"""
Small snapshots, records, accounts and policies, so that one row of a table fits on a line or two.

Everything is about batch `7`, seen at second 1000, in a live directory called `workdir`.
"""

from collections.abc import Mapping
from typing import Any, Final

import attrs

from reconciler.model.coverage import Coverage, FileDigest, Tally, hash_id
from reconciler.model.facts import FileFact
from reconciler.model.identity import BatchName, Role, file_name
from reconciler.model.outcome import ErrorClass
from reconciler.model.plan import Plan, word_of
from reconciler.model.policy import LOCAL, FailurePolicy, Policy, SubmitPolicy
from reconciler.model.record import Child, Counts, Record, Submission
from reconciler.model.snapshot import ChildFact, Matched, Mismatch, Place, Snapshot

NAME: Final = BatchName("7")
NOW: Final = 1000.0
LONG_AGO: Final = 1_000_000_000
"""Second 1 in nanoseconds: far older than any `settle_seconds`."""
SIZE: Final = 100

ROLES: Final = {"i": Role.INPUT, "o": Role.OUTPUT, "e": Role.ERROR}

POLICY_NONE: Final = Policy()
POLICY_OPENAI: Final = Policy(provider="openai")
POLICY_OPENAI_REACHABLE: Final = Policy(provider="openai", reachable=frozenset({"openai"}))
POLICY_LOCAL: Final = Policy(provider=LOCAL, reachable=frozenset({LOCAL}))
POLICY_MANUAL: Final = attrs.evolve(POLICY_OPENAI_REACHABLE, submit=SubmitPolicy.MANUAL)
POLICY_ATTENTION: Final = attrs.evolve(POLICY_OPENAI_REACHABLE, failed=FailurePolicy.ATTENTION)

STAYS: Final = ": needs attention"
SETTLE: Final = "process-output move-to-done: pending"
LIMITED: Final = {ErrorClass.RATE_LIMIT: 1}


def told(plan: Plan) -> str:
    """A plan as a table has it: the verbs of its steps, a colon, the word for what follows."""
    return f"{' '.join(step.verb for step in plan.steps)}: {word_of(plan.then)}"


def fact(role: Role, name: str = NAME, *, size: int = SIZE, mtime_ns: int = LONG_AGO) -> FileFact:
    """A live file of the triple."""
    return FileFact(f"workdir/{file_name(role, name)}", size, mtime_ns, (1, sorted(Role).index(role)))


def files(letters: str, name: str = NAME) -> dict[Role, FileFact]:
    """The files of a triple by letter: `io` is an input and an output."""
    return {ROLES[letter]: fact(ROLES[letter], name) for letter in letters}


def snap(letters: str = "", **fields: Any) -> Snapshot:
    """Batch 7 with the files that *letters* name."""
    return Snapshot(**{"name": NAME, "seen_at": NOW, "files": files(letters), **fields})


def record(**fields: Any) -> Record:
    """A record of batch 7; `state="creating"` may stand for its enum."""
    if "state" in fields:
        fields["state"] = Submission(fields["state"])
    return Record(**{"name": NAME, "generation": 4, **fields})


def remote(status: str | None = "completed", **fields: Any) -> Record:
    """The record of a batch that OpenAI has."""
    known = {"provider": "openai", "state": "submitted", "batch_id": "batch_1", "status": status}
    return record(**{**known, **fields})


def counts(completed: int, failed: int = 0) -> Counts:
    """What the provider says that it has answered."""
    return Counts(completed + failed, completed, failed)


def digest(role: Role = Role.INPUT, *, size: int = SIZE, fill: str = "a") -> FileDigest:
    """The digest of a file; files of one role and one *fill* are equal."""
    return FileDigest((role.value[0] + fill) * 32, size)


def tally(*ids: str) -> Tally:
    """The tally of ids."""
    return Tally.of(map(hash_id, ids))


def coverage(
    answered: int = 0,
    *,
    failed: Mapping[ErrorClass, int] | None = None,
    letters: str = "io",
    **parts: int,
) -> Coverage:
    """
    An account that adds up.

    Args:
        answered: How many ids are answered.
        failed: How many failed, by class.
        letters: The files that it was computed from.
        parts: How many ids are `retried`, `dismissed` or `missing`.
    """
    by_class = {name: tally(*(f"{name}-{k}" for k in range(count))) for name, count in (failed or {}).items()}
    tallies: dict[str, Any] = {
        part: tally(*(f"{part}-{k}" for k in range(count))) for part, count in parts.items()
    }
    tallies["answered"] = tally(*(f"answered-{k}" for k in range(answered)))
    tallies["failed"] = sum(by_class.values(), Tally())
    roles = [ROLES[letter] for letter in letters]
    return Coverage(
        input=sum(tallies.values(), Tally()),
        by_class=by_class,
        digests={role: digest(role) for role in roles},
        **tallies,
    )


def matched(account: Coverage | None = None, letters: str = "io", **fields: Any) -> Matched:
    """The verdict on the files that *letters* name."""
    return Matched(files(letters), account, **fields)


def mismatch(**kinds: tuple[str, ...]) -> Mismatch:
    """A disagreement in which every finding is named."""
    return Mismatch(**kinds, total={kind: len(found) for kind, found in kinds.items()})


def answered(account: Coverage, record: Record | None = None, **fields: Any) -> Snapshot:
    """Batch 7 with an output file whose ids have been matched."""
    return snap("io", record=record, matched=matched(account), **fields)


def child(k: int, parent: str | None = NAME, place: Place = Place.LIVE) -> ChildFact:
    """A taken name of the lineage: `child(1)` is `7.r1`, which says that it asks leftovers of 7."""
    return ChildFact(BatchName(f"{NAME}.r{k}"), place, None if parent is None else BatchName(parent))


def owner(*ids: str) -> Child:
    """What a record says of a child that owns *ids*."""
    return Child(tally(*ids), digest(fill="c"))
