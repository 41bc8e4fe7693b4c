"""
The verbs of a person, as library calls: what they refuse, they leave as it was.

What they do to a batch is told in `executor/test_leftovers_by_hand.py` and `executor/test_dismissing.py`.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import pytest

from reconciler import decide, deciding
from reconciler.check import check
from reconciler.config import Settings
from reconciler.errors import NeedsPerson, UsageError, UserError, WorkspaceLocked
from reconciler.model.report import State
from reconciler.session import Options
from reconciler.workspace.effects import Effects
from reconciler.workspace.layout import LOCK
from tests.workspaces import answered, failed, files, live, put, request, run, scratch, settings

Verb = Callable[[str, Settings, Sequence[str]], deciding.Decision]
VERBS: Final = [pytest.param(decide.retry, id="retry"), pytest.param(decide.dismiss, id="dismiss")]


@pytest.fixture
def root() -> Iterator[Path]:
    """
    A workspace after a pass.

    1 settled; 2 settled with a failure that may be asked again; 3 misses an answer; 4 in quarantine;
    5 waits; 6 has corrupt metadata; 7 is orphaned; 8 has an input that cannot be read.
    """
    with scratch() as folder:
        root = folder / "w"
        asked = [request(n) for n in range(3)]
        put(root, "1", input=asked, output=[answered(n) for n in range(3)])
        put(root, "2", input=asked, output=[answered(0)], error=[failed(1, 429), failed(2)])
        put(root, "3", input=asked, output=[answered(0), answered(1)])
        put(root, "4", input=asked, output=[answered(0), answered(0)])
        put(root, "5", input=asked)
        put(root, "6", input=asked, output=[answered(0)])
        (live(root) / "batch_metadata_6.jsonl").write_bytes(b"{")
        put(root, "7", output=[answered(0)])
        put(root, "8", input=[b"?"], output=[answered(0)])
        run(root)
        yield root


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("name", ["9", "*", "1*", "..", "../w", "done/1", "4.1", "", "/", "1\0", "\udcff"])
def test_a_name_that_is_no_batch(root: Path, verb: Verb, name: str) -> None:
    """It is refused in words, not with a traceback, and nothing is touched; patterns are not names."""
    before = files(root)
    with pytest.raises((UsageError, NeedsPerson)):
        verb(str(root), settings(), [name])
    assert files(root) == before


@pytest.mark.parametrize(
    ("verb", "name"),
    [
        pytest.param(decide.retry, "1", id="retry-all-answered"),
        pytest.param(decide.retry, "4", id="retry-quarantined"),
        pytest.param(decide.retry, "5", id="retry-waiting"),
        pytest.param(decide.retry, "6", id="retry-corrupt"),
        pytest.param(decide.retry, "7", id="retry-orphaned"),
        pytest.param(decide.retry, "8", id="retry-bad-input"),
        pytest.param(decide.dismiss, "1", id="dismiss-all-answered"),
        pytest.param(decide.dismiss, "2", id="dismiss-settled-failure"),
        pytest.param(decide.dismiss, "5", id="dismiss-waiting"),
        pytest.param(decide.dismiss, "6", id="dismiss-corrupt"),
        pytest.param(decide.dismiss, "7", id="dismiss-orphaned"),
        pytest.param(decide.dismiss, "8", id="dismiss-bad-input"),
    ],
)
def test_nothing_to_do(root: Path, verb: Verb, name: str) -> None:
    """A request that was understood and is refused says why and what to do instead, and touches nothing."""
    before = files(root)
    with pytest.raises(NeedsPerson) as caught:
        verb(str(root), settings(), [name])
    assert caught.value.exit_code == 3
    assert name in caught.value.message
    assert files(root) == before


def test_a_batch_of_which_nothing_failed_is_not_asked_again(root: Path) -> None:
    """It is said that there is nothing, not that what there is may not be asked again."""
    with pytest.raises(NeedsPerson, match="1 is settled and has no failure to ask again"):
        decide.retry(str(root), settings(), ["1"])


@pytest.mark.parametrize("name", ["3", "5", "8"])
def test_what_nobody_has_processed_yet(root: Path, name: str) -> None:
    """Where answers are short or absent, or the input cannot be read, no pass hands them over."""
    with pytest.raises(NeedsPerson, match="not handed to a processor yet") as caught:
        decide.process(str(root), settings(), [name])
    assert caught.value.hint == "reconcile plan WORKSPACE    tells what it needs"


@pytest.mark.parametrize("verb", VERBS)
def test_a_locked_workspace(root: Path, verb: Verb) -> None:
    """Whoever changes something takes the lock: while another has it, 4, and nothing is touched."""
    other = Effects(str(root))
    before = files(root)
    with other.lock(LOCK), pytest.raises(WorkspaceLocked):
        verb(str(root), settings(), ["3"])
    other.close()
    assert files(root) == before


@pytest.mark.parametrize("verb", VERBS)
def test_no_workspace(tmp_path: Path, verb: Verb) -> None:
    """A folder that is no workspace is not made one."""
    with pytest.raises(UserError):
        verb(str(tmp_path), settings(), ["1"])
    with pytest.raises(UserError):
        verb(str(tmp_path / "nowhere"), settings(), ["1"])
    assert list(tmp_path.iterdir()) == []


def test_several_names(root: Path) -> None:
    """Each is told in a line, and one pass follows over what they touched and no other batch."""
    decision = decide.retry(str(root), settings(), ["2", "3"])
    assert [line.partition(":")[0] for line in decision.told] == ["2", "3"]
    assert {batch.name: batch.state for batch in decision.report.batches} == {
        "2.r1": State.HELD,
        "3": State.SETTLED,
        "3.r1": State.HELD,
    }


@pytest.mark.parametrize("names", [["3", "1"], ["1", "3"]], ids=",".join)
def test_a_refused_name_does_not_stop_the_others(root: Path, names: list[str]) -> None:
    """What can be done is done, in whatever order they are named; the refusal is told, and is exit 3."""
    decision = decide.retry(str(root), settings(), names)
    assert [line.partition(":")[0] for line in decision.told] == ["3"]
    assert len(decision.refused) == 1
    assert decision.exit_code == 3
    assert (root / "done" / "3").is_dir()
    assert (live(root) / "batch_input_3.r1.jsonl").exists()


def test_a_name_given_twice(root: Path) -> None:
    """The second time there is nothing left to do, and nothing is done twice."""
    decision = decide.retry(str(root), settings(), ["2", "2"])
    assert (len(decision.told), len(decision.refused)) == (1, 1)
    assert (live(root) / "batch_input_2.r1.jsonl").exists()
    assert not (live(root) / "batch_input_2.r2.jsonl").exists()


def test_an_unknown_name_stops_everything(root: Path) -> None:
    """A typing error among the names is found before anything is decided."""
    before = files(root)
    with pytest.raises(UsageError):
        decide.retry(str(root), settings(), ["3", "99"])
    assert files(root) == before


def test_other_batches_are_not_touched(root: Path) -> None:
    """A verb is a decision about the batches that it names."""
    put(root, "10", input=[request(0)], output=[answered(0)])
    decide.dismiss(str(root), settings(), ["4"])
    decide.retry(str(root), settings(), ["3"])
    assert (live(root) / "batch_output_10.jsonl").exists()


def test_a_decision_comes_before_the_pass(root: Path) -> None:
    """What the pass does not get to, the next pass does: the decision is on disk."""

    def die(change: str, path: str) -> None:
        if change == "create" and path.startswith("target/"):
            raise OSError(5, "failing")

    decision = decide.dismiss(str(root), settings(), ["3"], Options(tap=die))
    assert decision.report.exit_code == 1
    run(root)
    assert (root / "done" / "3").is_dir()
    account = check(str(root), settings()).account
    assert account["dismissed"] == 1
