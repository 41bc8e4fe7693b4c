"""The room for looking: only regular files below the workspace are read, and nothing is changed."""

import errno
import hashlib
import os
import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.errors import PermanentError
from reconciler.model.coverage import FileDigest
from reconciler.model.facts import Kind
from reconciler.workspace.reading import BLOCK, Entry, Reading, locate, owned
from tests.workspace.faults import held

SPECIAL = ["symlink", "dangling-symlink", "folder", "fifo", "socket"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace with something outside it."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_bytes(b"secret")
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.fixture
def look(root: Path) -> Iterator[Reading]:
    """The room on it."""
    room = Reading(str(root))
    yield room
    room.close()


def put(path: Path, kind: str) -> None:
    """Put something that is no regular file at *path*."""
    match kind:
        case "symlink":
            path.symlink_to(path.parent.parent / "outside/secret")
        case "dangling-symlink":
            path.symlink_to("nowhere")
        case "folder":
            path.mkdir()
        case "fifo":
            os.mkfifo(path)
        case "socket":
            # The name of a socket may be about a hundred characters long; a temporary folder's is longer.
            here = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
            with socket.socket(socket.AF_UNIX) as end:
                end.bind(f"/proc/self/fd/{here}/{path.name}")
            os.close(here)
        case _:
            raise ValueError(kind)


@pytest.mark.parametrize("kind", SPECIAL)
def test_only_regular_files_are_read(root: Path, look: Reading, kind: str) -> None:
    """A link, a folder, a FIFO (without waiting for a writer) and a socket are refused by every reader."""
    if kind == "socket" and not Path("/proc/self/fd").exists():
        pytest.skip("a short name for the socket needs /proc")
    put(root / "x", kind)
    for read in (look.open, look.read, look.digest):
        with pytest.raises(PermanentError, match="x: not a regular file; it was not read"):
            read("x")
    assert look.peek("x", 100) is None
    with pytest.raises(PermanentError), look.open_random("x"):
        pytest.fail("it was opened")


def test_peeking(root: Path, look: Reading) -> None:
    """A short file is told whole; one at the limit, one that is absent and one in no folder are not told."""
    (root / "sub").mkdir()
    (root / "sub/x").write_bytes(b"12345")
    (root / "x").write_bytes(b"")
    assert look.peek("sub/x", 6) == b"12345"
    assert look.peek("sub/x", 5) is None
    assert look.peek("x", 5) == b""
    assert look.peek("sub/y", 5) is None
    assert look.peek("nowhere/x", 5) is None


@pytest.mark.parametrize("path", ["", ".", "..", "../outside/secret", "./x", "sub/", "a/b/x", "/etc/passwd"])
def test_peeking_leads_nowhere_else(look: Reading, path: str) -> None:
    """Only a file right below the workspace, or in a folder right below it, is peeked at."""
    with pytest.raises(PermanentError):
        look.peek(path, 100)


def test_peeking_follows_no_link_of_a_folder(root: Path, look: Reading) -> None:
    """A folder that is a link is not entered."""
    (root / "way").symlink_to("../outside")
    assert look.peek("way/secret", 100) is None


def test_names_are_the_listing_with_files_apart(root: Path, look: Reading) -> None:
    """Regular files come by name alone, everything else as it stands; no folder has no names."""
    (root / "a").write_bytes(b"")
    (root / "b").mkdir()
    (root / "c").symlink_to("a")
    assert look.names("") == (["a"], [each for each in look.listing("") if each.kind is not Kind.FILE])
    assert look.names("nowhere") == ([], [])


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("symlink", Kind.SYMLINK),
        ("dangling-symlink", Kind.SYMLINK),
        ("folder", Kind.FOLDER),
        ("fifo", Kind.OTHER),
        ("socket", Kind.OTHER),
    ],
)
def test_kinds(root: Path, look: Reading, kind: str, expected: Kind) -> None:
    """The listing and a look at the path agree about what stands there, and no link is followed."""
    if kind == "socket" and not Path("/proc/self/fd").exists():
        pytest.skip("a short name for the socket needs /proc")
    put(root / "x", kind)
    assert look.kind("x") is expected
    assert look.listing("") == [Entry("x", expected)]
    assert look.fact("x") is None


def test_facts(root: Path, look: Reading) -> None:
    """A regular file is told by size, time and inode; a hard link is the same inode, a copy is not."""
    (root / "a").write_bytes(b"abc")
    (root / "b").hardlink_to(root / "a")
    (root / "c").write_bytes(b"abc")
    a, b, c = (look.fact(name) for name in "abc")
    assert a is not None
    assert b is not None
    assert c is not None
    assert (a.path, a.size, a.mtime_ns) == ("a", 3, (root / "a").stat().st_mtime_ns)
    assert a.inode == b.inode != c.inode
    assert look.kind("a") is Kind.FILE
    assert look.readable("a")


