"""Requests that are sent again, at a pace, until they are answered or it is no use: on a clock that jumps."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import CallRefused, KeyRefused, Later, PermanentError, TransientError
from reconciler.model.exchange import Request
from reconciler.model.outcome import retryable_classes
from reconciler.model.standing import Standing
from reconciler.providers.ends import Answered, End, Failed, Rules, as_they_are
from reconciler.providers.local import Local
from reconciler.providers.many import answer_all
from reconciler.providers.pacing import Pace
from tests.looptime import run_jumping
from tests.providers.test_many import requests

ATTEMPTS = 4


@attrs.define
class Seen:
    """What a run did: every send with its time, every end, and how far it said it was."""

    sends: list[tuple[float, str]] = attrs.field(factory=list)
    ends: list[End] = attrs.field(factory=list)
    missed: list[tuple[int, int]] = attrs.field(factory=list)
    told: list[Standing] = attrs.field(factory=list)
    most: int = 0
    seconds: float = 0.0

    @property
    def counts(self) -> Counter[str]:
        """Sends by id."""
        return Counter(custom_id for _, custom_id in self.sends)

    def ended(self, number: int) -> End:
        """How one request ended."""
        (end,) = [each for each in self.ends if each.number == number]
        return end


def run(  # noqa: PLR0913 - what a run hangs on
    count: int,
    then: Callable[[Request, float, int], Any],
    *,
    concurrency: int = 4,
    pace: Pace = Pace(),  # noqa: B008 - frozen
    takes: float = 0.0,
    sends: Callable[[int], int] = lambda _number: 0,
    stopping: Callable[[], bool] = lambda: False,
) -> Seen:
    """Ask *count* requests of a worker that is told request, time and which send this is."""
    seen, under_way = Seen(), 0

    async def worker(request: Request) -> Any:
        nonlocal under_way
        now = asyncio.get_running_loop().time()
        seen.sends.append((now, request.custom_id))
        under_way += 1
        seen.most = max(seen.most, under_way)
        try:
            await asyncio.sleep(takes)
            found = then(request, now, seen.counts[request.custom_id])
            if asyncio.iscoroutine(found):
                return await found
            return found
        finally:
            under_way -= 1

    def keep(ends: Sequence[End]) -> None:
        seen.ends.extend(ends)

    rules = Rules(
        judge=as_they_are,
        again=lambda failed, so_far: failed in retryable_classes(so_far, ATTEMPTS),
        sends=sends,
        missed=lambda number, so_far: seen.missed.append((number, so_far)),
        heard=seen.told.append,
    )
    provider = Local(worker, concurrency, pace)
    _, seen.seconds = run_jumping(answer_all(provider, iter(requests(count)), keep, stopping, rules))
    return seen


def failing(*errors: BaseException) -> Callable[[Request, float, int], Any]:
    """A worker that fails so at its first sends, and answers then."""

    def then(_request: Request, _now: float, send: int) -> Any:
        if send <= len(errors):
            raise errors[send - 1]
        return {}

    return then


@pytest.mark.parametrize(
    ("error", "sends"),
    [
        pytest.param(TransientError("503"), ATTEMPTS, id="transient"),
        pytest.param(Later("slow down", 5), ATTEMPTS, id="later"),
        pytest.param(TimeoutError(), ATTEMPTS, id="timeout"),
        pytest.param(ConnectionResetError(), ATTEMPTS, id="connection"),
        pytest.param(CallRefused("overloaded", status=529), ATTEMPTS, id="overloaded"),
        pytest.param(ValueError("odd"), 2, id="unknown-once-more"),
        pytest.param(PermanentError("no"), 1, id="permanent"),
        pytest.param(CallRefused("bad request", status=400), 1, id="refused"),
        pytest.param(CallRefused("no such model", status=404), 1, id="not-there"),
        pytest.param(
            CallRefused("too long", status=400, code="context_length_exceeded"), 1, id="over-length"
        ),
    ],
)
def test_a_failure_is_sent_again_as_its_class_allows(error: BaseException, sends: int) -> None:
    """Passing ones up to `max_attempts`, unknown ones once more, lasting ones never; then it has failed."""
    seen = run(1, failing(*[error] * 9))
    assert seen.counts == {"r-1": sends}
    assert isinstance(seen.ended(1), Failed)
    assert seen.missed == [(1, n) for n in range(1, sends)]


@given(st.dictionaries(st.integers(1, 12), st.integers(1, ATTEMPTS + 2)), st.integers(1, 6))
def test_each_request_ends_once_however_often_it_fails(faults: dict[int, int], concurrency: int) -> None:
    """Sends are one more than the failures before the answer, and never more than `max_attempts`."""

    def then(request: Request, _now: float, send: int) -> Any:
        if send <= faults.get(int(request.custom_id[2:]), 0):
            raise TransientError("busy")
        return {}

    seen = run(12, then, concurrency=concurrency)
    assert sorted(end.number for end in seen.ends) == list(range(1, 13))
    for number in range(1, 13):
        failures = faults.get(number, 0)
        assert seen.counts[f"r-{number}"] == min(failures + 1, ATTEMPTS)
        assert isinstance(seen.ended(number), Failed if failures >= ATTEMPTS else Answered)


def test_sends_of_an_earlier_run_count() -> None:
    """A request that was sent three times before gets the one send that is left."""
    seen = run(1, failing(*[TimeoutError()] * 9), sends=lambda _number: 3)
    assert seen.counts == {"r-1": 1}


def test_waits_grow_between_sends() -> None:
    """About one second, then two, then four, unless the other side names a time."""
    seen = run(1, failing(*[TransientError("busy")] * 9))
    times = [time for time, _ in seen.sends]
    assert [round(after - before, 3) for before, after in itertools.pairwise(times)] == [1, 2, 4]
    seen = run(1, failing(Later("wait", 30.0)))
    assert seen.sends[1][0] == pytest.approx(30.0)


def test_repeated_sends_obey_the_rate() -> None:
    """Twenty requests that all fail twice are sixty sends: at sixty a minute they take a minute."""
    seen = run(20, failing(*[TransientError("busy")] * 2), concurrency=20, pace=Pace(60, retry_seconds=0))
    assert len(seen.sends) == 60
    assert 58 <= seen.sends[-1][0] <= 60
    assert len([time for time, _ in seen.sends if time < 30]) <= 31


def test_tokens_obey_their_rate() -> None:
    """A hundred requests of a thousand tokens each, at twenty thousand a minute, take about five minutes."""

    def then(_request: Request, _now: float, _send: int) -> Any:
        return {"usage": {"total_tokens": 1000}}

    seen = run(100, then, concurrency=10, takes=1.0, pace=Pace(tokens_per_minute=20_000))
    assert 240 <= seen.seconds <= 400


def test_a_storm_passes() -> None:
    """
    For a minute every send is turned away with Retry-After, then the server fails, then it hangs.

    All requests are answered all the same; while they are turned away few are sent, later all at once again.
    """

    def then(_request: Request, now: float, _send: int) -> Any:
        if now < 60:
            raise Later("slow down", 10.0)
        if now < 62:
            raise TransientError("503")
        if now < 64:
            return asyncio.sleep(3600)
        return {}

    pace = Pace(request_seconds=30)
    seen = run(200, then, concurrency=32, takes=0.5, pace=pace, sends=lambda _number: -20)
    assert len(seen.ends) == 200
    assert all(isinstance(end, Answered) for end in seen.ends)
    turned_away = [time for time, _ in seen.sends if time < 60]
    assert len(turned_away) <= 32 + 6 * 16
    assert len([time for time in turned_away if time >= 20]) <= 4 * 8
    assert seen.seconds < 200


def test_fewer_are_under_way_where_the_other_side_is_full() -> None:
    """A server that serves four at once is asked about as many, not thirty-two again and again."""
    at_once: list[int] = []
    busy = 0

    async def serve() -> Any:
        nonlocal busy
        busy += 1
        at_once.append(busy)
        try:
            if busy > 4:
                raise CallRefused("full", status=429)
            await asyncio.sleep(1.0)
            return {}
        finally:
            busy -= 1

    seen = run(200, lambda _request, _now, _send: serve(), concurrency=32, sends=lambda _number: -50)
    assert len(seen.ends) == 200
    refused = len(seen.sends) - 200
    assert refused < 100
    assert seen.told[-1].room < 16


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(KeyRefused("bad key"), id="key"),
        pytest.param(CallRefused("pay", status=402), id="billing"),
        pytest.param(CallRefused("pay", status=429, code="insufficient_quota"), id="no-credit"),
    ],
)
def test_what_every_request_would_meet_ends_the_run(error: KeyRefused | PermanentError) -> None:
    """Nothing new begins; the requests that met it have no end: they are asked again once it is mended."""

    def then(request: Request, _now: float, _send: int) -> Any:
        if request.custom_id == "r-3":
            raise error
        return {}

    with pytest.raises(type(error)):
        run(9, then, concurrency=1)


def test_a_run_that_is_sent_away_for_hours_ends() -> None:
    """A `Retry-After` beyond all bounds holds no run, nor the lock of its workspace."""

    def then(request: Request, _now: float, _send: int) -> Any:
        if request.custom_id == "r-3":
            raise Later("slow down", 7200.0)
        return {}

    with pytest.raises(Later, match="slow down; asked to come back in 7200 s") as caught:
        run(9, then, concurrency=1)
    assert caught.value.seconds == 7200.0


def test_a_send_that_takes_too_long_is_given_up() -> None:
    """After `request_seconds` it counts as a timeout and is sent again."""

    def then(_request: Request, _now: float, send: int) -> Any:
        return asyncio.sleep(3600) if send == 1 else {}

    seen = run(1, then, pace=Pace(request_seconds=20))
    assert seen.counts == {"r-1": 2}
    assert 20 <= seen.seconds <= 23


def test_a_run_begins_nothing_after_its_time() -> None:
    """What is under way then ends; the rest has no end, and what waits to be sent again neither."""
    seen = run(100, lambda _request, _now, _send: {}, concurrency=2, takes=1.0, pace=Pace(run_seconds=10))
    assert 18 <= len(seen.ends) <= 24
    assert len(seen.sends) == len(seen.ends)
    seen = run(1, failing(Later("later", 3600.0)), pace=Pace(run_seconds=10))
    assert seen.ends == []
    assert seen.seconds < 11


def test_an_end_that_is_asked_for_wakes_what_waits() -> None:
    """Nobody sits out an hour's Retry-After after Ctrl-C."""
    asked: list[bool] = []

    def then(_request: Request, _now: float, _send: int) -> Any:
        asked.append(True)
        raise Later("later", 3600.0)

    seen = run(1, then, stopping=lambda: bool(asked))
    assert seen.seconds < 1
    assert seen.ends == []


