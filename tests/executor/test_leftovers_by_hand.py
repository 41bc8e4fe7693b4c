"""A person asks again what failed or is missing: `retry` of batches live and settled, and what it refuses."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler import decide, deciding
from reconciler.check import check
from reconciler.errors import NeedsPerson, UsageError
from reconciler.failed_requests import failed_requests
from reconciler.model.report import State
from tests.executor.children import child_input, names, outcomes
from tests.plugging import sound
from tests.workspaces import (
    answered,
    encoded,
    failed,
    files,
    ledger,
    manifest,
    put,
    request,
    run,
    scratch,
    settings,
)


@pytest.fixture
def root() -> Iterator[Path]:
    """A place for a workspace."""
    with scratch() as folder:
        yield folder / "w"


def retry(root: Path, *batches: str, **flags: int) -> deciding.Decision:
    """`reconcile retry`."""
    return decide.retry(str(root), settings(**flags), batches)


def test_retry_of_a_live_batch_with_missing_ids(root: Path) -> None:
    """The missing and the failed go to a child, the parent settles, and nothing is asked twice."""
    put(
        root,
        "7",
        input=[request(n) for n in range(4)],
        output=[answered(0)],
        error=[failed(2, 500), failed(3)],
    )
    assert run(root).exit_code == 3
    decision = retry(root, "7")
    assert {batch.name: batch.state for batch in decision.report.batches} == {
        "7": State.SETTLED,
        "7.r1": State.HELD,
    }
    assert child_input(root, "7.r1") == encoded(request(1)) + b"\n" + encoded(request(2)) + b"\n"
    assert outcomes(root, "7") == {
        "q-0": ("answered", None),
        "q-1": ("retried", "7.r1"),
        "q-2": ("retried", "7.r1"),
        "q-3": ("failed", None),
    }
    assert check(str(root), settings()).account == {"answered": 1, "failed": 1, "retried": 2, "pending": 2}
    sound(root)


def test_retry_of_a_settled_batch(root: Path) -> None:
    """Manifest, results and ledger say who asks again; a second retry has nothing left to ask."""
    put(
        root,
        "7",
        input=[request(n) for n in range(3)],
        output=[answered(0)],
        error=[failed(1, 500), failed(2)],
    )
    run(root)
    before = files(root)
    retry(root, "7")
    assert child_input(root, "7.r1") == encoded(request(1)) + b"\n"
    kept = manifest(root, "7")
    assert kept["coverage"]["retried"]["requests"] == kept["children"]["7.r1"]["owns"]["requests"] == 1
    assert kept["coverage"]["failed"]["requests"] == 1
    assert outcomes(root, "7") == {
        "q-0": ("answered", None),
        "q-1": ("retried", "7.r1"),
        "q-2": ("failed", None),
    }
    assert [line["child"] for line in ledger(root) if line["event"] == "batch.retried"] == ["7.r1"]
    for path, data in before.items():
        if path.startswith("done/7/batch_"):
            assert files(root)[path] == data
    sound(root)
    there = files(root)
    with pytest.raises(NeedsPerson):
        retry(root, "7")
    assert files(root) == there


def test_the_receipt_of_a_settled_batch_follows_its_results(root: Path) -> None:
    """The manifest's proof of what was published speaks of the file that is published now."""
    put(root, "7", input=[request(0), request(1)], output=[answered(0)], error=[failed(1, 500)])
    run(root)
    retry(root, "7")
    proof = manifest(root, "7")["receipts"]["process-output"]
    assert proof["bytes"] == (root / "target/7.results.jsonl").stat().st_size


def test_a_settled_retry_that_is_answered_balances(root: Path) -> None:
    """The child of a settled batch settles too, and every id has one end."""
    put(root, "7", input=[request(0), request(1)], output=[answered(0)], error=[failed(1, 500)])
    run(root)
    retry(root, "7")
    put(root, "7.r1", output=[answered(1)])
    assert run(root).exit_code == 0
    assert check(str(root), settings()).account == {"answered": 2, "retried": 1}
    sound(root)


