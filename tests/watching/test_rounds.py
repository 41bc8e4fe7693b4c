"""A watched workspace, its time a test's: what wakes it, what it does then, and what it tells of that."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.errors import WorkspaceLocked
from reconciler.watching.arrivals import Heard, Seen
from reconciler.watching.place import CHECK
from reconciler.workspace.effects import Effects
from reconciler.workspace.layout import LOCK
from tests.watching.living import Living
from tests.workspaces import answered, jsonl, put, request, results, stats


@pytest.fixture
def living(tmp_path: Path) -> Iterator[Living]:
    """A watched workspace in which nothing lies yet; its first pass is over."""
    (tmp_path / "w" / "workdir").mkdir(parents=True)
    found = Living(tmp_path / "w")
    found.live_for(1.0)
    yield found
    found.watch.close()


def triple(living: Living, name: str, count: int = 2) -> None:
    """Somebody copies an input and its answers there."""
    living.write(f"batch_input_{name}.jsonl", [request(n) for n in range(count)])
    living.write(f"batch_output_{name}.jsonl", [answered(n) for n in range(count)])


def test_a_triple_that_is_dropped_is_settled_within_a_second(living: Living) -> None:
    """One pass, a moment after the last file was closed, told once; then nothing is done any more."""
    triple(living, "1")

    assert living.live_for(0.15) == 0
    assert living.live_for(0.1) == 1
    assert len(results(living.root, "1")) == 2
    assert living.told.names("batch.") == ["batch.settled"]
    before = stats(living.root)
    assert living.live_for(250.0) == 0
    assert stats(living.root) == before


def test_ten_thousand_events_are_one_pass_more(living: Living) -> None:
    """However many things happen at once, the folder is looked at once."""
    triple(living, "1")
    for n in range(10_000):
        living.hand.see(Seen.WHOLE, f"batch_output_{n % 50}.jsonl")

    assert living.live_for(200.0) == 1


def test_a_stream_without_end_does_not_starve_the_first(living: Living) -> None:
    """While something is dropped every tenth of a second, passes go on, no more than one in two seconds."""
    triple(living, "1")
    passes = 0
    for n in range(100):
        living.hand.see(Seen.WHOLE, f"batch_input_{n}.jsonl")
        passes += living.live_for(0.1)

    assert (living.root / "done" / "1").is_dir()
    assert 4 <= passes <= 6


def test_answers_that_are_still_copied_are_left_alone(living: Living) -> None:
    """An output that is cut is not matched, however slow its copy is; when it is closed, it is at once."""
    lines = [answered(n) for n in range(3)]
    living.write("batch_input_1.jsonl", [request(n) for n in range(3)])
    living.write("batch_output_1.jsonl", jsonl(lines)[:200], Seen.APPEARED, Seen.GREW)
    for _ in range(5):
        living.live_for(20.0)
        living.write("batch_output_1.jsonl", jsonl(lines)[:210], Seen.GREW)
    assert not (living.root / "quarantine").exists()
    assert not (living.root / "done").exists()

    living.write("batch_output_1.jsonl", lines, Seen.GREW, Seen.WHOLE)
    living.live_for(1.0)
    assert len(results(living.root, "1")) == 3


def test_answers_whose_copy_nobody_saw_have_to_stand_still(living: Living) -> None:
    """An output that has just changed, and of which nothing was seen, is left alone until it stands still."""
    living.write("batch_input_1.jsonl", [request(0)])
    (living.root / "workdir" / "batch_output_1.jsonl").write_bytes(jsonl([answered(0)])[:50])
    os.utime(living.root / "workdir" / "batch_output_1.jsonl", (living.now(), living.now()))

    assert living.live_for(1.0) == 1
    assert not (living.root / "quarantine").exists()
    assert living.told.names("batch.") == []
    path = living.root / "workdir" / "batch_output_1.jsonl"
    path.write_bytes(jsonl([answered(0)]))
    os.utime(path, (living.now(), living.now()))
    living.live_for(5.0)
    assert len(results(living.root, "1")) == 1


def test_a_file_that_is_never_closed_does_not_wait_for_ever(living: Living) -> None:
    """Where the closing was lost, an output that has not changed for a minute is taken for whole."""
    living.write("batch_input_1.jsonl", [request(0)])
    living.write("batch_output_1.jsonl", [answered(0)], Seen.APPEARED, Seen.GREW)
    living.live_for(59.0)
    assert not (living.root / "done").exists()

    living.live_for(2.0)
    assert (living.root / "done" / "1").is_dir()


def test_where_nobody_tells_of_closing_files_have_to_stand_still(tmp_path: Path) -> None:
    """Seen by polling, a triple is settled when its files have not changed for `settle_seconds`."""
    (tmp_path / "w" / "workdir").mkdir(parents=True)
    living = Living(tmp_path / "w")
    living.hand.closes = False
    living.live_for(1.0)
    living.write("batch_input_1.jsonl", [request(0)], Seen.APPEARED)
    living.write("batch_output_1.jsonl", [answered(0)], Seen.APPEARED)
    living.live_for(1.5)
    living.write("batch_output_1.jsonl", [answered(0)], Seen.GREW)
    living.live_for(1.5)
    assert not (tmp_path / "w" / "done").exists()

    living.live_for(1.0)
    assert (tmp_path / "w" / "done" / "1").is_dir()


def test_what_no_event_told_of_is_found_by_the_scan(living: Living) -> None:
    """Events get lost: what they do not tell of is found after `scan_seconds`, and no later."""
    put(living.root, "1", input=[request(0)], output=[answered(0)])
    living.live_for(280.0)
    assert not (living.root / "done").exists()

    living.live_for(25.0)
    assert (living.root / "done" / "1").is_dir()


def test_a_workspace_that_vanishes_is_paused_and_goes_on_when_it_is_back(living: Living) -> None:
    """Nothing is done meanwhile, it is told once, and what was dropped before it came back is settled."""
    moved = living.root.with_name("elsewhere")
    living.root.rename(moved)
    assert living.live_for(3600.0) == 0
    assert living.told.names("workspace.") == ["workspace.watched", "workspace.paused"]
    assert not living.root.exists()

    put(moved, "1", input=[request(0)], output=[answered(0)])
    moved.rename(living.root)
    living.live_for(2 * CHECK)
    assert living.told.names("workspace.")[2:] == ["workspace.resumed", "workspace.watched"]
    assert (living.root / "done" / "1").is_dir()


def test_an_unmounted_workspace_is_no_workspace_without_batches(living: Living) -> None:
    """An empty folder in its place, as a mount point is, is not made a workspace of."""
    triple(living, "1")
    living.live_for(1.0)
    moved = living.root.with_name("elsewhere")
    living.root.rename(moved)
    living.root.mkdir()
    living.live_for(3600.0)

    assert list(living.root.iterdir()) == []
    assert len(living.told.of("workspace.paused")) == 1


def test_another_workspace_in_its_place_is_not_touched(living: Living) -> None:
    """Another disk that is mounted at the same place is not reconciled: its id is another."""
    living.root.rename(living.root.with_name("elsewhere"))
    put(living.root, "7", input=[request(0)], output=[answered(0)])
    (living.root / ".reconciler").mkdir()
    (living.root / ".reconciler" / "workspace-id").write_text("f" * 32 + " workdir\n")
    before = stats(living.root)
    living.live_for(3600.0)

    assert stats(living.root) == before
    assert "another workspace" in living.told.of("workspace.paused")[0]["because"]


def test_beside_another_reconciler_it_waits_and_tells_once(living: Living) -> None:
    """While somebody holds the lock nothing is done, it is told once, and then the batch is settled."""
    triple(living, "1")
    fx = Effects(str(living.root))
    with fx.lock(LOCK):
        assert living.live_for(120.0) == 0
    fx.close()
    assert living.told.names("workspace.busy") == ["workspace.busy"]

    living.live_for(11.0)
    assert (living.root / "done" / "1").is_dir()
    assert living.told.names("workspace.trouble", "workspace.paused") == []


def test_between_passes_the_lock_is_free(living: Living) -> None:
    """A person reconciles by hand beside a watcher that waits."""
    triple(living, "1")
    fx = Effects(str(living.root))
    try:
        with fx.lock(LOCK):
            pass
    except WorkspaceLocked:
        pytest.fail("the watcher holds the lock while it waits")
    finally:
        fx.close()


def test_a_full_disk_is_told_once_and_gets_over(living: Living) -> None:
    """While nothing can be written the batch is tried again, less and less often; then it settles."""

    def full(change: str, path: str) -> None:
        if change == "write":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    living.tap = full
    triple(living, "1")
    passes = living.live_for(3600.0)
    assert 10 < passes < 40
    assert living.told.names("batch.", "workspace.trouble") == ["batch.failed"]

    living.tap = lambda _change, _path: None
    living.live_for(301.0)
    assert living.told.names("batch.") == ["batch.failed", "batch.settled"]
    assert len(results(living.root, "1")) == 2


def test_a_pass_that_cannot_begin_is_told_once_and_gets_over(tmp_path: Path) -> None:
    """A disk on which not even the id can be written: trouble, once, and recovered, once."""
    (tmp_path / "w" / "workdir").mkdir(parents=True)
    living = Living(tmp_path / "w")

    def full(_change: str, path: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    living.tap = full
    living.live_for(3600.0)
    assert living.told.names("workspace.t", "workspace.r") == ["workspace.trouble"]

    living.tap = lambda _change, _path: None
    triple(living, "1")
    living.live_for(301.0)
    assert living.told.names("workspace.t", "workspace.r") == ["workspace.trouble", "workspace.recovered"]
    assert (living.root / "done" / "1").is_dir()


def test_settings_are_read_anew_when_asked_for(living: Living) -> None:
    """After a reload the new settings hold; such as cannot be obeyed are told of, and the old ones stay."""
    living.write("batch_input_1.jsonl", [request(0)])
    living.live_for(5.0)
    assert living.told.names("batch.") == ["batch.held"]

    living.broken = "reconciler.toml: provider.name is 'locl'"
    living.watch.reload()
    living.live_for(5.0)
    assert living.told.of("watch.reload-failed")[0]["because"] == living.broken

    living.broken = ""
    living.flags = {"provider.name": "local"}
    living.watch.reload()
    living.live_for(5.0)
    assert living.told.names("watch.") == ["watch.reload-failed", "watch.reloaded"]


def test_the_table_over_all_batches_is_true_in_the_end(tmp_path: Path) -> None:
    """With `[results] combined` the table has every batch in minutes, and is not written each time."""
    (tmp_path / "w" / "workdir").mkdir(parents=True)
    living = Living(tmp_path / "w", flags={"results.combined": "true"})
    written: list[str] = []
    living.tap = lambda change, path: written.append(path) if change == "rename" else None
    living.live_for(1.0)
    for n in range(20):
        triple_of(living, n)
        living.live_for(5.0)
    living.live_for(300.0)

    lines = (living.root / "target" / "combined_results.csv").read_text().splitlines()
    assert len(lines) == 21
    assert len([path for path in written if path.endswith("combined_results.csv")]) < 8
    living.watch.close()


def triple_of(living: Living, n: int) -> None:
    """A batch of one request, with its answer."""
    living.write(f"batch_input_{n}.jsonl", [request(n)])
    living.write(f"batch_output_{n}.jsonl", [answered(n)])


def test_a_fault_of_ours_ends_no_watcher(living: Living) -> None:
    """Whatever is raised, it is told once, and the workspace is looked at again later."""

    def broken() -> Heard:
        raise ZeroDivisionError

    looks, living.watch.arrivals.look = living.watch.arrivals.look, broken  # type: ignore[method-assign]
    living.live_for(3600.0)
    assert "a fault of reconcile itself" in living.told.of("workspace.trouble")[0]["because"]
    assert len(living.told.of("workspace.trouble")) == 1

    living.watch.arrivals.look = looks  # type: ignore[method-assign]
    triple(living, "1")
    living.live_for(301.0)
    assert living.told.names("workspace.r", "batch.") == ["batch.settled", "workspace.recovered"]
