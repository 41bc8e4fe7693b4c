"""
`[retain] jsonl = "remove"`: what was published is verified, then the JSONL goes, and nothing else ever does.

What keeps it is a table in tests/planner/test_retaining.py, and shown in test_retention_kept.py; each point
where a crash may come is in test_crash.py.
"""

import csv
import json
from pathlib import Path

import pytest

from reconciler import decide, engine, retention
from reconciler.batches import MANY
from reconciler.check import check
from reconciler.errors import NeedsPerson, UsageError
from reconciler.executor.context import viewing
from reconciler.executor.standings import rows_of
from reconciler.model.report import State
from reconciler.model.rows import ResultRow
from reconciler.registry import export
from reconciler.repairing import repair
from reconciler.retention import Jsonl
from reconciler.session import Options, Workers
from tests.proof.disk import Recorder
from tests.retaining import ASKED, REMOVE, apply, jsonl_of, removed, sound
from tests.workers import Noted, answer, noted
from tests.workspace.faults import Crash, Trip
from tests.workspaces import answered, failed, files, ledger, put, request, results, run, settings, stats


def test_a_pass_removes_what_it_has_settled(tmp_path: Path) -> None:
    """Input and answers go once the results stand; a tombstone says what they were, the account holds."""
    root = tmp_path / "w"
    bytes_of = put(root, "1", input=ASKED, output=[answered(n) for n in range(3)])
    report = run(root, **REMOVE)
    assert report.exit_code == 0
    assert [each.verb for each in report.batch("1").receipts][-2:] == ["move-to-done", "remove-jsonl"]
    assert jsonl_of(root, "1") == removed("1")
    told = json.loads((root / "done/1/tombstone.json").read_bytes())
    assert {leaf: known["bytes"] for leaf, known in told["files"].items()} == {
        "batch_input_1.jsonl": len(bytes_of["input"]),
        "batch_output_1.jsonl": len(bytes_of["output"]),
    }
    assert [each["text"] for each in results(root, "1")] == ["answer 0", "answer 1", "answer 2"]
    assert ledger(root)[-1]["event"] == "batch.removed"
    sound(root)
    assert check(str(root), settings()).account == {"answered": 3}


@pytest.mark.parametrize("jobs", [1, 2], ids=["in-groups", "in-workers"])
def test_many_batches_at_once(jobs: int, tmp_path: Path) -> None:
    """Whoever settles a batch, alone, in a group or in a process of its own, its JSONL goes in that pass."""
    root = tmp_path / "w"
    for n in range(MANY):
        put(root, str(n), input=[request(n)], output=[answered(n)])
    options = Options(workers=Workers(worth=0))
    assert engine.reconcile(str(root), settings(jobs=jobs, **REMOVE), options).exit_code == 0
    assert {tuple(jsonl_of(root, str(n))) == tuple(removed(str(n))) for n in range(MANY)} == {True}
    sound(root)


def test_a_tombstone_that_nobody_synced_is_before_files_go(tmp_path: Path) -> None:
    """Where a pass was killed just after the tombstone got its name, that name is brought to disk first."""
    root, stone = tmp_path / "w", ("fsync-folder", "done/1")
    put(root, "1", input=ASKED, output=[answered(n) for n in range(3)])
    run(root)

    def killed(change: str, path: str) -> None:
        if (change, path) == stone:
            raise Crash

    with pytest.raises(Crash):
        retention.retain(str(root), settings(**REMOVE), options=Options(tap=killed))
    assert (root / "done/1/tombstone.json").exists()
    trip = Trip()
    retention.retain(str(root), settings(**REMOVE), options=Options(tap=trip))
    gone = [each for each in trip.seen if each[0] == "unlink" and each[1].startswith("done/1/batch_")]
    assert trip.seen.index(stone) < trip.seen.index(gone[0])
    assert len(gone) == 2
    sound(root)


def test_results_that_a_user_put_back_are_synced_before_files_go(tmp_path: Path) -> None:
    """Results that somebody has just restored are on disk before the only other copy of the answers goes."""
    root = tmp_path / "w"
    put(root, "1", input=ASKED, output=[answered(n) for n in range(3)])
    run(root)
    published = root / "target/1.results.jsonl"
    whole = published.read_bytes()
    recorder, left = Recorder(root), list[bool]()
    (root / "target/restored").write_bytes(whole)
    (root / "target/restored").rename(published)

    def looking(change: str, path: str) -> None:
        recorder(change, path)
        if (change, path) == ("unlink", "done/1/batch_input_1.jsonl"):
            states = [{name: data for name, _, data in each.files} for each in recorder.states()]
            left.append(all(each.get("target/1.results.jsonl") == whole for each in states))

    options = Options(tap=looking, syncs=recorder.synced)
    retention.retain(str(root), settings(**REMOVE), options=options)
    assert left == [True]


def test_nothing_is_removed_unless_asked(tmp_path: Path) -> None:
    """A pass of the built-in settings keeps every file and leaves no note that it might go."""
    root = tmp_path / "w"
    put(root, "1", input=ASKED, output=[answered(n) for n in range(3)])
    run(root)
    assert "batch_input_1.jsonl" in jsonl_of(root, "1")
    assert not (root / ".reconciler/removable").exists()


