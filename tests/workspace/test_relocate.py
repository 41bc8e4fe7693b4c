"""A group of files moves together: whole in its new folder, or still where it was."""

import errno
import hashlib
import itertools
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import attrs
import pytest

from reconciler.errors import Clash, StaleSnapshot
from reconciler.model.coverage import FileDigest
from reconciler.model.identity import Role, file_name
from reconciler.workspace.effects import Effects
from reconciler.workspace.relocate import Moving, make_lasting, move_group, remove_sources, twins
from tests.workspace.faults import Crash, Trip, errno_failure, nothing, refusing, tree

CONTENT = {role: f"{role.value} of 7\n".encode() for role in Role}
FOLDER = "done/7"
DOCUMENT = ("manifest.json", b'{"name":"7"}\n')
AFTER = {
    "workdir": None,
    "done": None,
    "done/7": None,
    "done/7/manifest.json": DOCUMENT[1],
    **{f"done/7/{file_name(role, '7')}": data for role, data in CONTENT.items()},
}


def source(role: Role, live: str = "workdir") -> str:
    """Where a file of the batch stands before the move."""
    leaf = file_name(role, "7")
    return f"{live}/{leaf}" if live else leaf


def batch(root: Path, live: str = "workdir") -> dict[Role, Moving]:
    """A whole batch on disk, on its way."""
    (root / live).mkdir(parents=True, exist_ok=True)
    files = {}
    for role, data in CONTENT.items():
        (root / source(role, live)).write_bytes(data)
        files[role] = Moving(source(role, live), FileDigest(hashlib.sha256(data).hexdigest(), len(data)))
    return files


@attrs.define
class History:
    """What is told once the folder has its name."""

    root: Path
    told: int = 0

    def __call__(self) -> None:
        """The folder is whole, and every source is still there."""
        assert (self.root / FOLDER / DOCUMENT[0]).read_bytes() == DOCUMENT[1]
        assert all((self.root / source(role)).exists() for role in Role)
        self.told += 1


def complete(root: Path) -> None:
    """What the next pass does: finish an interrupted move when the folder is there, else move again."""
    fx = Effects(str(root))
    live = {role: source(role) for role in Role if (root / source(role)).exists()}
    if (root / FOLDER).exists():
        remove_sources(fx, twins(fx, live, FOLDER), FOLDER)
    else:
        assert live.keys() == set(Role)
        move_group(
            fx,
            {role: Moving(path, fx.digest(path)) for role, path in live.items()},
            FOLDER,
            DOCUMENT,
            nothing,
        )
    fx.close()


@attrs.define
class Both:
    """Two taps, one after the other."""

    first: Callable[[str, str], None]
    second: Callable[[str, str], None]

    def __call__(self, change: str, path: str) -> None:
        """Ask both."""
        self.first(change, path)
        self.second(change, path)


def across(trip: Trip) -> Callable[[str, str], None]:
    """A tap for a move across devices that fails where *trip* says."""
    tried: set[str] = set()

    def tap(change: str, path: str) -> None:
        trip(change, path)
        if change == "link" and "/.staging-7/batch_" in path and path not in tried:
            tried.add(path)
            failure = errno_failure(errno.EXDEV)()
            raise failure

    return tap


@pytest.mark.parametrize("live", ["workdir", ""])
def test_a_batch_moves_whole(tmp_path: Path, live: str) -> None:
    """Afterwards the folder holds every file and the document, and the old names are gone."""
    files = batch(tmp_path, live)
    fx = Effects(str(tmp_path))
    told: list[bool] = []
    move_group(fx, files, FOLDER, DOCUMENT, lambda: told.append((tmp_path / FOLDER).is_dir()))
    fx.close()
    assert told == [True]
    assert tree(tmp_path) == {path: data for path, data in AFTER.items() if live or path != "workdir"}