def test_retry_by_hand_counts_attempts_too(root: Path) -> None:
    """What has been sent max_attempts times is not sent again, whoever asks."""
    put(root, "7", input=[request(0)], error=[failed(0, 500)])
    run(root)
    there = files(root)
    with pytest.raises(NeedsPerson, match="sent 1 times"):
        retry(root, "7", max_attempts=1)
    assert files(root) == there


@pytest.mark.parametrize("status", [400, 422])
def test_retry_refuses_what_would_fail_again(root: Path, status: int) -> None:
    """Failures that would repeat themselves are not asked again, live or settled."""
    put(root, "7", input=[request(0)], error=[failed(0, status)])
    with pytest.raises(NeedsPerson):
        retry(root, "7")
    run(root)
    with pytest.raises(NeedsPerson):
        retry(root, "7")
    assert "7.r1" not in names(root)
    sound(root)


def test_retry_refuses_what_is_in_quarantine(root: Path) -> None:
    """Answers that cannot be trusted do not say what to ask again."""
    put(root, "7", input=[request(0), request(1)], output=[answered(0), answered(0)])
    run(root)
    there = files(root)
    with pytest.raises(NeedsPerson, match="quarantine"):
        retry(root, "7")
    assert files(root) == there


@pytest.mark.parametrize("name", ["8", "../7", "done/7", "", "."])
def test_retry_refuses_what_is_no_batch(root: Path, name: str) -> None:
    """A name that is no batch of the workspace is refused, and nothing happens."""
    put(root, "7", input=[request(0)], error=[failed(0, 500)])
    run(root)
    there = files(root)
    with pytest.raises((UsageError, NeedsPerson)):
        retry(root, name)
    assert files(root) == there


def test_all_that_may_be_asked_again(root: Path) -> None:
    """Without a name, every batch with something to ask again gets its child, live or settled; no other."""
    put(root, "1", input=[request(0)], output=[answered(0)])
    put(
        root,
        "2",
        input=[request(n) for n in range(3)],
        output=[answered(0)],
        error=[failed(1, 429), failed(2)],
    )
    put(root, "3", input=[request(4), request(5)], output=[answered(4)])
    run(root)
    decision = decide.retry(str(root), settings())
    assert [told.partition(":")[0] for told in decision.told] == ["3", "2"]
    assert names(root) == {"2.r1", "3.r1"}
    assert child_input(root, "2.r1") == encoded(request(1)) + b"\n"
    assert decide.retry(str(root), settings()).told == ()
    sound(root)


def test_a_person_names_the_class(root: Path) -> None:
    """`--class` asks these failures again, over the table, and nothing else; not beyond max_attempts."""
    put(
        root,
        "2",
        input=[request(n) for n in range(3)],
        output=[answered(0)],
        error=[failed(1, 429), failed(2)],
    )
    run(root)
    with pytest.raises(NeedsPerson, match="sent 1 times, and that is the limit"):
        decide.retry(str(root), settings(max_attempts=1), ["2"], classes=["invalid-request"])
    decide.retry(str(root), settings(), ["2"], classes=["invalid-request"])
    assert child_input(root, "2.r1") == encoded(request(2)) + b"\n"
    sound(root)


def test_failed_lines_are_printed_and_nothing_is_touched(root: Path) -> None:
    """The lines of failed and missing ids come byte for byte, but a child's; no file changes."""
    put(
        root,
        "2",
        input=[request(n) for n in range(3)],
        output=[answered(0)],
        error=[failed(1, 429), failed(2)],
    )
    put(root, "3", input=[request(4), request(5)], output=[answered(4)])
    run(root)
    before = files(root)
    path, chosen = str(root), settings()
    assert list(failed_requests(path, chosen, ["2"])) == [encoded(request(n)) + b"\n" for n in (1, 2)]
    assert list(failed_requests(path, chosen)) == [encoded(request(n)) + b"\n" for n in (5, 1, 2)]
    assert list(failed_requests(path, chosen, classes=["missing"])) == [encoded(request(5)) + b"\n"]
    assert files(root) == before
    decide.retry(path, chosen, ["2"])
    assert list(failed_requests(path, chosen, ["2"])) == [encoded(request(2)) + b"\n"]
    with pytest.raises(UsageError):
        list(failed_requests(path, chosen, ["9"]))
