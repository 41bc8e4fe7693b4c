"""
A process may die, or a disk fail, before any change that it makes: nothing is lost, nothing done twice.

The scenarios are in scenarios.py, and how a process is killed and what has to become of it in crashing.py.
"""

import errno
from pathlib import Path
from typing import Final

import pytest

from reconciler.check import check
from reconciler.model.report import Report, State
from tests import workspaces
from tests.crashing import asked, end_state, half, kill_everywhere, mend, normal, sound, whole
from tests.scenarios import SCENARIOS, fresh, make_unmarked
from tests.workspace.faults import Trip, errno_failure
from tests.workspaces import answered, leftovers, put, request, run

LARGE: Final = (
    *("pass", "pass-by-nobody", "group", "local", "pass-tables", "group-tables"),
    *("pass-changed", "retry-changed"),
)
STEP: Final = 4
"""Of the large scenarios, every STEP-th point is tried in a normal run and every point in a slow one."""


@pytest.mark.parametrize("case", [case for case in SCENARIOS if case != "pass-by-nobody"])
def test_killed_before_a_change(case: str) -> None:
    """Killed anywhere, no promise is broken, and three passes reach the end of a run without faults."""
    kill_everywhere(case, STEP if case in LARGE else 1, tear=whole)


@pytest.mark.slow
@pytest.mark.parametrize("case", LARGE)
def test_killed_before_every_change(case: str) -> None:
    """The same at every point of the large scenarios."""
    kill_everywhere(case, 1, tear=whole)


@pytest.mark.parametrize("case", ["retry-settled"])
def test_killed_in_the_middle_of_a_write(case: str) -> None:
    """The same when half of what was being written stands on disk."""
    kill_everywhere(case, 1, tear=half)


@pytest.mark.slow
@pytest.mark.parametrize("case", [case for case in SCENARIOS if case != "retry-settled"])
def test_killed_in_the_middle_of_any_write(case: str) -> None:
    """The same for every scenario."""
    kill_everywhere(case, 1, tear=half)


def test_a_torn_line_of_history_is_no_violation_for_ever(tmp_path: Path) -> None:
    """A kill may tear the last line of the ledger; the passes after it do not make that a broken promise."""
    root = tmp_path / "w"
    make_unmarked(root)
    run(root)
    with (root / ".reconciler" / "ledger.jsonl").open("ab") as stream:
        stream.write(b'{"at":1,"event":"batch.se')
    sound(root, "torn")
    put(root, "2", input=[request(1)], output=[answered(1)])
    assert run(root).exit_code == 0
    assert check(str(root), workspaces.settings()).findings == []


def states(report: Report) -> dict[str, State]:
    """Where each batch stands after a pass; its folder in quarantine may be reported once more, after it."""
    return {batch.name: batch.state for batch in reversed(report.batches)}


def fail_everywhere(number: int, step: int, *, sticky: bool) -> None:
    """Fail every *step*-th change of a pass with an errno, then let a pass go through."""
    scenario = SCENARIOS["pass"]
    wanted, changes = end_state(scenario)
    with fresh(scenario) as root:
        before = asked(root)
        usual = states(run(root, **scenario.flags))
    for point in range(1, changes + 1, step):
        with fresh(scenario) as root:
            trip = Trip(at=point, failure=errno_failure(number), sticky=sticky)
            when = f"{errno.errorcode[number]} at change {point} of {changes}: {trip.seen[-1:]}"
            report = run(root, tap=trip, **scenario.flags)
            assert report.exit_code in (1, 3), when
            troubled = {name for name, state in states(report).items() if state is State.FAILED}
            assert troubled, when
            if not sticky:
                assert len(troubled) == 1, when
                rest = {name: state for name, state in states(report).items() if name not in troubled}
                assert rest.items() <= usual.items(), when
            sound(root, when)
            assert asked(root).items() >= before.items(), when
            mend(scenario, root, wanted)
            assert normal(root) == wanted, when
            assert leftovers(root) == [], when


@pytest.mark.parametrize("sticky", [False, True], ids=["once", "sticky"])
def test_a_disk_that_fails_a_change(*, sticky: bool) -> None:
    """A full disk stops that batch and no other, loses nothing, and a later pass makes up for it."""
    fail_everywhere(errno.ENOSPC, 2 * STEP + 1, sticky=sticky)


@pytest.mark.slow
@pytest.mark.parametrize("sticky", [False, True], ids=["once", "sticky"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS], ids=errno.errorcode.get)
def test_a_disk_that_fails_any_change(number: int, *, sticky: bool) -> None:
    """The same for every change, and for disks that break or become read-only."""
    fail_everywhere(number, 1, sticky=sticky)