def test_the_files_themselves_move(tmp_path: Path) -> None:
    """On one device nothing is copied: each file keeps its inode."""
    files = batch(tmp_path)
    before = {file.leaf: (tmp_path / file.path).stat().st_ino for file in files.values()}
    fx = Effects(str(tmp_path))
    move_group(fx, files, FOLDER, DOCUMENT, nothing)
    fx.close()
    assert {leaf: (tmp_path / FOLDER / leaf).stat().st_ino for leaf in before} == before


def test_the_input_goes_last(tmp_path: Path) -> None:
    """Sources go only after the folder has its name on disk and history knows it, the input last of all."""
    files = batch(tmp_path)
    trip = Trip()
    fx = Effects(str(tmp_path), trip)
    move_group(fx, files, FOLDER, DOCUMENT, lambda: trip.seen.append(("history", FOLDER)))
    fx.close()
    end = trip.seen[trip.seen.index(("rename", FOLDER)) - 1 :]
    assert end == [
        ("fsync-folder", "done/.staging-7"),
        ("rename", FOLDER),
        ("fsync-folder", "done"),
        ("history", FOLDER),
        *(("unlink", source(role)) for role in (Role.METADATA, Role.ERROR, Role.OUTPUT, Role.INPUT)),
        ("fsync-folder", "workdir"),
    ]


@pytest.mark.parametrize("device", ["one-device", "across-devices"])
@pytest.mark.parametrize(
    "failure", [Crash, errno_failure(errno.ENOSPC), errno_failure(errno.EIO)], ids=["crash", "ENOSPC", "EIO"]
)
def test_a_move_cut_off_anywhere_is_completed(
    tmp_path: Path, failure: Callable[[], BaseException], device: str
) -> None:
    """Whichever change fails, no byte is lost, the folder is whole or absent, and the next try ends alike."""
    for at in itertools.count(1):
        root = tmp_path / str(at)
        files = batch(root)
        trip = Trip(at, failure, sticky=True)
        history = History(root)
        fx = Effects(str(root), trip if device == "one-device" else across(trip))
        with suppress(Crash, OSError):
            move_group(fx, files, FOLDER, DOCUMENT, history)
        fx.close()
        left = tree(root)
        if not (root / FOLDER).exists():
            assert history.told == 0
            assert {source(role): left[source(role)] for role in Role} == {
                source(role): data for role, data in CONTENT.items()
            }
        else:
            moved = {path: data for path, data in left.items() if path.startswith(f"{FOLDER}/")}
            assert moved == {path: data for path, data in AFTER.items() if path.startswith(f"{FOLDER}/")}
            answers = any((root / source(role)).exists() for role in (Role.OUTPUT, Role.ERROR))
            assert (root / source(Role.INPUT)).exists() or not answers
        complete(root)
        assert tree(root) == AFTER
        if not trip.reached:
            assert at > 20
            return


def test_a_crash_while_history_is_told(tmp_path: Path) -> None:
    """When the folder has its name and history could not be told, every source is still there."""
    files = batch(tmp_path)
    fx = Effects(str(tmp_path))

    def fail() -> None:
        raise Crash

    with pytest.raises(Crash):
        move_group(fx, files, FOLDER, DOCUMENT, fail)
    fx.close()
    assert all((tmp_path / source(role)).exists() for role in Role)
    complete(tmp_path)
    assert tree(tmp_path) == AFTER


def test_across_devices_the_content_is_copied(tmp_path: Path) -> None:
    """Where no link is possible, equal bytes stand in the folder and the sources go all the same."""
    files = batch(tmp_path)
    before = {(tmp_path / file.path).stat().st_ino for file in files.values()}
    trip = Trip()
    fx = Effects(str(tmp_path), across(trip))
    keep = [(tmp_path / file.path).open("rb") for file in files.values()]  # so that no inode is used again
    move_group(fx, files, FOLDER, DOCUMENT, nothing)
    fx.close()
    assert tree(tmp_path) == AFTER
    assert before.isdisjoint(path.stat().st_ino for path in (tmp_path / FOLDER).iterdir())
    for stream in keep:
        stream.close()