@pytest.mark.parametrize("path", ["nothing", "nothing/below", "nothing/far/below", "file/below"])
def test_what_is_not_there(root: Path, look: Reading, path: str) -> None:
    """A path that leads nowhere is nothing, whether its folder is missing or is a file."""
    (root / "file").write_bytes(b"")
    assert look.kind(path) is None
    assert look.fact(path) is None
    with pytest.raises((FileNotFoundError, NotADirectoryError)):
        look.open(path)


def test_listing_of_a_missing_folder_is_empty(look: Reading) -> None:
    """A folder that is not there has no names in it."""
    assert look.listing("nothing") == []
    assert look.listing("nothing/below") == []


@pytest.mark.parametrize("inner", ["link", "link/deeper", "folder/link"])
def test_a_path_through_a_linked_folder_is_refused(root: Path, look: Reading, inner: str) -> None:
    """No part of a path may be a link: what lies behind one is neither seen, listed nor read."""
    (root / "folder").mkdir()
    (root.parent / "outside/deeper").mkdir()
    (root.parent / "outside/deeper/secret").write_bytes(b"secret")
    (root / "link").symlink_to(root.parent / "outside")
    (root / "folder/link").symlink_to(root.parent / "outside")
    assert (root / inner / "secret").exists()
    for read in (look.open, look.read, look.digest):
        with pytest.raises(OSError) as caught:  # noqa: PT011  # the number differs between systems
            read(f"{inner}/secret")
        assert caught.value.errno in (errno.ENOTDIR, errno.ELOOP)
    assert look.kind(f"{inner}/secret") is None
    assert look.fact(f"{inner}/secret") is None
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the errno is asserted below
        look.listing(inner)
    assert caught.value.errno in (errno.ENOTDIR, errno.ELOOP)


def test_an_absolute_path_stays_below_the_root(root: Path, look: Reading) -> None:
    """A leading slash is refused: it names no place inside the workspace."""
    for path in (f"{root.parent}/outside/secret", "/etc/passwd"):
        with pytest.raises(PermanentError, match="no path inside the workspace"):
            look.kind(path)


@pytest.mark.parametrize("path", ["../outside/secret", "folder/../../outside/secret"])
def test_dots_do_not_leave_the_root(root: Path, look: Reading, path: str) -> None:
    """`..` as a part of a path reaches nothing above the workspace, wherever the path came from."""
    (root / "folder").mkdir()
    with pytest.raises(PermanentError, match="no path inside the workspace"):
        look.kind(path)


def test_digest(root: Path, look: Reading) -> None:
    """Size and SHA-256 are those of the whole file, however many blocks it has."""
    for size in (0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7):
        data = (b"0123456789abcdef" * (size // 16 + 1))[:size]
        (root / "x").write_bytes(data)
        assert look.digest("x") == FileDigest(hashlib.sha256(data).hexdigest(), size)
        assert look.read("x") == data


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(-1, 3 * BLOCK), max_size=8))
def test_on_block_sees_every_byte_in_order(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int]
) -> None:
    """However the file is read, whoever listens is told exactly the bytes that were read, once, in order."""
    data = os.urandom(1024) * 2600 + b"end"
    folder = tmp_path_factory.mktemp("blocks")
    (folder / "x").write_bytes(data)
    told: list[bytes] = []
    look = Reading(str(folder))
    with look.open("x", lambda block: told.append(bytes(block))) as stream:
        read = b"".join(stream.readline() if size < 0 else stream.read(size) for size in sizes)
        assert b"".join(told).startswith(read)
        assert data.startswith(b"".join(told))
        read += stream.read()
    look.close()
    assert b"".join(told) == read == data


def test_on_block_refuses_what_is_no_file(root: Path, look: Reading) -> None:
    """Listening does not change what may be opened."""
    os.mkfifo(root / "x")
    with pytest.raises(PermanentError):
        look.open("x", lambda _: pytest.fail("a block was read"))


def test_open_random(root: Path, look: Reading) -> None:
    """Any part can be read, in any order; past the end there is nothing."""
    data = bytes(range(256)) * 10
    (root / "x").write_bytes(data)
    with look.open_random("x") as at:
        assert at(2000, 10) == data[2000:2010]
        assert at(0, 3) == data[:3]
        assert at(len(data) - 2, 10) == data[-2:]
        assert at(len(data) + 5, 10) == b""