def test_a_request_is_under_way_until_its_end_is_kept() -> None:
    """However slow the disk: never more requests begun and not kept than the concurrency."""
    kept: list[int] = []
    begun: list[int] = []

    async def worker(_request: Request) -> Any:
        begun.append(1)
        assert len(begun) - len(kept) <= 3
        return {}

    def keep(ends: Sequence[End]) -> None:
        kept.extend(end.number for end in ends)

    run_jumping(
        answer_all(Local(worker, 3), iter(requests(50)), keep, lambda: False, Rules(judge=as_they_are))
    )
    assert sorted(kept) == list(range(1, 51))


def test_nobody_goes_on_while_the_disk_stands_still() -> None:
    """While the first group is being written, the lanes that ended with it begin nothing."""
    begun: list[str] = []
    seen: list[int] = []
    loops: list[asyncio.AbstractEventLoop] = []

    async def worker(request: Request) -> Any:
        loops[:] = [asyncio.get_running_loop()]
        begun.append(request.custom_id)
        return {}

    def keep(_ends: Sequence[End]) -> None:
        # Let the loop do whatever it would, several turns of it, before this is on disk.
        for _ in range(20):
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loops[0]).result(20)
        seen.append(len(begun))

    rules = Rules(judge=as_they_are)
    asyncio.run(answer_all(Local(worker, 3), iter(requests(9)), keep, lambda: False, rules))
    assert seen == [3, 6, 9]


