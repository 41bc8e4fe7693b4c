"""Others may change the workspace while a pass works: it looks again, and loses nothing."""

import errno
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from reconciler.check import check
from tests.workspaces import answered, files, put, request, run, scratch, settings


@pytest.fixture
def root() -> Iterator[Path]:
    """A place for a workspace."""
    with scratch() as folder:
        yield folder / "w"


def move_once(root: Path, at: tuple[str, str], act: Callable[[Path], object]) -> Callable[[str, str], None]:
    """A tap that lets somebody else change the workspace once, just before a change."""
    moved = False

    def tap(change: str, path: str) -> None:
        nonlocal moved
        if (change, path) == at and not moved:
            moved = True
            act(root)

    return tap


def append(path: str, line: dict[str, Any]) -> Callable[[Path], object]:
    """Somebody else adds a line to a file."""

    def act(root: Path) -> None:
        with (root / path).open("ab") as stream:
            stream.write(json.dumps(line).encode() + b"\n")

    return act


RECORD: Final = "workdir/.reconciler-tmp-batch_metadata_1.jsonl"


def test_an_answer_that_arrives_while_others_are_matched(root: Path) -> None:
    """The file grew after it was read: it is read again, and the late answer counts."""
    put(root, "1", input=[request(0), request(1)], output=[answered(0)])
    run(root, tap=move_once(root, ("create", RECORD), append("workdir/batch_output_1.jsonl", answered(1))))
    assert (root / "done/1").is_dir()
    assert check(str(root), settings()).account == {"answered": 2}
    assert check(str(root), settings()).findings == []


def test_a_wrong_answer_that_arrives_while_others_are_published(root: Path) -> None:
    """What was matched is not what lies there any more: nothing moves to done/ on the old verdict."""
    put(root, "1", input=[request(0)], output=[answered(0)])
    at = ("create", "target/.reconciler-tmp-1.results.jsonl")
    report = run(root, tap=move_once(root, at, append("workdir/batch_output_1.jsonl", answered(9))))
    assert report.exit_code == 3
    assert not (root / "done/1").exists()
    kept = files(root)
    assert sum(data.count(b'"q-9"') for path, data in kept.items() if "batch_output_1" in path) == 1


def test_an_input_that_changes_while_answers_are_matched(root: Path) -> None:
    """A request that is added late is a request without an answer, never a lost one."""
    put(root, "1", input=[request(0)], output=[answered(0)])
    report = run(
        root, tap=move_once(root, ("create", RECORD), append("workdir/batch_input_1.jsonl", request(1)))
    )
    assert report.exit_code == 3
    assert not (root / "done").exists()
    assert (root / "workdir/batch_input_1.jsonl").read_bytes().count(b"\n") == 2


@pytest.mark.parametrize(
    "at",
    [
        ("mkdir", "done/.staging-1"),
        ("link", "done/.staging-1/batch_input_1.jsonl"),
        ("link", "done/.staging-1/batch_output_1.jsonl"),
        ("rename", "done/1"),
    ],
    ids=":".join,
)
def test_an_answer_that_arrives_while_the_batch_moves(root: Path, at: tuple[str, str]) -> None:
    """However late a line comes, it is on disk afterwards, and check sees a file that was not settled so."""
    put(root, "1", input=[request(0)], output=[answered(0)])
    run(root, tap=move_once(root, at, append("workdir/batch_output_1.jsonl", answered(9))))
    kept = {path: data for path, data in files(root).items() if "batch_output_1" in path}
    assert kept
    assert all(b'"q-9"' in data for data in kept.values())
    if any(path.startswith("done/") for path in kept):
        assert [each.promise for each in check(str(root), settings()).findings] == [3]


def test_a_file_that_is_replaced_while_the_batch_moves(root: Path) -> None:
    """A file that takes another's live name during the move is not removed with it."""
    put(root, "1", input=[request(0)], output=[answered(0)])
    late = json.dumps(answered(5)).encode()

    def replace(root: Path) -> None:
        (root / "late").write_bytes(late)
        (root / "late").rename(root / "workdir/batch_output_1.jsonl")

    run(root, tap=move_once(root, ("rename", "done/1"), replace))
    assert [path for path, data in files(root).items() if data == late]


def test_an_answer_that_arrives_while_the_batch_is_copied(root: Path) -> None:
    """Across devices a late line is not in the copy; then the file that has it must not be removed."""
    put(root, "1", input=[request(0)], output=[answered(0)])
    add = append("workdir/batch_output_1.jsonl", answered(9))
    late = move_once(root, ("rename", "done/1"), add)

    def tap(change: str, path: str) -> None:
        late(change, path)
        if change == "link" and "/.staging-" in path:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    run(root, tap=tap)
    assert [path for path, data in files(root).items() if b'"q-9"' in data]


def test_a_file_that_vanishes_is_not_made_up(root: Path) -> None:
    """The output is taken away while its batch is worked on: nothing settles, nothing fails for good."""
    put(root, "1", input=[request(0)], output=[answered(0)])

    def take(root: Path) -> None:
        (root / "workdir/batch_output_1.jsonl").rename(root / "mine")

    run(root, tap=move_once(root, ("create", RECORD), take))
    assert not (root / "done/1").exists()
    (root / "mine").rename(root / "workdir/batch_output_1.jsonl")
    assert run(root).exit_code == 0
    assert check(str(root), settings()).findings == []


def test_a_world_that_never_stands_still_is_left_alone_after_a_while(root: Path) -> None:
    """A file that somebody keeps writing to is given up for this pass, exit 1, and settles later."""
    put(root, "1", input=[request(0)], output=[answered(0)])
    path = root / "workdir/batch_output_1.jsonl"

    def tap(_change: str, _path: str) -> None:
        if path.exists():
            seen = path.stat()
            os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns + 1))

    assert run(root, tap=tap).exit_code == 1
    assert run(root).exit_code == 0