@pytest.mark.parametrize("mode", ["ab", "r+b"], ids=["grown", "of-the-same-size"])
def test_a_source_that_changes_while_it_is_copied(tmp_path: Path, mode: str) -> None:
    """A copy that is not what the digest says never gets the final name, and every source stays."""
    files = batch(tmp_path)
    trip = Trip()

    def write_meanwhile(change: str, path: str) -> None:
        if change == "create" and "batch_output" in path:
            with (tmp_path / source(Role.OUTPUT)).open(mode) as file:
                file.write(b"more\n")

    fx = Effects(str(tmp_path), Both(write_meanwhile, across(trip)))
    with pytest.raises(StaleSnapshot, match=r"batch_output_7\.jsonl changed while it was moved"):
        move_group(fx, files, FOLDER, DOCUMENT, lambda: pytest.fail("history was told"))
    fx.close()
    assert not (tmp_path / FOLDER).exists()
    assert all((tmp_path / source(role)).exists() for role in Role)


@pytest.mark.parametrize("kind", ["folder", "file", "symlink"])
def test_a_taken_name_is_a_clash(tmp_path: Path, kind: str) -> None:
    """What stands under the final name keeps its bytes, every source stays, and history is not told."""
    files = batch(tmp_path)
    (tmp_path / "done").mkdir()
    final = tmp_path / FOLDER
    if kind == "folder":
        final.mkdir()
        (final / "manifest.json").write_bytes(b"older\n")
    elif kind == "file":
        final.write_bytes(b"older\n")
    else:
        final.symlink_to("../workdir")
    before = tree(tmp_path)
    fx = Effects(str(tmp_path))
    with pytest.raises(Clash):
        move_group(fx, files, FOLDER, DOCUMENT, lambda: pytest.fail("history was told"))
    fx.close()
    after = {path: data for path, data in tree(tmp_path).items() if ".staging-7" not in path}
    assert after == before


def test_history_of_another_tool_is_copied_and_kept(tmp_path: Path) -> None:
    """A file that lies flat in `done/` is copied into the folder and stays where it is."""
    files = batch(tmp_path)
    flat = "done/batch_input_7.jsonl"
    (tmp_path / "done").mkdir()
    (tmp_path / source(Role.INPUT)).rename(tmp_path / flat)
    files[Role.INPUT] = attrs.evolve(files[Role.INPUT], path=flat, keep=True)
    fx = Effects(str(tmp_path))
    move_group(fx, files, FOLDER, DOCUMENT, nothing)
    fx.close()
    assert tree(tmp_path) == {**AFTER, flat: CONTENT[Role.INPUT]}
    assert not (tmp_path / flat).samefile(tmp_path / FOLDER / file_name(Role.INPUT, "7"))


def test_history_is_kept_when_an_interrupted_move_is_completed(tmp_path: Path) -> None:
    """Completing a move removes live files only, never what lies flat in `done/`."""
    files = batch(tmp_path)
    flat = "done/batch_input_7.jsonl"
    (tmp_path / "done").mkdir()
    (tmp_path / source(Role.INPUT)).rename(tmp_path / flat)
    files[Role.INPUT] = attrs.evolve(files[Role.INPUT], path=flat, keep=True)

    def fail() -> None:
        raise Crash

    fx = Effects(str(tmp_path))
    with pytest.raises(Crash):
        move_group(fx, files, FOLDER, DOCUMENT, fail)
    live = {role: file.path for role, file in files.items()}
    remove_sources(fx, twins(fx, live, FOLDER), FOLDER)
    fx.close()
    assert tree(tmp_path) == {**AFTER, flat: CONTENT[Role.INPUT]}