def test_looking_changes_nothing(root: Path, look: Reading) -> None:
    """No time of a file or folder changes by being looked at, but for the time of last access."""
    (root / "folder").mkdir()
    (root / "folder/x").write_bytes(b"abc")
    paths = [root, root / "folder", root / "folder/x"]
    before = [(path.stat().st_mtime_ns, path.stat().st_ctime_ns) for path in paths]
    look.listing("")
    look.listing("folder")
    look.digest("folder/x")
    look.readable("folder/x")
    assert [(path.stat().st_mtime_ns, path.stat().st_ctime_ns) for path in paths] == before


def test_close_releases_every_folder(root: Path) -> None:
    """A room that is closed holds no descriptor, whatever it has looked at."""
    (root / "a/b/c").mkdir(parents=True)
    (root / "a/b/c/x").write_bytes(b"")
    if not Path("/proc/self/fd").exists():
        pytest.skip("open descriptors are counted in /proc")
    look = Reading(str(root))
    look.read("a/b/c/x")
    look.kind("a/b/nothing/x")
    with pytest.raises(NotADirectoryError):
        look.listing("a/b/c/x/y")
    look.listing("nothing")
    os.mkfifo(root / "a/fifo")
    (root / "a/y").write_bytes(b"y")
    assert [look.peek(path, 10) for path in ("a/y", "a/fifo", "a/nothing")] == [b"y", None, None]
    assert held(root)
    look.close()
    assert held(root) == []


def test_locate(root: Path) -> None:
    """The root alone may be a link; what stands there is told, and nothing is no error."""
    (root.parent / "link").symlink_to(root)
    (root / "x").write_bytes(b"")
    assert locate(str(root.parent / "link")) == (os.path.realpath(root), Kind.FOLDER)
    assert locate(str(root / "x"))[1] is Kind.FILE
    assert locate(str(root / "nothing"))[1] is None


def test_a_file_that_grows_is_read_whole() -> None:
    """A file that has more bytes than its size told is read to its end, as those of /proc are."""
    if not Path("/proc/self/cmdline").exists():
        pytest.skip("it takes a file whose size tells too little")
    room = Reading("/proc/self")
    assert room.read("cmdline") == Path("/proc/self/cmdline").read_bytes() != b""
    room.close()


def test_only_files_and_folders_have_a_mode(root: Path, look: Reading) -> None:
    """Who may do what is told of files and folders, and of nothing that leads elsewhere."""
    (root / "x").touch(0o640)
    (root / "folder").mkdir(0o750)
    (root / "link").symlink_to("x")
    assert [look.mode(name) for name in ("x", "folder", "link", "absent")] == [0o640, 0o750, None, None]


def test_readable_in_a_folder_that_was_not_looked_up(root: Path, look: Reading) -> None:
    """The answer is the same whether the folder is open already or not."""
    (root / "sub/deep").mkdir(parents=True)
    (root / "sub/deep/x").touch()
    (root / "sub/x").touch()
    assert [look.readable(path) for path in ("sub/x", "sub/x", "sub/deep/x", "sub/y")] == [
        True,
        True,
        True,
        False,
    ]


def test_a_name_that_no_disk_takes_is_absent(look: Reading) -> None:
    """Where a name is longer than any name may be, nothing stands."""
    assert look.kind("x" * 300) is None
    assert look.fact(f"{'y' * 300}/x") is None


def test_a_disk_that_cannot_tell_is_no_absence(root: Path, look: Reading) -> None:
    """Where the system refuses to look, nothing is called absent: the caller is told."""
    (root / "sub/deep").mkdir(parents=True)
    free = os.dup(0)
    os.close(free)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, limits[1]))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            look.kind("sub/deep/x")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.parametrize("path", ["..", "sub/..", "sub/.", "sub/", "../x", "sub/../x"])
def test_no_path_leads_elsewhere(root: Path, look: Reading, path: str) -> None:
    """What is no name below the workspace is refused by every look, not looked up."""
    (root / "sub").mkdir()
    look.kind("sub/x")
    for ask in (look.kind, look.fact, look.mode, look.readable, look.open):
        with pytest.raises(PermanentError, match="no path inside the workspace"):
            ask(path)


def test_whose_a_folder_is(root: Path) -> None:
    """A folder is somebody's; a file, a link and what is not there are nobody's."""
    (root / "x").touch()
    (root / "link").symlink_to(root)
    found = owned(str(root))
    assert found is not None
    assert found.uid == root.stat().st_uid
    assert [owned(str(root / name)) for name in ("x", "link", "absent")] == [None, None, None]
    assert [locate(path) for path in ("", "a\0b")] == [("", None), ("a\0b", None)]
