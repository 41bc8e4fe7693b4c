"""How far a run is: what is left, and for how long, said only where it can be known."""

import pytest

from reconciler.model.standing import Standing


@pytest.mark.parametrize(
    ("requests", "before", "rate", "left", "seconds"),
    [(10, 2, 6.0, 4, 40.0), (10, 2, 0.0, 4, None), (0, 0, 6.0, 0, None), (3, 2, 6.0, 0, 0.0)],
)
def test_what_is_left(requests: int, before: int, rate: float, left: int, seconds: float | None) -> None:
    """Never less than none, and no time without a rate or a number of requests."""
    standing = Standing(3, 1, 0, 8, rate, 0.0, requests=requests, before=before)
    assert (standing.left, standing.seconds_left) == (left, seconds)
