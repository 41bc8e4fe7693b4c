"""
Nothing that was answered is asked again, nothing is lost in a handover, and `check` says when it would be.

Each test is a way in which a tired person, a crash or another program could make the reconciler pay twice;
what would be sent is asked of the real planner, with a provider that could be reached.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from reconciler import decide
from reconciler.check import check
from reconciler.errors import NeedsPerson, UsageError
from reconciler.model.identity import BatchName
from reconciler.model.report import State
from reconciler.planner import plan
from reconciler.session import Options
from reconciler.workspace.layout import find
from reconciler.workspace.observe import observe
from reconciler.workspace.reading import Reading
from reconciler.workspace.scan import scan
from tests.workspace.faults import Crash
from tests.workspaces import answered, failed, put, request, run, scratch, settings


@pytest.fixture
def root() -> Iterator[Path]:
    """An empty workspace."""
    with scratch() as folder:
        root = folder / "w"
        (root / "workdir").mkdir(parents=True)
        yield root


def would(root: Path, name: str) -> list[str]:
    """What would be done for a batch if its provider could be reached and its input were quiet."""
    layout = find(str(root))
    look = Reading(layout.root)
    policy = settings(provider="openai").policy(frozenset({"openai"}))
    seen = observe(look, layout, scan(look, layout), BatchName(name))
    look.close()
    return [step.verb for step in plan(seen, attrs.evolve(policy, settle_seconds=0.0)).steps]


def findings(root: Path) -> list[str]:
    """What an audit objects to."""
    return [finding.what for finding in check(str(root), settings()).findings]


def retry_cut_off(root: Path, name: str, *, before: str) -> None:
    """`retry`, killed at the first change of a path that holds *before*."""

    def kill(_change: str, path: str) -> None:
        if before in path:
            raise Crash

    with pytest.raises(Crash):
        decide.retry(str(root), settings(), [name], Options(tap=kill))


REMOTE: dict[str, Any] = {
    "schema": 1,
    "generation": 1,
    "name": "1",
    "batch_id": "batch_1",
    "status": "expired",
    "provider": "openai",
    "state": "submitted",
}


@pytest.mark.parametrize("provider", ["none", "openai"])
def test_answers_that_are_gone_are_not_asked_again(root: Path, provider: str) -> None:
    """An expired batch whose answers were counted and have vanished waits for a person; check says so."""
    put(root, "1", input=[request(0), request(1)], output=[answered(0)], metadata=REMOTE)
    run(root)
    (root / "workdir/batch_output_1.jsonl").unlink()
    report = run(root, provider=provider)
    assert [batch.state for batch in report.batches] == [State.ATTENTION]
    assert "gone" in report.batches[0].because
    assert any("not here any more" in what for what in findings(root))


def test_answers_of_nobody_that_are_gone_are_not_sent(root: Path) -> None:
    """Requests whose answers somebody put here, and which vanished, are not sent, though they never were."""
    put(root, "1", input=[request(0), request(1)], output=[answered(0)])
    run(root)
    (root / "workdir/batch_output_1.jsonl").unlink()
    assert would(root, "1") == []


def test_an_account_never_shrinks_in_silence(root: Path) -> None:
    """An answer file that lost a line since the last pass is told, and the account on disk stays."""
    put(root, "1", input=[request(0), request(1), request(2)], output=[answered(0), answered(1)])
    run(root)
    put(root, "1", output=[answered(0)])
    report = run(root)
    assert "1 answer of 1 that an earlier pass counted are gone" in report.batches[0].because
    assert report.exit_code == 3
    put(root, "1", output=[answered(0), answered(1), answered(2)])
    assert run(root).exit_code == 0


@pytest.mark.parametrize("first", ["answer", "child"])
def test_a_late_answer_for_a_handed_over_id_needs_a_person(root: Path, first: str) -> None:
    """The parent does not settle on an id that its child asks too, whichever was answered first."""
    put(root, "6", input=[request(0), request(1)], output=[answered(0)])
    run(root)
    retry_cut_off(root, "6", before="target/")
    if first == "child":
        put(root, "6.r1", output=[answered(1)])
    put(root, "6", output=[answered(0), answered(1)])
    report = next(batch for batch in run(root).batches if batch.name == "6")
    assert report.state is State.ATTENTION
    assert '"q-1"' in report.because
    assert any("asked again in a child" in what for what in findings(root))


def test_an_input_back_from_quarantine_without_its_answers_is_not_new(root: Path) -> None:
    """As long as quarantine holds files of a batch, its input is not sent."""
    put(root, "4", input=[request(0), request(1)], output=[answered(0), answered(0), answered(1)])
    run(root)
    (root / "quarantine/4.1/batch_input_4.jsonl").rename(root / "workdir/batch_input_4.jsonl")
    assert would(root, "4") == []


def test_a_name_of_a_child_without_metadata_is_not_sent(root: Path) -> None:
    """Whose attempt it would be, nobody knows."""
    put(root, "6.r1", input=[request(0)])
    assert would(root, "6.r1") == []


def test_another_input_under_the_name_of_a_child_takes_nothing(root: Path) -> None:
    """Which ids a settled child owns is read from the input that it was given, whoever bears its name."""
    flags: dict[str, Any] = {"failed": "attention", "provider": "openai"}
    put(
        root,
        "6",
        input=[request(0), request(1), request(2)],
        output=[answered(0)],
        error=[failed(1), failed(2, 429)],
    )
    run(root, **flags)
    put(root, "6.r1", output=[answered(2)])
    run(root, **flags)
    put(root, "6.r1", input=[request(7)])
    run(root, **flags)
    assert not (root / "workdir/batch_input_6.r2.jsonl").exists()


def test_the_live_folder_is_no_workspace_of_its_own(root: Path) -> None:
    """`W/workdir` would be a second lock over the same files."""
    run(root)
    put(root, "1", input=[request(0)], output=[answered(0)])
    with pytest.raises(UsageError, match="not a workspace of its own"):
        run(root / "workdir")


@pytest.mark.parametrize("how", ["quarantined", "corrupt", "archived"])
def test_a_child_whose_parent_cannot_be_asked_is_not_sent(root: Path, how: str) -> None:
    """Cut off before the handover, a child stays unsent whatever becomes of its parent."""
    put(root, "6", input=[request(0), request(1), request(2)], output=[answered(0), answered(1)])
    run(root)
    retry_cut_off(root, "6", before=".reconciler/ledger")
    assert would(root, "6.r1") == []
    if how == "quarantined":
        put(root, "6", output=[answered(0), answered(1), answered(2), answered(2)])
        run(root)
    elif how == "corrupt":
        (root / "workdir/batch_metadata_6.jsonl").write_bytes(b"")
    else:
        put(root, "6", output=[answered(0), answered(1), answered(2)])
        run(root)
        (root / "done/6").rename(root.parent / "archive")
    assert would(root, "6.r1") == []


def test_one_pass_makes_one_child(root: Path) -> None:
    """A batch that failures hold back gets its child, and the same pass does not plan another."""
    put(
        root,
        "6",
        input=[request(0), request(1), request(2)],
        output=[answered(0)],
        error=[failed(1), failed(2, 429)],
    )
    report = run(root, failed="attention", provider="openai")
    assert report.batches[0].because == '1 request failed for good, and failed = "attention"'
    assert [receipt.verb for receipt in report.batches[0].receipts].count("retry-leftovers") == 1


def test_a_pruned_child_does_not_give_its_number_away(root: Path) -> None:
    """A child that was archived elsewhere keeps its name: the next one is counted on from the last."""
    chosen = settings(max_attempts=9)
    put(root, "6", input=[request(n) for n in range(3)], error=[failed(n, 429) for n in range(3)])
    run(root)
    decide.retry(str(root), chosen, ["6"])
    put(root, "6.r1", error=[failed(0, 429), failed(1, 429)], output=[answered(2)])
    run(root)
    decide.retry(str(root), chosen, ["6.r1"])
    put(root, "6.r2", error=[failed(0, 429)], output=[answered(1)])
    run(root)
    (root / "done/6.r1").rename(root.parent / "archive")
    assert decide.retry(str(root), chosen, ["6.r2"]).told == ("6.r2: 1 request goes to 6.r3",)


def test_dismissing_takes_no_name_that_a_live_batch_bears(root: Path) -> None:
    """What is given up goes beside the live batches, never in the way of one."""
    put(root, "7", input=[request(0), request(1)], output=[answered(0), answered(0)])
    run(root)
    put(root, "7", input=[request(0), request(1)])
    put(root, "7.q1", input=[request(5)], output=[answered(5)])
    decide.dismiss(str(root), settings(), ["7"])
    assert (root / "done/7.q2").is_dir()
    assert {str(batch.name): batch.state for batch in run(root).batches}["7.q1"] is State.SETTLED


def test_a_remnant_in_quarantine_does_not_lock_a_live_batch_out(root: Path) -> None:
    """A quarantine folder without an input is no batch; the live one can still be decided on."""
    put(root, "7", input=[request(0), request(1)], output=[answered(0), answered(0)])
    run(root)
    (root / "quarantine/7.1/batch_input_7.jsonl").rename(root / "workdir/batch_input_7.jsonl")
    put(root, "7", output=[answered(0)])
    run(root)
    assert decide.dismiss(str(root), settings(), ["7"]).told == ("7: 1 missing request given up",)
    with pytest.raises(NeedsPerson, match="holds no input"):
        decide.dismiss(str(root), settings(), ["7"])


@pytest.mark.parametrize(
    ("spoil", "objection"),
    [
        pytest.param("answers", "not here any more", id="answers-gone"),
        pytest.param("input", "its input is gone", id="input-gone"),
        pytest.param("quarantine", "was set aside and is gone", id="quarantine-gone"),
        pytest.param("clash", "holds other files of that name", id="clash-with-done"),
    ],
)
def test_check_objects_to_what_vanished(root: Path, spoil: str, objection: str) -> None:
    """An audit says what is not there any more; it never calls such a workspace sound."""
    put(root, "1", input=[request(0), request(1)], output=[answered(0)])
    put(root, "2", input=[request(0)], output=[answered(0)])
    put(root, "7", input=[request(0)], output=[answered(0), answered(0)])
    run(root)
    assert findings(root) == []
    if spoil in ("answers", "input"):
        (root / "workdir/batch_output_1.jsonl").unlink()
    if spoil == "input":
        (root / "workdir/batch_input_1.jsonl").unlink()
    if spoil == "quarantine":
        shutil.rmtree(root / "quarantine/7.1")
    if spoil == "clash":
        put(root, "2", input=[request(5), request(6)])
    assert any(objection in what for what in findings(root))


def test_check_tells_of_results_that_were_changed(root: Path) -> None:
    """What stands in target/ is the user's to edit, and check says that it is not what was published."""
    put(root, "1", input=[request(0)], output=[answered(0)])
    run(root)
    (root / "target/1.results.jsonl").write_bytes(b"junk")
    verdict = check(str(root), settings())
    assert verdict.findings == []
    assert any("not what was published" in note for note in verdict.notes)
