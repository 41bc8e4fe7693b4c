"""One reconciler at a time: while a process holds the workspace, others are refused and change nothing."""

import fcntl
import multiprocessing
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from reconciler import engine
from reconciler.check import check
from reconciler.errors import WorkspaceLocked
from reconciler.preview import preview
from tests.workspaces import answered, put, put_mixture, request, run, scratch, settings, stats, tree

HOLD: Final = """
import fcntl, sys
held = open(sys.argv[1], "r+b")
fcntl.flock(held, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def root() -> Iterator[Path]:
    """A place for a workspace."""
    with scratch() as folder:
        yield folder / "w"


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Another process holds the workspace."""
    command = [sys.executable, "-c", HOLD, str(root / ".reconciler" / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        yield
        assert other.stdin is not None
        other.stdin.close()


def test_one_reconciler_at_a_time(root: Path) -> None:
    """While another process holds the workspace, a pass is refused with 4 and has changed nothing."""
    put_mixture(root)
    run(root)
    put(root, "10", input=[request(0)], output=[answered(0)])
    before = stats(root)
    with locked(root):
        with pytest.raises(WorkspaceLocked) as caught:
            run(root)
        assert caught.value.exit_code == 4
        assert stats(root) == before
        assert preview(str(root), settings()).batches
        check(str(root), settings())
        assert stats(root) == before
    run(root)
    assert (root / "done" / "10").is_dir()


def test_the_lock_is_held_for_the_whole_pass_and_no_longer(root: Path) -> None:
    """At each change of the pass after the first, nobody else gets the lock; afterwards anybody does."""
    put_mixture(root)
    path = root / ".reconciler" / "lock"
    refused = []

    def tap(change: str, _path: str) -> None:
        if change in ("rename", "unlink") and path.exists():
            refused.append(not free(path))

    run(root, tap=tap)
    assert refused
    assert all(refused)
    assert free(path)


def free(path: Path) -> bool:
    """Whether the lock could be had, if only to share it."""
    with path.open("r+b") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def work(root: str, start: Any, codes: Any) -> None:
    """Run passes until one is let in; put down how it ended."""
    start.wait()
    try:
        engine.reconcile(root, settings())
        codes.put("done")
    except WorkspaceLocked:
        codes.put("locked")
    except OSError as error:
        codes.put(str(error))


def test_a_race_of_processes_ends_as_one_pass_would(tmp_path: Path) -> None:
    """Whoever wins, the workspace looks as if one pass had run; the others were refused or found it done."""
    put_mixture(tmp_path / "alone")
    run(tmp_path / "alone")
    # A race of two first passes is the next test.
    root = tmp_path / "w"
    (root / "workdir").mkdir(parents=True)
    run(root)
    put_mixture(root)
    spawn = multiprocessing.get_context("fork")
    start, codes = spawn.Event(), spawn.Queue()
    others = [spawn.Process(target=work, args=(str(root), start, codes)) for _ in range(4)]
    for other in others:
        other.start()
    start.set()
    ends = Counter(codes.get(timeout=30) for _ in others)
    for other in others:
        other.join()
    assert ends["done"] >= 1
    assert set(ends) <= {"done", "locked"}
    assert tree(root) == tree(tmp_path / "alone")


def test_a_race_of_first_passes(root: Path) -> None:
    """Another process that makes the private folder at the same moment is no failure of this one."""
    put(root, "1", input=[request(0)], output=[answered(0)])

    def tap(change: str, path: str) -> None:
        if (change, path) == ("mkdir", ".reconciler"):
            (root / path).mkdir(exist_ok=True)

    assert run(root, tap=tap).exit_code == 0
