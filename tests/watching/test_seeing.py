"""The real observers, in real time: what they see of files that come. Tests wait for events."""

import logging
import os
import platform
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import watchdog

from reconciler.watching.arrivals import Arrivals
from reconciler.watching.seeing import Observing, is_blind
from reconciler.workspace.mounts import filesystem, identity, is_empty
from tests.workspaces import scratch

PATIENCE = 20.0
"""Seconds after which what was not seen is taken never to be seen."""


class Bell:
    """Counts what wakes a watcher, and lets a test wait for it."""

    def __init__(self) -> None:
        self.rung = threading.Event()
        self.arrivals = Arrivals(lambda: 0.0, self.rung.set)

    def until(self, holds: Callable[[], bool]) -> bool:
        """Wait until *holds*, looking each time that something was seen."""
        for _ in range(200):
            if holds():
                return True
            self.rung.wait(PATIENCE / 200)
            self.rung.clear()
        return holds()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder on a file system of this machine."""
    with scratch() as found:
        yield found


@pytest.fixture(params=["events", "polling"])
def bell(request: pytest.FixtureRequest, folder: Path) -> Iterator[Bell]:
    """An observer of that folder."""
    found = Bell()
    sight = Observing(request.param, 0.05)
    how = sight.begin(str(folder), found.arrivals)
    assert how.events == (request.param == "events")
    yield found
    sight.close()
    assert not [each for each in threading.enumerate() if "watchdog" in type(each).__module__]


def test_a_file_that_is_moved_there_is_whole(folder: Path, bell: Bell) -> None:
    """`mv` from elsewhere leads to a look."""
    with scratch() as elsewhere:
        (elsewhere / "x").write_text("{}\n")
        (elsewhere / "x").rename(folder / "batch_output_1.jsonl")

        assert bell.until(lambda: bell.arrivals.due() is not None)
        if bell.arrivals.closes:
            assert bell.until(lambda: bell.arrivals.is_whole("batch_output_1.jsonl"))


def test_a_file_that_gets_its_name_at_last_is_whole(folder: Path, bell: Bell) -> None:
    """A copy under a temporary name is nothing; its renaming leads to a look."""
    (folder / ".batch_output_1.jsonl.part").write_text("{}\n")
    (folder / ".batch_output_1.jsonl.part").rename(folder / "batch_output_1.jsonl")

    assert bell.until(lambda: bell.arrivals.due() is not None)
    if bell.arrivals.closes:
        assert bell.until(lambda: bell.arrivals.is_whole("batch_output_1.jsonl"))


def test_a_file_that_is_written_is_left_alone(folder: Path, bell: Bell) -> None:
    """While it is open its batch is being written; where closing is told, it is whole when it is closed."""
    with (folder / "batch_output_1.jsonl").open("w") as stream:
        stream.write("{")
        stream.flush()
        assert bell.until(lambda: "1" in bell.arrivals.writing())
    if bell.arrivals.closes:
        assert bell.until(lambda: bell.arrivals.is_whole("batch_output_1.jsonl"))
        assert bell.arrivals.writing() == {}


def test_what_the_observer_warns_of_leads_to_a_look(
    folder: Path, bell: Bell, capfd: pytest.CaptureFixture[str]
) -> None:
    """When the queue of the kernel runs over, watchdog says so in its log: that is heard, and not shown."""
    assert folder.exists()
    logging.getLogger("watchdog.observers.inotify_c").warning("Inotify queue overflowed")

    assert bell.arrivals.due() is not None
    assert capfd.readouterr().err == ""


def test_where_the_kernel_is_blind_somebody_looks(tmp_path: Path) -> None:
    """File systems that others change are told by their type; of two at one place the later one counts."""
    mounts = tmp_path / "mounts"
    mounts.write_bytes(
        b"/dev/a / ext4 rw 0 0\nserver:/x /data nfs4 rw 0 0\ntmpfs /data/my\\040files tmpfs rw 0 0\n"
        b"x /data/my\\040files/deep fuse.sshfs rw 0 0\nshort\nover /data/my\\040files/deep overlay rw 0 0\n"
    )

    kinds = {
        path: filesystem(path, str(mounts))
        for path in ("/", "/database", "/data", "/data/w", "/data/my files/w", "/data/my files/deep/w")
    }
    assert list(kinds.values()) == ["ext4", "ext4", "nfs4", "nfs4", "tmpfs", "overlay"]
    assert [is_blind(kind) for kind in (*kinds.values(), "fuse.sshfs", "fuseblk", "")] == [
        *(False, False, True, True, False, True),
        *(True, True, False),
    ]
    assert filesystem("/", str(tmp_path / "nothing")) == ""


def test_only_a_folder_that_holds_nothing_is_empty(tmp_path: Path) -> None:
    """The place where something was mounted holds nothing; what is no folder, or gone, is no such place."""
    (tmp_path / "mounted").mkdir()
    assert is_empty(str(tmp_path / "mounted"))
    (tmp_path / "mounted/.hidden").touch()
    assert not is_empty(str(tmp_path / "mounted"))
    assert not is_empty(str(tmp_path / "mounted/.hidden"))
    assert not is_empty(str(tmp_path / "gone"))


@pytest.mark.skipif(platform.system() != "Linux", reason="elsewhere no part of watchdog's own is used")
def test_a_watchdog_that_is_made_otherwise_is_told(tmp_path: Path) -> None:
    """Where a version of watchdog has no such reader, somebody looks instead, and it is said why."""
    copy = tmp_path / "watchdog"
    shutil.copytree(Path(watchdog.__file__).parent, copy)
    for path in copy.rglob("*.py"):
        path.write_text(path.read_text("utf-8").replace("InotifyFD", "AnotherFD"), "utf-8")
    code = (
        "from reconciler.watching.arrivals import Arrivals;"
        "from reconciler.watching.seeing import Observing;"
        f"seeing = Observing('events'); how = seeing.begin({str(tmp_path)!r}, Arrivals(lambda: 0.0));"
        "seeing.close(); print(how.events, how.why)"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    said = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert said.stdout.startswith("False the kernel does not tell (another version of watchdog")


def test_a_folder_is_known_from_another_at_its_place(tmp_path: Path) -> None:
    """A folder keeps what tells it from others through a renaming; one that takes its place has its own."""
    (tmp_path / "a").mkdir()
    first = identity(str(tmp_path / "a"))
    (tmp_path / "a").rename(tmp_path / "b")
    (tmp_path / "a").mkdir()

    assert identity(str(tmp_path / "b")) == first is not None
    assert identity(str(tmp_path / "a")) != first
    assert identity(str(tmp_path / "c")) is None