def test_twins_know_an_interrupted_move(tmp_path: Path) -> None:
    """Live files that have their equals in the folder are its tail, whichever are left."""
    files = batch(tmp_path)
    stopped = Effects(str(tmp_path), stopping_at_sources)
    with pytest.raises(Crash):
        move_group(stopped, files, FOLDER, DOCUMENT, nothing)
    stopped.close()
    fx = Effects(str(tmp_path))
    assert twins(fx, {role: file.path for role, file in files.items()}, FOLDER) == files
    assert twins(fx, {Role.INPUT: source(Role.INPUT)}, FOLDER) == {Role.INPUT: files[Role.INPUT]}
    assert twins(fx, {}, FOLDER) == {}
    fx.close()


def stopping_at_sources(change: str, path: str) -> None:
    """A tap that stops the world before the first source goes."""
    if change == "unlink" and path.startswith("workdir/"):
        raise Crash


@pytest.mark.parametrize("change", ["other-bytes", "longer", "empty", "no-twin", "linked-twin"])
def test_what_has_no_twin_is_a_clash(tmp_path: Path, change: str) -> None:
    """A live file that differs from the one in the folder, or has none there, is never removed."""
    files = batch(tmp_path)
    (tmp_path / FOLDER).mkdir(parents=True)
    for role, data in CONTENT.items():
        (tmp_path / FOLDER / file_name(role, "7")).write_bytes(data)
    live, twin = tmp_path / source(Role.INPUT), tmp_path / FOLDER / file_name(Role.INPUT, "7")
    match change:
        case "no-twin":
            twin.unlink()
        case "linked-twin":
            twin.unlink()
            twin.symlink_to(live)
        case _:
            data = live.read_bytes()
            live.write_bytes({"other-bytes": data.swapcase(), "longer": data + b"\n", "empty": b""}[change])
    before = tree(tmp_path)
    fx = Effects(str(tmp_path))
    with pytest.raises(Clash, match="nothing was overwritten or removed"):
        twins(fx, {role: file.path for role, file in files.items()}, FOLDER)
    fx.close()
    assert tree(tmp_path) == before


def test_a_disk_without_any_links(tmp_path: Path) -> None:
    """Where no file can have two names, a batch still moves whole."""
    files = batch(tmp_path)
    fx = Effects(str(tmp_path), refusing("link", errno.EPERM))
    move_group(fx, files, FOLDER, DOCUMENT, nothing)
    fx.close()
    assert tree(tmp_path) == AFTER


def test_a_source_that_vanished_is_not_missed(tmp_path: Path) -> None:
    """A live file that is gone, or has no twin, ends nothing; the others go, and no twin is touched."""
    files = batch(tmp_path)
    (tmp_path / FOLDER).mkdir(parents=True)
    for role in (Role.INPUT, Role.OUTPUT):
        (tmp_path / FOLDER / file_name(role, "7")).hardlink_to(tmp_path / source(role))
    (tmp_path / source(Role.OUTPUT)).unlink()
    room = Effects(str(tmp_path))
    remove_sources(room, files, FOLDER)
    room.close()
    kept = {source(role): CONTENT[role] for role in (Role.METADATA, Role.ERROR)}
    twins_there = {f"{FOLDER}/{file_name(role, '7')}": CONTENT[role] for role in (Role.INPUT, Role.OUTPUT)}
    assert {path: data for path, data in tree(tmp_path).items() if data is not None} == kept | twins_there


def test_what_is_there_is_made_lasting(tmp_path: Path) -> None:
    """Of the files that a manifest names, those that are left are brought to disk, and then their names."""
    synced: list[int] = []

    def syncs(opened: Sequence[int]) -> None:
        synced.extend(os.fstat(each).st_ino for each in opened)

    (tmp_path / FOLDER).mkdir(parents=True)
    for leaf in ("manifest.json", "mine"):
        (tmp_path / FOLDER / leaf).write_bytes(b"")
    before, fx = tree(tmp_path), Effects(str(tmp_path), syncs=syncs)
    make_lasting(fx, FOLDER, ("manifest.json", file_name(Role.INPUT, "7")))
    fx.close()
    places = ("done/7/manifest.json", "done/7", "done")
    assert synced == [(tmp_path / each).stat().st_ino for each in places]
    assert tree(tmp_path) == before
