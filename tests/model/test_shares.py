"""How many requests go into each batch."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import UsageError
from reconciler.model.shares import Shares

counts = st.integers(1, 500)


@pytest.mark.parametrize(
    ("shares", "total", "expected"),
    [
        (Shares(batch_size=4), 10, [4, 4, 2]),
        (Shares(batch_size=5), 10, [5, 5]),
        (Shares(batch_size=50), 10, [10]),
        (Shares(), 10, [10]),
        (Shares(segments=3), 10, [4, 3, 3]),
        (Shares(segments=4), 10, [3, 3, 2, 2]),
        (Shares(segments=10), 10, [1] * 10),
        (Shares(segments=1), 10, [10]),
    ],
)
def test_remainders(shares: Shares, total: int, expected: list[int]) -> None:
    """By size the last batch is smaller; by segments the first ones get one more each."""
    assert shares.of(total) == expected


@given(total=counts, size=counts)
def test_by_size_all_but_the_last_are_full(total: int, size: int) -> None:
    """Sizes add up; every batch but the last has the size, and the last is not empty."""
    *first, last = Shares(batch_size=size).of(total)

    assert sum([*first, last]) == total
    assert all(each == size for each in first)
    assert 1 <= last <= size


@given(total=counts, segments=counts)
def test_segments_differ_by_one_at_the_most(total: int, segments: int) -> None:
    """Sizes add up, there are as many as were asked for, and the larger ones come first; or it is refused."""
    if segments > total:
        with pytest.raises(UsageError, match="do not make"):
            Shares(segments=segments).of(total)
        return
    sizes = Shares(segments=segments).of(total)

    assert (sum(sizes), len(sizes)) == (total, segments)
    assert max(sizes) - min(sizes) <= 1
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize(("size", "segments"), [(0, None), (None, 0), (-1, None), (2, 2)])
def test_what_makes_no_sense_is_refused(size: int | None, segments: int | None) -> None:
    """Neither less than one, nor both at once."""
    with pytest.raises(UsageError):
        Shares(size, segments)
