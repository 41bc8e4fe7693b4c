"""Arbitrary snapshots and policies: every field, including combinations that no workspace should show."""

from typing import Any, Final

import attrs
from hypothesis import strategies as st

from reconciler.model.coverage import Coverage, FileDigest, Tally
from reconciler.model.extraction import Extraction, Kind
from reconciler.model.facts import FileFact
from reconciler.model.identity import BatchName, Role, child_name, file_name
from reconciler.model.outcome import ErrorClass
from reconciler.model.policy import FailurePolicy, Policy, SubmitPolicy
from reconciler.model.record import (
    NOTHING_HEARD,
    Child,
    Counts,
    InputFact,
    Limit,
    Odd,
    Online,
    Record,
    Refusal,
    Submission,
)
from reconciler.model.snapshot import ChildFact, Matched, Mismatch, Place, Snapshot
from tests.planner.builders import NAME, NOW

STATUSES: Final = (
    *(None, "in_progress", "JOB_STATE_RUNNING", "QUEUED", "completed", "ended", "SUCCESS"),
    *("expired", "cancelled", "BATCH_STATE_EXPIRED", "failed", "JOB_STATE_FAILED", "moonlit"),
)
PROVIDERS: Final = ("none", "openai", "anthropic", "local")
TRIPLE: Final = (Role.INPUT, Role.OUTPUT, Role.ERROR)
WORDS: Final = st.sampled_from(("a", "b", "batch_1", "workdir/x:1: is no JSON"))
NAMES: Final = st.sampled_from(("7", "7.r1", "7.r2", "7.r3", "8")).map(BatchName)

# Few sizes and digests, so that metadata and files agree often enough to get past the brakes.
digests = st.sampled_from(
    [FileDigest(fill * 64, size) for fill, size in (("a", 10), ("a", 10), ("a", 10), ("b", 10), ("a", 11))]
)
tallies = st.sampled_from(
    [Tally(), *(Tally(requests, 7 * requests + k) for requests in (1, 2, 5) for k in (0, 1))]
)
times = st.sampled_from((0.0, NOW, NOW + 1.5, 2 * NOW)) | st.floats(0, 2 * NOW)


def _fact(role: Role) -> st.SearchStrategy[FileFact]:
    """Old or young, live or in history, of the size that metadata knows or of another."""
    name = file_name(role, NAME)
    return st.sampled_from(
        [
            FileFact(f"{folder}/{name}", size, mtime_ns, (1, 2))
            for folder in ("workdir", "workdir", "done")
            for size in (10, 10, 11)
            for mtime_ns in (0, int(NOW * 1e9) - 1, int(NOW * 1e9), int(2 * NOW * 1e9))
        ]
    )


files = st.fixed_dictionaries({}, optional={role: _fact(role) for role in TRIPLE})
"""Any of the eight subsets."""


classes = st.dictionaries(st.sampled_from(ErrorClass), tallies, max_size=3)
known_digests = st.dictionaries(st.sampled_from(TRIPLE), digests)


def _conserved(
    by_class: dict[ErrorClass, Tally], digests: dict[Role, FileDigest], **parts: Tally
) -> Coverage:
    failed = sum(by_class.values(), Tally())
    everything = sum(parts.values(), failed)
    fields: dict[str, Any] = dict(parts)
    return Coverage(everything, failed=failed, by_class=by_class, digests=digests, **fields)


conserved = st.builds(
    _conserved,
    by_class=classes,
    digests=known_digests,
    **dict.fromkeys(("answered", "retried", "dismissed", "missing"), tallies),
)
"""An account whose parts add up to its input, as matching draws it up."""

coverages = conserved | st.builds(
    Coverage,
    input=tallies,
    **dict.fromkeys(("answered", "failed", "retried", "dismissed", "missing"), tallies),
    by_class=classes,
    digests=known_digests,
)
"""Mostly sound accounts, and some that nothing should ever draw up."""

findings = st.lists(WORDS, min_size=1, max_size=3).map(tuple)
kinds = st.sampled_from(("corrupt", "unknown", "duplicate", "both"))
mismatches = st.builds(
    lambda found, total: Mismatch(**found, total=total),
    st.dictionaries(kinds, findings, min_size=1),
    st.dictionaries(kinds, st.integers(1, 9)),
)
bad_inputs = st.builds(Matched, files=st.just({}), bad_input=findings)
readable = st.builds(
    Matched,
    files=st.just({}),
    coverage=coverages,
    mismatch=st.none() | st.none() | mismatches,
    missing=st.just(()) | findings,
)
verdicts = readable | readable | bad_inputs
maybe_count = st.sampled_from((None, 0, 1, 2, 5))
RECEIPTS: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"download-again": {}},
    {"process-output": {"token": "other"}, "download-again": {}},
)
# What no plan depends on; drawn at once, for it costs time and changes nothing.
NOISE: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"endpoint": "/v1/responses", "account": "a", "intent": "b", "input_file_id": "c", "extra": {"d": 1}},
    {"sent_at": NOW, "results_until": 0.0, "cost": {"usd": 1}, "dismissed": {"missing": Tally(1, 7)}},
)


