"""One holder of the lock, whatever ends it; and locks on what is no lock file, and where there are none."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.errors import ConfigError, PermanentError, WorkspaceLocked
from reconciler.workspace.effects import Effects
from reconciler.workspace.locking import hold, hold_folder
from tests.workspace.faults import Crash, in_child, plant, tree

LOCK = ".reconciler/lock"

needs_unlockable = pytest.mark.skipif(not hasattr(os, "O_PATH"), reason="only Linux opens a mere place")


@pytest.fixture
def fx(tmp_path: Path) -> Iterator[Effects]:
    """The room, on an empty folder."""
    room = Effects(str(tmp_path))
    yield room
    room.close()


def unlockable(path: Path) -> int:
    """Something open that the kernel locks for nobody, as the folders of some file systems."""
    return os.open(path, os.O_PATH)


def is_open(opened: int) -> bool:
    """Whether it was not closed yet."""
    try:
        os.fstat(opened)
    except OSError:
        return False
    return True


def test_lock_holds_within_a_process(tmp_path: Path) -> None:
    """A second reconciler in the same process is turned away, and gets the lock once it is free."""
    first, second = Effects(str(tmp_path)), Effects(str(tmp_path))
    with first.lock(LOCK):
        before = (tmp_path / LOCK).stat()
        with pytest.raises(WorkspaceLocked) as caught, second.lock(LOCK):
            pytest.fail("both hold it")
        after = (tmp_path / LOCK).stat()
    assert caught.value.exit_code == 4
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    with second.lock(LOCK):
        pass
    first.close()
    second.close()


def test_lock_is_freed_by_an_error(fx: Effects, tmp_path: Path) -> None:
    """A pass that breaks off gives the lock back; the file stays, since removing it would be a race."""
    with pytest.raises(Crash), fx.lock(LOCK):
        raise Crash
    with fx.lock(LOCK):
        pass
    assert (tmp_path / LOCK).is_file()


def test_lock_holds_between_processes(tmp_path: Path) -> None:
    """Another process is turned away while the lock is held."""

    def work() -> int:
        room = Effects(str(tmp_path))
        try:
            with room.lock(LOCK):
                return 0
        except WorkspaceLocked:
            return 4

    room = Effects(str(tmp_path))
    with room.lock(LOCK):
        assert in_child(work) == 4
    assert in_child(work) == 0
    room.close()


def test_lock_is_freed_when_its_holder_is_killed(fx: Effects, tmp_path: Path) -> None:
    """After SIGKILL the kernel frees the lock: nobody guesses from its age."""
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with Effects(str(tmp_path)).lock(LOCK):
                os.write(tell, b"held")
                signal.pause()
        finally:
            os._exit(1)
    try:
        assert os.read(told, 4) == b"held"
        with pytest.raises(WorkspaceLocked), fx.lock(LOCK):
            pytest.fail("both hold it")
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(told)
        os.close(tell)
    with fx.lock(LOCK):
        pass


def test_lock_follows_no_link(fx: Effects, tmp_path: Path) -> None:
    """A link under the lock's name is not opened: the lock of another workspace cannot be borrowed."""
    (tmp_path / ".reconciler").mkdir()
    (tmp_path / LOCK).symlink_to(tmp_path / "outside")
    with pytest.raises((OSError, PermanentError)), fx.lock(LOCK):
        pytest.fail("it was taken through a link")
    assert not (tmp_path / "outside").exists()


def test_a_lock_that_is_no_file_is_refused(tmp_path: Path) -> None:
    """A FIFO under the lock's name is no lock: it is named, with what to do, and left as it is."""
    (tmp_path / ".reconciler").mkdir()
    plant(tmp_path / LOCK, "fifo")
    before, fx = tree(tmp_path), Effects(str(tmp_path))
    with pytest.raises(ConfigError, match="lock is not a regular file") as caught, fx.lock(LOCK):
        pytest.fail("it was taken for a lock")
    assert caught.value.hint == "move it away"
    assert fx.locks == []
    assert tree(tmp_path) == before
    fx.close()


@needs_unlockable
def test_a_folder_that_cannot_be_locked_is_worked_in(tmp_path: Path) -> None:
    """Where folders have no locks the lock file is enough: the work is done, and the folder closed."""
    opened = unlockable(tmp_path)
    with hold_folder(opened, str(tmp_path), ""):
        assert is_open(opened)
    assert not is_open(opened)


@needs_unlockable
def test_a_lock_file_that_cannot_be_locked_is_an_error(tmp_path: Path) -> None:
    """Nobody works without the lock, and nobody is said to hold it."""
    (tmp_path / "lock").touch()
    opened = unlockable(tmp_path / "lock")
    with pytest.raises(OSError, match="Bad file descriptor"), hold(opened, str(tmp_path), "lock"):
        pytest.fail("it works without a lock")
    assert not is_open(opened)
