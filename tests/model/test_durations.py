"""Lengths of time: what people write, and the same again from a number."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import UsageError
from reconciler.model.durations import seconds_of, spelled


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("2h30m", 9000.0),
        ("2H 30M", 9000.0),
        ("90", 90.0),
        ("90s", 90.0),
        ("1.5h", 5400.0),
        ("1d2h3m4s", 93784.0),
        (0.25, 0.25),
        (dt.timedelta(days=1), 86400.0),
    ],
)
def test_what_people_say(said: str | float | dt.timedelta, seconds: float) -> None:
    """In units, in seconds, or as Python has it."""
    assert seconds_of(said) == seconds


@pytest.mark.parametrize(
    "said",
    ["", "m", "30m2h", "-1", "0", "0h0m", "1e400", "nan", float("inf"), 0, -1, True, 1e12],
)
def test_what_is_no_time(said: str | float) -> None:
    """Nothing, less, no number, more than anybody means, or units in an order that nobody writes."""
    with pytest.raises(UsageError, match="time") as refused:
        seconds_of(said)
    assert "2h30m" in refused.value.hint


@given(st.integers(1, 10 * 366 * 86400))
def test_a_time_in_words_is_read_again(seconds: int) -> None:
    """Whole seconds lose nothing."""
    assert seconds_of(spelled(seconds)) == seconds


def test_less_than_a_second_in_words() -> None:
    """A part of a second is said as one, and read again."""
    assert spelled(0.25) == "0.25s"
    assert seconds_of(spelled(0.25)) == 0.25
