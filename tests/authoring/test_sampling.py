"""Which requests go first: a share of every kind, small and large, and the same ones each time."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from reconciler.authoring.sampling import sampled

Row = tuple[str, str, int]
"""An id, what it belongs to, and a size."""

ROWS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 50)).map(tuple), max_size=60).map(
    lambda found: [(f"{at}", kind, size) for at, (kind, size) in enumerate(found)]
)


def chosen(rows: list[Row], count: int) -> list[Row]:
    """A sample of rows."""
    return sampled(rows, count, stratum=lambda row: row[1], size=lambda row: row[2], key=lambda row: row[0])


@given(ROWS, st.integers(1, 70))
def test_a_sample_is_of_the_size_that_was_asked_for(rows: list[Row], count: int) -> None:
    """No more, no less while there are enough; in their order, and each once."""
    found = chosen(rows, count)
    assert len(found) == min(count, len(rows))
    assert found == [row for row in rows if row in set(found)]


@given(ROWS, st.integers(1, 70), st.randoms(use_true_random=False))
def test_a_sample_depends_on_nothing_but_the_rows(rows: list[Row], count: int, chance: object) -> None:
    """In another order the same ones are chosen."""
    rows = [(name, "a", size) for name, _, size in rows]
    mixed = list(rows)
    chance.shuffle(mixed)  # type: ignore[attr-defined]
    assert Counter(chosen(mixed, count)) == Counter(chosen(rows, count))


@given(ROWS, st.integers(1, 70))
def test_every_kind_is_in_it(rows: list[Row], count: int) -> None:
    """While there are as many places as kinds; and none is far from its share."""
    kinds = Counter(kind for _, kind, _ in rows)
    found = Counter(kind for _, kind, _ in chosen(rows, count))
    if count >= len(kinds):
        assert found.keys() == kinds.keys()
    for kind, there in kinds.items():
        assert found[kind] <= max(1, min(count, len(rows)) * there / len(rows) + 1)


def test_small_and_large_ones_are_in_it() -> None:
    """Of a hundred sizes, five go first: one of each fifth."""
    rows = [(str(n), "a", n) for n in range(100)]
    assert sorted(size // 20 for _, _, size in chosen(rows, 5)) == [0, 1, 2, 3, 4]
