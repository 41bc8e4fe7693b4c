"""A disk may fail any change in any way, once, for good, or twice: nothing is lost, nothing done twice."""

import errno
import random
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Final

import attrs
import pytest

from reconciler.errors import ReconcilerError
from reconciler.executor.moving import REASON
from tests.crashing import asked, end_state, mend, normal, sound
from tests.proof.power import CASES
from tests.scenarios import SCENARIOS, fresh
from tests.workspace.faults import Crash, errno_failure
from tests.workspaces import leftovers

ERRNOS: Final = (
    errno.ENOSPC,
    errno.EIO,
    errno.EDQUOT,
    errno.EMFILE,
    errno.EACCES,
    errno.EROFS,
    errno.ESTALE,
    errno.EXDEV,
    errno.EINTR,
)
TWICE: Final = tuple(number for number in ERRNOS if number != errno.EXDEV)
"""What may come and go within one run; what lies on another device stays there."""

SOME: Final = 2
"""Points that a normal run tries of each scenario and way to fail; a slow one tries all."""

SMALLEST: Final = "dismiss-beside-done"
"""The scenario with the fewest changes: all of its pairs can be tried."""

PAIRS: Final = 40
"""Pairs of faults that a normal run tries; a slow one tries all of the smallest scenario, and many more."""

_ACROSS: Final = ("link", "rename")
"""Changes that the kernel refuses across devices."""

Failure = Callable[[], BaseException]


@attrs.define
class Failing:
    """A tap that fails the changes at these points, counted from 1; and, with *after*, all behind them."""

    points: dict[int, Failure]
    after: Failure | None = None
    seen: int = 0
    what: str = ""

    def __call__(self, change: str, path: str) -> None:
        """Count the change; fail it when it is its turn."""
        self.seen += 1
        failure = self.points.get(self.seen)
        if failure is None and self.after is not None and self.seen > max(self.points):
            failure = self.after
        if failure is not None:
            raised = failure()
            if isinstance(raised, OSError) and raised.errno == errno.EXDEV and change not in _ACROSS:
                return  # one device alone is never another
            self.what = self.what or f"{change} {path}"
            raise raised


def faulty(case: str, tap: Failing, when: str) -> None:
    """Carry a scenario out on a disk that fails, then without faults, and hold it to the promises."""
    scenario = SCENARIOS[case]
    wanted, _ = end_state(scenario)
    with fresh(scenario) as root:
        before = dict(asked(root))
        try:
            scenario.act(root, tap)
        except (ReconcilerError, OSError, Crash) as error:
            when = f"{when} {tap.what}: {error!r}"
        sound(root, when)
        assert asked(root).items() >= before.items(), when
        mend(scenario, root, wanted)
        found = normal(root)
        if errno.errorcode[errno.EXDEV] in when:
            # Across devices no folder moves as it is: the manifest alone says why it was in quarantine.
            found |= {
                path: wanted[path] for path in wanted.keys() - found.keys() if path.endswith(f"/{REASON}")
            }
        assert found == wanted, when
        assert leftovers(root) == [], when
        sound(root, f"{when}, and mended")


def fail(case: str, number: int, *, sticky: bool, some: int | None = None) -> int:
    """Fail changes of a scenario with an errno; how many were tried."""
    _, changes = end_state(SCENARIOS[case])
    points = [*range(1, changes + 1)]
    if some is not None:
        points = random.Random(f"{case} {number} {sticky}").sample(points, min(some, changes))
    failure = errno_failure(number)
    for point in points:
        tap = Failing({point: failure}, failure if sticky else None)
        faulty(case, tap, f"{case}: {errno.errorcode[number]} at change {point}, sticky: {sticky}")
    return len(points)


def fail_twice(cases: Sequence[str], some: int | None) -> int:
    """Two faults in one run, of which the second may be the end of the process; how many were tried."""
    changes = {case: end_state(SCENARIOS[case])[1] for case in cases}
    pairs = [(case, *pair) for case in cases for pair in combinations(range(1, changes[case] + 1), 2)]
    chance = random.Random(" ".join(cases))
    if some is not None:
        pairs = chance.sample(pairs, min(some, len(pairs)))
    for case, one, two in pairs:
        ways: tuple[Failure, Failure] = (
            errno_failure(chance.choice(TWICE)),
            chance.choice([Crash, errno_failure(chance.choice(TWICE))]),
        )
        faulty(case, Failing({one: ways[0], two: ways[1]}), f"{case}: changes {one} and {two}")
    return len(pairs)


@pytest.mark.parametrize("sticky", [False, True], ids=["once", "sticky"])
@pytest.mark.parametrize("number", ERRNOS, ids=errno.errorcode.get)
def test_a_change_fails(number: int, *, sticky: bool) -> None:
    """However a change fails, no promise is broken, and later passes make up for it."""
    for case in random.Random(f"{number} {sticky}").sample(CASES, 3):
        assert fail(case, number, sticky=sticky, some=SOME) == SOME


@pytest.mark.slow
@pytest.mark.parametrize("sticky", [False, True], ids=["once", "sticky"])
@pytest.mark.parametrize("number", ERRNOS, ids=errno.errorcode.get)
@pytest.mark.parametrize("case", CASES)
def test_any_change_fails(case: str, number: int, *, sticky: bool) -> None:
    """The same for every change of every scenario."""
    fail(case, number, sticky=sticky)


def test_two_changes_fail() -> None:
    """Two faults in one run break no more than one does."""
    assert fail_twice([SMALLEST], PAIRS) == PAIRS
    assert fail_twice(CASES, PAIRS) == PAIRS


@pytest.mark.slow
def test_any_two_changes_fail() -> None:
    """The same for all pairs of the smallest scenario, and a thousand of all."""
    fail_twice([SMALLEST], None)
    fail_twice(CASES, 1000)