def test_a_pass_over_what_was_removed_changes_nothing(tmp_path: Path) -> None:
    """Not a time stamp moves, whether there is nothing to remove any more or nothing that may go yet."""
    root = tmp_path / "w"
    put(root, "1", input=ASKED, output=[answered(n) for n in range(3)])
    put(root, "2", input=ASKED[:2], output=[answered(0)], error=[failed(1, 429)])
    run(root, **REMOVE)
    assert "batch_input_2.jsonl" in jsonl_of(root, "2")
    before = stats(root)
    for _ in range(2):
        assert not run(root, **REMOVE).changed
        assert stats(root) == before


def test_a_parent_waits_for_its_children(tmp_path: Path) -> None:
    """Until a child has settled nothing of its parent goes; in the pass that settles it, all of both do."""
    root = tmp_path / "w"
    put(root, "1", input=ASKED, output=[answered(0)], error=[failed(1, 429), failed(2)])
    run(root, provider="openai", **REMOVE)
    assert "batch_input_1.jsonl" in jsonl_of(root, "1")
    put(root, "1.r1", output=[answered(1)])
    report = run(root, **REMOVE)
    assert [batch.name for batch in report.batches if batch.receipts[-1].verb == "remove-jsonl"] == [
        "1.r1",
        "1",
    ]
    assert jsonl_of(root, "1") == removed("1")
    assert jsonl_of(root, "1.r1") == removed("1.r1")
    sound(root)


def test_the_time_of_keeping(tmp_path: Path) -> None:
    """Within `after_days` a pass keeps the files, after them it removes them."""
    root = tmp_path / "w"
    put(root, "1", input=ASKED, output=[answered(n) for n in range(3)])
    run(root, after_days=30.0, **REMOVE)
    run(root, after_days=30.0, **REMOVE)
    assert "batch_input_1.jsonl" in jsonl_of(root, "1")
    later = Options(clock=lambda: 30 * 86_400.0 + 4_000_000_000.0)
    report = engine.reconcile(str(root), settings(after_days=30.0, **REMOVE), later)
    assert report.batch("1").state is State.SETTLED
    assert jsonl_of(root, "1") == removed("1")


def test_what_a_pass_was_kept_from_is_not_forgotten(tmp_path: Path) -> None:
    """A child that settles while the setting says keep lets its parent go at the next pass that removes."""
    root = tmp_path / "w"
    put(root, "1", input=ASKED, output=[answered(0), answered(2)], error=[failed(1, 429)])
    run(root, provider="openai", **REMOVE)
    put(root, "1.r1", output=[answered(1)])
    run(root)
    run(root, **REMOVE)
    assert jsonl_of(root, "1") == removed("1")
    assert "batch_input_1.r1.jsonl" in jsonl_of(root, "1.r1")
    sound(root)


def test_the_verb_goes_over_everything_that_has_settled(tmp_path: Path) -> None:
    """What settled before the setting was made is removed by `retain`, and each thing kept has its reason."""
    root = tmp_path / "w"
    put(root, "1", input=ASKED, output=[answered(n) for n in range(3)])
    put(root, "2", input=ASKED[:2], output=[answered(0)], error=[failed(1, 429)])
    put(root, "3", input=ASKED[:1], output=[answered(0), answered(0)])
    run(root)
    decide.dismiss(str(root), settings(), ["3"])
    before = stats(root)
    foreseen = apply(root, dry_run=True)
    assert stats(root) == before
    assert {name: jsonl for name, (jsonl, _) in foreseen.items()} == {
        "1": Jsonl.REMOVED,
        "2": Jsonl.KEPT,
        "3": Jsonl.KEPT,
    }
    assert {name: jsonl for name, (jsonl, _) in apply(root).items()} == {
        name: jsonl for name, (jsonl, _) in foreseen.items()
    }
    assert "may succeed" in foreseen["2"][1]
    assert "quarantine" in foreseen["3"][1]
    assert apply(root, "1") == {"1": (Jsonl.GONE, "its JSONL was removed")}
    sound(root)


def given_up_twin(root: Path) -> None:
    """A batch that has settled, and one of its name that was set aside before and is given up now."""
    put(root, "1", input=ASKED[:1], output=[answered(0), answered(0)])
    run(root)
    put(root, "1", input=ASKED[:1], output=[answered(0)])
    run(root)
    decide.dismiss(str(root), settings(), ["1"])


def test_what_was_given_up_under_another_name_is_kept_and_not_called_gone(tmp_path: Path) -> None:
    """Files of a dismissed twin keep their names; why they stay is said as of any dismissed batch."""
    root = tmp_path / "w"
    given_up_twin(root)
    jsonl, because = apply(root, "1.q1")["1.q1"]
    assert jsonl is Jsonl.KEPT
    assert "quarantine" in because
    assert "batch_input_1.jsonl" in jsonl_of(root, "1.q1")


