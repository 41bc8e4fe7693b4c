"""Turns of requests: no minute sees more than it may, and a full other side is asked less."""

import math

from hypothesis import given
from hypothesis import strategies as st

from reconciler.providers.pacing import MINUTE, Crowding, Gate, Meter, Pace

RATES = st.one_of(st.integers(1, 2000), st.floats(0.5, 2000))


def begun(gate: Gate, count: int, busy: list[float], tokens: float = 0.0) -> list[float]:
    """When so many requests begin that all want to at once; *busy* is what the loop does meanwhile."""
    now, times = 0.0, []
    for at in range(count):
        while (wait := gate.wait(now)) > 0:
            now += wait
        gate.begin(now, tokens)
        times.append(now)
        now += busy[at % len(busy)]
    return times


def most_in_a_minute(times: list[float]) -> int:
    """The most that any minute saw."""
    first, most = 0, 0
    for last, time in enumerate(times):
        while times[first] <= time - MINUTE + 1e-6:
            first += 1
        most = max(most, last - first + 1)
    return most


@given(RATES, st.lists(st.floats(0, 90), min_size=1, max_size=5), st.integers(1, 3000))
def test_no_minute_sees_more_than_the_rate(rate: float, busy: list[float], count: int) -> None:
    """However the loop dawdles and catches up, at most the rate (of 1.5, two) begins in any minute."""
    times = begun(Gate(Pace(requests_per_minute=rate)), count, busy)
    assert most_in_a_minute(times) <= math.ceil(rate)


@given(st.integers(1, 5000))
def test_a_rate_is_used(rate: int) -> None:
    """Two minutes' worth of requests take about two minutes, not three: a cap is no brake."""
    times = begun(Gate(Pace(requests_per_minute=rate)), 2 * rate, [0.0])
    assert times[-1] <= 2 * MINUTE * 1.01
    assert times[-1] >= MINUTE * (2 - 1 / rate) * 0.99 - MINUTE / rate


@given(st.integers(100, 100_000), st.floats(1, 500), st.integers(1, 500))
def test_no_minute_sees_more_tokens_than_the_rate(rate: int, each: float, count: int) -> None:
    """But for the one request that may begin on the last token."""
    times = begun(Gate(Pace(tokens_per_minute=rate)), count, [0.0], each)
    assert (most_in_a_minute(times) - 1) * each <= rate * 1.001


def test_tokens_that_were_thought_wrong_are_set_right() -> None:
    """A request that took ten times what was thought is paid for by those after it, and in reverse."""
    gate = Gate(Pace(tokens_per_minute=600))
    gate.begin(0.0, 50)
    gate.settle(50, 500)
    assert gate.wait(0.0) > 40
    gate.settle(500, 50)
    assert gate.wait(0.0) == 0


def test_nothing_begins_before_the_time_that_was_asked_for() -> None:
    """The latest of several pauses counts."""
    gate = Gate(Pace())
    gate.hold(30.0)
    gate.hold(10.0)
    assert gate.wait(0.0) == 30.0
    assert gate.wait(30.0) == 0.0


def test_a_full_other_side_is_asked_half_as_much() -> None:
    """Refusals of what was under way already count once; a whole round of answers earns one place more."""
    crowd = Crowding(32)
    crowd.full(began=1.0, now=2.0)
    crowd.full(began=1.5, now=2.1)
    assert crowd.limit == 16
    crowd.full(began=2.0, now=3.0)
    assert crowd.limit == 8
    for _ in range(7):
        crowd.served()
    assert crowd.limit == 8
    crowd.served()
    assert crowd.limit == 9


@given(st.integers(1, 100), st.lists(st.booleans(), max_size=300))
def test_room_stays_between_one_and_the_setting(most: int, refusals: list[bool]) -> None:
    """Whatever happens, something may be asked, and never more than was allowed."""
    crowd = Crowding(most)
    for at, refused in enumerate(refusals):
        if refused:
            crowd.full(at, at)
        else:
            crowd.served()
        assert 1 <= crowd.limit <= most


def test_a_meter_forgets_what_is_older_than_a_minute() -> None:
    """The rate is that of the last minute; of less than a minute it is made as if it went on."""
    meter = Meter()
    assert meter.rates(0.0) == (0.0, 0.0)
    for second in range(30):
        meter.count(float(second), 10)
    assert meter.rates(30.0) == (60.0, 600.0)
    assert meter.rates(75.0) == (14.0, 140.0)
    assert meter.rates(1000.0) == (0.0, 0.0)
