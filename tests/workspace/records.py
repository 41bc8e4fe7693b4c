"""One record that says everything, and Hypothesis strategies for what metadata and manifests hold."""

from typing import Any

from hypothesis import strategies as st

from reconciler.model.coverage import Coverage, FileDigest, Tally
from reconciler.model.extraction import Extraction, Kind
from reconciler.model.identity import BatchName, Role
from reconciler.model.outcome import ErrorClass
from reconciler.model.record import (
    After,
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

PATH = "workdir/batch_metadata_7.jsonl"
NAME = BatchName("7")
FILES = "input_file_id output_file_id error_file_id".split()
DIGEST = FileDigest("ab" * 32, 17)
FULL = Record(
    NAME,
    generation=4,
    input=InputFact(DIGEST, 3),
    parent=BatchName("6"),
    attempt=2,
    provider="openai",
    endpoint="/v1/chat/completions",
    account="f00",
    state=Submission.SUBMITTED,
    sent_at=1.5,
    intent="1234",
    batch_id="batch_1",
    input_file_id="file-1",
    output_file_id="file-2",
    error_file_id="file-3",
    status="completed",
    counts=Counts(3, 2, 1),
    results_until=9.5,
    online=Online(
        (Refusal("invalid_json_line", "no", 3), Refusal("", "why")),
        ("msgbatch_1",),
        7.5,
        2,
        stopped=True,
        worker="echo",
    ),
    roles={Role.OUTPUT: DIGEST, Role.ERROR: None},
    coverage=Coverage(Tally(3, 7), Tally(2, 5), Tally(1, 2), by_class={ErrorClass.TIMEOUT: Tally(1, 2)}),
    children={BatchName("6.r2"): Child(Tally(1, 2), DIGEST)},
    dismissed={"missing": Tally(1, 2)},
    receipts={"process-output": {"token": "ab"}},
    imported={"segment_index": 3, "ids": "by-position"},
    cost={"usd": 0.5},
    extra={"of-tomorrow": [1, {"a": None}]},
    asks=Extraction(Kind.SCHEMA, schema='{"type": "object"}', repair="0.1"),
    limit=Limit(5400.0, 1_764_005_400.5),
    after=After((BatchName("6"),), 0.9),
)

WHOLE = st.integers(0, 2**63 - 1)
# Surrogates cannot be written as UTF-8; the codec refuses them wherever text comes in.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,8}", fullmatch=True).map(BatchName)
DIGESTS = st.builds(FileDigest, st.from_regex(r"[0-9a-f]{64}", fullmatch=True), WHOLE)
TALLIES = st.builds(Tally, WHOLE, st.integers(0, 2**128 - 1))
CHILDREN = st.dictionaries(NAMES, st.builds(Child, TALLIES, DIGESTS), max_size=2)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
OBJECTS = st.dictionaries(TEXT, JSON, max_size=2)
COVERAGES = st.builds(
    Coverage,
    input=TALLIES,
    answered=TALLIES,
    failed=TALLIES,
    retried=TALLIES,
    dismissed=TALLIES,
    missing=TALLIES,
    by_class=st.dictionaries(st.sampled_from(ErrorClass), TALLIES, max_size=3),
    digests=st.dictionaries(st.sampled_from(Role), DIGESTS, max_size=3),
)
COUNTS = st.builds(Counts, st.none() | WHOLE, st.none() | WHOLE, st.none() | WHOLE)
UNKNOWN = st.dictionaries(TEXT.map("x-{}".format), JSON, max_size=2)
RECORDS = st.builds(
    Record,
    name=NAMES,
    generation=WHOLE,
    input=st.none() | st.builds(InputFact, DIGESTS, WHOLE),
    parent=st.none() | NAMES,
    attempt=WHOLE,
    provider=st.none() | TEXT,
    endpoint=st.none() | TEXT,
    account=st.none() | TEXT,
    state=st.none() | st.sampled_from(Submission),
    sent_at=st.none() | NUMBERS,
    intent=st.none() | TEXT,
    batch_id=st.none() | TEXT,
    input_file_id=st.none() | TEXT,
    output_file_id=st.none() | TEXT,
    error_file_id=st.none() | TEXT,
    status=st.none() | TEXT,
    counts=COUNTS,
    results_until=st.none() | NUMBERS,
    online=st.builds(
        Online,
        refusals=st.lists(st.builds(Refusal, TEXT, TEXT, st.none() | WHOLE), max_size=2).map(tuple),
        candidates=st.lists(TEXT, max_size=2).map(tuple),
        not_before=st.none() | NUMBERS,
        tries=WHOLE,
        odd=st.none() | st.sampled_from(Odd),
        looks=WHOLE,
        stopped=st.booleans(),
        worker=TEXT,
    ),
    roles=st.dictionaries(st.sampled_from(Role), st.none() | DIGESTS, max_size=3),
    coverage=st.none() | COVERAGES,
    children=CHILDREN,
    dismissed=st.dictionaries(st.sampled_from(["missing", "failed"]), TALLIES),
    receipts=st.dictionaries(TEXT, OBJECTS, max_size=2),
    cost=st.none() | OBJECTS,
    extra=UNKNOWN,
)