def test_a_dry_run_knows_that_a_parent_goes_first(tmp_path: Path) -> None:
    """It says of a whole lineage what the verb then does."""
    root = tmp_path / "w"
    put(root, "1", input=ASKED, output=[answered(0), answered(2)], error=[failed(1, 429)])
    run(root, provider="openai")
    put(root, "1.r1", output=[answered(1)])
    run(root)
    assert [jsonl for jsonl, _ in apply(root, dry_run=True).values()] == [Jsonl.REMOVED, Jsonl.REMOVED]
    assert [jsonl for jsonl, _ in apply(root).values()] == [Jsonl.REMOVED, Jsonl.REMOVED]


def test_only_settled_batches_have_names_for_it(tmp_path: Path) -> None:
    """A live batch, and no batch at all, are refused before anything is done."""
    root = tmp_path / "w"
    put(root, "1", input=ASKED, output=[answered(n) for n in range(3)])
    put(root, "2", input=ASKED)
    run(root)
    for name in ("2", "9", "../1"):
        with pytest.raises(UsageError, match="no settled batch"):
            apply(root, "1", name)
    assert "batch_input_1.jsonl" in jsonl_of(root, "1")


def test_a_copy_of_a_removed_input_is_still_refused(tmp_path: Path) -> None:
    """Under another name the digest is known, under its own the name is: nothing is ever sent again."""
    root = tmp_path / "w"
    put(root, "1", input=ASKED, output=[answered(n) for n in range(3)])
    run(root, **REMOVE)
    put(root, "1", input=ASKED)
    put(root, "2", input=ASKED)
    report = answer(root, Noted(tmp_path / "log"), **REMOVE)
    assert {batch.state for batch in report.batches} == {State.ATTENTION}
    assert (root / "workdir/batch_input_1.jsonl").exists()
    assert (root / "workdir/batch_input_2.jsonl").exists()
    assert noted(tmp_path / "log") == {}


def test_a_retry_by_hand_says_what_is_gone(tmp_path: Path) -> None:
    """The requests are not here any more, and the tombstone that says so is named."""
    root = tmp_path / "w"
    put(root, "1", input=ASKED, output=[answered(0), answered(1)], error=[failed(2, 400)])
    run(root, **REMOVE)
    before = files(root)
    with pytest.raises(NeedsPerson, match="removed by \\[retain\\]") as refused:
        decide.retry(str(root), settings(), ["1"])
    assert "done/1/tombstone.json" in refused.value.hint
    assert files(root) == before


@pytest.mark.parametrize("torn", [b'{"schema": 1', None], ids=["torn", "gone"])
def test_a_retry_by_hand_needs_the_manifest(tmp_path: Path, torn: bytes | None) -> None:
    """Without it nobody knows what stands where: nothing is asked again, and a lost one can be made anew."""
    root = tmp_path / "w"
    put(root, "1", input=ASKED, output=[answered(0), answered(1)], error=[failed(2, 400)])
    run(root)
    path = root / "done/1/manifest.json"
    path.unlink() if torn is None else path.write_bytes(torn)
    before = files(root)
    with pytest.raises(NeedsPerson, match="done/1/ has no manifest that can be read") as refused:
        decide.retry(str(root), settings(provider="openai"), ["1"], classes=["invalid-request"])
    assert "check WORKSPACE --repair" in refused.value.hint
    assert files(root) == before
    if torn is None:
        assert repair(str(root), settings()).verdict.findings == []
        decision = decide.retry(str(root), settings(provider="openai"), ["1"], classes=["invalid-request"])
        assert "1 request goes to 1.r1" in str(decision)


def test_results_and_registry_say_what_they_said(tmp_path: Path) -> None:
    """Every request of a removed lineage has the row that it had; so has every batch, but for its model."""
    root = tmp_path / "w"
    put(root, "1", input=ASKED, output=[answered(0)], error=[failed(1, 429), failed(2)])
    run(root, provider="openai")
    put(root, "1.r1", output=[answered(1)])
    run(root)

    def told() -> tuple[list[ResultRow], list[list[str]]]:
        problems: list[str] = []
        with viewing(str(root), settings()) as view:
            rows = list(rows_of(view, problems))
        assert problems == []
        export(str(root), settings(), str(tmp_path / "registry.csv"))
        with (tmp_path / "registry.csv").open(newline="") as lines:
            return rows, [[cell for at, cell in enumerate(row) if at != 2] for row in csv.reader(lines)]

    before = told()
    assert [row.outcome for row in before[0]] == ["answered", "answered", "failed"]
    assert {jsonl for jsonl, _ in apply(root).values()} == {Jsonl.REMOVED}
    assert told() == before


def test_the_verb_keeps_the_registry_true(tmp_path: Path) -> None:
    """Where a registry is kept, it is after a removal what an export would write."""
    root = tmp_path / "w"
    put(root, "1", input=ASKED, output=[answered(n) for n in range(3)])
    run(root, registry=True)
    retention.retain(str(root), settings(registry=True, **REMOVE))
    export(str(root), settings(), str(tmp_path / "registry.csv"))
    assert (root / "target/jobs_registry.csv").read_bytes() == (tmp_path / "registry.csv").read_bytes()
