"""Locks: on regular files alone, and on folders where their file system can."""

import errno
import os
from pathlib import Path

import pytest

from reconciler.errors import ConfigError, WorkspaceLocked
from reconciler.workspace.locking import hold, hold_folder, where_folders_lock


@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_RDONLY | os.O_DIRECTORY])
def test_what_is_no_regular_file_is_no_lock(tmp_path: Path, flags: int) -> None:
    """A folder or a device in the place of the lock is told, and closed again."""
    opened = os.open(tmp_path if flags & os.O_DIRECTORY else "/dev/null", flags)
    with pytest.raises(ConfigError, match=r"/w/lock is not a regular file"), hold(opened, "/w", "lock"):
        raise AssertionError("it was held")
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(opened)


def test_a_folder_is_held_once(tmp_path: Path) -> None:
    """Under whatever name a second process comes to it, it is told so."""
    first, second = (os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY) for _ in range(2))
    with (
        hold_folder(first, "/w", "workdir"),
        pytest.raises(WorkspaceLocked, match="/w/workdir, as part of another workspace"),
        hold_folder(second, "/w", "workdir"),
    ):
        raise AssertionError("it was held twice")


@pytest.mark.skipif(not hasattr(os, "O_PATH"), reason="only Linux has descriptors that cannot be locked")
def test_a_folder_that_cannot_be_held(tmp_path: Path) -> None:
    """Where folders cannot be locked, as on NFS, the pass goes on with the lock of its own file."""
    opened = os.open(tmp_path, os.O_PATH)
    with hold_folder(opened, "/w", ""):
        assert os.fstat(opened)


def test_an_error_of_the_disk_is_no_such_thing() -> None:
    """What has nothing to do with folders is not passed over."""
    with pytest.raises(OSError, match="Input/output"), where_folders_lock():
        raise OSError(errno.EIO, os.strerror(errno.EIO))


@pytest.mark.skipif(not hasattr(os, "O_PATH"), reason="only Linux has descriptors that cannot be locked")
def test_a_file_that_cannot_be_locked(tmp_path: Path) -> None:
    """A lock that is refused for another reason than a holder is an error, and no workspace in use."""
    (tmp_path / "lock").touch()
    opened = os.open(tmp_path / "lock", os.O_PATH)
    with pytest.raises(OSError, match="Bad file descriptor"), hold(opened, "/w", "lock"):
        raise AssertionError("it was held")
