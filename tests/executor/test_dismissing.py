"""What a person gives up, in quarantine or in a live batch, is counted, and settles the batch."""

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler import decide
from reconciler.check import check
from reconciler.errors import NeedsPerson
from reconciler.session import Options
from tests.executor.quarantining import dismiss, held_in, put_wrong, sound
from tests.workspace.faults import Crash, errno_failure
from tests.workspaces import answered, failed, files, ledger, manifest, put, request, run, scratch, settings


@pytest.fixture
def root() -> Iterator[Path]:
    """A place for a workspace."""
    with scratch() as folder:
        yield folder / "w"


def test_dismissing_quarantine_settles_it_with_every_id_given_up(root: Path) -> None:
    """The batch lies in done/ whole, its manifest says who gave it up and why, and quarantine is empty."""
    wrong = put_wrong(root, "1")
    run(root)
    dismiss(root, "1")
    assert held_in(root / "done/1") == wrong
    kept = manifest(root, "1")
    assert kept["coverage"]["dismissed"] == kept["coverage"]["input"]
    assert "person" in kept["dismissed"]
    assert "too many" in kept["receipts"]["quarantine"]["reason"]
    assert not list((root / "quarantine").iterdir())
    assert not (root / "target").exists()
    assert [line["event"] for line in ledger(root)] == [
        "batch.quarantined",
        "batch.dismissed",
    ]
    assert run(root).exit_code == 0
    assert check(str(root), settings()).account == {"dismissed": 2}
    sound(root)


def test_history_tells_what_was_given_up_of_a_live_batch(root: Path) -> None:
    """A line names the digest of the ids by part, before the batch settles with a line of its own."""
    put(root, "1", input=[request(0), request(1)], output=[answered(0)])
    run(root)
    dismiss(root, "1")
    told = [line for line in ledger(root) if line["event"] in ("batch.dismissed", "batch.settled")]
    assert [line["event"] for line in told] == ["batch.dismissed", "batch.settled"]
    assert told[0]["ids"] == {"missing": manifest(root, "1")["coverage"]["dismissed"]["ids"]}


def test_dismissing_beside_a_settled_batch_of_that_name(root: Path) -> None:
    """The name in done/ is taken: what is given up gets another, and nothing is overwritten."""
    wrong = put_wrong(root, "1")
    run(root)
    right = put(root, "1", input=[request(0), request(1)], output=[answered(0), answered(1)])
    run(root)
    dismiss(root, "1")
    assert held_in(root / "done/1").items() >= right.items()
    others = [path for path in (root / "done").iterdir() if path.name != "1"]
    assert [held_in(path) for path in others] == [wrong]
    assert run(root).exit_code == 0
    sound(root)


def test_dismissing_beside_a_live_batch_of_that_name(root: Path) -> None:
    """The live batch keeps the name for itself and settles under it later."""
    wrong = put_wrong(root, "1")
    run(root)
    put(root, "1", input=[request(0), request(1)])
    dismiss(root, "1")
    assert not (root / "done/1").exists()
    assert [held_in(path) for path in (root / "done").iterdir()] == [wrong]
    put(root, "1", output=[answered(0), answered(1)])
    assert run(root).exit_code == 0
    assert check(str(root), settings()).account == {"answered": 2, "dismissed": 2}
    sound(root)


def test_dismissing_several_folders_of_one_batch(root: Path) -> None:
    """Every folder of that name is given up, each under its own name in done/."""
    put_wrong(root, "1")
    run(root)
    put(root, "1", input=[request(3)], output=[answered(4)])
    run(root)
    dismiss(root, "1")
    assert len(list((root / "done").iterdir())) == 2
    assert check(str(root), settings()).account == {"dismissed": 3}
    sound(root)


@pytest.mark.parametrize("folder", [False, True], ids=["file", "folder"])
def test_dismissing_leaves_what_is_not_ours(root: Path, *, folder: bool) -> None:
    """A note or a folder that a person left beside the files in quarantine goes with them, whole."""
    put_wrong(root, "1")
    run(root)
    mine = root / "quarantine/1.1" / ("mine/notes.md" if folder else "notes.md")
    mine.parent.mkdir(exist_ok=True)
    mine.write_bytes(b"mine")
    dismiss(root, "1")
    assert (root / "done/1" / mine.relative_to(root / "quarantine/1.1")).read_bytes() == b"mine"
    assert not (root / "quarantine/1.1").exists()


def test_dismissing_what_has_no_input_is_refused(root: Path) -> None:
    """Ids that cannot be counted cannot be given up."""
    put_wrong(root, "1")
    run(root)
    (root / "quarantine/1.1/batch_input_1.jsonl").unlink()
    before = files(root)
    with pytest.raises(NeedsPerson, match="no input"):
        dismiss(root, "1")
    assert files(root) == before


def test_dismissing_missing_ids_of_a_live_batch(root: Path) -> None:
    """What never came is given up, what came is kept, and the batch settles."""
    put(root, "1", input=[request(n) for n in range(3)], output=[answered(0)], error=[failed(1)])
    assert run(root).exit_code == 3
    assert dismiss(root, "1").report.exit_code == 0
    assert check(str(root), settings()).account == {"answered": 1, "failed": 1, "dismissed": 1}
    sound(root)


def test_dismissing_failures_that_hold_a_batch(root: Path) -> None:
    """Under failed = "attention", a person's word lets the batch go."""
    put(root, "1", input=[request(0), request(1)], output=[answered(0)], error=[failed(1)])
    assert run(root, failed="attention").exit_code == 3
    assert dismiss(root, "1", failed="attention").report.exit_code == 0
    assert run(root, failed="attention").exit_code == 0
    assert check(str(root), settings()).account == {"answered": 1, "dismissed": 1}
    sound(root)


def test_what_was_dismissed_counts_for_those_files_only(root: Path) -> None:
    """An answer that comes after all, before the batch moved, is not thrown away with the rest."""
    put(root, "1", input=[request(n) for n in range(3)], output=[answered(0)])
    run(root)

    def die(change: str, path: str) -> None:
        if change == "create" and path.startswith("target/"):
            failure = errno_failure(errno.EIO)()
            raise failure

    decide.dismiss(str(root), settings(), ["1"], Options(tap=die))
    put(root, "1", output=[answered(0), answered(1)])
    assert run(root).exit_code == 3
    assert not (root / "done").exists()


def test_dismissing_across_devices_goes_on_after_a_crash(root: Path) -> None:
    """Cut off after the copy, the next call completes it: nothing is copied twice, nothing stays behind."""
    put_wrong(root, "1")
    run(root)

    def elsewhere(change: str, path: str) -> None:
        if change == "rename" and path == "done/1" and (root / "quarantine/1.1").exists():
            if (root / "done/.staging-1").exists():
                return
            raise OSError(errno.EXDEV, "another device", path)
        if change == "link" and path.startswith("done/.staging-1/batch_"):
            raise OSError(errno.EXDEV, "another device", path)

    def crash(change: str, path: str) -> None:
        elsewhere(change, path)
        if change == "unlink" and path.startswith("quarantine/1.1/batch_"):
            raise Crash

    with pytest.raises(Crash):
        decide.dismiss(str(root), settings(), ["1"], Options(tap=crash))
    assert (root / "done/1").is_dir()
    decide.dismiss(str(root), settings(), ["1"], Options(tap=elsewhere))
    assert [entry.name for entry in (root / "done").iterdir()] == ["1"]
    assert not list((root / "quarantine").iterdir())
    assert check(str(root), settings()).account == {"dismissed": 2}
    sound(root)
