"""Progress: snapshots for a function of the caller's, and what a terminal shows of them."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from reconciler import Batch, RunStatus, reconcile
from reconciler.authoring.counting import Count
from reconciler.authoring.following import frame
from reconciler.errors import TransientError, UsageError
from tests.workers import chat

EAGER: Final = {"policy.settle_seconds": 0}


def batch(root: Path) -> Batch:
    """Two requests for a worker on this machine."""
    return Batch(root / "ws", provider="local").add("one").add("two")


def test_the_first_snapshot_comes_at_once_and_the_last_at_the_end(tmp_path: Path) -> None:
    """However long the interval; they are values of a type, and nothing is lost between them."""
    told: list[RunStatus] = []

    run = batch(tmp_path).run(on_progress=told.append, progress_interval=1e6, settings=EAGER)

    assert [each.requests for each in told] == [Count(total=2, pending=2), Count(total=2, completed=2)]
    assert attrs.evolve(told[-1], seen_at=0) == attrs.evolve(run.status(), seen_at=0)


def test_snapshots_come_while_the_run_goes_on(tmp_path: Path) -> None:
    """At the interval, with what a worker on this machine has answered already, and not from its thread."""
    seen, threads = threading.Event(), set[int]()

    def tell(found: RunStatus) -> None:
        threads.add(threading.get_ident())
        if found.arriving == 1:
            assert found.requests.active == 2
            seen.set()

    async def answer(request: Any) -> Any:
        if request.body["messages"][-1]["content"] == "two":
            assert await asyncio.to_thread(seen.wait, 60)
        return chat("yes")

    settings = {**EAGER, "local.concurrency": 1}
    run = batch(tmp_path).run(on_progress=tell, progress_interval=0.01, worker=answer, settings=settings)

    assert (run.is_complete, seen.is_set()) == (True, True)
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_what_a_listener_raises_is_told_and_stops_nothing(tmp_path: Path) -> None:
    """Once in the report, however often it happens."""

    def tell(_found: RunStatus) -> None:
        raise RuntimeError("out of paper")

    run = batch(tmp_path).run(on_progress=tell, settings=EAGER)

    assert run.is_complete
    assert run.report.warnings == ("on_progress raised RuntimeError: out of paper; the run went on",)


def test_what_a_listener_raises_is_told_where_the_run_ends_in_an_error(tmp_path: Path) -> None:
    """There is no report then: it is a note of the error."""

    def tell(_found: RunStatus) -> None:
        raise RuntimeError("out of paper")

    def stopping() -> bool:
        raise TransientError("no")

    with pytest.raises(TransientError) as cut:
        batch(tmp_path).run(on_progress=tell, settings=EAGER, stopping=stopping)
    assert cut.value.__notes__ == ["on_progress raised RuntimeError: out of paper; the run went on"]


def test_an_async_listener_is_awaited_on_the_loop_of_its_caller(tmp_path: Path) -> None:
    """Beside a running loop on that; from a plain call on one of its own."""
    loops: list[asyncio.AbstractEventLoop] = []

    async def tell(_found: RunStatus) -> None:
        await asyncio.sleep(0)
        loops.append(asyncio.get_running_loop())

    async def script() -> asyncio.AbstractEventLoop:
        await batch(tmp_path).run_async(on_progress=tell, progress_interval=1e6, settings=EAGER)
        return asyncio.get_running_loop()

    assert asyncio.run(script()) is loops[0] is loops[1]
    loops.clear()
    run = batch(tmp_path / "other").run(on_progress=tell, progress_interval=1e6, settings=EAGER)
    assert (len(loops), run.report.warnings) == (2, ())


@pytest.mark.parametrize("every", [0, -1, float("inf"), float("nan")])
def test_an_interval_is_a_number_of_seconds(tmp_path: Path, every: float) -> None:
    """Refused before anything is sent."""
    with pytest.raises(UsageError, match="progress_interval"):
        batch(tmp_path).run(on_progress=print, progress_interval=every, settings=EAGER)


def test_a_run_that_is_waited_for_tells_as_well(tmp_path: Path) -> None:
    """`Run.wait` takes the same listener."""
    told: list[RunStatus] = []
    waiting = batch(tmp_path)
    waiting.write()
    run = waiting.submit(settings={**EAGER, "policy.submit": "manual"})

    run.wait(on_progress=told.append, settings=EAGER)

    assert [each.requests.completed for each in told] == [0, 2]


def test_a_display_is_of_runs(tmp_path: Path) -> None:
    """A pass has none, and says so; without a terminal a run shows nothing, and goes on."""
    assert batch(tmp_path).run(progress=True, settings=EAGER).is_complete
    with pytest.raises(UsageError, match="progress=True is of runs"):
        reconcile(tmp_path / "ws", progress=True)


FULL: Final = RunStatus(
    Count(total=1_234_567, pending=1000, active=200_000, completed=1_030_000, failed=3000, cancelled=567),
    Count(total=25, pending=1, active=4, completed=18, failed=1, cancelled=1),
    arriving=1234,
    cost_usd=12.3456,
    cost_limit_usd=100.0,
    elapsed=7300.0,
    eta=1800.0,
)


@pytest.mark.parametrize("width", [10, 40, 79, 200])
def test_a_frame_fits(width: int) -> None:
    """No line is wider than the screen, whatever the numbers."""
    for found in (FULL, RunStatus(Count(), Count())):
        assert all(len(line) <= max(width, 12) for line in frame(found, width))


def test_a_frame_says_where_a_run_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests, batches, cost against the limit, time so far and left; nothing that is not known."""
    monkeypatch.setenv("NO_COLOR", "1")
    assert frame(FULL, 96) == [
        "[#################################.......]  83 %",
        "requests  1,033,567 of 1,234,567 done: 3,000 failed, 567 cancelled, 200,000 active (1,234 arriv…",
        "batches   20 of 25 done: 1 failed, 1 cancelled, 4 active, 1 pending",
        "cost      about $12.35 of $100.00",
        "time      2.0 h, about 30 min left",
    ]
    assert (
        frame(RunStatus(Count(4, active=3, completed=1), Count(1, active=1), arriving=2), 20)[0]
        == "[###++++++...]  25 %"
    )
    assert frame(RunStatus(Count(), Count()), 20) == [
        "[............]   0 %",
        "requests  0 of 0 do…",
        "batches   0 of 0 do…",
    ]
