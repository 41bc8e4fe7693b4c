"""When the JSONL of a settled batch is removed: only when nothing can need it any more, never by default."""

from typing import Any, Final

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.archived import Archived
from reconciler.model.coverage import FileDigest
from reconciler.model.identity import BatchName, Role
from reconciler.model.operation import RemoveJsonl
from reconciler.model.outcome import ErrorClass
from reconciler.model.plan import Settled
from reconciler.model.policy import Policy, RetainPolicy
from reconciler.planner import plan_removal
from tests.planner.builders import NAME, NOW, coverage, fact

REMOVE: Final = Policy(retain=RetainPolicy.REMOVE)
LATER: Final = attrs.evolve(REMOVE, retain_seconds=86_400.0)
RESULTS: Final = "target/7.results.jsonl"
FILES: Final = {Role.INPUT: fact(Role.INPUT), Role.OUTPUT: fact(Role.OUTPUT)}
PUBLISHED: Final = {RESULTS: FileDigest("ab" * 32, 50)}
FREE: Final = Archived(
    NAME,
    NOW,
    files=FILES,
    settled_at=NOW - 1,
    coverage=coverage(3),
    published=PUBLISHED,
    sizes={RESULTS: 50},
)
"""A batch that nothing holds back."""

CHILD: Final = BatchName("7.r1")

FOR_GOOD: Final = (ErrorClass.INVALID_REQUEST, ErrorClass.OVER_LENGTH, ErrorClass.CONTENT_FILTER)

KEEPS: Final[list[tuple[dict[str, Any], str]]] = [
    ({"problem": "done/7/ cannot be read"}, "cannot be read"),
    ({"coverage": None}, "manifest"),
    ({"live": True}, "live files"),
    ({"set_aside": True}, "quarantine"),
    ({"published": {}}, "no line for each request"),
    ({"published": {"target/7.files/index.jsonl": FileDigest("ab" * 32, 50)}}, "published no line"),
    ({"unhandled": 2}, "2 answers could not be handled"),
    ({"coverage": coverage(2, missing=1)}, "does not balance"),
    *(
        ({"coverage": coverage(2, failed={each: 1})}, "1 failed request may succeed")
        for each in ErrorClass
        if each not in FOR_GOOD
    ),
    ({"unsettled": (CHILD,)}, "7.r1 asks some"),
    ({"parent": NAME}, "its parent 7 still has"),
    ({"sizes": {}}, "not there any more"),
    ({"sizes": {RESULTS: 49}}, "not what was published"),
]


def test_a_batch_that_nothing_needs_any_more() -> None:
    """Its JSONL goes, with the files as they were seen and the results as they were published."""
    found = plan_removal(FREE, REMOVE)
    (step,) = found.steps
    assert isinstance(step, RemoveJsonl)
    assert step.expects.files == FILES
    assert step.published == PUBLISHED
    assert found.then == Settled()


@pytest.mark.parametrize(("differs", "because"), KEEPS, ids=[words for _, words in KEEPS])
def test_whatever_may_still_be_needed_is_kept(differs: dict[str, Any], because: str) -> None:
    """One thing that may need the files is enough to keep them, and is named."""
    found = plan_removal(attrs.evolve(FREE, **differs), REMOVE)
    assert found.steps == ()
    assert because in found.because


@pytest.mark.parametrize("differs", [{}, {"removing": True}])
def test_nothing_is_removed_by_default(differs: dict[str, Any]) -> None:
    """Under the built-in policy every file stays, and what was cut off is not gone on with."""
    assert plan_removal(attrs.evolve(FREE, **differs), Policy()).steps == ()


@pytest.mark.parametrize("failure", FOR_GOOD)
def test_failures_that_would_repeat_themselves_hold_nothing_back(failure: ErrorClass) -> None:
    """A failure for good is an end like any other."""
    assert plan_removal(attrs.evolve(FREE, coverage=coverage(2, failed={failure: 1})), REMOVE).steps


@pytest.mark.parametrize(("age", "goes"), [(0.0, False), (86_399.0, False), (86_400.0, True)])
def test_after_days_count_from_settling(age: float, *, goes: bool) -> None:
    """Until then the files are kept, and the day is named."""
    found = plan_removal(attrs.evolve(FREE, settled_at=NOW - age), LATER)
    assert bool(found.steps) is goes
    assert goes or "is kept until 1970-01-0" in found.because


def test_a_removal_that_was_cut_off_goes_on() -> None:
    """A tombstone was written when the time had come, and the rest follows whatever the clock says now."""
    half = attrs.evolve(FREE, removing=True, files={Role.INPUT: FILES[Role.INPUT]}, settled_at=NOW)
    assert [step.verb for step in plan_removal(half, LATER).steps] == ["remove-jsonl"]
    assert plan_removal(attrs.evolve(half, files={}), LATER).because == "its JSONL was removed"


def test_a_time_that_no_calendar_has_is_no_fault() -> None:
    """Days without end keep the files without end."""
    assert "9999-12-31" in plan_removal(FREE, attrs.evolve(REMOVE, retain_seconds=1e300)).because


@given(
    st.fixed_dictionaries(
        {
            "files": st.sampled_from([{}, FILES]),
            "coverage": st.sampled_from(
                [coverage(3), coverage(2, missing=1), coverage(2, failed={ErrorClass.TIMEOUT: 1})]
            ),
            "set_aside": st.booleans(),
            "unhandled": st.integers(0, 1),
            "published": st.sampled_from([{}, PUBLISHED]),
            "sizes": st.sampled_from([{}, {RESULTS: 50}, {RESULTS: 0}]),
            "unsettled": st.sampled_from([(), (CHILD,)]),
            "live": st.booleans(),
            "removing": st.booleans(),
        }
    )
)
def test_law_no_answer_and_no_question_is_lost(fields: dict[str, Any]) -> None:
    """Files go only with every id at an end, results of their size, and nobody left who may need a line."""
    found = plan_removal(attrs.evolve(FREE, **fields), REMOVE)
    seen = attrs.evolve(FREE, **fields)
    assert seen.coverage is not None
    if found.steps:
        assert seen.coverage.balanced
        assert not seen.coverage.failed_in([ErrorClass.TIMEOUT]).requests
        assert seen.published
        assert all(seen.sizes.get(path) == known.size for path, known in seen.published.items())
        assert not any((seen.unsettled, seen.live, seen.set_aside, seen.unhandled))
    assert len(found.steps) <= 1
