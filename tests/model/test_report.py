"""What a pass reports, and the exit code that says it."""

import itertools

import pytest

from reconciler.model.identity import BatchName
from reconciler.model.receipt import Receipt
from reconciler.model.report import BatchReport, Report, State

MATCHED = Receipt(BatchName("7"), "match-request-ids", "all 3 ids accounted for")
SENT = Receipt(BatchName("7"), "submit", "sent")


def report(*states: str, receipts: tuple[Receipt, ...] = ()) -> Report:
    """A pass over one batch for each of *states*."""
    batches = tuple(
        BatchReport(BatchName(str(k)), State(state), "why", receipts=receipts)
        for k, state in enumerate(states)
    )
    return Report("ws", batches)


@pytest.mark.parametrize(
    ("states", "code"),
    [
        pytest.param((), 0, id="nothing-there"),
        pytest.param(("settled", "settled"), 0, id="all-settled"),
        pytest.param(("settled", "waiting"), 75, id="come-back-later"),
        pytest.param(("failed", "settled"), 1, id="failed"),
        pytest.param(("failed", "waiting"), 1, id="failed-before-waiting"),
        pytest.param(("held", "settled"), 3, id="held"),
        pytest.param(("held", "failed", "waiting"), 3, id="held-before-failed"),
        pytest.param(("needs attention", "waiting"), 3, id="attention"),
        pytest.param(("interrupted", "needs attention", "failed"), 130, id="interrupted-before-all"),
    ],
)
def test_the_exit_code_tells_the_most_pressing_state(states: tuple[str, ...], code: int) -> None:
    """Of several states the one that asks most of a person decides, in whichever order batches stand."""
    for order in itertools.permutations(states):
        assert report(*order).exit_code == code


@pytest.mark.parametrize("state", State)
def test_only_settled_is_success(state: State) -> None:
    """0 means that nothing is left to do."""
    assert (report(state).exit_code == 0) is (state is State.SETTLED)


def test_batches_are_counted_by_state() -> None:
    """The summary line counts each state."""
    passed = report("settled", "held", "settled")
    assert [passed.count(state) for state in (State.SETTLED, State.HELD, State.WAITING)] == [2, 1, 0]


@pytest.mark.parametrize(
    ("receipts", "changed"),
    [
        pytest.param((), False, id="nothing-done"),
        pytest.param((MATCHED,), False, id="only-looked"),
        pytest.param((SENT,), True, id="something-done"),
        pytest.param((MATCHED, SENT), True, id="looked-and-done"),
    ],
)
def test_a_pass_that_did_something_says_so(receipts: tuple[Receipt, ...], *, changed: bool) -> None:
    """A pass has changed something when it did anything but match, which only reads."""
    assert report("settled", receipts=receipts).changed is changed
