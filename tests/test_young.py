"""Inputs that were written a moment ago: looked at again at the end of a pass, and waited for once."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from reconciler.model.exchange import Request
from reconciler.model.report import BatchReport, State
from tests.workers import Noted, answer, chat, noted
from tests.workspaces import answered, put, request, scratch


@pytest.fixture
def root() -> Iterator[Path]:
    """A place for a workspace, in memory."""
    with scratch() as folder:
        yield folder / "w"


@pytest.fixture
def log(root: Path) -> Path:
    """Where calls are written down."""
    return root.parent / "calls"


def aged(root: Path, name: str, seconds: float) -> None:
    """Let an input have been written so many seconds ago."""
    when = time.time() - seconds
    os.utime(root / f"workdir/batch_input_{name}.jsonl", (when, when))


@attrs.define
class Pause:
    """A pause that waits for nothing: it notes how long it was to be, and lets inputs be that much older."""

    then: Callable[[], None] = lambda: None
    asked: list[float] = attrs.field(factory=list)

    def __call__(self, seconds: float, _stopping: Callable[[], bool]) -> None:
        """Note it."""
        self.asked.append(seconds)
        self.then()


@attrs.define
class Ends:
    """A watcher that notes who ended how."""

    seen: list[tuple[str, State]] = attrs.field(factory=list)

    def planned(self, decision: Any) -> None:
        """Say nothing."""

    def done(self, receipt: Any) -> None:
        """Say nothing."""

    def ended(self, report: BatchReport) -> None:
        """Note it."""
        self.seen.append((report.name, report.state))


@pytest.mark.parametrize("settle_seconds", [0.5, 2.0, 5.0])
def test_young_inputs_are_waited_for_once(settle_seconds: float, root: Path, log: Path) -> None:
    """Two young inputs, one pause of at most `settle_seconds`; then both are answered in the same pass."""
    for name in ("1", "2"):
        put(root, name, input=[request(int(name))])

    def then() -> None:
        for name in ("1", "2"):
            aged(root, name, 60)

    pause = Pause(then)
    ends = Ends()
    options = {"pause": pause, "watcher": ends}
    report = answer(root, Noted(log), options=options, settle_seconds=settle_seconds)
    (seconds,) = pause.asked
    assert 0 < seconds <= settle_seconds
    assert report.exit_code == 0
    assert noted(log).total() == 2
    assert ends.seen == [("1", State.SETTLED), ("2", State.SETTLED)]


def test_the_rest_of_the_pass_comes_first(root: Path, log: Path) -> None:
    """While an input grows older everything else is done: the pause is the last thing but its own batch."""
    put(root, "1", input=[request(1)])
    put(root, "2", input=[request(2)], output=[answered(2)])
    put(root, "3", input=[request(3)])
    aged(root, "3", 60)
    there: list[list[str]] = []

    def then() -> None:
        there.append(sorted(path.name for path in (root / "done").iterdir()))
        aged(root, "1", 60)

    answer(root, Noted(log), options={"pause": Pause(then)}, settle_seconds=2)
    assert there == [["2", "3"]]
    assert (root / "done/1").is_dir()


def test_an_input_that_still_grows_is_not_called(root: Path, log: Path) -> None:
    """Written to during the pause, it waits for the next pass: 75, nothing called, and no second pause."""
    put(root, "1", input=[request(1)])

    def then() -> None:
        put(root, "1", input=[request(1), request(2)])

    pause = Pause(then)
    ends = Ends()
    report = answer(root, Noted(log), options={"pause": pause, "watcher": ends}, settle_seconds=2)
    assert (report.exit_code, report.batch("1").state) == (75, State.WAITING)
    assert len(pause.asked) == 1
    assert noted(log).total() == 0
    assert ends.seen == [("1", State.WAITING)]


@pytest.mark.parametrize("settle_seconds", [5.5, 60.0])
def test_a_long_wait_is_left_to_the_next_pass(settle_seconds: float, root: Path, log: Path) -> None:
    """Whoever asks for more than five seconds gets no pass that sits there for that long."""
    put(root, "1", input=[request(1)])
    pause = Pause()
    report = answer(root, Noted(log), options={"pause": pause}, settle_seconds=settle_seconds)
    assert (report.exit_code, pause.asked) == (75, [])
    assert report.batch("1").because == "its input was written a moment ago"


def test_a_time_that_is_still_to_come_is_told(root: Path, log: Path) -> None:
    """An input from a machine whose clock is ahead waits, and why is said."""
    put(root, "1", input=[request(1)])
    aged(root, "1", -86_400.0)
    report = answer(root, Noted(log), settle_seconds=2)
    assert (report.exit_code, noted(log).total()) == (75, 0)
    assert "a time that is still to come" in report.batch("1").because


@pytest.mark.parametrize(
    ("age", "settle_seconds"), [(60.0, 2.0), (0.0, 0.0)], ids=["old-enough", "no-patience-asked-for"]
)
def test_nothing_young_is_no_reason_to_wait(age: float, settle_seconds: float, root: Path, log: Path) -> None:
    """A pass that finds nothing young ends at once."""
    put(root, "1", input=[request(1)])
    aged(root, "1", age)
    pause = Pause()
    assert answer(root, Noted(log), options={"pause": pause}, settle_seconds=settle_seconds).exit_code == 0
    assert pause.asked == []


def test_a_clock_that_is_wrong_is_not_waited_for(root: Path, log: Path) -> None:
    """An input from the future would be waited for without end: it is left to a later pass."""
    put(root, "1", input=[request(1)])
    aged(root, "1", -3600)
    pause = Pause()
    assert answer(root, Noted(log), options={"pause": pause}, settle_seconds=2).exit_code == 75
    assert pause.asked == []


def test_young_inputs_with_answers_are_not_waited_for(root: Path, log: Path) -> None:
    """Only what would be sent has to stand still."""
    put(root, "1", input=[request(1)], output=[answered(1)])
    pause = Pause()
    assert answer(root, Noted(log), options={"pause": pause}, settle_seconds=2).exit_code == 0
    assert pause.asked == []


def test_nobody_waits_who_was_asked_to_stop(root: Path, log: Path) -> None:
    """An end that was asked for meanwhile comes before the pause."""
    put(root, "1", input=[request(1)])
    put(root, "2", input=[request(2)])
    aged(root, "2", 60)
    stop: list[bool] = []

    def then(asked: Request) -> dict[str, Any]:
        stop.append(True)
        return chat(asked.custom_id)

    pause = Pause()
    options = {"pause": pause, "stopping": lambda: bool(stop)}
    answer(root, Noted(log, then), options=options, settle_seconds=2)
    assert pause.asked == []


def test_a_child_is_not_waited_for(root: Path, log: Path) -> None:
    """A child was published whole, however young it is."""

    def then(_asked: Request) -> dict[str, Any]:
        raise TimeoutError

    put(root, "1", input=[request(1)])
    aged(root, "1", 60)
    pause = Pause()
    answer(root, Noted(log, then), options={"pause": pause}, settle_seconds=2)
    assert (noted(log).total(), pause.asked) == (3, [])