records = st.builds(
    lambda noise, **fields: Record(name=NAME, **fields, **noise),
    noise=st.sampled_from(NOISE),
    generation=st.integers(0, 9),
    limit=st.none() | st.builds(Limit, seconds=st.just(60.0), until=times),
    asks=st.none() | st.just(Extraction(Kind.SCHEMA, schema='{"type": "object"}', repair="1")),
    input=st.none() | st.builds(InputFact, digest=digests, requests=st.just(3)),
    parent=st.none() | NAMES,
    attempt=st.integers(1, 5),
    provider=st.sampled_from((None, *PROVIDERS)),
    state=st.sampled_from((None, *Submission)),
    batch_id=st.sampled_from((None, "batch_1")),
    output_file_id=st.sampled_from((None, None, "file-o")),
    error_file_id=st.sampled_from((None, None, "file-e")),
    status=st.sampled_from(STATUSES),
    counts=st.builds(Counts, completed=maybe_count, failed=maybe_count),
    online=st.just(NOTHING_HEARD)
    | st.builds(
        Online,
        refusals=st.sampled_from(
            ((), (Refusal("token_limit_exceeded", "full"),), (Refusal("invalid_json_line", "no", 3),))
        ),
        candidates=st.sampled_from(((), ("msgbatch_1",))),
        not_before=st.none() | times,
        tries=st.integers(0, 4),
        stopped=st.booleans(),
        limited=st.booleans(),
        unstoppable=st.booleans(),
        worker=st.sampled_from(("", "echo", "mine.py:answer")),
        odd=st.none() | st.sampled_from(Odd),
        looks=st.integers(0, 4),
    ),
    roles=st.just({}) | st.dictionaries(st.sampled_from(TRIPLE), st.none() | digests, max_size=2),
    coverage=st.none() | coverages,
    children=st.dictionaries(NAMES, st.builds(Child, owns=tallies, digest=digests), max_size=2),
    receipts=st.sampled_from(RECEIPTS),
)
lineages = st.lists(st.tuples(st.sampled_from(Place), st.none() | NAMES), max_size=3).map(
    lambda found: tuple(
        ChildFact(child_name(NAME, k), place, parent) for k, (place, parent) in enumerate(found, 1)
    )
)
"""Names of the lineage that are taken, counted up from 1 without a gap, as they are observed."""

policies = st.builds(
    Policy,
    provider=st.sampled_from(PROVIDERS),
    reachable=st.frozensets(st.sampled_from(PROVIDERS[1:])),
    submit=st.sampled_from(SubmitPolicy),
    max_attempts=st.integers(1, 5),
    failed=st.sampled_from(FailurePolicy),
    settle_seconds=st.sampled_from((0.0, 0.5, 2.0, 1e6)),
    poll_seconds=st.sampled_from((1.0, 60.0)),
    processor=st.sampled_from(("results/1", "mine/2")),
    transforms=st.dictionaries(st.sampled_from(ErrorClass), st.just("code/1"), max_size=2),
)

RARELY: Final[dict[str, st.SearchStrategy[Any]]] = {
    "bad_record": WORDS,
    "problems": st.lists(WORDS, min_size=1, max_size=2).map(tuple),
    "in_done": st.just(value=True),
    "history": st.frozensets(st.sampled_from(TRIPLE), min_size=1),
    "quarantine_tail": st.just("7.1"),
}


def _snapshot(outranking: dict[str, Any], **fields: Any) -> Snapshot:
    return Snapshot(name=NAME, **fields, **outranking)


arbitrary = st.builds(
    _snapshot,
    outranking=st.just({}) | st.fixed_dictionaries({}, optional=RARELY),
    seen_at=times,
    files=files,
    record=st.none() | records,
    children=lineages,
    matched=st.none() | verdicts,
    asked=st.booleans(),
    unowned=st.booleans(),
)
"""Any snapshot at all; in half of them nothing outranks the shape."""


def _sound(present: dict[Role, FileFact], known: Record | None, account: Coverage, **fields: Any) -> Snapshot:
    if known is not None:
        known = attrs.evolve(known, input=None, roles={}, output_file_id=None, error_file_id=None)
    return Snapshot(name=NAME, files=present, record=known, matched=Matched(present, account), **fields)


sound = st.builds(
    _sound,
    present=st.fixed_dictionaries({role: _fact(role) for role in (Role.INPUT, Role.OUTPUT)}),
    known=st.none() | records,
    account=conserved,
    seen_at=times,
    children=lineages,
    asked=st.booleans(),
)
"""An answered batch whose account adds up and which nothing outranks."""

unsent = st.builds(
    _snapshot,
    outranking=st.fixed_dictionaries({}, optional={"history": RARELY["history"]}),
    seen_at=times,
    files=st.fixed_dictionaries({Role.INPUT: _fact(Role.INPUT)}),
    record=st.none() | st.builds(lambda parent: Record(NAME, parent=parent, attempt=2), st.none() | NAMES),
    unowned=st.booleans(),
)
"""An input alone, whose submission was never begun."""

willing = st.builds(
    Policy,
    provider=st.sampled_from(PROVIDERS),
    reachable=st.sampled_from((frozenset(PROVIDERS[1:]), frozenset({"openai"}))),
    submit=st.sampled_from((SubmitPolicy.AUTO, SubmitPolicy.AUTO, SubmitPolicy.MANUAL)),
    settle_seconds=st.sampled_from((0.0, 0.5, 2.0)),
)
"""Policies that mostly let a batch be sent."""

snapshots = arbitrary | sound