def test_standing_adds_up() -> None:
    """Every request that has an end was counted, as answered or as failed."""

    def then(request: Request, _now: float, _send: int) -> Any:
        if request.custom_id in ("r-2", "r-5"):
            raise PermanentError("no")
        return {"usage": {"input_tokens": 3, "output_tokens": 4}}

    last = run(10, then, takes=1.0).told[-1]
    assert (last.answered, last.failed) == (8, 2)
    assert last.tokens_per_minute > 0
    told = attrs.evolve(last, requests=20, before=5)
    assert told.left == 5
    assert told.seconds_left == pytest.approx(5 * 60 / told.requests_per_minute)


def test_a_run_says_why_nothing_ends() -> None:
    """While every send fails for a while, somebody who watches hears how many, and what they meet."""
    seen = run(3, failing(*[TransientError("nobody is at home")] * 3), pace=Pace(retry_seconds=8))
    waiting = [each for each in seen.told if each.missed]
    assert {(each.missed, each.why) for each in waiting} == {(3, "nobody is at home")}
    assert all((each.answered, each.failed) == (0, 0) for each in waiting)
    # About once a second of its 8 + 16 + 32, give or take half of each.
    assert 20 < len(waiting) < 90
    assert (seen.told[-1].missed, seen.told[-1].why) == (0, "")
