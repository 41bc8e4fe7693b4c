"""Locks on what is no lock file, and on file systems that have none."""

import os
from pathlib import Path

import pytest

from reconciler.errors import ConfigError
from reconciler.workspace.effects import Effects
from reconciler.workspace.locking import hold, hold_folder
from tests.workspace.faults import plant, tree

LOCK = ".reconciler/lock"

needs_unlockable = pytest.mark.skipif(not hasattr(os, "O_PATH"), reason="only Linux opens a mere place")


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
