"""Moments as providers write them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.providers.times import iso, seconds
from tests.wires import any_json


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1711471533, 1711471533.0),
        (1711471533.5, 1711471533.5),
        ("1711471533", 1711471533.0),
        ("2024-03-26T16:45:33Z", 1711471533.0),
        ("2024-03-26T16:45:33+00:00", 1711471533.0),
        ("2024-03-26T17:45:33+01:00", 1711471533.0),
        ("2024-03-26T16:45:33", 1711471533.0),
        (" 2024-03-26T16:45:33Z\n", 1711471533.0),
        ("2024-03-26T16:45:33.5Z", 1711471533.5),
        ("2024-03-26T16:45:33.500000123Z", 1711471533.5),
        ("2024-03-26", 1711411200.0),
        (0, None),
        (-5, None),
        (True, None),
        (None, None),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        (1e300, None),
        (10**400, None),
        (1711471533000, None),
        ("9" * 5000, None),
        ("0001-01-01T00:00:00+23:59", None),
        ([], None),
        ({}, None),
    ],
)
def test_seconds(value: Any, expected: float | None) -> None:
    """Numbers, their digits and ISO 8601 are moments; all else is no moment, and no error."""
    assert seconds(value) == expected


@given(any_json({"created_at": 1}) | st.text() | st.datetimes().map(str))
def test_no_value_is_an_error(value: Any) -> None:
    """Whatever stands where a time should: a moment or none."""
    found = seconds(value)
    assert found is None or found > 0


@given(st.integers(1, 253_402_300_799))
def test_iso_is_read_back(moment: int) -> None:
    """A moment that is written is the moment that is read."""
    assert seconds(iso(moment)) == moment
