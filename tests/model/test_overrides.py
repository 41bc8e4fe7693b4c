"""What an error processor has answered survives the receipt that it stands in."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.coverage import hash_id
from reconciler.model.overrides import NO_OVERRIDES, Overrides, overrides_fields, read_overrides

_HASHES = st.frozensets(st.integers(0, 2**128 - 1), max_size=5)


@given(_HASHES, _HASHES, _HASHES)
def test_it_survives_a_receipt(
    again: frozenset[int], never: frozenset[int], attention: frozenset[int]
) -> None:
    """What is written as JSON is read as it was."""
    found = Overrides(again, never, attention)
    assert read_overrides(json.loads(json.dumps(overrides_fields(found)))) == found


@given(_HASHES)
def test_it_is_written_in_one_order(again: frozenset[int]) -> None:
    """Equal answers give equal receipts: sorted, 32 digits each."""
    written = overrides_fields(Overrides(again))["again"]
    assert written == sorted(written)
    assert all(len(each) == 32 for each in written)


@pytest.mark.parametrize("receipt", [{}, {"classes": {}}, {"token": "t", "state": "started"}])
def test_a_receipt_without_answers(receipt: dict[str, Any]) -> None:
    """A receipt that holds no answer changes nothing."""
    assert read_overrides(receipt) == NO_OVERRIDES


def test_small_hashes_keep_their_place() -> None:
    """A hash with leading zeros is still that hash."""
    assert overrides_fields(Overrides(frozenset({1})))["again"] == ["0" * 31 + "1"]
    assert read_overrides({"again": [f"{hash_id('q'):032x}"]}).again == {hash_id("q")}
