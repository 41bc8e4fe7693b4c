"""Which failures are worth asking again, and how often."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import UsageError
from reconciler.model.outcome import (
    DEFAULT_CLASSES,
    RETRYABLE,
    RETRYABLE_ONCE,
    ClassPolicy,
    ErrorClass,
    parse_classes,
    retryable_classes,
)

ALWAYS = frozenset(
    map(ErrorClass, "rate-limit server-error overloaded timeout expired cancelled missing".split())
)
ONCE = frozenset({ErrorClass.UNKNOWN})
NEVER = frozenset(
    map(
        ErrorClass,
        (
            "invalid-request over-length content-filter authentication billing not-found invalid-answer"
            " time-limit"
        ).split(),
    )
)


def test_every_class_is_decided_upon() -> None:
    """Each class is retried, retried once, or final: none is left out and none is two of them."""
    assert sorted([*ALWAYS, *ONCE, *NEVER]) == sorted(ErrorClass)
    assert (RETRYABLE, RETRYABLE_ONCE) == (ALWAYS, ONCE)


@pytest.mark.parametrize(
    ("attempt", "max_attempts", "expected"),
    [
        pytest.param(1, 3, ALWAYS | ONCE, id="first"),
        pytest.param(2, 3, ALWAYS, id="second"),
        pytest.param(3, 3, frozenset(), id="last"),
        pytest.param(4, 3, frozenset(), id="beyond"),
        pytest.param(1, 1, frozenset(), id="one-send-only"),
        pytest.param(1, 2, ALWAYS | ONCE, id="one-retry"),
        pytest.param(9, 10, ALWAYS, id="late"),
    ],
)
def test_what_may_be_sent_again(attempt: int, max_attempts: int, expected: frozenset[ErrorClass]) -> None:
    """Below max_attempts the retryable classes, after the first send an unknown class too; then nothing."""
    assert retryable_classes(attempt, max_attempts) == expected


@given(st.integers(1, 20), st.integers(1, 20))
def test_attempts_only_ever_narrow(attempt: int, max_attempts: int) -> None:
    """A later attempt never allows what an earlier one refused; what failed for good is never sent."""
    now, later = retryable_classes(attempt, max_attempts), retryable_classes(attempt + 1, max_attempts)
    assert later <= now
    assert not now & NEVER


TABLES = st.fixed_dictionaries({each: st.sampled_from(ClassPolicy) for each in ErrorClass})


@given(TABLES, st.integers(1, 20), st.integers(1, 20))
def test_a_table_decides_class_by_class(
    table: dict[ErrorClass, ClassPolicy], attempt: int, max_attempts: int
) -> None:
    """`retry` until no send is left, `once` after the first send alone, the other two words never."""
    for each, word in table.items():
        expected = attempt < max_attempts and (
            word is ClassPolicy.RETRY or (word is ClassPolicy.ONCE and attempt == 1)
        )
        assert (each in retryable_classes(attempt, max_attempts, table)) == expected


def test_the_built_in_table_speaks_of_every_class() -> None:
    """A class that nobody has decided on is never sent again; none is left out of the table."""
    assert DEFAULT_CLASSES.keys() == set(ErrorClass)
    for each in set(ErrorClass) - ALWAYS - ONCE:
        assert DEFAULT_CLASSES[each] is ClassPolicy.NEVER


def test_words_are_error_classes_or_refused_with_the_nearest() -> None:
    """`--class` takes the words of the table; a slip is told with what was meant."""
    assert parse_classes(()) is None
    assert parse_classes(["billing", "rate-limit"]) == frozenset({ErrorClass.BILLING, ErrorClass.RATE_LIMIT})
    with pytest.raises(UsageError, match="'rate-limits' is no error class") as caught:
        parse_classes(["rate-limits"])
    assert caught.value.hint == "did you mean rate-limit?"
