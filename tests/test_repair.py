"""
`check --repair` mends what is provably safe: nothing is lost, nothing sent, and twice is once.

What it cannot prove is in test_repair_left.py.
"""

import re
from pathlib import Path
from typing import Any

import pytest

from reconciler import Workspace
from reconciler.check import check
from reconciler.errors import WorkspaceLocked
from reconciler.workspace.effects import TEMPORARY, Effects
from reconciler.workspace.layout import LOCK
from tests import workspaces
from tests.cli.calling import call
from tests.crashing import killed_at
from tests.damaging import DAMAGES, LEDGER, RESULTS, damage, forget_manifest, make, mend, spoil, tear, write
from tests.scenarios import LOCALLY, make_local
from tests.workspace.faults import Trip, errno_failure
from tests.workspaces import digest_line, files, ledger, normal, run, scratch, settings, stats


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """1, 2, 3 and 6 settled, of 2 and 6 a failure is asked again in 2.r1 and 6.r1; 4 set aside; 5 waits."""
    return make(tmp_path / "w")


@pytest.mark.parametrize("case", DAMAGES)
def test_it_is_mended(case: str, root: Path) -> None:
    """Each damage alone is mended and told of; all else keeps its bytes, and history its whole lines."""
    before, lines = files(root), ledger(root)
    DAMAGES[case](root)
    done = mend(root)
    assert (done.left, done.exit_code) == ((), 0)
    assert done.done
    after = files(root)
    assert ledger(root)[: len(lines)] == lines
    told = [each["event"] for each in ledger(root)[len(lines) :]]
    after |= {path: normal(path, after[path]) for path in after if path.endswith("manifest.json")}
    before |= {path: normal(path, before[path]) for path in before if path.endswith("manifest.json")}
    assert told == (["batch.repaired"] if case.startswith(("results", "manifest")) else [])
    assert {path: data for path, data in after.items() if path != LEDGER} == {
        path: data for path, data in before.items() if path != LEDGER
    }
    assert all(mode & 0o077 == 0 for _, _, _, _, mode, _ in private(root).values())
    assert not (root / ".reconciler" / "replay").exists()


def private(root: Path) -> dict[str, tuple[int, ...]]:
    """What lstat says of everything private."""
    return {path: seen for path, seen in stats(root).items() if path.startswith(".reconciler")}


def test_twice_is_once(root: Path) -> None:
    """The second time nothing is repaired and nothing changes, not even a time."""
    damage(root)
    assert len(mend(root).done) >= len(DAMAGES)
    before = stats(root)
    again = mend(root)
    assert (again.done, again.left, again.verdict.findings) == ((), (), [])
    assert stats(root) == before


def test_check_alone_repairs_nothing(root: Path) -> None:
    """Without the word, `check` changes nothing of all that could be mended."""
    damage(root)
    before = stats(root)
    check(str(root), settings())
    assert stats(root) == before


def test_it_holds_the_lock(root: Path) -> None:
    """While another reconciler works, nothing is repaired."""
    damage(root)
    fx = Effects(str(root))
    before = stats(root)
    with fx.lock(LOCK), pytest.raises(WorkspaceLocked):
        mend(root)
    fx.close()
    assert stats(root) == before


def test_history_of_something_else_is_no_hindrance(root: Path) -> None:
    """Lines about the batch that change nothing of its manifest do not stand against making it again."""
    with (root / LEDGER).open("ab") as stream:
        stream.write(digest_line({"at": 1, "event": "batch.looked-at", "batch": "1"}))
    forget_manifest(root)
    assert [each.path for each in mend(root).done] == ["done/1/manifest.json"]


def test_progress_that_a_settled_batch_left(tmp_path: Path) -> None:
    """Progress goes once its batch is in `done/`, whole; while its folder is damaged it stays."""
    root, local = tmp_path / "w", dict[str, Any](LOCALLY)
    make_local(root)
    run(root, **local)
    write(root, ".reconciler/live/1.sqlite", b"progress")
    (root / ".reconciler/live/1.sqlite").chmod(0o600)
    spoil(root, "done/1/batch_output_1.jsonl")
    assert "may hold answers" in mend(root).left[0].why
    path = root / "done/1/batch_output_1.jsonl"
    path.write_bytes(path.read_bytes().removesuffix(b"{}\n"))
    assert [each.path for each in mend(root).done] == [".reconciler/live/1.sqlite"]
    assert [*(root / ".reconciler/live").iterdir()] == []


def test_what_cannot_be_carried_out_is_told(root: Path) -> None:
    """A disk that fails a repair ends with 1, keeps what is there, and the next time makes up for it."""
    (root / RESULTS).unlink()
    trip = Trip(at=3, failure=errno_failure(28), sticky=False)
    found = mend(root, trip)
    assert (found.exit_code, found.done) == (1, ())
    assert "No space left" in found.left[0].why
    assert mend(root).exit_code == 0
    assert (root / RESULTS).exists()


@pytest.mark.parametrize("step", [5, pytest.param(1, marks=pytest.mark.slow)])
def test_killed_anywhere_the_next_one_ends_it(step: int) -> None:
    """Killed before any of its changes, no promise is broken, and the same command comes to the same end."""
    with scratch() as folder:
        root = make(folder / "w")
        damage(root)
        seen: list[str] = []
        mend(root, lambda change, path: seen.append(f"{change} {path}"))
        wanted = at_rest(root)
    assert len(seen) > 15
    for point in range(1, len(seen) + 1, step):
        with scratch() as folder:
            root = make(folder / "w")
            damage(root)
            assert killed_at(point, mend, root, lambda _change, _path: None), point
            found = check(str(root), settings()).findings
            # What was there to be repaired may still be.
            assert {each.code for each in found} <= {"manifest-gone"}, f"killed before {seen[point - 1]}"
            mend(root)
            assert at_rest(root) == wanted, f"killed before {seen[point - 1]}"
            assert mend(root).done == ()


def at_rest(root: Path) -> dict[str, bytes]:
    """What is left, without times, and without digests of what holds times."""
    found = workspaces.tree(root)
    lines = re.sub(rb'(manifest.json","sha256":")[0-9a-f]+', rb"\1", found[LEDGER]).splitlines(keepends=True)
    return {**found, LEDGER: b"".join(sorted(lines))}


def test_the_command(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command says what it did, what it left and why; as JSON, too; and the library does the same."""
    damage(root)
    write(root, f"workdir/{TEMPORARY}batch_output_5.jsonl")
    document = call(capsys, "check", root, "--repair", "--json").document
    assert (document["exit_code"], document["holds"]) == (0, True)
    assert {
        "path": RESULTS,
        "what": "published again from the settled answers, byte for byte as before",
    } in document["repaired"]
    assert [each["hint"] for each in document["left"]] == [f"reconcile {root}"]
    tear(root)
    said = call(capsys, "check", root, "--repair")
    assert f"repaired  {LEDGER}: without the torn lines" in said.out
    assert "left  workdir/" in said.out
    assert Workspace.open(root).repair().done == ()
